import type { ClusterPort, KubeObject } from '../cluster/port.ts'
import { parseAddress } from '../ipam/address.ts'
import { isOvnProvider, switchAnnotation } from '../kube-ovn/pod-nets.ts'
import type { Call, Evidence } from '../ledger/operations.ts'
import type { LeaseView } from '../ledger/port.ts'
import { agrees } from '../ledger/said.ts'
import { ownerName } from './adopt.ts'
import type { CallSettings } from './evidence.ts'

const PAGE = 500

/** Where a Pod asks for addresses, or is given them: provider, and an interface where one NAD is used twice. */
const ASKS = /^(.+)\.kubernetes\.io\/(ip_address|ip_pool)(\..+)?$/

/**
 * R4: whether a Pod that is starting asks for one of these addresses. A Pod that the controller has given an address has
 * an IP object before it can leave Pending, and the mirror knows that one; so those that are pending are all there are
 * to read, in one list that is as new as the call. One list answers for a whole step.
 */
export async function holdersEvidence(
  cluster: ClusterPort,
  asked: readonly { readonly call: Call; readonly lease: LeaseView }[],
  { keepVmIp }: CallSettings,
): Promise<Map<Call, Evidence>> {
  const evidence = new Map<Call, Evidence>()
  if (asked.length === 0) return evidence
  const pods: KubeObject[] = []
  let token: string | undefined
  do {
    const page = await cluster.list('Pod', {
      fieldSelector: 'status.phase=Pending',
      limit: PAGE,
      ...(token === undefined ? {} : { continue: token }),
    })
    if (!page.ok) {
      for (const { call } of asked) evidence.set(call, { item: call.item, result: 'later' })
      return evidence
    }
    pods.push(...page.value.items)
    token = page.value.continue
  } while (token !== undefined)
  for (const { call, lease } of asked) {
    const holder = pods.find((pod) => !isOwner(pod, lease, keepVmIp) && asksFor(pod, lease))
    const alive = holder && `Pod ${holder.metadata.namespace ?? ''}/${holder.metadata.name} asks for it`
    evidence.set(call, {
      item: call.item,
      result: 'owner',
      ...(alive === undefined ? {} : { alive: `${addresses(lease)}: ${alive}` }),
    })
  }
  return evidence
}

const addresses = ({ v4, v6 }: LeaseView) => [v4, v6].filter((text) => text !== '').join(', ')

/** A virtual machine's launcher Pods go by its name, and share its lease [pkg/controller/pod.go:3114-3121]. */
function isOwner(pod: KubeObject, { namespace, podName }: LeaseView, keepVmIp: boolean): boolean {
  return pod.metadata.namespace === namespace && ownerName(pod, keepVmIp) === podName
}

/** Whether one of its annotations names an address of the reservation, alone or in a list. */
function asksFor({ metadata }: KubeObject, lease: LeaseView): boolean {
  const annotations = metadata.annotations ?? {}
  return Object.entries(annotations).some(([key, value]) => {
    const provider = ASKS.exec(key)?.[1]
    if (provider === undefined || !(isOvnProvider(provider) || provider === lease.provider)) return false
    const subnet = annotations[switchAnnotation(provider)]
    if (subnet && subnet !== lease.subnet) return false
    return value.split(/[,;]/).some((text) => {
      const address = parseAddress(text.trim())
      return address.ok && text.trim() !== '' && isOf(text.trim(), lease)
    })
  })
}

function isOf(text: string, { v4, v6 }: LeaseView): boolean {
  const said = { v4IpAddress: text, v6IpAddress: '', ipAddress: '', macAddress: '' }
  const has = text.includes(':') ? { v4: '', v6, mac: '' } : { v4, v6: '', mac: '' }
  return (has.v4 !== '' || has.v6 !== '') && agrees(said, has)
}
