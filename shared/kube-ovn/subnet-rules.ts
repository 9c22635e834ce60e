import { parseCidr } from '../ipam/address.ts'
import type { IpamError } from '../ipam/types.ts'
import { err, ok, type Result } from '../result.ts'
import { DEFAULT_VPC } from './names.ts'
import type { SubnetSpec } from './subnet-object.ts'

/** What no Subnet may touch, for its addresses mean something else everywhere [pkg/util/net.go, CIDRGlobalUnicast]. */
const NOT_UNICAST = [
  ['255.255.255.255/32', 'the broadcast address'],
  ['224.0.0.0/4', 'multicast'],
  ['127.0.0.0/8', 'loopback'],
  ['0.0.0.0/32', 'this host'],
  ['169.254.0.0/16', 'link-local'],
  ['::/128', 'the unspecified address'],
  ['::1/128', 'loopback'],
  ['ff00::/8', 'multicast'],
  ['fe80::/10', 'link-local'],
] as const

/**
 * What Kube-OVN's controller refuses of a Subnet besides what cannot be parsed [pkg/util/validator.go, ValidateSubnet].
 * @returns `invalid-cidr` or `invalid-cidr-text`, naming the field
 */
export function checkSubnet({ cidrBlock = '', allowSubnets = [] }: SubnetSpec): Result<void, IpamError> {
  for (const [taken, what] of NOT_UNICAST) {
    if (!cidrBlock.split(',').some((cidr) => overlap(cidr, taken))) continue
    const detail = `${cidrBlock} contains or lies in ${taken}, which is ${what}`
    return err({ kind: 'invalid-cidr', field: 'cidrBlock', detail })
  }
  for (const [index, text] of allowSubnets.entries()) {
    const cidr = parseCidr(text, `allowSubnets[${index}]`)
    if (!cidr.ok) return err({ ...cidr.error, kind: 'invalid-cidr-text' })
  }
  return ok(undefined)
}

/**
 * Why `wanted` cannot be: a Subnet of the same VPC has some of its addresses. In a VPC an address is one thing, whichever
 * Subnet names it, and Kube-OVN's controller takes no second one into service.
 * @param others the Subnets there are; one of the same name is the one that is changed
 */
export function overlapping(wanted: NamedSubnet, others: readonly NamedSubnet[]): string | undefined {
  const [cidrs, vpc] = placeOf(wanted)
  for (const other of others) {
    const [taken, itsVpc] = placeOf(other)
    if (other.metadata.name === wanted.metadata.name || itsVpc !== vpc) continue
    const shared = taken.find((theirs) => cidrs.some((mine) => overlap(mine, theirs)))
    if (shared) return `Subnet ${other.metadata.name} of VPC ${vpc} has ${shared}`
  }
  return undefined
}

interface NamedSubnet {
  readonly metadata: { readonly name: string }
  readonly spec?: unknown
}

function placeOf({ spec }: NamedSubnet): [cidrs: string[], vpc: string] {
  const { cidrBlock = '', vpc } = (spec ?? {}) as SubnetSpec
  return [cidrBlock.split(','), vpc || DEFAULT_VPC]
}

function overlap(a: string, b: string): boolean {
  const one = parseCidr(a)
  const other = parseCidr(b)
  if (!one.ok || !other.ok || one.value.family !== other.value.family) return false
  return one.value.network <= other.value.top && other.value.network <= one.value.top
}
