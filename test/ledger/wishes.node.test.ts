import { describe, expect, it } from 'vitest'
import type { KubeObject } from '../../shared/cluster/port.ts'
import { reservation } from '../../shared/command/find.ts'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import {
  ANNOTATION_OP,
  FINALIZER,
  LABEL_NODE_NAME,
  LABEL_RESERVED,
  LABEL_SUBNET,
} from '../../shared/kube-ovn/names.ts'
import { expectAgreement } from '../support/agreement.ts'
import { answered, busy, first, lost, parked, put, refuse } from '../support/drive.ts'
import {
  byHand,
  change,
  make,
  mirrored,
  object,
  owner,
  podsObject,
  remove,
  rows,
  states,
} from '../support/foreign.ts'
import { Steps } from '../support/steps.ts'
import { Killed, reserved, type World } from '../support/world.ts'

/** What `kubectl apply` of the seed's files makes. */
function applied(podName: string, spec: object = {}, metadata: object = {}): KubeObject {
  return {
    apiVersion: 'kubeovn.io/v1',
    kind: 'IP',
    metadata: { name: `${podName}.default`, ...metadata },
    spec: { subnet: 'ovn-default', podType: '', namespace: 'default', podName, ...spec },
  }
}

async function told(world: World, ms = 1_000): Promise<void> {
  await world.mirror.changes()
  await world.pass(ms)
  await world.mirror.changes()
}

async function found(world: World, name: string) {
  const result = await reservation(world.ports, name, 'ovn-default')
  return result.ok ? result.value : undefined
}

