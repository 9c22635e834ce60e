import { describe, expect, it } from 'vitest'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import { transfer } from '../../shared/command/transfer.ts'
import type { ReserveItem, TransferCommand } from '../../shared/command/types.ts'
import type { LedgerSettings } from '../../shared/ledger/settings.ts'
import { auditOf, expectAgreement, ipObjects } from '../support/agreement.ts'
import { answered, dyingAt, insisted, invalid } from '../support/drive.ts'
import { byHand, make, mirrored, podsObject } from '../support/foreign.ts'
import { FakePorts } from '../support/ports.ts'
import { refusal, reserved, World } from '../support/world.ts'

const QUIET_MS = 400_000
const ADDRESS = '10.16.0.9'
const MAC = '00:00:00:00:00:09'
const OLD = { name: 'pod-a.default', subnet: 'ovn-default' }
const TO = { namespace: 'shop', podName: 'pod-b', podType: '' } as const
const NEW = 'pod-b.shop'
const pod = (namespace: string, name: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { namespace, name },
})

const wishIn = (world: World, item: Partial<ReserveItem> = {}) =>
  reserve(world.ports, world.reserveCommand([item]))
const held = async (settings: Partial<LedgerSettings> = {}, more: Partial<ReserveItem> = {}) => {
  const world = settings.mirrored ? await mirrored(settings) : new World(settings)
  if (settings.ovn) world.ovn = new FakePorts()
  const [made] = reserved(await wishIn(world, { v4IpAddress: ADDRESS, macAddress: MAC, ...more }))
  return { world, made: made! }
}
const transferIn = (world: World, more: Partial<TransferCommand> = {}) =>
  transfer(world.ports, {
    tenant: 'key/a',
    requestId: 'r',
    dryRun: false,
    bodyHash: JSON.stringify(more),
    target: OLD,
    to: TO,
    force: false,
    ...more,
  })
const rows = (world: World) =>
  world
    .sql()
    .all<{ nic: string; state: string; mac: string }>(
      `SELECT nic, state, mac FROM lease WHERE v4 = ${0x0a100009}`,
    )
    .map(({ nic, state }) => [nic, state])

describe('a transfer', () => {
  it('keeps id, address and MAC, and changes owner and object', async () => {
    const { world, made } = await held({ quarantineMs: 60_000 })
    const [moved] = reserved(await answered(world, transferIn(world, { reason: 'renamed' })))
    expect(moved).toMatchObject({
      id: made.id,
      state: 'bound',
      name: NEW,
      owner: { namespace: 'shop', name: 'pod-b' },
      v4IpAddress: ADDRESS,
      macAddress: MAC,
      reason: 'renamed',
    })
    expect(ipObjects(world).map(({ metadata, spec }) => [metadata.name, spec?.v4IpAddress])).toEqual([
      [NEW, ADDRESS],
    ])
    expect(rows(world)).toEqual([[NEW, 'bound']])
    expect(await world.ledger().find(OLD.name)).toBeUndefined()
    const lines = auditOf(world).map(({ verb, actor, name, before, after }) => [
      verb,
      actor,
      name,
      (before as { state: string }).state,
      (after as { state: string }).state,
    ])
    expect(lines.slice(1)).toEqual([
      ['transfer', 'key/a', OLD.name, 'bound', 'releasing'],
      ['transfer', 'key/a', NEW, 'held', 'bound'],
    ])
    // Nobody is in the way of the old owner, and the new one gives back as any other.
    expect(reserved(await wishIn(world))[0]?.v4IpAddress).not.toBe(ADDRESS)
    await answered(
      world,
      release(world.ports, world.releaseCommand('x', { targets: [{ name: NEW, subnet: 'ovn-default' }] })),
    )
    await world.pass(QUIET_MS)
    await expectAgreement(world)
  })

  it('keeps the end it has', async () => {
    const { world, made } = await held({}, { ttlSeconds: 3_600 })
    expect(reserved(await answered(world, transferIn(world)))[0]?.expiresAt).toBe(made.expiresAt)
    for (let n = 0; n < 12; n++) await world.pass(600_000)
    expect(rows(world)).toEqual([])
  })

  it('as a dry run shows what it would be, and changes nothing', async () => {
    const { world, made } = await held()
    const [preview] = reserved(await transferIn(world, { dryRun: true }))
    expect(preview).toMatchObject({ name: NEW, v4IpAddress: ADDRESS, owner: { namespace: 'shop' } })
    expect(rows(world)).toEqual([[OLD.name, 'bound']])
    expect((await world.ledger().find(OLD.name))?.epoch).toBe(2)
    expect(made.name).toBe(OLD.name)
  })

  it('is answered the same under its key', async () => {
    const { world } = await held()
    const key = { idempotencyKey: 'k', bodyHash: 'one' }
    const first = reserved(await answered(world, transferIn(world, key)))
    expect(reserved(await answered(world, transferIn(world, key)))).toEqual(first)
    const other = await answered(world, transferIn(world, { ...key, bodyHash: 'two' }))
    expect(refusal(other).code).toBe('idempotency_mismatch')
  })

  it('never has the address free in between', async () => {
    const { world } = await held()
    const states: unknown[] = []
    world.flushed = () => states.push(rows(world).length)
    const taken: unknown[] = []
    world.intercept = async (requests, pass) => {
      const replies = await pass(requests)
      const other = await world
        .ledger()
        .hold({ ...world.reserveCommand([{ podName: 'thief', v4IpAddress: ADDRESS }]), dryRun: true })
      taken.push(other.kind === 'answer' && other.answer.kind)
      return replies
    }
    reserved(await answered(world, transferIn(world)))
    expect(new Set(states)).toEqual(new Set([1]))
    expect(taken.length).toBeGreaterThan(3)
    expect(new Set(taken)).toEqual(new Set(['refused']))
  })
})

