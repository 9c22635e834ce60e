import { describe, expect, it } from 'vitest'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import type { ReserveItem } from '../../shared/command/types.ts'
import { QUICK } from '../../shared/elapsed.ts'
import { Ledger } from '../../shared/ledger/ledger.ts'
import type { Sql } from '../../shared/sql.ts'
import { expectAgreement } from '../support/agreement.ts'
import { answered, busy, first, invalid, parked, refuse, warm } from '../support/drive.ts'
import { refusal, reserved, type World } from '../support/world.ts'

const COOL_MS = 300_000
/** When a cool-down ends that no clock disturbs. */
const OVER_MS = COOL_MS + QUICK.leewayMs
const OWN = '10.16.0.9'
const wish = { podName: 'pod-a', v4IpAddress: OWN, macAddress: '00:00:00:00:00:09' }

/** A world in which pod-a's reservation is cooling down. */
async function cooling(podType: ReserveItem['podType'] = '') {
  const world = await warm({ quarantineMs: COOL_MS })
  const [before] = reserved(await reserve(world.ports, world.reserveCommand([{ ...wish, podType }])))
  reserved(await release(world.ports, world.releaseCommand('pod-a.default')))
  if (!before) throw new Error('nothing reserved')
  return { world, before }
}

const rows = (world: World) =>
  world.sql().all(`SELECT nic, state, v4 FROM lease WHERE nic = 'pod-a.default' ORDER BY state`)

it('somebody else who wishes for an address that cools down is told whose it was, and until when', async () => {
  const { world } = await cooling()
  const asked = () => reserve(world.ports, world.reserveCommand([{ podName: 'pod-b', v4IpAddress: OWN }]))
  const told = refusal(await asked()).findings?.[0] ?? refusal(await asked())
  const until = new Date(world.clock.nowMs() + OVER_MS).toISOString()
  expect(told).toMatchObject({
    code: 'address_taken',
    field: 'v4IpAddress',
    message: `${OWN} cools down after pod-a.default gave it back`,
    hint: `it is free about ${until}; its last owner may have it back before`,
  })
  await world.pass(OVER_MS + 1)
  expect(reserved(await asked())).toMatchObject([{ v4IpAddress: OWN }])
})

describe('an owner that comes back while its address cools down', () => {
  it.each<readonly [string, Partial<ReserveItem>]>([
    ['wishing nothing', {}],
    ['wishing its address', { v4IpAddress: OWN }],
    ['wishing its MAC', { macAddress: wish.macAddress.toUpperCase() }],
    ['as another kind of owner', { podType: 'StatefulSet' }],
  ])('%s gets the same reservation, next epoch', async (_, more) => {
    const { world, before } = await cooling()
    const [back] = reserved(await reserve(world.ports, world.reserveCommand([{ podName: 'pod-a', ...more }])))
    expect(back).toMatchObject({
      id: before.id,
      v4IpAddress: OWN,
      macAddress: wish.macAddress,
      state: 'bound',
      owner: { kind: more.podType ?? '' },
    })
    expect(Number(back?.object.metadata.annotations?.['berth/epoch'])).toBeGreaterThan(
      Number(before.object.metadata.annotations?.['berth/epoch']),
    )
    await world.pass(2 * COOL_MS)
    expect(rows(world)).toMatchObject([{ state: 'bound' }])
    await expectAgreement(world)
  })

  it.each<readonly [string, Partial<ReserveItem>, string | undefined]>([
    ['another address', { v4IpAddress: '10.16.0.77' }, undefined],
    ['another MAC', { macAddress: '00:00:00:00:00:77' }, undefined],
    [
      'another address and its old MAC',
      { v4IpAddress: '10.16.0.77', macAddress: wish.macAddress },
      'mac_taken',
    ],
    ['its address with another MAC', { v4IpAddress: OWN, macAddress: '00:00:00:00:00:77' }, 'address_taken'],
    ['an address outside', { v4IpAddress: '10.99.0.1' }, 'out_of_range'],
  ])('wishing %s is a new wish; the old one cools on', async (_, more, code) => {
    const { world, before } = await cooling()
    const outcome = await reserve(world.ports, world.reserveCommand([{ podName: 'pod-a', ...more }]))
    if (code !== undefined) expect(refusal(outcome).code).toBe(code)
    else {
      const [made] = reserved(outcome)
      expect(made).toMatchObject(more)
      expect(made?.id).not.toBe(before.id)
      expect(made?.v4IpAddress).not.toBe(OWN)
      expect(rows(world)).toMatchObject([{ state: 'bound' }, { state: 'quarantined' }])
      await expectAgreement(world)
      // Released again, both cool down, and the one that ends last is the one to come back.
      reserved(await release(world.ports, world.releaseCommand('pod-a.default')))
      const [back] = reserved(await reserve(world.ports, world.reserveCommand([{ podName: 'pod-a' }])))
      expect(back?.id).toBe(made?.id)
    }
    await world.pass(2 * COOL_MS)
    expect(rows(world).every(({ state }) => state === 'bound')).toBe(true)
    await expectAgreement(world)
  })

  it.each([
    ['by the cluster', refuse(invalid), 'invalid_field'],
    ['by a busy cluster until the deadline', refuse(busy(60_000)), 'unavailable'],
  ])('and is refused %s cools down anew: its address is nobody else’s early', async (_, answer, code) => {
    const { world, before } = await cooling()
    await world.pass(COOL_MS - 10_000)
    world.intercept = first(100, 'create', answer)
    const keyed = world.reserveCommand([{ podName: 'pod-a' }], { idempotencyKey: 'k' })
    const outcome = await answered(world, reserve(world.ports, keyed))
    if (outcome.kind === 'refused') expect(outcome.problem.code).toBe(code)
    await world.pass(70_000)
    world.intercept = (requests, pass) => pass(requests)
    expect(rows(world)).toMatchObject([{ state: 'quarantined' }])
    const stranger = await reserve(
      world.ports,
      world.reserveCommand([{ podName: 'other', v4IpAddress: OWN }]),
    )
    expect(refusal(stranger).code).toBe('address_taken')
    const [back] = reserved(await reserve(world.ports, world.reserveCommand([{ podName: 'pod-a' }])))
    expect([back?.id, back?.v4IpAddress]).toEqual([before.id, OWN])
    await expectAgreement(world)
  })
})