describe('an IP object made with kubectl', () => {
  it('is completed as the seed shows: address, MAC, labels, finalizer, generation 2', async () => {
    const world = await mirrored()
    make(world, applied('vm-dynamic-01', { podType: 'VirtualMachine' }))
    await told(world)
    const { metadata, spec } = object(world, 'vm-dynamic-01.default') ?? {}
    expect(metadata).toMatchObject({
      generation: 2,
      finalizers: [FINALIZER],
      labels: { [LABEL_RESERVED]: 'true', [LABEL_NODE_NAME]: '', [LABEL_SUBNET]: 'ovn-default' },
    })
    expect(spec).toEqual({
      attachIps: [],
      attachMacs: [],
      attachSubnets: [],
      containerID: '',
      ipAddress: '10.16.0.2',
      macAddress: expect.stringMatching(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/),
      namespace: 'default',
      nodeName: '',
      podName: 'vm-dynamic-01',
      podType: 'VirtualMachine',
      subnet: 'ovn-default',
      v4IpAddress: '10.16.0.2',
      v6IpAddress: '',
    })
    expect(await found(world, 'vm-dynamic-01.default')).toMatchObject({
      state: 'bound',
      v4IpAddress: '10.16.0.2',
    })
    await expectAgreement(world)
  })

  it.each([
    [
      'v4',
      { v4IpAddress: '10.16.0.3', v6IpAddress: null },
      { v4IpAddress: '10.16.0.3', ipAddress: '10.16.0.3' },
    ],
    [
      'v4 and MAC',
      { v4IpAddress: '10.16.0.3', macAddress: '02:00:00:00:00:AB' },
      { macAddress: '02:00:00:00:00:ab' },
    ],
  ])('keeps what it says: %s', async (_, spec, expected) => {
    const world = await mirrored()
    make(world, applied('pod-static-01', spec))
    await told(world)
    expect(object(world, 'pod-static-01.default')?.spec).toMatchObject(expected)
    expect(states(world, 'pod-static-01.default')).toEqual(['bound'])
    await expectAgreement(world)
  })

  it('in a dual Subnet gets both families, or the other one beside the one it says', async () => {
    const world = await mirrored({}, { cidrBlock: '10.16.0.0/24,fd00:10::/112' })
    make(world, applied('a'))
    make(world, applied('b', { v6IpAddress: 'FD00:10::00aa' }))
    await told(world)
    expect(object(world, 'a.default')?.spec).toMatchObject({ ipAddress: '10.16.0.2,fd00:10::2' })
    expect(object(world, 'b.default')?.spec).toMatchObject({
      v4IpAddress: '10.16.0.3',
      v6IpAddress: 'fd00:10::aa',
    })
    await expectAgreement(world)
  })

  it('is completed too where Berth was down when it was made', async () => {
    const world = await mirrored()
    make(world, applied('a', { v4IpAddress: '10.16.0.9' }))
    world.restart()
    await world.mirror.list('ovn-default')
    await world.pass(1_000)
    expect(states(world, 'a.default')).toEqual(['bound'])
    await expectAgreement(world)
  })

  it('gets no address that a later part of the list says is taken', async () => {
    const world = await mirrored()
    make(world, applied('a'))
    make(world, podsObject('z', { v4IpAddress: '10.16.0.2' }))
    for (const part of world.mirror.parts('ovn-default', 1)) {
      await world.ports.ledger('ovn-default').observe(part)
    }
    await world.pass(1_000)
    expect(object(world, 'a.default')?.spec?.v4IpAddress).toBe('10.16.0.3')
    await expectAgreement(world)
  })

  it('costs three calls: its Pod, its PATCH, and nothing more', async () => {
    const world = await mirrored()
    make(world, applied('a'))
    await told(world)
    expect(world.sent.map(({ verb }) => verb)).toEqual(['get', 'patch'])
    expect(world.sent[1]).toMatchObject({
      patch: { metadata: { uid: object(world, 'a.default')?.metadata.uid } },
    })
  })

  it('is released by kubectl delete, like any other', async () => {
    const world = await mirrored()
    make(world, applied('a'))
    await told(world)
    remove(world, 'a.default')
    await told(world, 5_000)
    expect([rows(world), object(world, 'a.default')]).toEqual([[], undefined])
    await expectAgreement(world)
  })

  it('that says no address comes back to its own within the cool-down', async () => {
    const world = await mirrored({ quarantineMs: 300_000 })
    reserved(await reserve(world.ports, world.reserveCommand([{ podName: 'b' }])))
    make(world, applied('a'))
    await told(world)
    const before = object(world, 'a.default')?.spec
    remove(world, 'a.default')
    reserved(await answered(world, release(world.ports, world.releaseCommand('b.default'))))
    await told(world, 5_000)
    make(world, applied('a'))
    await told(world)
    expect(object(world, 'a.default')?.spec).toEqual(before)
  })

  // Found by the simulation (invariant 11): to write a wish is not to have the address.
  it('for an address of somebody else that cools down is granted when it has cooled, not before', async () => {
    const world = await mirrored({ quarantineMs: 300_000 })
    const address = { v4IpAddress: '10.16.0.9' }
    reserved(await reserve(world.ports, world.reserveCommand([{ podName: 'b', ...address }])))
    reserved(await answered(world, release(world.ports, world.releaseCommand('b.default'))))
    make(world, applied('a', address))
    await told(world, 200_000)
    expect(states(world, 'b.default')).toEqual(['quarantined'])
    expect(object(world, 'a.default')?.metadata.finalizers).toBeUndefined()
    await told(world, 200_000)
    expect(rows(world)).toMatchObject([{ nic: 'a.default', state: 'bound' }])
    await expectAgreement(world)
  })

  // Found by the simulation (invariants 9, 10).
  it('refused, then removed by force, leaves nothing its owner would be given back', async () => {
    const world = await mirrored(
      { quarantineMs: 300_000 },
      { cidrBlock: '10.16.0.0/24,fd00::/112', gateway: '10.16.0.1,fd00::1' },
    )
    make(world, applied('a', { v4IpAddress: '10.16.0.1' }))
    await told(world)
    const forced = world.releaseCommand('a.default', { force: true })
    expect(reserved(await answered(world, release(world.ports, forced)))).toMatchObject([
      { v4IpAddress: '10.16.0.1', v6IpAddress: '' },
    ])
    const [made] = reserved(
      await answered(world, reserve(world.ports, world.reserveCommand([{ podName: 'a' }]))),
    )
    expect([made?.v4IpAddress, made?.v6IpAddress]).toEqual(['10.16.0.2', 'fd00::2'])
  })

  it('made anew in the same words meanwhile is granted to the new one', async () => {
    const world = await mirrored()
    make(world, applied('a', { v4IpAddress: '10.16.0.9' }))
    await world.mirror.changes()
    remove(world, 'a.default')
    make(world, applied('a', { v4IpAddress: '10.16.0.9' }))
    await told(world, 100_000)
    expect(rows(world)).toMatchObject([{ state: 'bound', uid: object(world, 'a.default')?.metadata.uid }])
    await expectAgreement(world)
  })

  it('comes back to its address within the cool-down', async () => {
    const world = await mirrored({ quarantineMs: 300_000 })
    make(world, applied('a', { v4IpAddress: '10.16.0.9' }))
    await told(world)
    remove(world, 'a.default')
    await told(world, 5_000)
    make(world, applied('a', { v4IpAddress: '10.16.0.9' }))
    await told(world)
    expect(states(world, 'a.default')).toEqual(['bound'])
    await expectAgreement(world)
  })

  it('that is deleted before it is completed leaves nothing', async () => {
    const world = await mirrored()
    make(world, applied('a', { v4IpAddress: '10.16.0.9' }))
    await world.mirror.changes()
    expect(states(world, 'a.default')).toEqual(['held'])
    remove(world, 'a.default')
    await told(world, 100_000)
    expect(rows(world)).toEqual([])
    await expectAgreement(world)
  })

  it('that is made anew meanwhile is another wish', async () => {
    const world = await mirrored()
    make(world, applied('a', { v4IpAddress: '10.16.0.9' }))
    await world.mirror.changes()
    remove(world, 'a.default')
    make(world, applied('a', { v4IpAddress: '10.16.0.10' }))
    await told(world, 200_000)
    expect(object(world, 'a.default')?.spec?.v4IpAddress).toBe('10.16.0.10')
    expect(await found(world, 'a.default')).toMatchObject({ state: 'bound', v4IpAddress: '10.16.0.10' })
    await expectAgreement(world)
  })

  it('that is edited while it is completed gets what it says then', async () => {
    const world = await mirrored()
    make(world, applied('a', { v4IpAddress: '10.16.0.9' }))
    await world.mirror.changes()
    change(world, 'a.default', { spec: { v4IpAddress: '10.16.0.10' } })
    await told(world, 200_000)
    expect(await found(world, 'a.default')).toMatchObject({ state: 'bound', v4IpAddress: '10.16.0.10' })
    await expectAgreement(world)
  })

  it('that somebody labels while it is completed is completed all the same', async () => {
    const world = await mirrored()
    make(world, applied('a', { v4IpAddress: '10.16.0.9' }))
    await world.mirror.changes()
    change(world, 'a.default', { metadata: { labels: { team: 'x' } } })
    await told(world, 5_000)
    expect(object(world, 'a.default')?.metadata.labels).toMatchObject({ team: 'x', [LABEL_RESERVED]: 'true' })
    await expectAgreement(world)
  })

  it('is joined by a reserve of its owner', async () => {
    const world = await mirrored()
    make(world, applied('a'))
    await world.mirror.changes()
    const [one] = reserved(
      await answered(world, reserve(world.ports, world.reserveCommand([{ podName: 'a' }]))),
    )
    expect(one).toMatchObject({ state: 'bound', v4IpAddress: '10.16.0.2' })
    expect(object(world, 'a.default')?.spec?.v4IpAddress).toBe('10.16.0.2')
    await expectAgreement(world)
  })

  it.each([
    ['lost after it was carried out', true],
    ['lost before', false],
  ])('has one address though the reply of its PATCH is %s', async (_, carriedOut) => {
    const world = await mirrored()
    make(world, applied('a'))
    world.intercept = first(1, 'patch', async (requests, pass) => {
      if (carriedOut) await pass(requests)
      return requests.map(() => ({ ok: false, error: lost }))
    })
    await told(world, 10_000)
    expect(await found(world, 'a.default')).toMatchObject({ state: 'bound', v4IpAddress: '10.16.0.2' })
    await expectAgreement(world)
  })

  it('waits as long as the cluster does not answer', async () => {
    const world = await mirrored()
    make(world, applied('a'))
    world.intercept = async (requests) => requests.map(() => ({ ok: false, error: busy() }))
    await told(world, 200_000)
    expect(states(world, 'a.default')).toEqual(['held'])
    world.intercept = (requests, pass) => pass(requests)
    await told(world, 100_000)
    expect(states(world, 'a.default')).toEqual(['bound'])
    await expectAgreement(world)
  })
})

