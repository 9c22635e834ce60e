import type { KubeObject } from '../../../shared/cluster/port.ts'
import { parseAddress } from '../../../shared/ipam/address.ts'
import { portName } from '../../../shared/kube-ovn/names.ts'
import { isMac, joinValid } from './addresses.ts'
import type { Context } from './context.ts'
import { keyOf } from './informer.ts'
import { recordIp } from './ip-record.ts'
import { isTerminating, read, refOf, subnetSpec } from './objects.ts'
import {
  ALLOCATED,
  annotation,
  IP_ADDRESS,
  isAlive,
  isPhaseAlive,
  isSetPodToDelete,
  isVmToDelete,
  LOGICAL_SWITCH,
  MAC_ADDRESS,
  MIGRATION_JOB,
  NET,
  nameByPod,
  podKey,
  podSpec,
  podTypeOf,
  ROUTED,
  statefulSetOf,
  vmOf,
} from './pod-facts.ts'
import { defaultSubnet, podAddress } from './pod-subnet.ts'
import type { Handled } from './queue.ts'

/** Event handlers of Pods [pkg/controller/pod.go:194-452]. */
export function podHandlers(c: Context) {
  const leave = (pod: KubeObject, afterMs = 0) => {
    c.leaving.pod.set(keyOf(pod), pod)
    c.queues['delete pod'].addAfter(keyOf(pod), afterMs)
  }
  const later = (work: () => Promise<void>) => void c.life.run(work)
  return {
    added: (pod: KubeObject) => {
      if (podSpec(pod).hostNetwork) return
      if (isAlive(c, pod)) {
        if (annotation(pod, ROUTED) !== 'true') c.queues['add/update pod'].add(keyOf(pod))
      } else
        later(async () => {
          const kept = statefulSetOf(pod) !== undefined || (c.config.keepVmIp && vmOf(pod) !== undefined)
          if (!kept || (await isOwnerGone(c, pod))) leave(pod)
        })
    },
    updated: (_old: KubeObject, pod: KubeObject) => {
      if (podSpec(pod).hostNetwork) return
      const plain = statefulSetOf(pod) === undefined && vmOf(pod) === undefined
      if (plain && !isPhaseAlive(pod)) return leave(pod)
      if (plain && isTerminating(pod)) return leave(pod, graceLeftMs(c, pod))
      if (plain) c.queues['add/update pod'].add(keyOf(pod))
      else
        later(async () => {
          if (await isOwnerGone(c, pod)) leave(pod, graceLeftMs(c, pod))
          else c.queues['add/update pod'].add(keyOf(pod))
        })
    },
    removed: (pod: KubeObject) => {
      if (!podSpec(pod).hostNetwork) leave(pod)
    },
  }
}

const isOwnerGone = async (c: Context, pod: KubeObject) =>
  (await isSetPodToDelete(c, pod)) || (await isVmToDelete(c, pod))

/** In case a node is lost: the Pod's grace period once more, from its deletionTimestamp. */
function graceLeftMs(c: Context, pod: KubeObject): number {
  const graceMs = (podSpec(pod).terminationGracePeriodSeconds ?? 0) * 1_000
  const { deletionTimestamp } = pod.metadata
  return deletionTimestamp === undefined
    ? graceMs
    : Date.parse(deletionTimestamp) + graceMs - c.life.clock.nowMs()
}

/** handleAddOrUpdatePod [pkg/controller/pod.go:490-590]. */
export function addOrUpdatePod(c: Context, key: string): Promise<Handled> {
  return c.podKeys.hold(key, async () => {
    const cached = await read(c, 'Pod', key)
    if (cached === undefined) return undefined
    const wrong = invalidAnnotations(cached)
    if (wrong !== undefined) return wrong
    const subnet = await defaultSubnet(c, cached)
    if (!subnet.ok) return subnet.error
    if (subnet.value === undefined) return undefined
    let pod = cached
    if (needsAddress(c, cached)) {
      const allocated = await allocate(c, cached, subnet.value)
      if (typeof allocated === 'string') return allocated
      if (allocated === undefined) return undefined
      pod = allocated
    }
    return route(c, pod)
  })
}

