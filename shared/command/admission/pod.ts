import type { KubeObject } from '../../cluster/port.ts'
import type { IpSpec } from '../../kube-ovn/ip-object.ts'
import { joinAddresses } from '../../kube-ovn/ip-object.ts'
import { ANNOTATION_OP } from '../../kube-ovn/names.ts'
import {
  addressAnnotation,
  isOvnProvider,
  macAnnotation,
  type PodNet,
  type PodNets,
  podNets,
  switchAnnotation,
} from '../../kube-ovn/pod-nets.ts'
import type { LeaseView } from '../../ledger/port.ts'
import { type Finding, type Problem, problemOf } from '../../problem.ts'
import { err, ok, type Result } from '../../result.ts'
import type { CommandPorts } from '../ports.ts'
import { clusterProblem } from '../subnets.ts'
import { completing } from './json-patch.ts'
import { addressesOf, agrees, contradictions } from './pod-asks.ts'
import { takenFindings } from './pod-taken.ts'
import { type Admission, allowed, denied, failed, type Review } from './types.ts'

/** A NIC of the Pod and the reservation it is to use. */
interface Reserved {
  readonly net: PodNet
  readonly lease: LeaseView
}

/**
 * The mutating door of Pods: writes the reserved address, MAC and Subnet where Kube-OVN looks for them, which is what
 * makes a Pod get an address of an excluded window (semantics.md §12 R8, R9). A Pod without a reservation passes as it
 * is; so does one that asks for something else, for `validatePod` to judge.
 */
export async function mutatePod(ports: CommandPorts, review: Review): Promise<Admission> {
  const nets = netsOf(ports, review)
  if (!nets) return allowed()
  const reserved = await reservationsOf(ports, nets, review.namespace)
  if (!reserved.ok) return failed(reserved.error)
  if (reserved.value.length === 0) return allowed()
  const annotations: Record<string, string> = {}
  const warnings: string[] = [...nets.warnings]
  for (const { net, lease } of reserved.value) {
    if (!agrees(net, lease)) continue
    const { provider } = net
    annotations[addressAnnotation(provider)] = joinAddresses(lease.v4, lease.v6)
    if (lease.mac !== '' && isOvnProvider(provider)) annotations[macAnnotation(provider)] = lease.mac
    annotations[switchAnnotation(provider)] = lease.subnet
    if (lease.state === 'stranded')
      warnings.push(`Subnet ${lease.subnet} does not contain ${addressesOf(lease)} any more`)
    if (lease.contested) warnings.push(`somebody else holds ${addressesOf(lease)} too`)
  }
  const patch = completing(review.object ?? {}, { metadata: { annotations } })
  return allowed(Object.keys(annotations).length > 0 ? patch : [], warnings)
}

/**
 * The validating door of Pods: refuses one that asks for an address reserved for somebody else, and one that would lose
 * its own reservation by asking for something different (D7, D13).
 */
export async function validatePod(ports: CommandPorts, review: Review): Promise<Admission> {
  const nets = netsOf(ports, review)
  if (!nets) return allowed()
  const asking = nets.nets.filter(
    ({ addresses, pooled, mac, subnet }) => addresses.length > 0 || pooled.length > 0 || mac || subnet,
  )
  if (asking.length === 0) return allowed()
  const reserved = await reservationsOf(ports, { ...nets, nets: asking }, review.namespace)
  if (!reserved.ok) return failed(reserved.error)
  const own = new Map(reserved.value.map(({ net, lease }) => [net.provider, lease]))
  const findings: Finding[] = []
  const foreign: PodNet[] = []
  for (const net of asking) {
    const lease = own.get(net.provider)
    if (lease) findings.push(...contradictions(net, lease))
    else if (net.addresses.length > 0 || net.pooled.length > 0) foreign.push(net)
  }
  const taken = await takenFindings(ports, foreign, { namespace: review.namespace, podName: nets.owner })
  if (!taken.ok) return failed(taken.error)
  findings.push(...taken.value)
  return findings.length > 0 ? denied(problemOf(findings)) : allowed()
}

/** The NICs, or undefined where nothing can be reserved: on the host's network, or for a Pod without a name. */
function netsOf(ports: CommandPorts, { operation, object, namespace }: Review): PodNets | undefined {
  if (operation !== 'CREATE' || !object) return undefined
  if ((object.spec as { hostNetwork?: boolean } | undefined)?.hostNetwork === true) return undefined
  const nets = podNets(object, namespace, ports.settings.keepVmIp)
  return nets.nets.length === 0 ? undefined : nets
}

/** The reservations under the names of these NICs: the object tells the Subnet, the ledger what is promised. */
async function reservationsOf(
  ports: CommandPorts,
  { owner, nets }: PodNets,
  namespace: string,
): Promise<Result<readonly Reserved[], Problem>> {
  // A Pod whose name is still to be generated has none.
  if (owner === '') return ok([])
  const replies = await ports.cluster.send(
    nets.map(({ port }) => ({ verb: 'get', ref: { kind: 'IP', name: port } }) as const),
  )
  const found: { readonly net: PodNet; readonly object: KubeObject<Partial<IpSpec>> }[] = []
  for (const [index, net] of nets.entries()) {
    const reply = replies[index]
    if (!reply) throw new Error('fewer replies than requests')
    if (reply.ok) found.push({ net, object: reply.value as KubeObject<Partial<IpSpec>> })
    else if (reply.error.reason !== 'NotFound') return err(clusterProblem(reply.error))
  }
  const reserved = await Promise.all(
    found.map(async ({ net, object }): Promise<Reserved[]> => {
      const subnet = object.spec?.subnet
      const lease = subnet ? await ports.ledger(subnet).find(net.port) : undefined
      return lease && isUsable(lease, object) && isOwner(lease, namespace, owner) ? [{ net, lease }] : []
    }),
  )
  return ok(reserved.flat())
}

/** Promised; one whose object is there already is as good as promised, though the news of it is still on its way. */
function isUsable(lease: LeaseView, object: KubeObject): boolean {
  if (lease.state === 'held') return object.metadata.annotations?.[ANNOTATION_OP] === lease.origin
  return lease.state === 'bound' || lease.state === 'stranded'
}

/** Two owners may have one port name (faults.md F13). */
function isOwner(lease: LeaseView, namespace: string, owner: string): boolean {
  return lease.namespace === namespace && lease.podName === owner
}
