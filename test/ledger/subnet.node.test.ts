import { describe, expect, it } from 'vitest'
import { operation, reservation } from '../../shared/command/find.ts'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import { deleteSubnet, putSubnet, subnet } from '../../shared/command/subnets.ts'
import { QUICK } from '../../shared/elapsed.ts'
import { recount } from '../../shared/ledger/counts.ts'
import { LeaseTable } from '../../shared/ledger/lease.ts'
import { Space } from '../../shared/ledger/space.ts'
import { expectAgreement, ipObjects } from '../support/agreement.ts'
import { put, subnetManifest } from '../support/drive.ts'
import { Steps } from '../support/steps.ts'
import { Killed, refusal, reserved, World } from '../support/world.ts'

const inLab = (podName: string, v4IpAddress?: string) => ({
  subnet: 'lab',
  podName,
  ...(v4IpAddress === undefined ? {} : { v4IpAddress }),
})

const stateOf = async (world: World, name: string) => {
  const found = await reservation(world.ports, name, 'lab')
  return found.ok ? [found.value.state, found.value.contested ?? false] : undefined
}

describe('a Subnet', () => {
  it('is normalised as Kube-OVN does, and counted', async () => {
    const world = new World()
    const { created, subnet: view } = await put(world, { cidrBlock: '10.30.1.77/24' })
    expect(created).toBe(true)
    expect(view).toMatchObject({
      cidrBlock: '10.30.1.0/24',
      gateway: '10.30.1.1',
      excludeIps: ['10.30.1.1'],
      protocol: 'IPv4',
      provider: 'ovn',
      v4usingIPs: 0n,
      v4availableIPs: 253n,
    })
    expect((await put(world, { cidrBlock: '10.30.1.0/24' })).created).toBe(false)
  })

  it.each([
    [{ cidrBlock: '10.30.1.0/33' }, 'spec.cidrBlock'],
    [{}, 'spec.cidrBlock'],
    [{ cidrBlock: '10.30.1.0/24', gateway: '10.31.0.1' }, 'spec.gateway'],
    [{ cidrBlock: '10.30.1.0/24,10.30.2.0/24' }, 'spec.cidrBlock'],
  ])('is refused: %j', async (spec, field) => {
    const world = new World()
    const result = await putSubnet(world.ports, subnetManifest(spec), false)
    expect(!result.ok && result.error.field).toBe(field)
    expect((await subnet(world.ports, 'lab')).ok).toBe(false)
  })

  it('in use cannot be removed, an empty one can, and its name begins anew', async () => {
    const world = new World()
    await put(world, { cidrBlock: '10.30.1.0/24' })
    reserved(await reserve(world.ports, world.reserveCommand([inLab('a')])))
    const refused = await deleteSubnet(world.ports, 'lab', false)
    expect(!refused.ok && refused.error.code).toBe('subnet_in_use')
    reserved(await release(world.ports, world.releaseCommand('a.default')))
    expect((await deleteSubnet(world.ports, 'lab', false)).ok).toBe(true)
    expect(refusal(await reserve(world.ports, world.reserveCommand([inLab('a')]))).code).toBe(
      'unknown_subnet',
    )
    await put(world, { cidrBlock: '10.40.0.0/16' })
    const [again] = reserved(await reserve(world.ports, world.reserveCommand([inLab('a')])))
    expect(again?.v4IpAddress).toBe('10.40.0.2')
    await expectAgreement(world, 'lab')
  })

  it('whose removal died half way is either there or not, never in between', async () => {
    for (let n = 0; n < 20; n++) {
      const world = new World()
      await put(world, { cidrBlock: '10.30.1.0/24' })
      let passed = 0
      let died = false
      world.point = () => {
        if (died || passed++ === n) {
          died = true
          throw new Killed()
        }
      }
      await deleteSubnet(world.ports, 'lab', false).catch(() => {})
      world.point = () => {}
      if (!died) {
        expect(n).toBeGreaterThan(6)
        return
      }
      world.restart('lab')
      // Nobody visits: the alarm sees to it that the removal cannot land any more.
      await world.pass(200_000, 'lab')
      const [object] = world.store.send([{ verb: 'get', ref: { kind: 'Subnet', name: 'lab' } }])
      const outcome = await reserve(world.ports, world.reserveCommand([inLab('a')]))
      if (object?.ok) reserved(outcome)
      else expect(refusal(outcome).code).toBe('unknown_subnet')
      const view = await subnet(world.ports, 'lab')
      expect(view.ok || view.error.code, `dead at ${n}`).toBe(object?.ok ? true : 'unknown_subnet')
    }
    throw new Error('the removal has more points than expected')
  })
})

