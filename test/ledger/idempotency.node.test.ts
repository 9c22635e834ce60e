import { describe, expect, it } from 'vitest'
import { operation } from '../../shared/command/find.ts'
import { putOwner } from '../../shared/command/owners.ts'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import { SLOW } from '../../shared/elapsed.ts'
import { expectAgreement } from '../support/agreement.ts'
import { answered, busy, driven, invalid, parked, put, refuse, turns, warm } from '../support/drive.ts'
import { snapshot } from '../support/snapshot.ts'
import { refusal, reserved, type World } from '../support/world.ts'

const DAY_MS = 86_400_000
const keyed = { idempotencyKey: 'the-key' }
const wish = { podName: 'pod-a' }
const other = { podName: 'pod-b' }
const keys = (world: World, subnet?: string) =>
  world.sql(subnet).all(`SELECT tenant, key, hash FROM idempotency`)

const podOf = (podName: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: podName, namespace: 'default' },
  spec: {},
})

describe('a key', () => {
  it('gives the same answer again, byte for byte: repeated, after a restart, after the release', async () => {
    const world = await warm()
    const command = world.reserveCommand([wish], keyed)
    const first = JSON.stringify(await reserve(world.ports, command))
    expect(JSON.stringify(await reserve(world.ports, command))).toBe(first)
    world.restart()
    expect(JSON.stringify(await reserve(world.ports, command))).toBe(first)
    reserved(await release(world.ports, world.releaseCommand('pod-a.default')))
    expect(JSON.stringify(await reserve(world.ports, command))).toBe(first)
    expect(await world.ledger().find('pod-a.default')).toBeUndefined()
    await expectAgreement(world)
  })

  it('gives a release’s answer again though the name is somebody else’s by then', async () => {
    const world = await warm()
    reserved(await reserve(world.ports, world.reserveCommand([wish])))
    const command = world.releaseCommand('pod-a.default', keyed)
    const first = JSON.stringify(await release(world.ports, command))
    reserved(await reserve(world.ports, world.reserveCommand([wish])))
    expect(JSON.stringify(await release(world.ports, command))).toBe(first)
    expect(await world.ledger().find('pod-a.default')).toMatchObject({ state: 'bound' })
  })

  it('of a wish that was there already is stored too', async () => {
    const world = await warm()
    reserved(await reserve(world.ports, world.reserveCommand([wish])))
    const command = world.reserveCommand([wish], keyed)
    const first = await reserve(world.ports, command)
    expect(first).toMatchObject({ kind: 'done', created: false })
    reserved(await release(world.ports, world.releaseCommand('pod-a.default')))
    expect(await reserve(world.ports, command)).toEqual(first)
  })

  it('with another body is refused, and nothing changes', async () => {
    const world = await warm()
    reserved(await reserve(world.ports, world.reserveCommand([wish], keyed)))
    const before = snapshot(world)
    const mismatch = { code: 'idempotency_mismatch', field: 'Idempotency-Key' }
    expect(refusal(await reserve(world.ports, world.reserveCommand([other], keyed)))).toMatchObject(mismatch)
    const giveBack = world.releaseCommand('pod-a.default', keyed)
    expect(refusal(await release(world.ports, giveBack))).toMatchObject(mismatch)
    expect(snapshot(world)).toEqual(before)
  })

  it('with another body is refused while the first is under way', async () => {
    const world = await warm()
    const park = parked(world, 'create')
    const first = reserve(world.ports, world.reserveCommand([wish], keyed))
    await park.arrived
    const second = await reserve(world.ports, world.reserveCommand([other], keyed))
    expect(refusal(second).code).toBe('idempotency_mismatch')
    park.go()
    reserved(await answered(world, first))
  })

  it('is a tenant’s own, and a Subnet’s own', async () => {
    const world = await warm()
    await put(world, { cidrBlock: '10.30.0.0/24' })
    const commands = [
      world.reserveCommand([wish], { ...keyed, tenant: 'anna' }),
      world.reserveCommand([other], { ...keyed, tenant: 'ben' }),
      world.reserveCommand([{ podName: 'pod-c', subnet: 'lab' }], { ...keyed, tenant: 'anna' }),
    ]
    for (const command of commands) {
      const first = reserved(await reserve(world.ports, command))
      expect(reserved(await reserve(world.ports, command))).toEqual(first)
    }
    expect(keys(world)).toHaveLength(2)
    expect(keys(world, 'lab')).toHaveLength(1)
  })

  it.each(['__proto__', 'constructor', "'; DROP TABLE lease; --", '%', 'k'.repeat(255)])(
    'is text and nothing else: %s',
    async (key) => {
      const world = await warm()
      const command = world.reserveCommand([wish], { idempotencyKey: key, tenant: key })
      const first = await reserve(world.ports, command)
      expect(await reserve(world.ports, command)).toEqual(first)
      expect(Object.keys(Object.prototype)).toEqual([])
      await expectAgreement(world)
    },
  )
})

