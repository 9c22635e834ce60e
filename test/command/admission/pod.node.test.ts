import { beforeEach, describe, expect, it } from 'vitest'
import type { KubeObject, OwnerReference } from '../../../shared/cluster/port.ts'
import { mutateIp } from '../../../shared/command/admission/ip.ts'
import { mutatePod, validatePod } from '../../../shared/command/admission/pod.ts'
import type { Review } from '../../../shared/command/admission/types.ts'
import { reserve } from '../../../shared/command/reserve.ts'
import { putSubnet } from '../../../shared/command/subnets.ts'
import type { Reservation, ReserveItem } from '../../../shared/command/types.ts'
import { creating, ip, kubectlCreate, patchOf, problemIn } from '../../support/admission.ts'
import { patched } from '../../support/review.ts'
import { reserved, World } from '../../support/world.ts'

const NETWORKS = 'k8s.v1.cni.cncf.io/networks'

let world: World
beforeEach(() => {
  world = new World()
})

async function reservation(item: Partial<ReserveItem>): Promise<Reservation> {
  const [made] = reserved(await reserve(world.ports, world.reserveCommand([item])))
  if (!made) throw new Error('nothing reserved')
  return made
}

interface PodParts {
  readonly name?: string
  readonly annotations?: Record<string, string>
  readonly ownerReferences?: OwnerReference[]
  readonly spec?: object
}

function creation(parts: PodParts = {}): Review {
  const { name = 'web-1', annotations, ownerReferences, spec = {} } = parts
  const object: KubeObject = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      ...(annotations ? { annotations } : {}),
      ...(ownerReferences ? { ownerReferences } : {}),
    },
    spec,
  }
  return { operation: 'CREATE', name, namespace: 'default', user: 'alice', dryRun: false, object }
}

/** The Pod's annotations as the API server would store them. */
async function annotationsOf(parts: PodParts = {}): Promise<Record<string, string> | undefined> {
  const review = creation(parts)
  const done = patched(review.object!, patchOf(await mutatePod(world.ports, review)))
  expect(await validatePod(world.ports, { ...review, object: done })).toMatchObject({ kind: 'allowed' })
  return done.metadata.annotations
}

describe('a Pod that has a reservation', () => {
  it('gets address, MAC and Subnet written where Kube-OVN looks', async () => {
    const made = await reservation({ podName: 'web-1', v4IpAddress: '10.16.0.30' })
    expect(await annotationsOf()).toEqual({
      'ovn.kubernetes.io/ip_address': '10.16.0.30',
      'ovn.kubernetes.io/mac_address': made.macAddress,
      'ovn.kubernetes.io/logical_switch': 'ovn-default',
    })
  })

  it('keeps its other annotations', async () => {
    await reservation({ podName: 'web-1' })
    expect(await annotationsOf({ annotations: { note: 'x' } })).toMatchObject({ note: 'x' })
  })

  it('gets both families', async () => {
    const made = await reservation({ podName: 'web-1', subnet: 'dual-stack' })
    expect(await annotationsOf()).toMatchObject({
      'ovn.kubernetes.io/ip_address': `${made.v4IpAddress},${made.v6IpAddress}`,
      'ovn.kubernetes.io/logical_switch': 'dual-stack',
    })
  })

  it('may have asked for what it gets, or half of it, in another spelling', async () => {
    const made = await reservation({ podName: 'web-1', subnet: 'dual-stack' })
    const asked = { 'ovn.kubernetes.io/ip_address': made.v6IpAddress.toUpperCase() }
    expect(await annotationsOf({ annotations: asked })).toMatchObject({
      'ovn.kubernetes.io/ip_address': `${made.v4IpAddress},${made.v6IpAddress}`,
    })
  })

  it('of a StatefulSet', async () => {
    await reservation({ podName: 'web-1', podType: 'StatefulSet' })
    const ownerReferences = [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'web', uid: 'u' }]
    expect(await annotationsOf({ ownerReferences })).toHaveProperty(['ovn.kubernetes.io/ip_address'])
  })

  it.for([
    [true, true],
    [false, false],
  ])('of a VM, by the VM’s name, with KEEP_VM_IP=%s', async ([keepVmIp, found]) => {
    await reservation({ podName: 'vm-1', podType: 'VirtualMachine' })
    const ownerReferences = [
      { apiVersion: 'kubevirt.io/v1', kind: 'VirtualMachineInstance', name: 'vm-1', uid: 'u' },
    ]
    const review = creation({ name: 'virt-launcher-vm-1-x', ownerReferences })
    const ports = { ...world.ports, settings: { ...world.ports.settings, keepVmIp: keepVmIp! } }
    expect(patchOf(await mutatePod(ports, review)).length > 0).toBe(found)
  })

  it('that its IP object was only just created for, before the news of it', async () => {
    await kubectlCreate(world, ip())
    expect(await annotationsOf()).toHaveProperty(['ovn.kubernetes.io/ip_address'])
  })

  it('asked twice gets an empty patch', async () => {
    await reservation({ podName: 'web-1' })
    const review = creation()
    const done = patched(review.object!, patchOf(await mutatePod(world.ports, review)))
    expect(patchOf(await mutatePod(world.ports, { ...review, object: done }))).toEqual([])
  })
})

