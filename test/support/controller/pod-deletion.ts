import type { KubeObject } from '../../../shared/cluster/port.ts'
import { parseAddress } from '../../../shared/ipam/address.ts'
import { parseKubeOvnSubnet } from '../../../shared/ipam/kube-ovn-config.ts'
import { LABEL_RESERVED, portName } from '../../../shared/kube-ovn/names.ts'
import type { Context } from './context.ts'
import { isTerminating, read, subnetSpec } from './objects.ts'
import {
  annotation,
  IP_ADDRESS,
  isSetPodToDelete,
  isVmToDelete,
  LOGICAL_SWITCH,
  nameByPod,
  podKey,
  statefulSetOf,
  vmOf,
} from './pod-facts.ts'
import { defaultSubnet } from './pod-subnet.ts'
import type { Handled } from './queue.ts'

/** handleDeletePod [pkg/controller/pod.go:1159-1493]. The label protects object and lease, never the port. */
export function deletePod(c: Context, key: string): Promise<Handled> {
  return c.podKeys.hold(key, async () => {
    const pod = c.leaving.pod.get(key)
    if (pod === undefined) return undefined
    const why = await release(c, key, pod)
    if (why === undefined && c.leaving.pod.get(key) === pod) c.leaving.pod.delete(key)
    return why
  })
}

/** What becomes of the address of a Pod whose set or VM lives on. */
interface Owner {
  readonly kept: boolean
  /** The set or VM is gone or going: the IP object goes too. */
  readonly gone: boolean
  /** The Pod's Subnet or CIDR no longer fits. */
  readonly misfit: boolean
}

async function release(c: Context, key: string, pod: KubeObject): Promise<Handled> {
  const present = await read(c, 'Pod', key)
  if (present !== undefined && present.metadata.uid !== pod.metadata.uid) return undefined
  const owner = await ownerOf(c, pod)
  const ports = await c.north.list({ vendor: 'kube-ovn', pod: podKey(c, pod) })
  const subnet = await defaultSubnet(c, pod)
  if (!subnet.ok) return subnet.error
  if (owner.kept) return undefined
  for (const { name } of ports) await c.north.delete(name)
  if (subnet.value === undefined) return undefined
  const owned = statefulSetOf(pod) !== undefined || vmOf(pod) !== undefined
  if (owned && !owner.gone && !owner.misfit) return undefined
  const name = portName(nameByPod(c, pod), pod.metadata.namespace ?? '', 'ovn')
  const object = await read(c, 'IP', name)
  if (object === undefined || object.metadata.labels?.[LABEL_RESERVED] === 'true') return undefined
  const reply = await c.writes.delete({ kind: 'IP', name })
  if (!reply.ok && reply.error.reason !== 'NotFound')
    return `failed to delete ip ${name}, ${reply.error.message}`
  const place = subnet.value.metadata.name
  c.ipam.releaseNic(podKey(c, pod), name, place)
  c.queues['update status of subnet'].add(place)
  return undefined
}

async function ownerOf(c: Context, pod: KubeObject): Promise<Owner> {
  const set = statefulSetOf(pod)?.name
  const vm = c.config.keepVmIp ? vmOf(pod) : undefined
  if ((set === undefined && vm === undefined) || !isTerminating(pod))
    return { kept: false, gone: false, misfit: false }
  const gone = set !== undefined ? await isSetPodToDelete(c, pod) : await isVmToDelete(c, pod)
  if (gone) return { kept: false, gone, misfit: false }
  const namespace = pod.metadata.namespace ?? ''
  const reply = await c.writes.get(
    set !== undefined
      ? { kind: 'StatefulSet', name: set, namespace }
      : { kind: 'VirtualMachine', name: vm ?? '', namespace },
  )
  if (!reply.ok) return { kept: false, gone: reply.error.reason === 'NotFound', misfit: false }
  const misfit = await isMisfit(c, pod, reply.value)
  return { kept: !misfit, gone: false, misfit }
}

/** appendCheckPodNonMultusNetToDel and shouldCleanPodNet [pkg/controller/pod.go:2823-2898]. */
async function isMisfit(c: Context, pod: KubeObject, owner: KubeObject): Promise<boolean> {
  const place = annotation(pod, LOGICAL_SWITCH)
  if (place === '') return false
  const template = (owner.spec as { template?: { metadata?: { annotations?: Record<string, string> } } })
    .template
  const wanted = template?.metadata?.annotations?.[LOGICAL_SWITCH] ?? ''
  if (wanted === '') {
    const bound = c.config.namespaceSubnets(pod.metadata.namespace ?? '')
    return bound.length > 0 && !bound.includes(place)
  }
  const subnet = await read(c, 'Subnet', place)
  const ip = annotation(pod, IP_ADDRESS)
  if (subnet === undefined || ip === '') return false
  return wanted !== place || !covers(subnet, ip)
}

function covers(subnet: KubeObject, ip: string): boolean {
  const { cidrBlock, gateway } = subnetSpec(subnet)
  const parsed = parseKubeOvnSubnet(cidrBlock, gateway, [])
  if (!parsed.ok) return true
  return ip.split(',').every((text) => {
    const address = parseAddress(text)
    if (!address.ok) return false
    const config = parsed.value.config[`v${address.value.family}`]
    const { value } = address.value
    return config !== undefined && value >= config.network && value <= config.top
  })
}

/** handleDeleteVM: every port left of the VM, whatever the label says (D16) [pkg/controller/kubevirt.go:60-94]. */
export async function deleteVm(c: Context, key: string): Promise<Handled> {
  for (const { name, externalIds } of await c.north.list({ vendor: 'kube-ovn', pod: key })) {
    const reply = await c.writes.delete({ kind: 'IP', name })
    if (!reply.ok && reply.error.reason !== 'NotFound')
      return `failed to delete ip ${name}, ${reply.error.message}`
    if (externalIds.ls !== undefined) c.ipam.releaseNic(key, name, externalIds.ls)
    await c.north.delete(name)
  }
  return undefined
}
