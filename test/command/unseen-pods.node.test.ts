import { expect, test } from 'vitest'
import type { ClusterPort, KubeObject } from '../../shared/cluster/port.ts'
import type { CommandPorts } from '../../shared/command/ports.ts'
import { stillUnseen, unseenPods } from '../../shared/command/unseen-pods.ts'
import type { SubnetObject, SubnetSpec } from '../../shared/kube-ovn/subnet-object.ts'
import { err, ok } from '../../shared/result.ts'

const subnetOf = (name: string, spec: SubnetSpec): SubnetObject => ({
  apiVersion: 'kubeovn.io/v1',
  kind: 'Subnet',
  metadata: { name },
  spec,
})
const OTHER = subnetOf('other', { namespaces: ['bound'] })
const NAD = 'blue.default.ovn'

interface Given {
  readonly namespace?: string
  readonly annotations?: Record<string, string>
  readonly spec?: object
  readonly phase?: string
}

const podOf = ({
  namespace = 'free',
  annotations = {},
  spec = {},
  phase = 'Pending',
}: Given): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace, uid: 'u', annotations },
  spec,
  status: { phase },
})

/** A cluster with these Subnets and pools, and one Pod. */
function clusterOf(
  pod: KubeObject | undefined,
  subnets: readonly SubnetObject[],
  pools: readonly string[] = [],
) {
  const selectors: unknown[] = []
  const cluster = {
    list: async (kind: string, { fieldSelector }: { fieldSelector?: string } = {}) => {
      if (kind === 'Pod') selectors.push(fieldSelector)
      const items =
        kind === 'Subnet'
          ? subnets
          : kind === 'IPPool'
            ? pools.map((subnet) => ({ metadata: { name: 'pool' }, spec: { subnet } }))
            : pod && (!fieldSelector || (pod.status as { phase: string }).phase === 'Pending')
              ? [pod]
              : []
      return ok({ items, resourceVersion: '1' })
    },
    send: async () => [pod ? ok(pod) : err({ reason: 'NotFound', message: '', outcome: 'refused' })],
  } as unknown as ClusterPort
  return { ports: { cluster } as CommandPorts, selectors }
}

const DEFAULT: SubnetSpec = { default: true }
const JOINED = { 'k8s.v1.cni.cncf.io/networks': 'default/blue' }
const SHOWN = { 'ovn.kubernetes.io/allocated': 'true', 'ovn.kubernetes.io/ip_address': '10.16.0.5' }

test.each<[what: string, spec: SubnetSpec, pod: Given, isUnseen: boolean]>([
  ['that names no Subnet, in the default one', DEFAULT, {}, true],
  ['that shows its address', DEFAULT, { annotations: SHOWN }, false],
  [
    'that asks for one, and has none yet',
    DEFAULT,
    { annotations: { 'ovn.kubernetes.io/ip_address': '10.16.0.5' } },
    true,
  ],
  [
    'that is allocated, of all things without one',
    DEFAULT,
    { annotations: { 'ovn.kubernetes.io/allocated': 'true' } },
    true,
  ],
  ['whose namespace is another Subnet’s', DEFAULT, { namespace: 'bound' }, false],
  [
    'the same, where selectors may make it this one’s too',
    { ...DEFAULT, namespaceSelectors: [{}] },
    { namespace: 'bound' },
    true,
  ],
  ['of a namespace that both have', { namespaces: ['bound'] }, { namespace: 'bound' }, true],
  ['of a namespace that nobody has, in a Subnet that is no default', {}, {}, false],
  ['the same in a VPC of its own, whose default it may be', { vpc: 'v' }, {}, true],
  ['that names this Subnet', {}, { annotations: { 'ovn.kubernetes.io/logical_switch': 'here' } }, true],
  ['that names a pool', {}, { annotations: { 'ovn.kubernetes.io/ip_pool': 'pool' } }, true],
  ['without that network', { provider: NAD }, {}, false],
  ['with that network', { provider: NAD }, { annotations: JOINED }, true],
  [
    'that runs, and has it plugged in',
    { provider: NAD },
    { annotations: { ...JOINED, ...SHOWN }, phase: 'Running' },
    true,
  ],
  [
    'that shows its address there',
    { provider: NAD },
    {
      annotations: {
        ...JOINED,
        [`${NAD}.kubernetes.io/allocated`]: 'true',
        [`${NAD}.kubernetes.io/ip_address`]: 'a',
      },
    },
    false,
  ],
  [
    'with two of that network, whose names nobody can tell',
    { provider: NAD },
    { annotations: { 'k8s.v1.cni.cncf.io/networks': 'default/blue@a,default/blue@b' } },
    true,
  ],
  [
    'with networks that cannot be read',
    { provider: NAD },
    { annotations: { 'k8s.v1.cni.cncf.io/networks': '[' } },
    true,
  ],
])('a Pod %s', async (_, spec, pod, isUnseen) => {
  const here = subnetOf('here', spec)
  const { ports } = clusterOf(podOf(pod), [here, OTHER])
  const found = await unseenPods(ports, here)
  expect(found).toEqual(ok(isUnseen ? [{ namespace: pod.namespace ?? 'free', name: 'p', uid: 'u' }] : []))
})

test('where the Subnet has a pool, each namespace may be given an address of it', async () => {
  const here = subnetOf('here', {})
  const { ports } = clusterOf(podOf({ namespace: 'bound' }), [here, OTHER], ['here'])
  expect(await unseenPods(ports, here)).toMatchObject({ value: [{ name: 'p' }] })
})

test('one that is asked for again: gone, another of that name, or as before', async () => {
  const here = subnetOf('here', DEFAULT)
  const was = [{ namespace: 'free', name: 'p', uid: 'u' }]
  const again = (pod?: KubeObject) => stillUnseen(clusterOf(pod, [here]).ports, here, was)
  expect(await again(podOf({}))).toEqual(ok(was))
  expect(await again(podOf({ annotations: SHOWN }))).toEqual(ok([]))
  expect(await again()).toEqual(ok([]))
  const anew = podOf({})
  expect(await again({ ...anew, metadata: { ...anew.metadata, uid: 'v' } })).toEqual(ok([]))
})
