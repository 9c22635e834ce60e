import type { KubeObject } from '../../../shared/cluster/port.ts'
import { LABEL_RESERVED, portName } from '../../../shared/kube-ovn/names.ts'
import type { Context } from './context.ts'
import { keyOf } from './informer.ts'
import { ipSpec, readAll, refOf } from './objects.ts'
import {
  ALLOCATED,
  annotation,
  isAlive,
  isBeyond,
  nameByPod,
  podSpec,
  ROUTED,
  statefulSetOf,
} from './pod-facts.ts'
import { defaultSubnet } from './pod-subnet.ts'

/** gcIP, once at start: an IP object without owner is deleted, with no precondition (D1) [pkg/controller/gc.go:312-412]. */
export async function collectIps(c: Context): Promise<void> {
  for (const object of ordered(c, 'gc ip', await readAll(c, 'IP'))) {
    if (await hasOwner(c, object)) continue
    if (!c.quirks.has('Q11') && object.metadata.labels?.[LABEL_RESERVED] === 'true') continue
    const reply = await c.writes.delete({ kind: 'IP', name: object.metadata.name })
    if (!reply.ok) c.log('gc ip', reply.error.message)
  }
}

/** The cache in the order Go happens to walk it. */
export function ordered(c: Context, what: string, objects: readonly KubeObject[]): KubeObject[] {
  return c
    .order(
      what,
      objects.map((object) => ({ name: keyOf(object), object })),
    )
    .map(({ object }) => object)
}

/** checkIPOwnerExists: in this order, the first that applies decides. An owner that cannot be read is there. */
async function hasOwner(c: Context, object: KubeObject): Promise<boolean> {
  const spec = ipSpec(object)
  if (!c.ipam.has(spec.subnet)) return false
  const { namespace, podName } = spec
  if (namespace === '' && spec.nodeName === podName) return true
  if (spec.podType === 'VirtualMachine') return exists(c, 'VirtualMachine', namespace, podName)
  if (spec.podType === 'StatefulSet') {
    const dash = podName.lastIndexOf('-')
    return exists(c, 'StatefulSet', namespace, dash < 0 ? podName : podName.slice(0, dash))
  }
  const owners = object.metadata.ownerReferences ?? []
  if (owners.length > 0)
    return owners.some(({ kind, name }) => kind === 'Subnet' && c.caches.Subnet.get(name) !== undefined)
  if (spec.podType !== '') return true
  const pod = c.caches.Pod.get(`${namespace}/${podName}`)
  return pod !== undefined && !podSpec(pod).hostNetwork
}

async function exists(c: Context, kind: 'VirtualMachine' | 'StatefulSet', namespace: string, name: string) {
  const reply = await c.writes.get({ kind, namespace, name })
  return reply.ok || reply.error.reason !== 'NotFound'
}

/** The names of VM ports, which stay while the VM is there. */
export async function vmPorts(c: Context): Promise<ReadonlySet<string>> {
  if (!c.config.keepVmIp) return new Set()
  const vms = await readAll(c, 'VirtualMachine')
  return new Set(vms.map(({ metadata }) => portName(metadata.name, metadata.namespace ?? '', 'ovn')))
}

/** markAndCleanLSP: a port that nobody claims twice in a row goes, with its IP object unless that is reserved. */
export async function collectPorts(c: Context): Promise<void> {
  const claimed = new Set(await vmPorts(c))
  for (const pod of await readAll(c, 'Pod')) {
    if (podSpec(pod).hostNetwork || annotation(pod, ALLOCATED) !== 'true') continue
    if (await isLost(c, pod)) continue
    claimed.add(portName(nameByPod(c, pod), pod.metadata.namespace ?? '', 'ovn'))
  }
  const orphans = new Set<string>()
  for (const { name, externalIds } of await c.north.list({ vendor: 'kube-ovn' })) {
    if (claimed.has(name)) continue
    if (c.quirks.has('Q12') && !c.orphans.has(name)) {
      orphans.add(name)
      continue
    }
    await c.north.delete(name)
    const reply = await c.writes.get({ kind: 'IP', name })
    if (!reply.ok || reply.value.metadata.labels?.[LABEL_RESERVED] === 'true') continue
    await c.writes.delete({ kind: 'IP', name })
    const { subnet } = ipSpec(reply.value)
    if (subnet !== '' && externalIds.pod !== undefined) c.ipam.releasePod(externalIds.pod, subnet)
  }
  c.orphans = orphans
}

/** isStatefulSetPodToGC, or a Pod that is no longer alive. */
async function isLost(c: Context, pod: KubeObject): Promise<boolean> {
  const owner = statefulSetOf(pod)
  if (owner === undefined) return !isAlive(c, pod)
  const namespace = pod.metadata.namespace ?? ''
  const reply = await c.writes.get({ kind: 'StatefulSet', name: owner.name, namespace })
  if (!reply.ok) return reply.error.reason === 'NotFound'
  const { deletionTimestamp, uid } = reply.value.metadata
  if (deletionTimestamp !== undefined || uid !== owner.uid) return true
  return isBeyond(reply.value, pod) && !isAlive(c, pod)
}

/** inspectPod: an allocated Pod without port is done again [pkg/controller/inspection.go:15-67]. */
export async function inspect(c: Context): Promise<void> {
  for (const pod of ordered(c, 'inspection', await readAll(c, 'Pod'))) {
    if (podSpec(pod).hostNetwork || !isAlive(c, pod)) continue
    const subnet = await defaultSubnet(c, pod)
    if (!subnet.ok) return
    const marked = annotation(pod, ALLOCATED)
    if (pod.metadata.annotations !== undefined && marked !== 'true') continue
    const name = portName(nameByPod(c, pod), pod.metadata.namespace ?? '', 'ovn')
    const key = keyOf(pod)
    if ((await c.north.get(name)) === undefined) {
      const annotations = { [ALLOCATED]: null, [ROUTED]: null }
      const reply = await c.writes.merge(refOf('Pod', key), { metadata: { annotations } })
      if (!reply.ok) return
      c.queues['add/update pod'].add(key)
    } else if (marked === 'true' && podSpec(pod).nodeName && annotation(pod, ROUTED) !== 'true')
      c.queues['add/update pod'].add(key)
  }
}