const REFUSED = [
  ['a name that does not follow from its owner', { podName: 'b' }, /the name must be b.default/],
  ['a podType nobody has', { podType: 'Deployment' }, /podType Deployment is not supported/],
  ['no podName', { podName: '' }, /podName is required/],
  ['no namespace', { namespace: '' }, /namespace is required/],
  ['an address outside the CIDR', { v4IpAddress: '10.17.0.3' }, /not usable/],
  ['the gateway', { v4IpAddress: '10.16.0.1' }, /gateway/],
  ['an address that is none', { v4IpAddress: '10.16.0.300' }, /not an IP address/],
  ['families swapped', { v4IpAddress: '', v6IpAddress: '10.16.0.3' }, /no IPv6 address/],
  ['a MAC that is none', { macAddress: '01:00:00:00:00:01' }, /multicast/],
] as const

describe('a wish that cannot be granted', () => {
  it.each(REFUSED)('%s: the object is left as it is', async (_, spec, why) => {
    const world = await mirrored()
    const made = make(world, applied('a', spec))
    await told(world, 300_000)
    expect(object(world, 'a.default')).toEqual(made)
    expect(world.sql().all<{ refused: string }>(`SELECT refused FROM claim`)).toMatchObject([
      { refused: expect.stringMatching(why) },
    ])
    expect(states(world, 'a.default')).toEqual(['foreign'])
    expect(world.sent).toEqual([])
    await expectAgreement(world)
  })

  it('is judged once for what it says, however often it is told', async () => {
    const world = await mirrored()
    make(world, applied('a', { podType: 'Deployment', v4IpAddress: '10.16.0.9' }))
    const news = await world.mirror.changes()
    const before = rows(world)
    await world.ports.ledger('ovn-default').observe({ ...news, version: '999' })
    change(world, 'a.default', { metadata: { labels: { a: 'b' } } })
    await world.mirror.list('ovn-default')
    expect(rows(world)).toEqual(before)
  })

  it('of a Pod that has ended with another address is granted', async () => {
    const world = await mirrored()
    owner(world, 'a', { status: { phase: 'Succeeded', podIP: '10.16.0.77' } })
    make(world, applied('a'))
    await told(world, 10_000)
    expect(states(world, 'a.default')).toEqual(['bound'])
  })

  it('keeps what it says from others, and is granted once it says something else', async () => {
    const world = await mirrored()
    make(world, applied('a', { v4IpAddress: '10.16.0.9', podType: 'Deployment' }))
    await told(world)
    const taken = await reserve(
      world.ports,
      world.reserveCommand([{ podName: 'b', v4IpAddress: '10.16.0.9' }]),
    )
    expect(taken).toMatchObject({ kind: 'refused', problem: { code: 'address_taken' } })
    change(world, 'a.default', { spec: { podType: '' } })
    await told(world)
    expect(await found(world, 'a.default')).toMatchObject({ state: 'bound', v4IpAddress: '10.16.0.9' })
    await expectAgreement(world)
  })

  it('for an address that is taken is granted once that is free', async () => {
    const world = await mirrored()
    reserved(await reserve(world.ports, world.reserveCommand([{ podName: 'b', v4IpAddress: '10.16.0.9' }])))
    make(world, applied('a', { v4IpAddress: '10.16.0.9' }))
    await told(world, 200_000)
    expect(states(world, 'a.default')).toEqual(['foreign'])
    expect((await found(world, 'b.default'))?.contested).toBe(true)
    reserved(await answered(world, release(world.ports, world.releaseCommand('b.default'))))
    await told(world, 61_000)
    expect(await found(world, 'a.default')).toMatchObject({ state: 'bound', v4IpAddress: '10.16.0.9' })
    await expectAgreement(world)
  })

  it('in a full Subnet is granted once there is room', async () => {
    const world = await mirrored({}, { cidrBlock: '10.16.0.0/30', gateway: '10.16.0.1' })
    make(world, podsObject('x', { v4IpAddress: '10.16.0.2' }))
    make(world, applied('a'))
    await told(world, 1_000)
    expect(states(world, 'a.default')).toEqual(['foreign'])
    await put(world, { cidrBlock: '10.16.0.0/24', gateway: '10.16.0.1' }, 'ovn-default')
    await told(world, 61_000)
    expect(states(world, 'a.default')).toEqual(['bound'])
    await expectAgreement(world)
  })

  it('of a Pod that runs with another address says adopt, and gives nothing', async () => {
    const world = await mirrored()
    owner(world, 'a', { status: { phase: 'Running', podIPs: [{ ip: '10.16.0.77' }] } })
    const made = make(world, applied('a'))
    await told(world, 10_000)
    expect(object(world, 'a.default')).toEqual(made)
    expect(world.sql().all(`SELECT refused FROM claim`)).toMatchObject([
      { refused: expect.stringContaining('adopt') },
    ])
    await expectAgreement(world)
  })

  it('of a Pod that runs with that very address is granted', async () => {
    const world = await mirrored()
    owner(world, 'a', { status: { phase: 'Running', podIP: '10.16.0.77' } })
    make(world, applied('a', { v4IpAddress: '10.16.0.77' }))
    await told(world, 10_000)
    expect(states(world, 'a.default')).toEqual(['bound'])
  })

  it('of an address another object takes before the PATCH has left is refused', async () => {
    const world = await mirrored()
    make(world, applied('a', { v4IpAddress: '10.16.0.9' }))
    await world.mirror.changes()
    make(world, podsObject('x', { v4IpAddress: '10.16.0.9' }))
    await told(world, 5_000)
    expect(rows(world)).toMatchObject([
      { nic: 'a.default', state: 'foreign', bit: false },
      { nic: 'x.default', state: 'foreign', bit: true },
    ])
    expect(world.sent.filter(({ verb }) => verb === 'patch')).toEqual([])
    await expectAgreement(world)
  })

  it('of an address another object takes while the PATCH is on its way is granted, and contested', async () => {
    const world = await mirrored()
    make(world, applied('a', { v4IpAddress: '10.16.0.9' }))
    await world.mirror.changes()
    const patch = parked(world, 'patch')
    const driven = world.pass(1)
    await patch.arrived
    make(world, podsObject('x', { v4IpAddress: '10.16.0.9' }))
    await world.mirror.changes()
    patch.go()
    await driven
    expect(await found(world, 'a.default')).toMatchObject({ state: 'bound', contested: true })
    await world.mirror.changes()
    await expectAgreement(world)
  })

  it.each(['Invalid', 'Forbidden'] as const)(
    'and one the cluster has %s for: nothing is held',
    async (reason) => {
      const world = await mirrored()
      make(world, applied('a', { v4IpAddress: '10.16.0.9' }))
      world.intercept = first(9, 'patch', refuse({ reason, outcome: 'refused', message: 'no' }))
      await told(world, 5_000)
      expect(states(world, 'a.default')).toEqual(['foreign'])
      await expectAgreement(world)
    },
  )
})

