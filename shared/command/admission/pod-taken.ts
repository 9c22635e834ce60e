import { parseAddress } from '../../ipam/address.ts'
import { parseCidrBlock } from '../../ipam/config.ts'
import { DEFAULT_PROVIDER } from '../../kube-ovn/names.ts'
import type { PodNet } from '../../kube-ovn/pod-nets.ts'
import type { SubnetObject } from '../../kube-ovn/subnet-object.ts'
import type { LeaseView } from '../../ledger/port.ts'
import type { Finding, Problem } from '../../problem.ts'
import { ok, type Result } from '../../result.ts'
import type { CommandPorts } from '../ports.ts'
import { subnetObjects } from '../subnets.ts'
import { canonicalAddress } from './pod-asks.ts'

/** Rows an address can have at once: one with its bit, and stranded ones. */
const ROWS = 16

/**
 * The addresses a Pod asks for that are reserved for somebody else. Looked for in every Subnet of the NIC's provider
 * that contains the address, for Kube-OVN tries all Subnets of the namespace. Whose it is, is not said: the caller may
 * not be allowed to know.
 */
export async function takenFindings(
  ports: CommandPorts,
  nets: readonly PodNet[],
  owner: { readonly namespace: string; readonly podName: string },
): Promise<Result<Finding[], Problem>> {
  if (nets.length === 0) return ok([])
  const subnets = await subnetObjects(ports)
  if (!subnets.ok) return subnets
  const questions = nets.flatMap((net) =>
    (net.addresses.length > 0 ? net.addresses : net.pooled).flatMap(({ field, value }) =>
      subnets.value
        .filter((subnet) => isCandidate(subnet, net) && contains(subnet, value))
        .map((subnet) => ({ field, value, subnet: subnet.metadata.name })),
    ),
  )
  const answers = await Promise.all(
    questions.map(async ({ field, value, subnet }): Promise<Finding[]> => {
      const address = parseAddress(value)
      if (!address.ok) return []
      const text = canonicalAddress(value)
      const filter = address.value.family === 4 ? { v4: text } : { v6: text }
      const { leases } = await ports.ledger(subnet).page(filter, ['', ''], ROWS)
      if (!leases.some((lease) => isSomebodyElses(lease, owner))) return []
      return [
        {
          code: 'address_taken',
          field: `metadata.annotations["${field}"]`,
          message: `${text} is reserved for somebody else in Subnet ${subnet}`,
        },
      ]
    }),
  )
  return ok(answers.flat())
}

function isCandidate(subnet: SubnetObject, net: PodNet): boolean {
  if (net.subnet) return subnet.metadata.name === net.subnet.value
  return (subnet.spec?.provider || DEFAULT_PROVIDER) === net.provider
}

function contains(subnet: SubnetObject, text: string): boolean {
  const cidrs = parseCidrBlock(subnet.spec?.cidrBlock ?? '')
  const address = parseAddress(text)
  if (!cidrs.ok || !address.ok) return false
  const { family, value } = address.value
  return cidrs.value.some((cidr) => cidr.family === family && value >= cidr.network && value <= cidr.top)
}

/** Promised, or on its way there or back; what only cools down is nobody's. */
function isSomebodyElses(
  lease: LeaseView,
  owner: { readonly namespace: string; readonly podName: string },
): boolean {
  const { state } = lease
  if (state !== 'held' && state !== 'bound' && state !== 'releasing' && state !== 'stranded') return false
  return lease.namespace !== owner.namespace || lease.podName !== owner.podName
}