describe('a final refusal', () => {
  it.each([
    ['by the ledger', { v4IpAddress: '10.99.0.1' }, 'out_of_range'],
    ['of an address', { v4IpAddress: '10.16.0.300' }, 'invalid_address'],
    ['of a taken address', { v4IpAddress: '10.16.0.2' }, 'address_taken'],
    ['of a name', { name: 'wrong' }, 'invalid_name'],
  ])('%s is stored, and stays when the reason goes', async (_, more, code) => {
    const world = await warm()
    const command = world.reserveCommand([{ ...wish, ...more }], keyed)
    const first = await reserve(world.ports, command)
    expect(refusal(first).code).toBe(code)
    reserved(await release(world.ports, world.releaseCommand('before.default')))
    world.restart()
    expect(await reserve(world.ports, command)).toEqual(first)
  })

  it('by the cluster is stored', async () => {
    const world = await warm()
    world.intercept = (requests, pass) =>
      requests[0]?.verb === 'create' ? refuse(invalid)(requests) : pass(requests)
    const command = world.reserveCommand([wish], keyed)
    const first = await reserve(world.ports, command)
    expect(refusal(first).code).toBe('invalid_field')
    world.intercept = (requests, pass) => pass(requests)
    expect(await reserve(world.ports, command)).toEqual(first)
    await expectAgreement(world)
  })

  it('because the owner lives is stored: another try needs another key', async () => {
    const world = await warm()
    await putOwner(world.ports, podOf('before'))
    const command = world.releaseCommand('before.default', keyed)
    const first = await release(world.ports, command)
    expect(refusal(first).code).toBe('pod_alive')
    world.store.send([
      { verb: 'delete', ref: { kind: 'Pod', namespace: 'default', name: 'before' }, uid: podUid(world) },
    ])
    expect(await release(world.ports, command)).toEqual(first)
    reserved(await release(world.ports, { ...command, idempotencyKey: 'another' }))
  })
})

function podUid(world: World): string {
  const ref = { kind: 'Pod', namespace: 'default', name: 'before' } as const
  const [pod] = world.store.send([{ verb: 'get', ref }])
  return (pod?.ok && pod.value.metadata.uid) || ''
}

describe('what is worth retrying is not stored', () => {
  it('no_capacity', async () => {
    const world = await warm()
    await put(world, { cidrBlock: '10.30.0.0/30' })
    reserved(await reserve(world.ports, world.reserveCommand([{ ...wish, subnet: 'lab' }])))
    const command = world.reserveCommand([{ ...other, subnet: 'lab' }], keyed)
    expect(refusal(await reserve(world.ports, command)).code).toBe('no_capacity')
    expect(keys(world, 'lab')).toEqual([])
    reserved(await release(world.ports, world.releaseCommand('pod-a.default')))
    reserved(await reserve(world.ports, command))
  })

  it('409 releasing', async () => {
    const world = await warm()
    const park = parked(world, 'delete')
    const leaving = release(world.ports, world.releaseCommand('before.default'))
    await park.arrived
    const command = world.reserveCommand([{ podName: 'before' }], keyed)
    const refused = refusal(await reserve(world.ports, command))
    expect(refused).toMatchObject({ code: 'releasing', retryAfterMs: expect.any(Number) })
    park.go()
    reserved(await answered(world, leaving))
    expect(reserved(await reserve(world.ports, command))[0]?.state).toBe('bound')
  })

  it('503, and its key may carry another body afterwards', async () => {
    const world = await warm()
    world.intercept = (requests, pass) =>
      requests[0]?.verb === 'create' ? refuse(busy())(requests) : pass(requests)
    const command = world.reserveCommand([wish], keyed)
    const pending = await driven(world, reserve(world.ports, command))
    if (pending.kind !== 'pending') throw new Error(`expected 202, got ${pending.kind}`)
    await world.pass(200_000)
    const view = await operation(world.ports, pending.operation)
    expect(view.ok && view.value).toMatchObject({ state: 'failed', problem: { code: 'unavailable' } })
    world.intercept = (requests, pass) => pass(requests)
    reserved(await reserve(world.ports, world.reserveCommand([other], keyed)))
    await expectAgreement(world)
  })

  it('dry runs', async () => {
    const world = await warm()
    reserved(await reserve(world.ports, world.reserveCommand([wish], { ...keyed, dryRun: true })))
    const wrong = { ...wish, v4IpAddress: '10.99.0.1' }
    refusal(await reserve(world.ports, world.reserveCommand([wrong], { ...keyed, dryRun: true })))
    reserved(await release(world.ports, world.releaseCommand('before.default', { ...keyed, dryRun: true })))
    expect(keys(world)).toEqual([])
    reserved(await reserve(world.ports, world.reserveCommand([other], keyed)))
  })
})

