import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../../infra/dev/wait.ts'
import type { KubeObject } from '../../shared/cluster/port.ts'
import type { IpSpec } from '../../shared/kube-ovn/ip-object.ts'
import { Installation } from './installation.ts'

const SECOND = 'lab-net.default.ovn'
/** Kube-OVN's accounts, as the webhooks' matchConditions name them. */
const KUBE_OVN = ['ovn', 'ovn-ovs', 'kube-ovn-cni', 'kube-ovn-app'].map(
  (name) => `system:serviceaccount:kube-system:${name}`,
)
const BERTH = 'system:serviceaccount:berth-system:berth'
const RESERVED = 'ovn.kubernetes.io/ip_reserved'

/** Pods of every kind, through the webhooks that are shipped, on a real API server. */
describe('what a Pod is given', () => {
  let cluster: Installation

  beforeAll(async () => {
    // As it is shipped: it finds out by itself that nobody else runs.
    cluster = await Installation.start({ vars: { AUTHORITY: 'auto' } })
    await cluster.apply({
      ...{ apiVersion: 'kubeovn.io/v1', kind: 'Subnet', metadata: { name: 'lab' } },
      spec: {
        ...{ cidrBlock: '10.40.0.0/24', gateway: '10.40.0.1', excludeIps: ['10.40.0.1'], protocol: 'IPv4' },
        provider: SECOND,
      },
    })
    // As Kube-OVN's own role has it [dist/images/install.sh, ClusterRole system:ovn].
    await cluster.kubectl('create', 'clusterrole', 'system:ovn', '--verb=*', '--resource=ips.kubeovn.io')
    const users = [...KUBE_OVN, BERTH].map((user) => `--user=${user}`)
    await cluster.kubectl('create', 'clusterrolebinding', 'ovn', '--clusterrole=system:ovn', ...users)
  })
  afterAll(() => cluster?.stop())

  const wish = (podName: string, podType: string, more: object = {}, provider = '') => ({
    ...{ apiVersion: 'kubeovn.io/v1', kind: 'IP' },
    metadata: { name: `${podName}.default${provider === '' ? '' : `.${provider}`}` },
    spec: { subnet: 'ovn-default', namespace: 'default', podName, podType, ...more },
  })
  const pod = (name: string, metadata: object = {}) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', ...metadata },
    spec: { containers: [{ name: 'c', image: 'none' }] },
  })
  const ownedBy = (apiVersion: string, kind: string, name: string) => ({
    ownerReferences: [{ apiVersion, kind, name, uid: `uid-of-${name}`, controller: true }],
  })
  const given = async (name: string) => (await cluster.get('pod', name))?.metadata.annotations ?? {}
  const promised = async (name: string) => {
    const object = (await cluster.get('ips', name)) as KubeObject<IpSpec> | undefined
    if (!object?.spec) throw new Error(`${name} is not there`)
    return { ip: object.spec.ipAddress, mac: object.spec.macAddress }
  }

  test('a Pod of a StatefulSet: the address of its number', async () => {
    await cluster.apply(wish('db-0', 'StatefulSet'), wish('db-1', 'StatefulSet'))
    await cluster.kubectl(
      ...['create', '-f', cluster.file([pod('db-1', ownedBy('apps/v1', 'StatefulSet', 'db'))])],
    )
    const { ip, mac } = await promised('db-1.default')
    expect(await given('db-1')).toEqual({
      'ovn.kubernetes.io/ip_address': ip,
      'ovn.kubernetes.io/mac_address': mac,
      'ovn.kubernetes.io/logical_switch': 'ovn-default',
    })
  })

  test('a virt-launcher Pod, whose name nobody knows before: that of its virtual machine', async () => {
    await cluster.apply(wish('vm-7', 'VirtualMachine', { v4IpAddress: '10.16.5.7' }))
    const launcher = 'virt-launcher-vm-7-x2x9z'
    const owned = ownedBy('kubevirt.io/v1', 'VirtualMachineInstance', 'vm-7')
    await cluster.kubectl('create', '-f', cluster.file([pod(launcher, owned)]))
    expect(await given(launcher)).toMatchObject({
      'ovn.kubernetes.io/ip_address': '10.16.5.7',
      'ovn.kubernetes.io/mac_address': (await promised('vm-7.default')).mac,
    })
    // The machine of the next migration gets the same; somebody else's machine does not.
    await cluster.kubectl('create', '-f', cluster.file([pod('virt-launcher-vm-7-b4b4b', owned)]))
    expect((await given('virt-launcher-vm-7-b4b4b'))['ovn.kubernetes.io/ip_address']).toBe('10.16.5.7')
    const others = pod('virt-launcher-vm-8-c5c5c', {
      ...ownedBy('kubevirt.io/v1', 'VirtualMachineInstance', 'vm-8'),
      annotations: { 'ovn.kubernetes.io/ip_address': '10.16.5.7' },
    })
    expect(await cluster.refused('create', '-f', cluster.file([others]))).toContain(
      'reserved for somebody else',
    )
  })

  test('two NICs: each by its own provider’s annotations', async () => {
    await cluster.apply(
      wish('two', '', { v4IpAddress: '10.16.5.9' }),
      wish('two', '', { subnet: 'lab', v4IpAddress: '10.40.0.9' }, SECOND),
    )
    const networks = { annotations: { 'k8s.v1.cni.cncf.io/networks': 'default/lab-net' } }
    await cluster.kubectl('create', '-f', cluster.file([pod('two', networks)]))
    const first = await promised('two.default')
    const second = await promised(`two.default.${SECOND}`)
    expect(await given('two')).toEqual({
      ...networks.annotations,
      'ovn.kubernetes.io/ip_address': '10.16.5.9',
      'ovn.kubernetes.io/mac_address': first.mac,
      'ovn.kubernetes.io/logical_switch': 'ovn-default',
      [`${SECOND}.kubernetes.io/ip_address`]: '10.40.0.9',
      [`${SECOND}.kubernetes.io/mac_address`]: second.mac,
      [`${SECOND}.kubernetes.io/logical_switch`]: 'lab',
    })
  })

  test('and nobody takes the second NIC’s address from it', async () => {
    const thief = pod('thief', {
      annotations: {
        'k8s.v1.cni.cncf.io/networks': 'default/lab-net',
        [`${SECOND}.kubernetes.io/ip_address`]: '10.40.0.9',
      },
    })
    expect(await cluster.refused('create', '-f', cluster.file([thief]))).toContain(
      'reserved for somebody else',
    )
  })

  describe('while Berth is down, so that a webhook that is met is an error', () => {
    beforeAll(async () => {
      await cluster.apply(wish('kept', ''))
      await until('kept.default is bound', 20_000, async () =>
        (await cluster.reservation('kept.default'))?.state === 'bound' ? true : undefined,
      )
      await cluster.berth.kill9()
    })
    afterAll(() => cluster.startBerth())

    const merge = (user: string, name: string, patch: object) =>
      cluster.kubectl(`--as=${user}`, 'patch', 'ips', name, '--type=merge', '-p', JSON.stringify(patch))

    test.each([...KUBE_OVN, BERTH])('%s creates, updates, finalizes and deletes', async (user) => {
      const name = `of-${user.split(':').at(-1)}`
      const object = wish(name, '', { v4IpAddress: '10.16.6.6', ipAddress: '10.16.6.6' })
      await cluster.kubectl(`--as=${user}`, 'create', '-f', cluster.file([object]))
      await merge(user, object.metadata.name, {
        metadata: { finalizers: ['kubeovn.io/kube-ovn-controller'], labels: { [RESERVED]: 'false' } },
        spec: { nodeName: 'node-a', macAddress: '00:00:00:00:06:06' },
      })
      await cluster.kubectl(`--as=${user}`, 'delete', 'ips', object.metadata.name, '--wait=false')
      await merge(user, object.metadata.name, { metadata: { finalizers: null } })
      expect(await cluster.get('ips', object.metadata.name)).toBeUndefined()
    })

    test('anybody else meets one, in each of these', async () => {
      const missed = 'failed calling webhook'
      expect(await cluster.refused('create', '-f', cluster.file([wish('nobody', '')]))).toContain(missed)
      const patch = '{"spec":{"nodeName":"node-a"}}'
      expect(await cluster.refused('patch', 'ips', 'kept.default', '--type=merge', '-p', patch)).toContain(
        missed,
      )
      expect(await cluster.refused('delete', 'ips', 'kept.default')).toContain(missed)
    })

    test.each(['kube-system', 'berth-system'])('a Pod in %s asks nobody', async (namespace) => {
      // Guarded by mistake, it still does not wait for Berth.
      await cluster.kubectl('label', 'namespace', namespace, 'berth/guard=enabled')
      const safe = pod('free', { namespace })
      const spec = {
        securityContext: { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: 'RuntimeDefault' } },
        containers: [
          {
            ...{ name: 'c', image: 'none' },
            securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
          },
        ],
      }
      await cluster.kubectl('create', '-f', cluster.file([{ ...safe, spec }]))
      expect((await cluster.get('pod', 'free', `--namespace=${namespace}`))?.metadata.name).toBe('free')
      await cluster.kubectl('label', 'namespace', namespace, 'berth/guard-')
    })
  })

  test.each(KUBE_OVN)('%s may neither delete a reservation nor unmark it', async (user) => {
    const name = `marked-${user.split(':').at(-1)}`
    await cluster.apply(wish(name, ''))
    const before = await cluster.get('ips', `${name}.default`)
    expect(await cluster.refused(`--as=${user}`, 'delete', 'ips', `${name}.default`)).toContain(
      'is not collected',
    )
    for (const labels of [{ [RESERVED]: null }, { [RESERVED]: 'false' }, null]) {
      const patch = JSON.stringify({ metadata: { labels } })
      expect(
        await cluster.refused(
          ...[`--as=${user}`, 'patch', 'ips', `${name}.default`, '--type=merge', '-p', patch],
        ),
      ).toContain('is taken off by Berth alone')
    }
    expect((await cluster.get('ips', `${name}.default`))?.metadata.labels).toEqual(before?.metadata.labels)
  })
})