describe('several NICs', () => {
  const subnet = (name: string, provider: string, cidrBlock: string) =>
    putSubnet(
      world.ports,
      { apiVersion: 'kubeovn.io/v1', kind: 'Subnet', metadata: { name }, spec: { cidrBlock, provider } },
      false,
    )

  it('each gets its own, with the prefix of its provider', async () => {
    await subnet('attached', 'net.infra.ovn', '10.18.0.0/24')
    await subnet('lent', 'macvlan.infra', '10.19.0.0/24')
    const main = await reservation({ podName: 'web-1' })
    const attached = await reservation({ podName: 'web-1', subnet: 'attached' })
    const lent = await reservation({ podName: 'web-1', subnet: 'lent' })
    const annotations = { [NETWORKS]: 'infra/net@eth1,infra/macvlan' }
    expect(await annotationsOf({ annotations })).toEqual({
      ...annotations,
      'ovn.kubernetes.io/ip_address': main.v4IpAddress,
      'ovn.kubernetes.io/mac_address': main.macAddress,
      'ovn.kubernetes.io/logical_switch': 'ovn-default',
      'net.infra.ovn.kubernetes.io/ip_address': attached.v4IpAddress,
      'net.infra.ovn.kubernetes.io/mac_address': attached.macAddress,
      'net.infra.ovn.kubernetes.io/logical_switch': 'attached',
      // Kube-OVN reads no MAC for what is not in OVN.
      'macvlan.infra.kubernetes.io/ip_address': lent.v4IpAddress,
      'macvlan.infra.kubernetes.io/logical_switch': 'lent',
    })
  })
})

describe('a Pod that Berth has no business with', () => {
  it.for<[string, PodParts]>([
    ['without a reservation', {}],
    ['with another name', { name: 'web-2' }],
    ['on the host’s network', { spec: { hostNetwork: true } }],
    ['whose name is still to be generated', { name: '' }],
  ])('%s passes as it is', async ([, parts]) => {
    if (parts.name !== undefined || parts.spec) await reservation({ podName: 'web-1' })
    expect(patchOf(await mutatePod(world.ports, creation(parts)))).toEqual([])
  })

  it('one of a namesake in another namespace', async () => {
    await reservation({ podName: 'web-1', namespace: 'other' })
    expect(await annotationsOf()).toBeUndefined()
  })

  it('one whose port name belongs to another owner (F13)', async () => {
    await putSubnet(
      world.ports,
      {
        apiVersion: 'kubeovn.io/v1',
        kind: 'Subnet',
        metadata: { name: 'odd' },
        spec: { cidrBlock: '10.18.0.0/24', provider: 'default' },
      },
      false,
    )
    // Pod `a` of namespace `b` on provider `default`, and Pod `a.b` of namespace `default`.
    await reservation({ podName: 'a', namespace: 'b', subnet: 'odd' })
    expect(await annotationsOf({ name: 'a.b' })).toBeUndefined()
  })

  it('without any wish is validated without a look', async () => {
    const before = world.sent.length
    expect(await validatePod(world.ports, creation())).toMatchObject({ kind: 'allowed' })
    expect(world.sent.length).toBe(before)
  })

  it('an update or a deletion of a Pod is not judged', async () => {
    const review = {
      ...creation({ annotations: { 'ovn.kubernetes.io/ip_address': '10.16.0.2' } }),
      operation: 'UPDATE',
    }
    expect(await validatePod(world.ports, review as Review)).toMatchObject({ kind: 'allowed' })
  })

  it('a hold whose object is not there yet is not written', async () => {
    await mutateIp(world.ports, creating(ip()))
    expect(await annotationsOf()).toBeUndefined()
  })
})