describe('a call that is still under way', () => {
  it('is joined by its own key, and by another one', async () => {
    const world = await warm()
    const park = parked(world, 'create')
    const first = reserve(world.ports, world.reserveCommand([wish], keyed))
    await park.arrived
    const twin = reserve(world.ports, world.reserveCommand([wish], keyed))
    const joiner = reserve(world.ports, world.reserveCommand([wish], { idempotencyKey: 'joiner' }))
    const nameless = reserve(world.ports, world.reserveCommand([wish]))
    await turns()
    park.go()
    const made = await answered(world, first)
    expect(made).toMatchObject({ kind: 'done', created: true })
    expect(await answered(world, twin)).toEqual(made)
    const found = { ...made, created: false }
    expect(await answered(world, joiner)).toEqual(found)
    expect(await answered(world, nameless)).toEqual(found)
    world.restart()
    expect(await reserve(world.ports, world.reserveCommand([wish], { idempotencyKey: 'joiner' }))).toEqual(
      found,
    )
    expect(world.sent.filter(({ verb }) => verb === 'create')).toHaveLength(1)
  })

  it('is 202 first and its final answer afterwards', async () => {
    const world = await warm()
    const park = parked(world, 'create', 'after')
    const command = world.reserveCommand([wish], keyed)
    void reserve(world.ports, command).catch(() => {})
    await park.arrived
    const waiting = await driven(world, reserve(world.ports, command))
    expect(waiting.kind).toBe('pending')
    await world.pass(60_000)
    const final = await reserve(world.ports, command)
    expect(final).toMatchObject({ kind: 'done', created: true })
    expect(await reserve(world.ports, command)).toEqual(final)
    const view = await operation(world.ports, waiting.kind === 'pending' ? waiting.operation : '')
    expect(view.ok && view.value.reservations).toEqual(reserved(final))
    await expectAgreement(world)
  })
})

describe('after 24 hours', () => {
  it('a key is forgotten, the hour in which the alarm sweeps included', async () => {
    const world = await warm()
    const command = world.reserveCommand([wish], keyed)
    reserved(await reserve(world.ports, command))
    reserved(await release(world.ports, world.releaseCommand('pod-a.default')))
    await world.pass(DAY_MS - 1_000)
    expect(reserved(await reserve(world.ports, command))[0]?.state).toBe('bound')
    expect(await world.ledger().find('pod-a.default')).toBeUndefined()
    await world.pass(SLOW.leewayMs + 2_000)
    expect(keys(world)).toHaveLength(1)
    reserved(await reserve(world.ports, command))
    expect(await world.ledger().find('pod-a.default')).toMatchObject({ state: 'bound' })
  })

  it.each([
    ['an hour', 3_600_000],
    ['ten years', 315_360_000_000],
  ])('and not before, though the wall clock jumps %s ahead five times', async (_, jumpMs) => {
    const world = await warm()
    const command = world.reserveCommand([wish], keyed)
    const refused = world.reserveCommand([{ v4IpAddress: '10.99.0.1' }], { idempotencyKey: 'refused' })
    const first = await reserve(world.ports, command)
    const why = await reserve(world.ports, refused)
    reserved(await release(world.ports, world.releaseCommand('pod-a.default')))
    for (let n = 0; n < 5; n++) {
      world.clock.jump(jumpMs)
      await world.pass(DAY_MS / 5 - 10)
      expect(await reserve(world.ports, command)).toEqual(first)
      expect(await reserve(world.ports, refused)).toEqual(why)
    }
    expect(await world.ledger().find('pod-a.default')).toBeUndefined()
  })

  it('a refusal is forgotten, however often it was asked for meanwhile', async () => {
    const world = await warm()
    const command = world.reserveCommand([{ ...wish, v4IpAddress: '10.16.0.2' }], keyed)
    expect(refusal(await reserve(world.ports, command)).code).toBe('address_taken')
    reserved(await release(world.ports, world.releaseCommand('before.default')))
    for (let hour = 0; hour < 24; hour++) {
      await world.pass(3_600_000)
      expect(refusal(await reserve(world.ports, command)).code).toBe('address_taken')
    }
    await world.pass(SLOW.leewayMs)
    reserved(await reserve(world.ports, command))
  })

  it('and not for ever, though the wall clock is set back a year', async () => {
    const world = await warm()
    reserved(await reserve(world.ports, world.reserveCommand([wish], keyed)))
    world.clock.jump(-31_536_000_000)
    await world.alarm()
    await world.pass(DAY_MS + SLOW.leewayMs + SLOW.lookEveryMs)
    expect(keys(world)).toEqual([])
  })

  it('the alarm has swept keys, operations and attempts, and sleeps', async () => {
    const world = await warm()
    for (let n = 0; n < 20; n++) {
      reserved(await reserve(world.ports, world.reserveCommand([wish], { idempotencyKey: `reserve-${n}` })))
      reserved(
        await release(world.ports, world.releaseCommand('pod-a.default', { idempotencyKey: `release-${n}` })),
      )
    }
    await world.pass(DAY_MS + 4 * 3_600_000)
    for (const table of ['idempotency', 'op', 'attempt']) {
      expect(world.sql().all(`SELECT * FROM ${table}`), table).toEqual([])
    }
    expect(world.ledger().nextAlarmMs()).toBeUndefined()
    await expectAgreement(world)
  })
})
