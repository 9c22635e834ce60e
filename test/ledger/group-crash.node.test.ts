import { describe, expect, it } from 'vitest'
import type { ClusterRequest } from '../../shared/cluster/port.ts'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import type { WriteOutcome } from '../../shared/command/types.ts'
import { err } from '../../shared/result.ts'
import { expectAgreement, ipObjects } from '../support/agreement.ts'
import { answered, dyingAt, insisted, invalid, lost, warm } from '../support/drive.ts'
import { type Intercept, refusal, reserved, type World } from '../support/world.ts'

const QUIET_MS = 400_000
const WISHES = ['a', 'b', 'c'].map((podName) => ({ podName }))
const NAMES = WISHES.map(({ podName }) => `${podName}.default`)

const states = (world: World) =>
  Object.fromEntries(
    world
      .sql()
      .all<{ nic: string; state: string }>(`SELECT nic, state FROM lease WHERE nic <> 'before.default'`)
      .map(({ nic, state }) => [nic, state]),
  )

/** Dies at each point in turn, until one is asked for that does not exist. */
async function atEachPoint(
  work: (n: number) => Promise<string | undefined>,
  atLeast: number,
): Promise<readonly string[]> {
  const names: string[] = []
  for (let n = 0; n < 60; n++) {
    const name = await work(n)
    if (name === undefined) {
      expect(names.length, names.join('; ')).toBeGreaterThanOrEqual(atLeast)
      return names
    }
    names.push(name)
  }
  throw new Error('no end of points')
}

/** Each request of a batch is answered by itself. */
const each =
  (answer: (request: ClusterRequest) => 'pass' | 'invalid' | 'lost' | 'applied, lost'): Intercept =>
  async (requests, pass) => {
    const said = new Map(requests.map((request) => [request, answer(request)]))
    const passed = requests.filter((request) => said.get(request)?.match(/pass|applied/))
    const replies = passed.length > 0 ? await pass(passed) : []
    return requests.map((request) => {
      if (said.get(request) === 'invalid') return err(invalid)
      const reply = said.get(request) === 'pass' ? replies[passed.indexOf(request)] : undefined
      return reply ?? err(lost)
    })
  }

const creates = (request: ClusterRequest, podName: string) =>
  request.verb === 'create' && request.object.metadata.name === `${podName}.default`

describe('a group of three dies', () => {
  it.each([false, true])('at each point: all of it bound or nothing (retried: %s)', async (retried) => {
    await atEachPoint(async (n) => {
      const world = await warm()
      const command = world.reserveCommand(WISHES, { idempotencyKey: 'g' })
      const died = await dyingAt(world, n, () => reserve(world.ports, command))
      if (retried) {
        const outcome = await insisted(world, () => reserve(world.ports, command))
        await world.pass(QUIET_MS)
        expect(reserved(outcome).map(({ name, state }) => [name, state])).toEqual(
          NAMES.map((name) => [name, 'bound']),
        )
      } else await world.pass(QUIET_MS)
      await expectAgreement(world)
      const left = Object.values(states(world))
      expect(left).toEqual(n === 0 && !retried ? [] : ['bound', 'bound', 'bound'])
      return died
    }, 6)
  })
})

/** Ways in which item `bad` spoils its group, and what the caller is told in the end. */
const SPOILT = [
  ['is refused', 'invalid', 'invalid_field'],
  ['is never answered', 'lost', 'unavailable'],
] as const

describe.each(SPOILT)('a group of which one item %s', (_, way, code) => {
  const intercept = (bad: string) => each((request) => (creates(request, bad) ? way : 'pass'))

  it.each([0, 1, 2])('at position %i is taken back as a whole, and says so', async (position) => {
    const world = await warm()
    world.intercept = intercept(WISHES[position]?.podName ?? '')
    const command = world.reserveCommand(WISHES, { idempotencyKey: 'g' })
    const outcome = await answered(world, reserve(world.ports, command))
    await world.pass(QUIET_MS)
    if (outcome.kind === 'refused') {
      expect(refusal(outcome)).toMatchObject({ code, findings: [{ code, item: position }] })
    } else expect(outcome.kind).toBe('pending')
    expect(states(world)).toEqual({})
    expect(ipObjects(world)).toHaveLength(1)
    await expectAgreement(world)
  })

  it.each([0, 1, 2])('at position %i and which dies at each point leaves nothing', async (position) => {
    const bad = WISHES[position]?.podName ?? ''
    await atEachPoint(async (n) => {
      const world = await warm()
      world.intercept = intercept(bad)
      const command = world.reserveCommand(WISHES, { idempotencyKey: 'g' })
      const died = await dyingAt(world, n, async () => {
        const outcome = await reserve(world.ports, command)
        await world.pass(QUIET_MS)
        return outcome
      })
      await world.pass(QUIET_MS)
      expect(states(world), died).toEqual({})
      expect(
        ipObjects(world).map(({ metadata }) => metadata.name),
        died,
      ).toEqual(['before.default'])
      await expectAgreement(world)
      return died
    }, 12)
  })
})

