import { beforeEach, describe, expect, it } from 'vitest'
import { mutateIp, validateIp } from '../../../shared/command/admission/ip.ts'
import { release } from '../../../shared/command/release.ts'
import { reserve } from '../../../shared/command/reserve.ts'
import { creating, ip, kubectlCreate, patchOf, problemIn } from '../../support/admission.ts'
import { put, turns } from '../../support/drive.ts'
import { FakePorts } from '../../support/ports.ts'
import { patched } from '../../support/review.ts'
import { reserved, World } from '../../support/world.ts'

let world: World
beforeEach(() => {
  world = new World({ stragglerMs: 75_000 })
})

const mutate = (...asked: Parameters<typeof creating>) => mutateIp(world.ports, creating(...asked))
const validate = (...asked: Parameters<typeof creating>) => validateIp(world.ports, creating(...asked))
const stateOf = async (name: string) => (await world.ledger().find(name))?.state ?? 'free'

describe('a created IP object', () => {
  it('is completed in the same write: the seed’s dynamic example', async () => {
    const object = ip({
      name: 'vm-dynamic-01.default',
      spec: { podName: 'vm-dynamic-01', podType: 'VirtualMachine' },
    })
    const done = patched(object, patchOf(await mutate(object)))
    expect(done.metadata).toEqual({
      name: 'vm-dynamic-01.default',
      annotations: { 'berth/op': expect.stringMatching(/^op_/), 'berth/epoch': '1' },
      labels: {
        'ovn.kubernetes.io/ip_reserved': 'true',
        'ovn.kubernetes.io/subnet': 'ovn-default',
        'ovn.kubernetes.io/node-name': '',
      },
      finalizers: ['kubeovn.io/kube-ovn-controller'],
    })
    expect(done.spec).toEqual({
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
  })

  it('keeps the address it asks for: the seed’s static example', async () => {
    const object = ip({
      spec: { podName: 'pod-static-01', v4IpAddress: '10.16.0.3', v6IpAddress: null },
    })
    const done = patched(object, patchOf(await mutate(object)))
    expect(done.spec).toMatchObject({ ipAddress: '10.16.0.3', v4IpAddress: '10.16.0.3', v6IpAddress: '' })
  })

  it('keeps what others wrote: labels, annotations, finalizers, fields', async () => {
    const object = ip({
      metadata: { labels: { team: 'shop' }, annotations: { note: 'x' }, finalizers: ['example.org/other'] },
    })
    const done = patched(object, patchOf(await mutate(object)))
    expect(done.metadata.labels).toMatchObject({ team: 'shop' })
    expect(done.metadata.annotations).toMatchObject({ note: 'x' })
    expect(done.metadata.finalizers).toEqual(['example.org/other', 'kubeovn.io/kube-ovn-controller'])
  })

  it('is held, without a call to the cluster, and passes the validating door', async () => {
    const object = ip()
    await mutate(object, { dryRun: true })
    const before = world.sent.length
    const done = patched(object, patchOf(await mutate(object)))
    expect(world.sent.length).toBe(before)
    expect(await stateOf('web-1.default')).toBe('held')
    expect(await validate(done)).toMatchObject({ kind: 'allowed', patch: [] })
  })

  it('both families of a dual Subnet, or none', async () => {
    const object = ip({ spec: { subnet: 'dual-stack' } })
    await reserve(world.ports, world.reserveCommand([{ subnet: 'dual-stack', podName: 'other' }]))
    const done = patched(object, patchOf(await mutate(object)))
    expect(done.spec).toMatchObject({ ipAddress: expect.stringMatching(/^10\.17\.\d+\.\d+,fd00:10:17::/) })
  })
})

describe('asked again', () => {
  it.for([
    ['the same review, after a time-out', {}],
    ['another user, another try', { user: 'bob' }],
  ] as const)('%s: the same patch', async ([, more]) => {
    const object = ip()
    const first = patchOf(await mutate(object))
    expect(patchOf(await mutate(object, more))).toEqual(first)
    expect((await world.ledger().page({}, ['', ''], 10)).leases).toHaveLength(1)
  })

  it('with its own patch in the object (reinvocation): an empty patch', async () => {
    const object = ip()
    const done = patched(object, patchOf(await mutate(object)))
    expect(patchOf(await mutate(done))).toEqual([])
  })

  it('for an object that is bound: the same again, and nothing is held anew', async () => {
    const [reservation] = reserved(await reserve(world.ports, world.reserveCommand([{ podName: 'web-1' }])))
    const object = ip()
    const done = patched(object, patchOf(await mutate(object)))
    expect(done.spec).toMatchObject({
      v4IpAddress: reservation?.v4IpAddress,
      macAddress: reservation?.macAddress,
    })
    expect(await stateOf('web-1.default')).toBe('bound')
  })

  it('with another address: refused, by field', async () => {
    await mutate(ip())
    const why = problemIn(await mutate(ip({ spec: { v4IpAddress: '10.16.0.99' } })))
    expect(why).toMatchObject({ code: 'already_reserved', field: 'v4IpAddress' })
  })
})

describe('the hold of an admission (P22)', () => {
  it('is let go when the object never comes, once it cannot come any more', async () => {
    await mutate(ip())
    await world.pass(74_000)
    expect(await stateOf('web-1.default')).toBe('held')
    await world.pass(17_000)
    expect(await stateOf('web-1.default')).toBe('free')
    await world.pass(200_000)
    expect(world.ledger().nextAlarmMs()).not.toBeLessThan(world.clock.nowMs() + 60_000)
  })

  it('lasts as long anew after each answer', async () => {
    await mutate(ip())
    await world.pass(50_000)
    await mutate(ip())
    await world.pass(50_000)
    expect(await stateOf('web-1.default')).toBe('held')
    await world.pass(45_000)
    expect(await stateOf('web-1.default')).toBe('free')
  })

  it('is bound when the object is there at the end, though nobody told', async () => {
    const object = await kubectlCreate(world, ip())
    expect(await stateOf('web-1.default')).toBe('held')
    await world.pass(95_000)
    expect(await world.ledger().find('web-1.default')).toMatchObject({
      state: 'bound',
      uid: object.metadata.uid,
    })
  })

  it('survives a restart, and so does its end', async () => {
    await mutate(ip())
    world.restart()
    expect(await stateOf('web-1.default')).toBe('held')
    await world.pass(95_000)
    expect(await stateOf('web-1.default')).toBe('free')
  })

  it('does not end while the cluster cannot be read', async () => {
    await mutate(ip())
    world.intercept = async (requests) =>
      requests.map(() => ({
        ok: false,
        error: { reason: 'Unavailable', message: 'away', outcome: 'refused' },
      }))
    await world.pass(300_000)
    expect(await stateOf('web-1.default')).toBe('held')
    world.intercept = (requests, pass) => pass(requests)
    await world.pass(85_000)
    expect(await stateOf('web-1.default')).toBe('free')
  })

  it('goes back into its cool-down where the address came out of one', async () => {
    world = new World({ stragglerMs: 75_000, quarantineMs: 300_000 })
    await kubectlCreate(world, ip())
    await world.pass(95_000)
    reserved(await release(world.ports, world.releaseCommand('web-1.default')))
    expect(await stateOf('web-1.default')).toBe('quarantined')
    expect(patched(ip(), patchOf(await mutate(ip()))).spec).toMatchObject({ v4IpAddress: '10.16.0.2' })
    await world.pass(95_000)
    expect(await stateOf('web-1.default')).toBe('quarantined')
  })

  it('is what a reserve of the same owner waits for', async () => {
    await kubectlCreate(world, ip())
    const pending = reserve(world.ports, world.reserveCommand([{ podName: 'web-1' }]))
    await turns()
    await world.pass(95_000)
    const outcome = await pending
    expect(outcome.kind).toBe('pending')
    expect(reserved(await reserve(world.ports, world.reserveCommand([{ podName: 'web-1' }])))).toMatchObject([
      { state: 'bound', v4IpAddress: '10.16.0.2' },
    ])
  })
})

describe('a dry run', () => {
  it('computes the object and holds nothing', async () => {
    const object = ip()
    const done = patched(object, patchOf(await mutate(object, { dryRun: true })))
    expect(done.spec).toMatchObject({ v4IpAddress: '10.16.0.2' })
    expect(done.metadata.annotations).toBeUndefined()
    expect(await stateOf('web-1.default')).toBe('free')
    expect(await validate(done, { dryRun: true })).toMatchObject({ kind: 'allowed' })
  })

  it('is refused like the real thing', async () => {
    const object = ip({ spec: { v4IpAddress: '10.16.0.1' } })
    for (const door of [mutate, validate])
      expect(problemIn(await door(object, { dryRun: true })).code).toBe('excluded_gateway')
  })
})

describe('Berth’s own POST', () => {
  const own = { user: 'berth' }

  it('passes with the mark of its open operation, and nobody waits for that operation', async () => {
    let verdict: unknown
    world.intercept = async (requests, pass) => {
      const [request] = requests
      if (request?.verb === 'create') verdict = await mutate(request.object, own)
      return pass(requests)
    }
    reserved(await reserve(world.ports, world.reserveCommand([{ podName: 'web-1' }])))
    expect(verdict).toEqual({ kind: 'allowed', patch: [], warnings: [] })
  })

  it('is refused without it', async () => {
    expect(problemIn(await mutate(ip(), own)).code).toBe('releasing')
    const stale = ip({ metadata: { annotations: { 'berth/op': 'op_old' } } })
    expect(problemIn(await mutate(stale, own)).code).toBe('releasing')
  })

  it('under way, somebody else’s create of that name is told to come again', async () => {
    let verdict: Awaited<ReturnType<typeof mutate>> | undefined
    world.intercept = async (requests, pass) => {
      if (requests[0]?.verb === 'create') verdict = await mutate(ip())
      return pass(requests)
    }
    reserved(await reserve(world.ports, world.reserveCommand([{ podName: 'web-1' }])))
    expect(verdict && problemIn(verdict)).toMatchObject({ code: 'unavailable', retryAfterMs: 1_000 })
  })
})

describe('what Kube-OVN would let through is refused, by field', () => {
  it.for([
    ['D9: an address that is none', { v4IpAddress: '10.16.0.300' }, 'invalid_address', 'v4IpAddress'],
    ['D9: families swapped', { v4IpAddress: 'fd00::3' }, 'invalid_address', 'v4IpAddress'],
    ['D9: outside the CIDR', { v4IpAddress: '10.99.0.3' }, 'out_of_range', 'v4IpAddress'],
    ['the gateway', { v4IpAddress: '10.16.0.1' }, 'excluded_gateway', 'v4IpAddress'],
    ['D10: a MAC that is none', { macAddress: '00:00:00' }, 'invalid_mac', 'macAddress'],
    ['D10: a multicast MAC', { macAddress: '01:00:5e:00:00:01' }, 'invalid_mac', 'macAddress'],
    ['a Subnet that is not there', { subnet: 'nowhere' }, 'unknown_subnet', 'subnet'],
    [
      'D23: a StatefulSet’s Pod without a number',
      { podType: 'StatefulSet', podName: 'web' },
      'invalid_field',
      'spec.podType',
    ],
  ] as const)('%s', async ([, spec, code, field]) => {
    const object = ip({ spec: { ...spec } })
    const why = problemIn(await validate(object))
    expect([why.code, why.field]).toEqual([code, field])
    expect((await world.ledger().page({}, ['', ''], 10)).leases).toEqual([])
  })

  it.for([
    ['D12: a name that is not the port name', 'web-1'],
    ['D24: a NIC that shares its NAD', 'web-1.default.net.default.ovn.eth1'],
  ])('%s', async ([, name]) => {
    const why = problemIn(await mutate(ip({ name: name! })))
    expect(why).toMatchObject({ code: 'invalid_name', field: 'name', findings: [{ hint: 'web-1.default' }] })
  })

  it('an address that is somebody else’s', async () => {
    await mutate(ip({ spec: { v4IpAddress: '10.16.0.9' } }))
    const why = problemIn(await mutate(ip({ spec: { podName: 'web-2', v4IpAddress: '10.16.0.9' } })))
    expect(why).toMatchObject({ code: 'address_taken', field: 'v4IpAddress' })
  })

  it('what did not come through the mutating door', async () => {
    const why = problemIn(await validate(ip({ spec: { v4IpAddress: '10.16.0.9' } })))
    expect(why).toMatchObject({ code: 'unavailable', field: 'metadata.annotations["berth/op"]' })
  })

  it('what somebody changed after it', async () => {
    const done = patched(ip(), patchOf(await mutate(ip())))
    const changed = { ...done, spec: { ...done.spec, v4IpAddress: '10.16.0.77', ipAddress: '10.16.0.77' } }
    expect(problemIn(await validate(changed)).findings?.map(({ field }) => field)).toEqual([
      'spec.v4IpAddress',
      'spec.ipAddress',
    ])
  })

  it('a generated name, and a mark of Kube-OVN’s own objects', async () => {
    const nameless = ip({ name: '', metadata: { generateName: 'web-' } })
    expect(problemIn(await mutate(nameless)).field).toBe('metadata.generateName')
    const ordinary = ip({ metadata: { labels: { 'ovn.kubernetes.io/ip_reserved': 'false' } } })
    expect(problemIn(await mutate(ordinary)).field).toBe('metadata.labels["ovn.kubernetes.io/ip_reserved"]')
  })

  it.for(['u2o-interconnection.x', 'mcast-querier.y'])('but not %s, which is Kube-OVN’s', async (name) => {
    expect(await mutate(ip({ name }))).toEqual({ kind: 'allowed', patch: [], warnings: [] })
  })

  it('nor the object of a node', async () => {
    const node = ip({ name: 'node-a', spec: { namespace: '', podName: 'a', nodeName: 'a', subnet: 'join' } })
    for (const door of [mutate, validate])
      expect(await door(node)).toMatchObject({ kind: 'allowed', patch: [] })
  })
})

describe('podType and the owner that is there (D23)', () => {
  const owners = {
    plain: [],
    set: [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'web', uid: 'u' }],
    vm: [{ apiVersion: 'kubevirt.io/v1', kind: 'VirtualMachineInstance', name: 'web-1', uid: 'u' }],
  } as const

  it.for([
    ['plain', '', true],
    ['plain', 'StatefulSet', false],
    ['set', 'StatefulSet', true],
    ['set', '', false],
    ['set', 'VirtualMachine', false],
    ['vm', 'VirtualMachine', true],
    ['vm', '', false],
  ] as const)('a Pod that is %s with podType "%s": %s', async ([owner, podType, fits]) => {
    await world.ports.cluster.send([
      {
        verb: 'create',
        object: {
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { namespace: 'default', name: 'web-1', ownerReferences: [...owners[owner]] },
          spec: {},
        },
      },
    ])
    const object = ip({ spec: { podType } })
    const done = patched(object, patchOf(await mutate(object)))
    const verdict = await validate(done)
    if (fits) expect(verdict.kind).toBe('allowed')
    else expect(problemIn(verdict)).toMatchObject({ code: 'invalid_field', field: 'spec.podType' })
  })
})

describe('logical switch ports', () => {
  let ports: FakePorts
  beforeEach(() => {
    world = new World({ ovn: true })
    ports = new FakePorts()
    world.ovn = ports
  })

  it.each<[string, string, string, object, string, string]>([
    ['the name', 'web-1.default', 'default/other', {}, 'port_exists', 'name'],
    ['the name, without an object', 'web-1.default', 'default/web-1', {}, 'port_exists', 'name'],
    [
      'the address that is asked for',
      'stray.default',
      'default/stray',
      { v4IpAddress: '10.16.8.8' },
      'address_taken',
      'v4IpAddress',
    ],
  ])('one that has %s is told, and nothing is held', async (_, name, pod, spec, code, field) => {
    ports.add(name, pod, '10.16.8.8')
    for (const dryRun of [true, false]) {
      const problem = problemIn(await mutate(ip({ spec: { ...spec } }), { dryRun }))
      expect([problem.code, problem.field]).toEqual([code, field])
    }
    expect(await stateOf('web-1.default')).toBe('free')
    ports.ports.clear()
    expect(await mutate(ip({ spec: { ...spec } }))).toMatchObject({ kind: 'allowed' })
    expect(await stateOf('web-1.default')).toBe('held')
  })

  it('one for which an address is chosen gets one that no port carries', async () => {
    for (const last of [2, 3]) ports.add(`s${last}.default`, `default/s${last}`, `10.16.0.${last}`)
    const stored = await kubectlCreate(world, ip({ spec: { macAddress: '0a:00:00:00:00:0a' } }))
    expect(stored.spec).toMatchObject({
      v4IpAddress: '10.16.0.4',
      ipAddress: '10.16.0.4',
      macAddress: '0a:00:00:00:00:0a',
    })
    await world.pass(200_000)
    expect(await world.ledger().find('web-1.default')).toMatchObject({ state: 'bound', v4: '10.16.0.4' })
  })

  it('where ports carry all there is, one is refused, and nothing stays held', async () => {
    await put(world, { cidrBlock: '10.31.0.0/30', gateway: '10.31.0.1' }, 'tiny')
    ports.add('stray.default', 'default/stray', '10.31.0.2')
    const problem = problemIn(await mutate(ip({ spec: { subnet: 'tiny' } })))
    expect(problem).toMatchObject({
      code: 'no_capacity',
      detail: expect.stringContaining('no other is left'),
    })
    expect(await world.ledger('tiny').find('web-1.default')).toBeUndefined()
  })

  it('one that was told its address keeps it: a second try is refused while a port carries that', async () => {
    const [first] = [patched(ip(), patchOf(await mutate(ip())))]
    ports.add('stray.default', 'default/stray', '10.16.0.2')
    expect(problemIn(await mutate(ip()))).toMatchObject({ code: 'unavailable', retryAfterMs: 1_000 })
    // The first answer may still become an object, and is bound as it was given.
    world.store.send([{ verb: 'create', object: first }])
    await world.pass(200_000)
    expect(await world.ledger().find('web-1.default')).toMatchObject({ state: 'bound', v4: '10.16.0.2' })
  })

  it('an address that OVN will not speak of is not given', async () => {
    let asked = 0
    ports.intercept = (_, pass) =>
      ++asked > 2 ? { result: 'later', reason: 'unreachable', detail: 'nobody answers' } : pass()
    expect(problemIn(await mutate(ip()))).toMatchObject({ code: 'unavailable', retryAfterMs: 1_000 })
    await world.pass(200_000)
    expect(await stateOf('web-1.default')).toBe('free')
  })

  it('while OVN does not say nothing is held, and that is said', async () => {
    ports.intercept = () => ({ result: 'later', reason: 'unreachable', detail: 'nobody answers' })
    expect(problemIn(await mutate(ip())).code).toBe('unavailable')
    expect(await stateOf('web-1.default')).toBe('free')
  })

  it('the object of a reservation is not asked about again', async () => {
    reserved(await reserve(world.ports, world.reserveCommand([{ podName: 'web-1' }])))
    ports.add('web-1.default', 'default/web-1', '10.16.0.2')
    ports.asked.length = 0
    expect(await mutate(ip())).toMatchObject({ kind: 'allowed' })
    expect(ports.asked).toEqual([])
  })
})
