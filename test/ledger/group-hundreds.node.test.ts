import { describe, expect, it } from 'vitest'
import { reserve } from '../../shared/command/reserve.ts'
import { err } from '../../shared/result.ts'
import { expectAgreement, ipObjects } from '../support/agreement.ts'
import { answered, dyingAt, insisted, invalid, lost, put, warm } from '../support/drive.ts'
import { type Intercept, refusal, type World } from '../support/world.ts'

const QUIET_MS = 400_000
const SIZE = 700
/** So near the end that several hundred objects are there, and as many rows proven, before it is met. */
const BAD = 690
const WISHES = Array.from({ length: SIZE }, (_, n) => ({ podName: `pod-${n}`, subnet: 'lab' }))

async function counters(world: World) {
  const view = await world.ledger('lab').view()
  if (!view) throw new Error('no Subnet')
  const { using, v4Available, v6Available, v4, v6 } = view
  return { using, v4Available, v6Available, v4, v6 }
}

/** A Subnet with room, and a group of 700 whose object number 690 goes wrong. */
async function spoilt(failure: typeof invalid) {
  const world = await warm()
  await put(world, { cidrBlock: '10.30.0.0/20' })
  const before = await counters(world)
  world.sent.length = 0
  let made = 0
  const intercept: Intercept = async (requests, pass) => {
    const bad = requests.find(
      (request) => request.verb === 'create' && request.object.metadata.name === `pod-${BAD}.default`,
    )
    const passed = requests.filter((request) => request !== bad)
    const replies = passed.length > 0 ? await pass(passed) : []
    made = Math.max(made, ipObjects(world, 'lab').length)
    return requests.map((request) => {
      const reply = request === bad ? undefined : replies[passed.indexOf(request)]
      return reply ?? err(failure)
    })
  }
  world.intercept = intercept
  return { world, before, made: () => made }
}

/** Nothing of the group is left, in the cluster, in the rows and in the counters; all of it has room again. */
async function expectNothing(world: World, before: unknown, died?: string): Promise<void> {
  const rows = world.sql('lab').all(`SELECT nic, state FROM lease`)
  expect(rows, died).toEqual([])
  expect(ipObjects(world, 'lab'), died).toEqual([])
  expect(await counters(world), died).toEqual(before)
  await expectAgreement(world, 'lab')
}

describe('a group of 700 of which object 690 is refused', { timeout: 120_000 }, () => {
  it('leaves none of the 690 that were there already', async () => {
    const { world, before, made } = await spoilt(invalid)
    const outcome = await answered(world, reserve(world.ports, world.reserveCommand(WISHES)), 'lab')
    await world.pass(QUIET_MS, 'lab')
    if (outcome.kind === 'refused')
      expect(refusal(outcome)).toMatchObject({ code: 'invalid_field', findings: [{ item: BAD }] })
    else expect(outcome.kind).toBe('pending')
    expect(made()).toBeGreaterThanOrEqual(BAD)
    await expectNothing(world, before)
  })

  it.each([
    ['refused', invalid],
    ['not answered', lost],
  ])('leaves none when the process dies at each point (%s)', async (_, failure) => {
    const points: string[] = []
    for (;;) {
      const { world, before } = await spoilt(failure)
      const died = await dyingAt(
        world,
        points.length,
        async () => {
          await reserve(world.ports, world.reserveCommand(WISHES))
          await world.pass(QUIET_MS, 'lab')
        },
        'lab',
      )
      await world.pass(QUIET_MS, 'lab')
      await expectNothing(world, before, died)
      if (died === undefined) break
      points.push(died)
    }
    expect(points.length, points.join('; ')).toBeGreaterThanOrEqual(12)
  })
})

describe('a group of 700', { timeout: 60_000 }, () => {
  it('for which 509 addresses are left is refused and has none, and each without one is named', async () => {
    const world = await warm()
    await put(world, { cidrBlock: '10.30.0.0/23' })
    const before = await counters(world)
    const outcome = await reserve(world.ports, world.reserveCommand(WISHES))
    const { code, findings } = refusal(outcome)
    expect(code).toBe('no_capacity')
    expect(findings?.map(({ item }) => item)).toEqual(Array.from({ length: SIZE - 509 }, (_, n) => 509 + n))
    await expectNothing(world, before)
  })

  it.each([
    ['held', false],
    ['held', true],
    ['bound', false],
    ['bound', true],
  ])(
    'whose storage fails after 600 of its rows were %s: none of it, and all of it later (killed: %s)',
    async (state, killed) => {
      const world = await warm()
      await put(world, { cidrBlock: '10.30.0.0/20' })
      const before = await counters(world)
      const sql = world.sql('lab')
      const [verb, when] =
        state === 'held'
          ? ['INSERT', `(SELECT count(*) FROM lease) >= 600`]
          : ['UPDATE', `NEW.state = 'bound' AND (SELECT count(*) FROM lease WHERE state = 'bound') >= 600`]
      sql.run(
        `CREATE TRIGGER full BEFORE ${verb} ON lease WHEN ${when} BEGIN SELECT RAISE(ABORT, 'disk'); END`,
      )
      // The alarm flushes: the trigger is there to stay.
      await world.alarm('lab')
      const command = world.reserveCommand(WISHES, { idempotencyKey: 'g' })
      const first = await answered(world, reserve(world.ports, command), 'lab').catch((error: Error) => error)
      expect(first).toMatchObject(state === 'held' ? { message: 'disk' } : { kind: 'pending' })
      if (killed) world.restart('lab')
      const rows = sql.all(`SELECT state, count(*) AS n FROM lease GROUP BY state`)
      expect(rows).toEqual(state === 'held' ? [] : [{ state: 'held', n: SIZE }])
      if (state === 'held') expect(await counters(world)).toEqual(before)
      sql.run(`DROP TRIGGER full`)
      await insisted(world, () => reserve(world.ports, command), 'lab')
      await world.pass(QUIET_MS, 'lab')
      expect(sql.all(`SELECT state, count(*) AS n FROM lease GROUP BY state`)).toEqual([
        { state: 'bound', n: SIZE },
      ])
      await expectAgreement(world, 'lab')
    },
  )
})