describe('a group some of whose replies were lost', () => {
  it.each([0, 1, 2])('rolls item %i forward, at each point of dying', async (position) => {
    const bad = WISHES[position]?.podName ?? ''
    await atEachPoint(async (n) => {
      const world = await warm()
      let left = 1
      world.intercept = each((request) => (creates(request, bad) && left-- > 0 ? 'applied, lost' : 'pass'))
      const command = world.reserveCommand(WISHES, { idempotencyKey: 'g' })
      const died = await dyingAt(world, n, () => reserve(world.ports, command))
      await world.pass(QUIET_MS)
      const bound = Object.values(states(world))
      expect(bound, died).toEqual(n === 0 && died !== undefined ? [] : ['bound', 'bound', 'bound'])
      await expectAgreement(world)
      return died
    }, 8)
  })
})

describe('a release of three dies', () => {
  it.each([0, 300_000])(
    'at each point: all of it goes or all of it stays (cool-down %i)',
    async (quarantineMs) => {
      await atEachPoint(async (n) => {
        const world = await warm({ quarantineMs })
        reserved(await reserve(world.ports, world.reserveCommand(WISHES)))
        const command = world.releaseCommand('', {
          targets: NAMES.map((name) => ({ name })),
          idempotencyKey: 'r',
        })
        let flushed = false
        const died = await dyingAt(world, n, () => release(world.ports, command))
        flushed = Object.values(states(world)).some((state) => state !== 'bound')
        await world.pass(120_000)
        const left = Object.values(states(world))
        expect(new Set(left).size, died).toBeLessThanOrEqual(1)
        if (flushed) expect(left).not.toContain('bound')
        const gone = reserved(await answered(world, release(world.ports, command)))
        expect(gone.map(({ state }) => state)).toEqual(
          Array(3).fill(quarantineMs === 0 ? 'free' : 'quarantined'),
        )
        expect(reserved((await release(world.ports, command)) as WriteOutcome)).toEqual(gone)
        await world.pass(QUIET_MS)
        expect(states(world)).toEqual({})
        await expectAgreement(world)
        return died
      }, 15)
    },
  )
})

describe('a group of several hundred, the last but one of which is refused', () => {
  const MANY = Array.from({ length: 400 }, (_, n) => ({ podName: `many-${String(n).padStart(3, '0')}` }))
  const BAD = 398
  /** The world, with its group under way; the refusal comes with the rest in the cluster. */
  async function spoilt() {
    const world = await warm()
    world.intercept = each((request) => (creates(request, MANY[BAD]!.podName) ? 'invalid' : 'pass'))
    const counts = await world.ledger().view()
    return { world, counts, command: world.reserveCommand(MANY, { idempotencyKey: 'many' }) }
  }
  const created = (world: World) => world.sent.filter(({ verb }) => verb === 'create').length

  it('is taken back whole, and the counters are what they were', async () => {
    const { world, counts, command } = await spoilt()
    const outcome = await answered(world, reserve(world.ports, command))
    await world.pass(QUIET_MS)
    expect(created(world)).toBeGreaterThanOrEqual(BAD)
    if (outcome.kind === 'refused')
      expect(refusal(outcome)).toMatchObject({ code: 'invalid_field', findings: [{ item: BAD }] })
    else expect(outcome.kind).toBe('pending')
    expect(refusal(await answered(world, reserve(world.ports, command)))).toMatchObject({
      code: 'invalid_field',
      findings: [{ item: BAD }],
    })
    expect(states(world)).toEqual({})
    expect(ipObjects(world)).toHaveLength(1)
    expect(await world.ledger().view()).toEqual(counts)
    await expectAgreement(world)
  })

  it('leaves nothing, wherever it dies on the way', async () => {
    let sawSome = false
    await atEachPoint(async (n) => {
      const { world, counts, command } = await spoilt()
      const died = await dyingAt(world, n, async () => {
        const outcome = await reserve(world.ports, command)
        await world.pass(QUIET_MS)
        return outcome
      })
      // Some of its objects are there already, and none of its reservations is.
      const objects = ipObjects(world).length - 1
      sawSome ||= objects > 0
      expect(Object.values(states(world)), died).not.toContain('bound')
      await world.pass(QUIET_MS)
      expect(states(world), died).toEqual({})
      expect(ipObjects(world), died).toHaveLength(1)
      expect(await world.ledger().view(), died).toEqual(counts)
      await expectAgreement(world)
      return died
    }, 8)
    expect(sawSome).toBe(true)
  }, 120_000)
})
