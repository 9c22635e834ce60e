import type { KubeObject } from '../../../shared/cluster/port.ts'
import { ownerKey } from '../../../shared/kube-ovn/names.ts'
import type { Context } from './context.ts'

/** Annotations of a Pod's default network. */
export const NET = 'ovn.kubernetes.io/'
export const ALLOCATED = `${NET}allocated`
export const ROUTED = `${NET}routed`
export const IP_ADDRESS = `${NET}ip_address`
export const MAC_ADDRESS = `${NET}mac_address`
export const LOGICAL_SWITCH = `${NET}logical_switch`
export const IP_POOL = `${NET}ip_pool`
export const MIGRATION_JOB = 'kubevirt.io/migrationJobName'

interface PodSpec {
  nodeName?: string
  hostNetwork?: boolean
  restartPolicy?: string
  terminationGracePeriodSeconds?: number
}

export const podSpec = (pod: KubeObject) => (pod.spec ?? {}) as PodSpec

export const annotation = (pod: KubeObject, key: string) => pod.metadata.annotations?.[key] ?? ''

/** An owner of that kind and API group; the name of a StatefulSet's Pod begins with the set's. */
function ownerOf(pod: KubeObject, kind: string, group: string) {
  return pod.metadata.ownerReferences?.find(
    (owner) => owner.kind === kind && owner.apiVersion.startsWith(`${group}/`),
  )
}

export function statefulSetOf(pod: KubeObject) {
  const owner = ownerOf(pod, 'StatefulSet', 'apps')
  return owner !== undefined && pod.metadata.name.startsWith(owner.name) ? owner : undefined
}

/** The name of the instance, which is the VM's. */
export const vmOf = (pod: KubeObject) => ownerOf(pod, 'VirtualMachineInstance', 'kubevirt.io')?.name

/** getNameByPod: the VM's name where its address is to be kept. */
export function nameByPod(c: Context, pod: KubeObject): string {
  return (c.config.keepVmIp ? vmOf(pod) : undefined) ?? pod.metadata.name
}

export function podTypeOf(pod: KubeObject): string {
  if (statefulSetOf(pod) !== undefined) return 'StatefulSet'
  return vmOf(pod) === undefined ? '' : 'VirtualMachine'
}

/** IPAM's key of a Pod, by the name its address goes under. */
export const podKey = (c: Context, pod: KubeObject) =>
  ownerKey(pod.metadata.namespace ?? '', nameByPod(c, pod))

/** isPodAlive [pkg/controller/pod.go:160-192]. */
export function isAlive(c: Context, pod: KubeObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds } = pod.metadata
  if (deletionTimestamp !== undefined && deletionGracePeriodSeconds !== undefined) {
    const overMs = Date.parse(deletionTimestamp) + deletionGracePeriodSeconds * 1_000
    if (c.life.clock.nowMs() > overMs) return false
  }
  return isPhaseAlive(pod)
}

export function isPhaseAlive(pod: KubeObject): boolean {
  const { phase, reason } = (pod.status ?? {}) as { phase?: string; reason?: string }
  const { restartPolicy } = podSpec(pod)
  if (phase === 'Succeeded' && restartPolicy !== 'Always') return false
  return !(phase === 'Failed' && (restartPolicy === 'Never' || reason === 'Evicted'))
}

/** isStatefulSetPodToDel: the set is gone, going, another one, or smaller than the Pod's ordinal. */
export async function isSetPodToDelete(c: Context, pod: KubeObject): Promise<boolean> {
  const owner = statefulSetOf(pod)
  if (owner === undefined) return false
  const ref = { kind: 'StatefulSet', name: owner.name, namespace: pod.metadata.namespace ?? '' } as const
  const reply = await c.writes.get(ref)
  if (!reply.ok) return reply.error.reason === 'NotFound'
  if (reply.value.metadata.deletionTimestamp !== undefined) return true
  if (reply.value.metadata.uid !== owner.uid) return true
  return isBeyond(reply.value, pod)
}

/** Whether the Pod's ordinal is beyond the set's replicas. */
export function isBeyond(set: KubeObject, pod: KubeObject): boolean {
  const spec = set.spec as { replicas?: number; ordinals?: { start?: number } }
  const ordinal = Number(pod.metadata.name.split('-').at(-1))
  return Number.isInteger(ordinal) && ordinal >= (spec.ordinals?.start ?? 0) + (spec.replicas ?? 1)
}

/** isVMToDel: neither instance nor VM is there to stay. */
export async function isVmToDelete(c: Context, pod: KubeObject): Promise<boolean> {
  const name = vmOf(pod)
  if (name === undefined) return false
  const namespace = pod.metadata.namespace ?? ''
  const instance = await c.writes.get({ kind: 'VirtualMachineInstance', name, namespace })
  let vmName = name
  if (instance.ok) {
    const owner = instance.value.metadata.ownerReferences?.find(({ kind }) => kind === 'VirtualMachine')
    const going = instance.value.metadata.deletionTimestamp !== undefined
    if (owner === undefined) return going
    if (!going) return false
    vmName = owner.name
  } else if (instance.error.reason !== 'NotFound') return false
  const vm = await c.writes.get({ kind: 'VirtualMachine', name: vmName, namespace })
  if (!vm.ok) return vm.error.reason === 'NotFound'
  return vm.value.metadata.deletionTimestamp !== undefined
}