describe('a Pod that asks', () => {
  const asking = (field: string, value: string, name = 'web-1') =>
    validatePod(world.ports, creation({ name, annotations: { [field]: value } }))
  const ADDRESS = 'ovn.kubernetes.io/ip_address'
  const POOL = 'ovn.kubernetes.io/ip_pool'

  it.for(['10.16.0.30', '10.16.0.31,10.16.0.30'])(
    'for somebody else’s address is refused: %s',
    async (value) => {
      await reservation({ podName: 'other', v4IpAddress: '10.16.0.30' })
      const why = problemIn(await asking(ADDRESS, value))
      expect(why).toMatchObject({ code: 'address_taken', field: `metadata.annotations["${ADDRESS}"]` })
      expect(JSON.stringify(why)).not.toContain('other')
    },
  )

  it.for([
    ['mapped into IPv6', ADDRESS, '::ffff:10.16.0.30'],
    ['in an ip_pool list', POOL, '10.16.0.31,10.16.0.30'],
    ['in an ip_pool list of pairs', POOL, 'fd00::31,10.16.0.31; ::FFFF:10.16.0.30'],
    ['in an ip_pool of one', POOL, '10.16.0.30'],
  ])('for it %s is refused', async ([, field, value]) => {
    await reservation({ podName: 'other', v4IpAddress: '10.16.0.30' })
    expect(problemIn(await asking(field!, value!))).toMatchObject({
      code: 'address_taken',
      field: `metadata.annotations["${field}"]`,
      detail: expect.stringContaining('10.16.0.30 '),
    })
  })

  it('as one of a StatefulSet is judged by the entry of its ordinal', async () => {
    await reservation({ podName: 'other', v4IpAddress: '10.16.0.30' })
    const ownerReferences = [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'web', uid: 'u' }]
    const annotations = { [POOL]: '10.16.0.31,10.16.0.30' }
    const verdict = (name: string) =>
      validatePod(world.ports, creation({ name, annotations, ownerReferences }))
    expect(await verdict('web-0')).toMatchObject({ kind: 'allowed' })
    expect(problemIn(await verdict('web-1')).code).toBe('address_taken')
    expect(await verdict('web-2')).toMatchObject({ kind: 'allowed' })
  })

  it('for its own address in two spellings keeps its reservation, and an ip_pool list does not lose it', async () => {
    await reservation({ podName: 'web-1', v4IpAddress: '10.16.0.30' })
    await annotationsOf({ annotations: { [ADDRESS]: '::ffff:10.16.0.30' } })
    const written = await annotationsOf({ annotations: { [POOL]: '10.16.0.31,10.16.0.32' } })
    expect(written).toMatchObject({ [ADDRESS]: '10.16.0.30' })
  })

  it('for one that is only held is refused too', async () => {
    await mutateIp(world.ports, creating(ip({ spec: { podName: 'other', v4IpAddress: '10.16.0.30' } })))
    expect(problemIn(await asking(ADDRESS, '10.16.0.30')).code).toBe('address_taken')
  })

  it('in the networks annotation as well', async () => {
    await putSubnet(
      world.ports,
      {
        apiVersion: 'kubeovn.io/v1',
        kind: 'Subnet',
        metadata: { name: 'attached' },
        spec: { cidrBlock: '10.18.0.0/24', provider: 'net.infra.ovn' },
      },
      false,
    )
    await reservation({ podName: 'other', subnet: 'attached', v4IpAddress: '10.18.0.9' })
    const nets = '[{"name":"net","namespace":"infra","ips":["10.18.0.9/24"]}]'
    expect(problemIn(await asking(NETWORKS, nets)).code).toBe('address_taken')
  })

  it.for([
    ['a free address', ADDRESS, '10.16.0.99'],
    ['an address of no Subnet', ADDRESS, '192.168.0.1'],
    ['something that is no address', ADDRESS, 'ten'],
    ['a pool by its name', POOL, 'blue'],
    ['a MAC', 'ovn.kubernetes.io/mac_address', '0a:00:00:00:00:01'],
  ])('for %s passes', async ([, field, value]) => {
    await reservation({ podName: 'other', v4IpAddress: '10.16.0.30' })
    expect(await asking(field!, value!)).toMatchObject({ kind: 'allowed' })
  })

  it.for([
    ['another address', ADDRESS, '10.16.0.99'],
    ['another MAC', 'ovn.kubernetes.io/mac_address', '0a:00:00:00:00:01'],
    ['another Subnet', 'ovn.kubernetes.io/logical_switch', 'dual-stack'],
  ])('for %s than its own reservation is refused, and not patched (D7, D13)', async ([, field, value]) => {
    await reservation({ podName: 'web-1', v4IpAddress: '10.16.0.30' })
    const review = creation({ annotations: { [field!]: value! } })
    expect(patchOf(await mutatePod(world.ports, review))).toEqual([])
    expect(problemIn(await validatePod(world.ports, review))).toMatchObject({
      code: 'already_reserved',
      field: `metadata.annotations["${field}"]`,
    })
  })
})

describe('when the cluster cannot be read', () => {
  it('nothing is said against the Pod', async () => {
    world.intercept = async (requests) =>
      requests.map(() => ({
        ok: false,
        error: { reason: 'Unavailable', message: 'away', outcome: 'refused' },
      }))
    expect((await mutatePod(world.ports, creation())).kind).toBe('failed')
  })
})