it.each([
  ['an object with any finalizer', applied('a', {}, { finalizers: ['other.io/x'] })],
  ['an object labelled as not reserved', applied('a', {}, { labels: { [LABEL_RESERVED]: 'false' } })],
  [
    'an object with marks of an operation nobody knows',
    applied('a', {}, { annotations: { [ANNOTATION_OP]: 'op_x' } }),
  ],
])('%s is no wish', async (_, made) => {
  const world = await mirrored()
  const before = make(world, made)
  await told(world, 100_000)
  expect(object(world, 'a.default')).toEqual(before)
  expect(world.sent).toEqual([])
})

it('a completion that dies at any point ends as it would have', async () => {
  for (let n = 0; ; n++) {
    const world = await mirrored()
    const steps = new Steps(world)
    make(world, applied('a', { v4IpAddress: '10.16.0.9' }))
    let passed = 0
    let died = false
    world.point = (name) => {
      if (!died && passed++ !== n) return
      died = true
      throw new Killed(name)
    }
    try {
      await told(world, 5_000)
    } catch (error) {
      if (!(error instanceof Killed)) throw error
    }
    world.point = () => {}
    if (died) world.restart()
    await world.mirror.list('ovn-default')
    await world.pass(100_000)
    await world.mirror.changes()
    expect(await found(world, 'a.default'), `at point ${n}`).toMatchObject({ state: 'bound' })
    expect(steps.violations).toEqual([])
    await expectAgreement(world)
    if (died) continue
    expect(n).toBeGreaterThan(6)
    return
  }
})

it('a Subnet that is being removed grants none, and a new one does', async () => {
  const world = await mirrored()
  make(world, podsObject('x', { v4IpAddress: '10.16.0.9' }))
  await told(world)
  const { metadata } = byHand(world, { verb: 'get', ref: { kind: 'Subnet', name: 'ovn-default' } })
  await world.ports.ledger('ovn-default').subnetGone(metadata.uid ?? '')
  make(world, applied('a'))
  await told(world, 100_000)
  expect(states(world, 'a.default')).toEqual(['foreign'])
})
