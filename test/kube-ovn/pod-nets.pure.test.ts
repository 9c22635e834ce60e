import { describe, expect, it } from 'vitest'
import type { KubeObject, OwnerReference } from '../../shared/cluster/port.ts'
import { isOvnProvider, podNets } from '../../shared/kube-ovn/pod-nets.ts'

const NETWORKS = 'k8s.v1.cni.cncf.io/networks'
const DEFAULT_NETWORK = 'v1.multus-cni.io/default-network'

function pod(
  annotations: Record<string, string> = {},
  ownerReferences: OwnerReference[] = [],
  name = 'web-1',
): KubeObject {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, annotations, ownerReferences }, spec: {} }
}

const ports = (annotations: Record<string, string>) =>
  podNets(pod(annotations), 'shop', true).nets.map(({ port }) => port)

describe('the NICs of a Pod', () => {
  it.for<[string, Record<string, string>, string[]]>([
    ['nothing said', {}, ['web-1.shop']],
    ['one NAD', { [NETWORKS]: 'net' }, ['web-1.shop.net.shop.ovn', 'web-1.shop.net.shop', 'web-1.shop']],
    [
      'of another namespace',
      { [NETWORKS]: 'infra/net@eth1' },
      ['web-1.shop.net.infra.ovn', 'web-1.shop.net.infra', 'web-1.shop'],
    ],
    [
      'two',
      { [NETWORKS]: 'a, infra/b' },
      [
        'web-1.shop.a.shop.ovn',
        'web-1.shop.a.shop',
        'web-1.shop.b.infra.ovn',
        'web-1.shop.b.infra',
        'web-1.shop',
      ],
    ],
    [
      'as JSON',
      { [NETWORKS]: '[{"name":"net","namespace":"infra"}]' },
      ['web-1.shop.net.infra.ovn', 'web-1.shop.net.infra', 'web-1.shop'],
    ],
    ['one NAD twice (D24)', { [NETWORKS]: 'net@a,net@b' }, ['web-1.shop']],
    [
      'another default network',
      { [DEFAULT_NETWORK]: 'infra/main' },
      ['web-1.shop.main.infra.ovn', 'web-1.shop.main.infra'],
    ],
  ])('%s', ([, annotations, expected]) => {
    expect(ports(annotations)).toEqual(expected)
  })

  it.for(['[{]', '[1]', '[{"namespace":"x"}]', 'a b', 'a,,b', '"net"'])(
    '%s is unreadable, and said to be',
    (text) => {
      const { nets, warnings } = podNets(pod({ [NETWORKS]: text }), 'shop', true)
      expect(nets.map(({ port }) => port)).toEqual(['web-1.shop'])
      expect(warnings).toEqual([expect.stringContaining(NETWORKS)])
    },
  )
})

describe('the owner', () => {
  const vmi = { apiVersion: 'kubevirt.io/v1', kind: 'VirtualMachineInstance', name: 'vm-1', uid: 'u' }
  const set = { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'web', uid: 'u' }
  const launcher = 'virt-launcher-vm-1-x7'
  it.for<[string, OwnerReference[], boolean, string, string]>([
    ['a Pod', [], true, launcher, ''],
    ['a StatefulSet’s Pod', [set], true, launcher, 'StatefulSet'],
    ['a VM’s Pod', [vmi], true, 'vm-1', 'VirtualMachine'],
    ['a VM’s Pod, KEEP_VM_IP=false (D25)', [vmi], false, launcher, 'VirtualMachine'],
    ['a Pod of something else’s instance', [{ ...vmi, apiVersion: 'example.org/v1' }], true, launcher, ''],
  ])('of %s', ([, owners, keepVmIp, owner, podType]) => {
    expect(podNets(pod({}, owners, launcher), 'shop', keepVmIp)).toMatchObject({ owner, podType })
  })
})

describe('what a NIC asks for', () => {
  const only = (annotations: Record<string, string>, provider: string) =>
    podNets(pod(annotations), 'shop', true).nets.find((net) => net.provider === provider)

  it('addresses, MAC and Subnet of the default network', () => {
    const annotations = {
      'ovn.kubernetes.io/ip_address': '10.16.0.3, fd00::3',
      'ovn.kubernetes.io/mac_address': '0a:00:00:00:00:01',
      'ovn.kubernetes.io/logical_switch': 'ovn-default',
    }
    expect(only(annotations, 'ovn')).toMatchObject({
      addresses: [{ value: '10.16.0.3' }, { value: 'fd00::3' }],
      mac: { value: '0a:00:00:00:00:01' },
      subnet: { value: 'ovn-default' },
    })
  })

  it('per interface, per provider, and in the networks annotation itself', () => {
    const annotations = {
      [NETWORKS]:
        '[{"name":"net","namespace":"infra","interface":"eth1","ips":["10.17.0.5/24"],"mac":"0a:00:00:00:00:03"}]',
      'net.infra.kubernetes.io/ip_address.eth1': '10.17.0.3',
      'net.infra.ovn.kubernetes.io/ip_address': '10.17.0.4',
      'net.infra.kubernetes.io/mac_address.eth1': '0a:00:00:00:00:01',
    }
    expect(only(annotations, 'net.infra.ovn')).toMatchObject({
      addresses: [
        { value: '10.17.0.3', field: 'net.infra.kubernetes.io/ip_address.eth1' },
        { value: '10.17.0.4', field: 'net.infra.ovn.kubernetes.io/ip_address' },
        { value: '10.17.0.5', field: NETWORKS },
      ],
      mac: { value: '0a:00:00:00:00:01' },
    })
  })
})

it.for([
  ['ovn', true],
  ['net.infra.ovn', true],
  ['net.infra', false],
  ['a.b.c.ovn', false],
] as const)('provider %s is in OVN: %s', ([provider, is]) => {
  expect(isOvnProvider(provider)).toBe(is)
})