describe('a transfer is refused, and changes nothing,', () => {
  it.each<[string, (world: World) => unknown, Partial<TransferCommand>, string, string]>([
    [
      'while the old owner lives',
      (world) => void byHand(world, { verb: 'create', object: pod('default', 'pod-a') }),
      {},
      'pod_alive',
      'podName',
    ],
    [
      'while the new owner lives',
      (world) => void byHand(world, { verb: 'create', object: pod('shop', 'pod-b') }),
      {},
      'pod_alive',
      'to.podName',
    ],
    [
      'though forced, while the new owner lives',
      (world) => void byHand(world, { verb: 'create', object: pod('shop', 'pod-b') }),
      { force: true },
      'pod_alive',
      'to.podName',
    ],
    [
      'to one who has a reservation',
      (world) => wishIn(world, { namespace: 'shop', podName: 'pod-b' }),
      {},
      'name_collision',
      'to.podName',
    ],
    [
      'to its owner',
      () => {},
      { to: { namespace: 'default', podName: 'pod-a', podType: '' } },
      'already_reserved',
      'to.podName',
    ],
    [
      'of nobody',
      () => {},
      { target: { name: 'nobody.default', subnet: 'ovn-default' } },
      'not_found',
      'name',
    ],
    [
      'to a name too long',
      () => {},
      { to: { namespace: 'n'.repeat(63), podName: 'p'.repeat(200), podType: '' } },
      'invalid_name',
      'to.podName',
    ],
  ])('%s', async (_, prepare, more, code, field) => {
    const { world } = await held()
    await prepare(world)
    const problem = refusal(await answered(world, transferIn(world, more)))
    expect([problem.code, problem.field]).toEqual([code, field])
    expect(rows(world)).toEqual([[OLD.name, 'bound']])
    await expectAgreement(world)
  })

  it('where the terms of the Subnet are against the new owner', async () => {
    const world = new World()
    const policy = JSON.stringify({ namespaces: ['default'] })
    const quotas = JSON.stringify({ default: { addresses: 1 } })
    const annotations = { 'berth/policy': policy, 'berth/quotas': quotas }
    byHand(world, {
      verb: 'create',
      object: {
        apiVersion: 'kubeovn.io/v1',
        kind: 'Subnet',
        metadata: { name: 'lab', annotations },
        spec: { cidrBlock: '10.77.0.0/24', gateway: '10.77.0.1', vpc: 'lab' },
      },
    })
    reserved(await wishIn(world, { subnet: 'lab' }))
    const target = { ...OLD, subnet: 'lab' }
    const problem = refusal(await answered(world, transferIn(world, { target })))
    expect([problem.code, problem.field]).toEqual(['outside_policy', 'to.namespace'])
    // Its own quota is full, and stays so: the same namespace takes no further place.
    const to = { namespace: 'default', podName: 'other', podType: '' } as const
    expect(reserved(await answered(world, transferIn(world, { target, to })))[0]?.name).toBe('other.default')
  })

  it('while something else is under way', async () => {
    const { world } = await held()
    world.intercept = (requests, pass) =>
      requests.some(({ verb }) => verb === 'delete') ? new Promise(() => {}) : pass(requests)
    await answered(world, release(world.ports, world.releaseCommand('x', { targets: [OLD] })))
    expect(refusal(await answered(world, transferIn(world))).code).toBe('releasing')
  })
})

