import type { KubeObject } from '../../../shared/cluster/port.ts'
import {
  DEPRECATED_FINALIZER,
  FINALIZER,
  LABEL_RESERVED,
  ownerKey,
  portName,
} from '../../../shared/kube-ovn/names.ts'
import { splitAddresses } from './addresses.ts'
import type { Context } from './context.ts'
import { recount } from './counters.ts'
import { recordIp } from './ip-record.ts'
import { ipSpec, isTerminating, readAll, subnetSpec } from './objects.ts'
import {
  ALLOCATED,
  annotation,
  IP_ADDRESS,
  isAlive,
  MAC_ADDRESS,
  nameByPod,
  podKey,
  podSpec,
  podTypeOf,
  statefulSetOf,
} from './pod-facts.ts'
import { defaultSubnet } from './pod-subnet.ts'
import { ordered, vmPorts } from './sweeps.ts'

/** syncIPCR: v4 and v6 are rewritten from ipAddress (D3) [pkg/controller/init.go:714-758]. @returns what ends the process */
export async function syncIps(c: Context): Promise<string | undefined> {
  const vms = await vmPorts(c)
  for (const object of ordered(c, 'sync ips', await readAll(c, 'IP'))) {
    if (isTerminating(object)) {
      c.queues['update ip'].add(object.metadata.name)
      continue
    }
    const spec = ipSpec(object)
    const podType = spec.podType === '' && vms.has(object.metadata.name) ? 'VirtualMachine' : spec.podType
    const addresses = splitAddresses(spec.ipAddress)
    const differs = spec.v4IpAddress !== addresses.v4 || spec.v6IpAddress !== addresses.v6
    if (!c.quirks.has('Q10') || (!differs && podType === spec.podType)) continue
    const next = { ...spec, podType, v4IpAddress: addresses.v4, v6IpAddress: addresses.v6 }
    const reply = await c.writes.send({ verb: 'update', object: { ...object, spec: next } })
    if (!reply.ok) return `failed to sync crd ip ${spec.ipAddress}: ${reply.error.message}`
  }
  return undefined
}

/** syncFinalizers: the deprecated finalizer makes room for the new one. */
export async function syncFinalizers(c: Context): Promise<string | undefined> {
  for (const kind of ['Subnet', 'IPPool', 'IP', 'Vip'] as const) {
    for (const object of await readAll(c, kind)) {
      const present = object.metadata.finalizers ?? []
      if (!present.includes(DEPRECATED_FINALIZER)) continue
      const others = present.filter((name) => name !== DEPRECATED_FINALIZER)
      const next = isTerminating(object) || others.includes(FINALIZER) ? others : [...others, FINALIZER]
      const patch = { metadata: { finalizers: next.length === 0 ? null : next } }
      const reply = await c.writes.merge({ kind, name: object.metadata.name }, patch)
      if (!reply.ok && reply.error.reason !== 'NotFound') return reply.error.message
    }
  }
  return undefined
}

/** InitIPAM: Subnets, pools, objects of StatefulSets and VMs, then Pods; who loses is only logged (D2). */
export async function loadIpam(c: Context): Promise<void> {
  for (const subnet of ordered(c, 'load subnets', await readAll(c, 'Subnet'))) {
    const { cidrBlock, gateway, excludeIps } = subnetSpec(subnet)
    const taken = c.ipam.setSubnet(subnet.metadata.name, cidrBlock, gateway, excludeIps)
    if (!taken.ok) c.log('load subnet', taken.error)
  }
  for (const { metadata, spec } of ordered(c, 'load pools', await readAll(c, 'IPPool'))) {
    const { subnet = '', ips = [] } = spec as { subnet?: string; ips?: string[] }
    const taken = c.ipam.setPool(subnet, metadata.name, ips)
    if (!taken.ok) c.log('load ippool', taken.error)
  }
  for (const object of ordered(c, 'load ips', await readAll(c, 'IP'))) loadIp(c, object)
  for (const pod of ordered(c, 'load pods', await readAll(c, 'Pod'))) await loadPod(c, pod)
}

function loadIp(c: Context, object: KubeObject): void {
  const { name, labels } = object.metadata
  if (isTerminating(object)) {
    c.queues['update ip'].add(name)
    return
  }
  const spec = ipSpec(object)
  const owned = spec.podType === 'StatefulSet' || spec.podType === 'VirtualMachine'
  const reserved = !c.quirks.has('Q10') && labels?.[LABEL_RESERVED] === 'true'
  if (!owned && !reserved) return
  const pod = spec.namespace === '' ? `node-${spec.podName}` : ownerKey(spec.namespace, spec.podName)
  const { ipAddress: ip, macAddress: mac, subnet } = spec
  const got = c.ipam.allocateStatic({ subnet, pod, nic: name, ip, mac, check: true })
  if (!got.ok) c.log('load ip', `${name}: ${got.error}`)
}

async function loadPod(c: Context, pod: KubeObject): Promise<void> {
  if (podSpec(pod).hostNetwork || annotation(pod, ALLOCATED) !== 'true') return
  if (!isAlive(c, pod) && statefulSetOf(pod) === undefined) return
  const subnet = await defaultSubnet(c, pod)
  if (!subnet.ok || subnet.value === undefined) return
  const namespace = pod.metadata.namespace ?? ''
  const podName = nameByPod(c, pod)
  const name = portName(podName, namespace, 'ovn')
  const [ip, mac] = [annotation(pod, IP_ADDRESS), annotation(pod, MAC_ADDRESS)]
  if (ip === '') return
  const place = subnet.value.metadata.name
  const got = c.ipam.allocateStatic({ subnet: place, pod: podKey(c, pod), nic: name, ip, mac, check: true })
  if (!got.ok) return c.log('load pod', `${name}: ${got.error}`)
  const nodeName = podSpec(pod).nodeName ?? ''
  const podType = podTypeOf(pod)
  const why = await recordIp(c, { name, podName, namespace, podType, nodeName, subnet: place, ip, mac })
  if (why !== undefined) c.log('load pod', why)
}

/** syncSubnetCR: counts every Subnet. */
export async function syncSubnets(c: Context): Promise<string | undefined> {
  for (const subnet of ordered(c, 'sync subnets', await readAll(c, 'Subnet'))) {
    if (subnetSpec(subnet).cidrBlock === '') continue
    const counted = await recount(c, subnet)
    if (typeof counted === 'string') return counted
  }
  return undefined
}
