import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { seeded } from './batch.ts'
import { Choices } from './choices.ts'
import { Counters } from './counters.ts'
import { unexplained } from './linear.ts'
import type { Logical } from './logical.ts'
import { MUTATIONS, UNDONE } from './mutations/list.ts'
import { scenarioOf } from './scenario.ts'
import { Schedule } from './schedule.ts'
import { type Recorded, replay, trimmed } from './shrink.ts'

const FIXTURES = resolve(import.meta.dirname, '../data/simulation')

describe('runs that once went wrong', () => {
  it.each(readdirSync(FIXTURES).filter((name) => name.endsWith('.json')))('%s', async (name) => {
    const recorded = JSON.parse(readFileSync(join(FIXTURES, name), 'utf8')) as Recorded
    expect((await replay(recorded)).violations).toEqual([])
  })
})

describe('a seed', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])('%i keeps every invariant', async (seed) => {
    const outcome = await seeded(seed)
    expect(outcome.violations).toEqual([])
    expect(outcome.events).toBeGreaterThan(100)
  })

  it('is the same run each time, and so is its record', async () => {
    const [one, other] = [await seeded(11), await seeded(11)]
    const recorded = await replay({ scenario: scenarioOf(11), choices: trimmed(one.choices) })
    expect([other.hash, recorded.hash]).toEqual([one.hash, one.hash])
    expect((await seeded(12)).hash).not.toBe(one.hash)
  })
})

describe('choices', () => {
  it('past the end of a record are calm, and one too large is the largest there is', () => {
    const choices = new Choices({ stream: [2, 9] })
    expect([choices.pick(3), choices.pick(4), choices.pick(5), choices.chance(1)]).toEqual([2, 3, 0, false])
  })
})

describe('the schedule', () => {
  const calm = () => new Schedule(new Choices({ stream: [] }))

  it('lets events happen by time, then in the order they were made, and not those called off', async () => {
    const schedule = calm()
    const seen: string[] = []
    const callOff = schedule.at(1, 'off', () => seen.push('off'))
    for (const [ms, label] of [
      [5, 'b'],
      [1, 'a'],
      [5, 'c'],
    ] as const)
      schedule.at(ms, label, () => seen.push(`${label}${schedule.passedMs}`))
    callOff()
    await schedule.run(5)
    expect(seen).toEqual(['a1', 'b5', 'c5'])
  })

  it('lets promises go on between two events', async () => {
    const schedule = calm()
    const seen: string[] = []
    const waits = new Promise<void>((resolve) => {
      schedule.at(1, 'one', () => {
        seen.push('one')
        resolve()
      })
    })
    waits.then(() => seen.push('after one'))
    schedule.at(1, 'two', () => seen.push('two'))
    await schedule.run(1)
    expect(seen).toEqual(['one', 'after one', 'two'])
  })
})

describe('an order of operations on one name', () => {
  const base = { name: 'a.default', subnet: 'small', isOptional: false, wished: [] }
  const reservation = (id: string, state = 'bound') => ({ id, state }) as Logical['reservation']
  const gave = (id: string, fromMs: number, toMs: number): Logical => ({
    ...base,
    kind: 'reserve',
    created: true,
    reservation: reservation(id),
    fromMs,
    toMs,
  })
  const took = (fromMs: number, toMs: number): Logical => ({ ...base, kind: 'release', fromMs, toMs })
  const saw = (id: string | undefined, fromMs: number, toMs: number): Logical => ({
    ...base,
    kind: 'read',
    reservation: id === undefined ? undefined : reservation(id),
    fromMs,
    toMs,
  })

  it.each<readonly [string, readonly Logical[]]>([
    ['given, seen, taken, given anew', [gave('1', 0, 1), saw('1', 2, 3), took(4, 5), gave('2', 6, 7)]],
    ['taken while it was given', [gave('1', 0, 5), took(1, 2), saw('1', 6, 7)]],
    [
      'given anew because somebody may have taken it',
      [gave('1', 0, 1), { ...took(2, Infinity), isOptional: true }, gave('2', 3, 4)],
    ],
  ])('explains: %s', (_, operations) => expect(unexplained(operations)).toBeUndefined())

  it.each<readonly [string, readonly Logical[]]>([
    ['two given, none taken', [gave('1', 0, 1), gave('2', 2, 3)]],
    ['seen after it was taken', [gave('1', 0, 1), took(2, 3), saw('1', 4, 5)]],
    ['not seen while it stood', [gave('1', 0, 1), saw(undefined, 2, 3)]],
    ['another seen', [gave('1', 0, 1), saw('2', 2, 3)]],
  ])('cannot explain: %s', (_, operations) => expect(unexplained(operations)).toContain('reserve'))
})

it('counters count', () => {
  const counters = new Counters()
  counters.hit('P1')
  counters.hit('P1', 2)
  expect(counters.counts.get('P1')).toBe(3)
})

it.each([...MUTATIONS, ...UNDONE])('mutation $id: what it changes stands there once', ({ edits }) => {
  for (const { file, find } of edits) {
    const text = readFileSync(resolve(import.meta.dirname, '../..', file), 'utf8')
    expect(text.split(find).length - 1, file).toBe(1)
  }
})