describe('a transfer goes back', () => {
  it('where the cluster does not take the new object', async () => {
    const { world, made } = await held()
    world.intercept = (requests, pass) =>
      requests.some((one) => one.verb === 'create' && one.object.metadata.name === NEW)
        ? Promise.resolve(requests.map(() => ({ ok: false as const, error: invalid })))
        : pass(requests)
    expect(refusal(await answered(world, transferIn(world))).code).toBe('invalid_field')
    await world.pass(QUIET_MS)
    expect(await world.ledger().find(OLD.name)).toMatchObject({
      id: made.id,
      state: 'bound',
      v4: ADDRESS,
      mac: MAC,
    })
    expect(rows(world)).toEqual([[OLD.name, 'bound']])
    await expectAgreement(world)
  })

  it('where somebody else’s object has the name by then', async () => {
    const { world } = await held({ mirrored: true })
    world.intercept = (requests, pass) => {
      if (requests.some(({ verb }) => verb === 'delete')) {
        world.intercept = (later, through) => through(later)
        make(world, podsObject('pod-b', { namespace: 'shop', v4IpAddress: '10.16.0.77' }, { name: NEW }))
      }
      return pass(requests)
    }
    const why = refusal(await answered(world, transferIn(world)))
    expect(['name_collision', 'already_reserved']).toContain(why.code)
    await world.pass(QUIET_MS)
    expect(rows(world)).toEqual([[OLD.name, 'bound']])
    const names = ipObjects(world).map(({ metadata }) => metadata.name)
    expect(names).toContain(OLD.name)
  })

  it('where a logical switch port carries the address by then', async () => {
    const ports = new FakePorts()
    const { world } = await held({ ovn: true })
    world.ovn = ports
    world.intercept = (requests, pass) => {
      if (requests.some(({ verb }) => verb === 'delete')) ports.add('stray.default', 'default/stray', ADDRESS)
      return pass(requests)
    }
    expect(refusal(await answered(world, transferIn(world))).code).toBe('address_taken')
    await world.pass(QUIET_MS)
    expect(rows(world)).toEqual([[OLD.name, 'bound']])
  })

  it('where the new owner has been given another address meanwhile', async () => {
    const { world } = await held()
    world.intercept = async (requests, pass) => {
      const replies = await pass(requests)
      if (requests.some(({ verb }) => verb === 'delete')) {
        world.intercept = (later, through) => through(later)
        reserved(await wishIn(world, { namespace: 'shop', podName: 'pod-b' }))
      }
      return replies
    }
    expect(refusal(await answered(world, transferIn(world))).code).toBe('already_reserved')
    await world.pass(QUIET_MS)
    expect(rows(world)).toEqual([[OLD.name, 'bound']])
    expect((await world.ledger().find(NEW))?.state).toBe('bound')
    await expectAgreement(world)
  })
})

it('waits for an old owner who starts in the middle, and goes on when he has gone', async () => {
  const { world } = await held()
  world.intercept = async (requests, pass) => {
    const replies = await pass(requests)
    if (requests.some(({ verb }) => verb === 'delete')) {
      world.intercept = (later, through) => through(later)
      byHand(world, { verb: 'create', object: pod('default', 'pod-a') })
    }
    return replies
  }
  const outcome = await answered(world, transferIn(world))
  if (outcome.kind !== 'pending') throw new Error(`it ended ${outcome.kind}`)
  await world.pass(60_000)
  expect(rows(world)).toEqual([[OLD.name, 'releasing']])
  const ref = { kind: 'Pod', namespace: 'default', name: 'pod-a' } as const
  byHand(world, { verb: 'delete', ref, uid: byHand(world, { verb: 'get', ref }).metadata.uid! })
  await world.pass(QUIET_MS)
  expect(rows(world)).toEqual([[NEW, 'bound']])
  await expectAgreement(world)
})

describe('wherever the process dies', () => {
  it.each([0, 300_000])(
    'a transfer ends as it was asked for, or was never begun (cool-down %i)',
    async (quarantineMs) => {
      for (let n = 0; n < 80; n++) {
        for (const retried of [false, true]) {
          const { world, made } = await held({ quarantineMs })
          const ask = () => transferIn(world, { idempotencyKey: 'k', bodyHash: 'one' })
          const died = await dyingAt(world, n, ask)
          if (died === undefined) {
            expect(n).toBeGreaterThan(20)
            return
          }
          if (retried) reserved(await insisted(world, ask))
          await world.pass(QUIET_MS)
          const [[name, state] = []] = rows(world)
          expect([state, rows(world).length]).toEqual(['bound', 1])
          if (retried) expect(name).toBe(NEW)
          else expect([OLD.name, NEW]).toContain(name)
          expect((await world.ledger().find(name!))?.id).toBe(made.id)
          await expectAgreement(world)
        }
      }
      throw new Error('it never got through')
    },
  )

  it('one that goes back ends with its old owner', async () => {
    for (let n = 0; n < 80; n++) {
      const { world, made } = await held()
      world.intercept = (requests, pass) =>
        requests.some((one) => one.verb === 'create' && one.object.metadata.name === NEW)
          ? Promise.resolve(requests.map(() => ({ ok: false as const, error: invalid })))
          : pass(requests)
      if ((await dyingAt(world, n, () => transferIn(world))) === undefined) return
      await world.pass(QUIET_MS)
      expect(await world.ledger().find(OLD.name)).toMatchObject({ id: made.id, state: 'bound', v4: ADDRESS })
      await expectAgreement(world)
    }
    throw new Error('it never got through')
  })
})