/** ValidatePodNetwork [pkg/util/validator.go:341]. */
function invalidAnnotations(pod: KubeObject): Handled {
  const address = annotation(pod, IP_ADDRESS)
  const bad = address === '' ? undefined : address.split(',').find((text) => !parseAddress(text).ok)
  if (bad !== undefined) return `${bad} is not a valid ${IP_ADDRESS}`
  const mac = annotation(pod, MAC_ADDRESS)
  return mac === '' || isMac(mac) ? undefined : `${mac} is not a valid ${MAC_ADDRESS}`
}

/** needAllocateSubnets: not yet, or always for a migration's target. */
function needsAddress(c: Context, pod: KubeObject): boolean {
  if (!isAlive(c, pod)) return false
  return annotation(pod, MIGRATION_JOB) !== '' || annotation(pod, ALLOCATED) !== 'true'
}

/** reconcileAllocateSubnets: address, port, IP object, annotations. @returns why it failed, the Pod as read after, or nothing if it is gone */
async function allocate(
  c: Context,
  pod: KubeObject,
  fallback: KubeObject,
): Promise<string | KubeObject | undefined> {
  const got = await podAddress(c, pod, fallback)
  if (!got.ok) return got.error
  const { v4, v6, mac, subnet } = got.value
  const namespace = pod.metadata.namespace ?? ''
  const podName = nameByPod(c, pod)
  const name = portName(podName, namespace, 'ovn')
  const ip = joinValid(v4, v6)
  const place = subnet.metadata.name
  await c.north.put({
    name,
    addresses: [[mac, ...ip.split(',')].filter((text) => text !== '').join(' ')],
    externalIds: { vendor: 'kube-ovn', ls: place, pod: podKey(c, pod) },
  })
  const nodeName = podSpec(pod).nodeName ?? ''
  const podType = podTypeOf(pod)
  const why = await recordIp(c, { name, podName, namespace, podType, nodeName, subnet: place, ip, mac })
  if (why !== undefined) return why
  const { cidrBlock, gateway, vpc } = subnetSpec(subnet)
  const vm = c.config.keepVmIp ? vmOf(pod) : undefined
  return annotate(c, pod, {
    [IP_ADDRESS]: ip,
    [MAC_ADDRESS]: mac === '' ? null : mac,
    [`${NET}cidr`]: cidrBlock,
    [`${NET}gateway`]: gateway,
    [LOGICAL_SWITCH]: place,
    ...(annotation(pod, `${NET}pod_nic_type`) === '' ? { [`${NET}pod_nic_type`]: 'veth-pair' } : {}),
    [ALLOCATED]: 'true',
    ...(vm === undefined ? {} : { [`${NET}virtualmachine`]: vm }),
    ...(vpc ? { [`${NET}logical_router`]: vpc } : {}),
  })
}

/** A Pod that went while it was being served is cleaned up again. */
async function annotate(
  c: Context,
  pod: KubeObject,
  annotations: Readonly<Record<string, string | null>>,
): Promise<string | KubeObject | undefined> {
  const ref = refOf('Pod', keyOf(pod))
  const patched = await c.writes.merge(ref, { metadata: { annotations } })
  const reply = patched.ok ? await c.writes.get(ref) : patched
  if (reply.ok) return reply.value
  if (reply.error.reason !== 'NotFound') return `failed to patch pod ${keyOf(pod)}: ${reply.error.message}`
  c.leaving.pod.set(keyOf(pod), pod)
  c.queues['delete pod'].addRateLimited(keyOf(pod))
  return undefined
}

/** reconcileRouteSubnets, of which the mark remains. */
async function route(c: Context, pod: KubeObject): Promise<Handled> {
  if (!isAlive(c, pod) || (podSpec(pod).nodeName ?? '') === '') return undefined
  if (annotation(pod, ALLOCATED) !== 'true' || annotation(pod, ROUTED) === 'true') return undefined
  const routed = await annotate(c, pod, { [ROUTED]: 'true' })
  return typeof routed === 'string' ? routed : undefined
}