describe('the cool-down timer (P12, P21)', () => {
  it('late by a day frees once; running twice, or in a new incarnation, frees nothing more', async () => {
    const { world } = await cooling()
    for (let minutes = 0; minutes < 1_440; minutes++) {
      world.clock.advance(60_000)
      if (minutes % 100 === 0) world.restart()
    }
    await world.alarm()
    await world.pass(2 * COOL_MS)
    expect(rows(world)).toEqual([])
    const other = { podName: 'other', v4IpAddress: OWN }
    reserved(await reserve(world.ports, world.reserveCommand([other])))
    await world.alarm()
    await world.alarm()
    world.restart()
    await world.alarm()
    expect(await world.ledger().find('other.default')).toMatchObject({ state: 'bound', v4: OWN })
    await expectAgreement(world)
  })

  it('not yet flushed when the process dies frees again', async () => {
    const { world } = await cooling()
    await world.pass(OVER_MS - 1_000)
    world.clock.advance(2_000)
    world.ledger().due()
    world.restart()
    expect(rows(world)).toMatchObject([{ state: 'quarantined' }])
    await world.alarm()
    expect(rows(world)).toEqual([])
    await expectAgreement(world)
  })

  it('over storage that throws seven times frees nothing by halves, and heals (fault 11)', async () => {
    const { world } = await cooling()
    await world.pass(OVER_MS - 1_000)
    world.clock.advance(2_000)
    let broken = 7
    const sql: Sql = {
      ...world.sql(),
      run: (statement, ...parameters) => {
        if (broken > 0 && statement.startsWith('DELETE FROM lease')) {
          broken--
          throw new Error('storage is away')
        }
        return world.sql().run(statement, ...parameters)
      },
    }
    const { clock, random, settings } = world
    const ledger = new Ledger({ sql, clock, random, settings })
    for (let attempt = 0; attempt < 7; attempt++) {
      expect(() => ledger.due()).toThrow('storage is away')
      expect(await ledger.find('pod-a.default')).toMatchObject({ state: 'quarantined' })
      expect(ledger.nextAlarmMs()).toBeLessThanOrEqual(clock.nowMs() + QUICK.lookEveryMs)
      expect((await ledger.suggest(1, false))?.ok).toBe(true)
    }
    expect(ledger.due()).toEqual([])
    expect(await ledger.find('pod-a.default')).toBeUndefined()
    world.restart()
    await world.alarm()
    expect(rows(world)).toEqual([])
    await expectAgreement(world)
  })
})

const JUMPS = [
  ['an hour back', -3_600_000],
  ['an hour ahead', 3_600_000],
  ['ten years ahead', 315_360_000_000],
  ['nowhere', 0],
] as const

describe('the wall clock (fault 51)', () => {
  it.each(JUMPS)('jumps %s during a hold: the promise is made all the same, and once', async (_, jumpMs) => {
    for (const when of ['before', 'after'] as const) {
      const world = await warm()
      const park = parked(world, 'create', when)
      const pending = reserve(world.ports, world.reserveCommand([wish]))
      await park.arrived
      world.clock.jump(jumpMs)
      await world.alarm()
      park.go()
      const outcome = await answered(world, pending)
      await world.pass(400_000)
      if (outcome.kind === 'done') expect(reserved(outcome)[0]?.state).toBe('bound')
      expect(await world.ledger().find('pod-a.default')).toMatchObject({ state: 'bound', v4: OWN })
      await expectAgreement(world)
    }
  })

  it.each(JUMPS)('jumps %s during a cool-down: not a moment early, not for ever', async (_, jumpMs) => {
    const { world } = await cooling()
    await world.pass(100_000)
    world.clock.jump(jumpMs)
    world.restart()
    await world.alarm()
    await world.pass(COOL_MS - 100_000 - 1)
    expect(rows(world)).toMatchObject([{ state: 'quarantined' }])
    await world.pass(COOL_MS)
    expect(rows(world)).toEqual([])
  })

  it.each<readonly [string, readonly number[]]>([
    ['an hour, five times', Array(5).fill(3_600_000)],
    ['ten years, five times', Array(5).fill(315_360_000_000)],
    ['as far as hides between two looks', [QUICK.maxStepMs - QUICK.lookEveryMs]],
    ['an hour and back, five times', Array(5).fill([3_600_000, -3_600_000]).flat()],
  ])('jumps ahead %s in one cool-down: not a moment early', async (_, jumps) => {
    const { world } = await cooling()
    for (const jumpMs of jumps) {
      world.clock.jump(jumpMs)
      await world.pass(COOL_MS / jumps.length)
      expect(rows(world)).toMatchObject([{ state: 'quarantined' }])
    }
    await world.pass(COOL_MS)
    expect(rows(world)).toEqual([])
  })

  it('that stands still frees nothing, and what is due comes when it goes on', async () => {
    const { world } = await cooling()
    for (let run = 0; run < 100; run++) await world.alarm()
    expect(rows(world)).toMatchObject([{ state: 'quarantined' }])
    await world.pass(OVER_MS)
    expect(rows(world)).toEqual([])
  })
})