describe('a live change of CIDR', () => {
  it('strands what falls out, untouched, and takes back what fits again', async () => {
    const world = new World()
    await put(world, { cidrBlock: '10.30.1.0/24' })
    reserved(await reserve(world.ports, world.reserveCommand([inLab('low', '10.30.1.9')])))
    reserved(await reserve(world.ports, world.reserveCommand([inLab('high', '10.30.1.200')])))
    const before = ipObjects(world, 'lab')
    await put(world, { cidrBlock: '10.30.1.0/26' })
    expect(await stateOf(world, 'low.default')).toEqual(['bound', false])
    expect(await stateOf(world, 'high.default')).toEqual(['stranded', false])
    expect(ipObjects(world, 'lab')).toEqual(before)
    await expectAgreement(world, 'lab')
    const view = await subnet(world.ports, 'lab')
    expect(view.ok && view.value.ledger.v4).toMatchObject({ usable: 62n, bound: 1n, stranded: 1n, free: 60n })
    await put(world, { cidrBlock: '10.30.1.0/24' })
    expect(await stateOf(world, 'high.default')).toEqual(['bound', false])
    await expectAgreement(world, 'lab')
  })

  it('lets a stranded one be released without setting a bit', async () => {
    const world = new World({ quarantineMs: 300_000 })
    await put(world, { cidrBlock: '10.30.1.0/24' })
    reserved(await reserve(world.ports, world.reserveCommand([inLab('a', '10.30.1.200')])))
    await put(world, { cidrBlock: '10.30.1.0/26' })
    const [gone] = reserved(await release(world.ports, world.releaseCommand('a.default')))
    expect(gone?.state).toBe('free')
    await expectAgreement(world, 'lab')
  })

  it('that takes a cooling address out and in again does not end its cool-down', async () => {
    const world = new World({ quarantineMs: 300_000 })
    const steps = new Steps(world)
    const wide = { cidrBlock: '10.30.1.0/24' }
    await put(world, wide)
    const [made] = reserved(await reserve(world.ports, world.reserveCommand([inLab('a', '10.30.1.200')])))
    reserved(await release(world.ports, world.releaseCommand('a.default')))
    await put(world, { cidrBlock: '10.30.1.0/26' })
    expect(await stateOf(world, 'a.default')).toEqual(['quarantined', false])
    await expectAgreement(world, 'lab')
    world.restart('lab')
    await put(world, wide)
    const stranger = reserve(world.ports, world.reserveCommand([inLab('b', '10.30.1.200')]))
    expect(refusal(await stranger).code).toBe('address_taken')
    await expectAgreement(world, 'lab')
    const [back] = reserved(await reserve(world.ports, world.reserveCommand([inLab('a')])))
    expect([back?.id, back?.v4IpAddress]).toEqual([made?.id, '10.30.1.200'])
    reserved(await release(world.ports, world.releaseCommand('a.default')))
    await world.pass(300_000 + QUICK.leewayMs, 'lab')
    expect(world.sql('lab').all(`SELECT nic FROM lease`)).toEqual([])
    expect(steps.violations).toEqual([])
    await expectAgreement(world, 'lab')
  })

  it('that takes a cooling address out lets it cool to its end there', async () => {
    const world = new World({ quarantineMs: 300_000 })
    await put(world, { cidrBlock: '10.30.1.0/24' })
    reserved(await reserve(world.ports, world.reserveCommand([inLab('a', '10.30.1.200')])))
    reserved(await release(world.ports, world.releaseCommand('a.default')))
    await put(world, { cidrBlock: '10.30.1.0/26' })
    // Its owner is back, and gets what there is.
    const [other] = reserved(await reserve(world.ports, world.reserveCommand([inLab('a')])))
    expect(other?.v4IpAddress).toBe('10.30.1.2')
    await world.pass(300_000 + QUICK.leewayMs, 'lab')
    await put(world, { cidrBlock: '10.30.1.0/24' })
    const freed = reserve(world.ports, world.reserveCommand([inLab('b', '10.30.1.200')]))
    expect(reserved(await freed)[0]?.state).toBe('bound')
    await expectAgreement(world, 'lab')
  })

  it('takes back a reserve in flight whose address fell out', async () => {
    const world = new World()
    await put(world, { cidrBlock: '10.30.1.0/24' })
    let arrived = false
    let go: (() => void) | undefined
    world.intercept = async (requests, pass) => {
      if (requests[0]?.verb !== 'create') return pass(requests)
      arrived = true
      await new Promise<void>((resolve) => {
        go = resolve
      })
      return pass(requests)
    }
    const pending = reserve(world.ports, world.reserveCommand([inLab('a', '10.30.1.200')]))
    for (let turn = 0; turn < 300 && !arrived; turn++) await Promise.resolve()
    world.intercept = (requests, pass) => pass(requests)
    await put(world, { cidrBlock: '10.30.1.0/26' })
    go?.()
    await world.pass(200_000, 'lab')
    const outcome = await pending
    if (outcome.kind !== 'pending') throw new Error(`expected 202, got ${outcome.kind}`)
    const view = await operation(world.ports, outcome.operation)
    expect(view.ok && view.value).toMatchObject({ state: 'failed', problem: { code: 'out_of_range' } })
    expect(ipObjects(world, 'lab')).toEqual([])
    await expectAgreement(world, 'lab')
  })

  it('counts an excluded promise once', async () => {
    const world = new World()
    await put(world, { cidrBlock: '10.30.1.0/24' })
    reserved(await reserve(world.ports, world.reserveCommand([inLab('a', '10.30.1.100')])))
    await put(world, { cidrBlock: '10.30.1.0/24', excludeIps: ['10.30.1.100..10.30.1.109'] })
    const view = await subnet(world.ports, 'lab')
    expect(view.ok && view.value.ledger.v4).toMatchObject({ bound: 1n, excluded: 10n, free: 243n })
    await expectAgreement(world, 'lab')
    reserved(await release(world.ports, world.releaseCommand('a.default')))
    const after = await subnet(world.ports, 'lab')
    expect(after.ok && after.value.ledger.v4).toMatchObject({ bound: 0n, excluded: 11n, free: 243n })
    await expectAgreement(world, 'lab')
  })

  // Fault 59.
  it.each([
    ['excludeIps', { excludeIps: ['10.30.1.2'] }],
    ['the gateway', { gateway: '10.30.1.2' }],
  ])('of %s onto a promise: once released, its address is never chosen again', async (_, moved) => {
    const world = new World()
    await put(world, { cidrBlock: '10.30.1.0/29' })
    reserved(await reserve(world.ports, world.reserveCommand([inLab('a', '10.30.1.2')])))
    await put(world, { cidrBlock: '10.30.1.0/29', ...moved })
    reserved(await release(world.ports, world.releaseCommand('a.default')))
    const given: (string | undefined)[] = []
    for (let n = 0; n < 8; n++) {
      const outcome = await reserve(world.ports, world.reserveCommand([inLab(`b-${n}`)]))
      if (outcome.kind === 'done') given.push(outcome.reservations[0]?.v4IpAddress)
      else expect(refusal(outcome).code).toBe('no_capacity')
    }
    // The old gateway's address may be had, once it is none.
    const freed = 'gateway' in moved ? ['10.30.1.1'] : []
    expect(given).toEqual([...freed, '10.30.1.3', '10.30.1.4', '10.30.1.5', '10.30.1.6'])
    await expectAgreement(world, 'lab')
  })

  it('of the gateway onto a promise keeps it, contested', async () => {
    const world = new World()
    await put(world, { cidrBlock: '10.30.1.0/24' })
    reserved(await reserve(world.ports, world.reserveCommand([inLab('a', '10.30.1.100')])))
    await put(world, { cidrBlock: '10.30.1.0/24', gateway: '10.30.1.100' })
    expect(await stateOf(world, 'a.default')).toEqual(['bound', true])
    await put(world, { cidrBlock: '10.30.1.0/24', gateway: '10.30.1.1' })
    expect(await stateOf(world, 'a.default')).toEqual(['bound', false])
    await expectAgreement(world, 'lab')
  })

  it('of the gateway onto a promise and away ends no contest of another cause', async () => {
    const world = new World()
    await put(world, { cidrBlock: '10.30.1.0/24' })
    reserved(await reserve(world.ports, world.reserveCommand([inLab('a', '10.30.1.100')])))
    world.damage(`UPDATE lease SET contested = 1`, 'lab')
    world.restart('lab')
    for (const gateway of ['10.30.1.100', '10.30.1.1']) {
      await put(world, { cidrBlock: '10.30.1.0/24', gateway })
      expect(await stateOf(world, 'a.default')).toEqual(['bound', true])
    }
  })

  it('of the gateway onto a cooling address contests nobody', async () => {
    const world = new World({ quarantineMs: 300_000 })
    await put(world, { cidrBlock: '10.30.1.0/24' })
    reserved(await reserve(world.ports, world.reserveCommand([inLab('a', '10.30.1.100')])))
    reserved(await release(world.ports, world.releaseCommand('a.default')))
    await put(world, { cidrBlock: '10.30.1.0/24', gateway: '10.30.1.100' })
    expect(await stateOf(world, 'a.default')).toEqual(['quarantined', false])
  })

  it('older than what is known is ignored', async () => {
    const world = new World()
    await put(world, { cidrBlock: '10.30.1.0/24' })
    const [old] = world.store.send([{ verb: 'get', ref: { kind: 'Subnet', name: 'lab' } }])
    await put(world, { cidrBlock: '10.30.1.0/26' })
    if (!old?.ok) throw new Error('no Subnet')
    const { uid = '', resourceVersion = '' } = old.value.metadata
    const facts = (await world.ledger('lab').view())?.facts
    if (!facts) throw new Error('no facts')
    await world.ledger('lab').configure({ ...facts, uid, resourceVersion, cidrBlock: '10.30.1.0/24' })
    expect((await world.ledger('lab').view())?.cidrBlock).toBe('10.30.1.0/26')
  })
})

describe('pages', () => {
  it.each([
    ['lost', `DELETE FROM page`],
    ['damaged', `UPDATE page SET bytes = zeroblob(length(bytes))`],
    [
      'damaged where nobody looked yet',
      `UPDATE page SET bytes = zeroblob(length(bytes)) WHERE key <> 'layout'`,
    ],
    ['of another version', `UPDATE page SET head = zeroblob(96), bytes = zeroblob(96)`],
  ])('that are %s are made anew from the rows', async (_, damage) => {
    const world = new World()
    reserved(await reserve(world.ports, world.reserveCommand([{ podName: 'a' }, { podName: 'b' }])))
    world.damage(damage)
    world.restart()
    const [next] = reserved(await reserve(world.ports, world.reserveCommand([{ podName: 'c' }])))
    expect(next?.v4IpAddress).toBe('10.16.0.4')
    await expectAgreement(world)
  })

  it('are a function of the rows: a recount from storage equals what is kept', async () => {
    const world = new World()
    for (const name of ['a', 'b', 'c']) await reserve(world.ports, world.reserveCommand([{ podName: name }]))
    await release(world.ports, world.releaseCommand('b.default'))
    const space = new Space({
      sql: world.sql(),
      clock: world.clock,
      random: world.random,
      settings: world.settings,
    })
    expect(space.counts).toEqual(recount(new LeaseTable(world.sql(), () => {}).all(), space.excludes()))
  })
})
