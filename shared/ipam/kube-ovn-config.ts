import { err, ok, type Result } from '../result.ts'
import { type Address, formatAddress, parseAddress } from './address.ts'
import { assemble, familyConfig, parseCidrBlock, parseRange, parseRanges } from './config.ts'
import { type Range, RangeSet } from './range.ts'
import type { SubnetAllocator } from './subnet.ts'
import type { Family, FamilyConfig, IpamError, SubnetConfig } from './types.ts'

/** What Kube-OVN compares to decide whether an update changes a family: gateway as text, reserved ranges. */
export interface KubeOvnSubnetText {
  readonly gateways: readonly (string | undefined)[]
  readonly reserved: readonly (RangeSet<number | bigint> | undefined)[]
}

/**
 * A Subnet as Kube-OVN's IPAM takes it, below the controller: nothing defaults, the gateway is excluded only if it
 * is in the excludes, and need not make sense.
 */
export function parseKubeOvnSubnet(
  cidrBlock: string,
  gateway: string,
  excludes: readonly string[],
): Result<{ readonly config: SubnetConfig; readonly text: KubeOvnSubnetText }, IpamError> {
  if (cidrBlock === '') {
    const config: SubnetConfig = { protocol: 'Mac', cidrBlock: '', gateway: '', excludeIps: [] }
    return ok({ config, text: { gateways: [], reserved: [] } })
  }
  const cidrs = parseCidrBlock(cidrBlock)
  if (!cidrs.ok) return cidrs
  const gateways = cidrs.value.length === 2 ? gateway.split(',') : [gateway]
  if (gateways.length !== cidrs.value.length)
    return err({
      kind: 'dual-gateway',
      field: 'gateway',
      detail: `two gateways wanted, not ${gateways.length}`,
    })
  const texts: (string | undefined)[] = []
  const reserved: (RangeSet<number | bigint> | undefined)[] = []
  const configs = cidrs.value.map((cidr, i) => {
    const address = parseAddress(gateways[i]!)
    const value = address.ok && address.value.family === cidr.family ? address.value.value : undefined
    const config = familyConfig(cidr, value, excludes, false)
    texts[cidr.family] = gateways[i]
    reserved[cidr.family] = expandExcludes(config, excludes)
    return config
  })
  return ok({ config: assemble(configs), text: { gateways: texts, reserved } })
}

/**
 * ExpandExcludeIPs [pkg/util/net.go]: ranges are clipped to first..last; a single address stays unless it is outside
 * the CIDR or is, as text, the network or the last address.
 */
function expandExcludes(
  { family, network, top, first, last, prefix }: FamilyConfig,
  excludes: readonly string[],
): RangeSet<number | bigint> {
  const ends =
    prefix === (family === 4 ? 31 : 127) ? [] : [formatAddress(family, network), formatAddress(family, top)]
  const ranges: Range<number | bigint>[] = []
  for (const text of excludes) {
    const range = parseRange(text)
    if (!range.ok || range.value.family !== family) continue
    const { from, to } = range.value
    if (text.includes('..')) ranges.push({ from: from < first ? first : from, to: to > last ? last : to })
    else if (from >= network && from <= top && !ends.includes(text)) ranges.push({ from, to })
  }
  return RangeSet.of(ranges)
}

/** Whether Kube-OVN would see no change of gateway or excludes in the family. */
export function sameReserved(a: KubeOvnSubnetText, b: KubeOvnSubnetText, family: Family): boolean {
  const [was, is] = [a.reserved[family], b.reserved[family]]
  if (was === undefined || is === undefined) return was === is
  return a.gateways[family] === b.gateways[family] && was.equals(is)
}

/**
 * Subnet.status' range strings. The exclude list is read as Kube-OVN reads it here, other than in the IPAM: by the
 * family of an entry's first part; one bad entry, and the family is not reduced at all; a range that ends in the
 * other family runs to where this one ends.
 */
export function statusRanges(allocator: SubnetAllocator | undefined, exclude: readonly string[]) {
  const ranges = { v4Using: '', v6Using: '', v4Available: '', v6Available: '' }
  if (allocator === undefined) return ranges
  for (const family of [4, 6] as const) {
    const space = allocator.space(family)
    if (space === undefined) continue
    const parsed = exclude.filter((text) => isV4(text) === (family === 4)).map(parseStatusRange)
    const good = parsed.filter((range) => range !== undefined)
    const hidden = good.length < parsed.length ? RangeSet.empty<number | bigint>() : RangeSet.of(good)
    ranges[`v${family}Using`] = space.used().minus(hidden).format(family, formatAddress)
    ranges[`v${family}Available`] = space.available().minus(hidden).format(family, formatAddress)
  }
  return ranges
}

function isV4(text: string): boolean {
  const first = parseAddress(text.split('..')[0]!.split('/')[0]!)
  return first.ok && first.value.family === 4
}

/** NewIPRangeListFrom [pkg/ipam/ip_range_list.go]: more than two ends are cut off. */
function parseStatusRange(text: string): Range<number | bigint> | undefined {
  if (!text.includes('..')) {
    const set = parseRanges([text])
    return set.ok ? (set.value.v4.ranges[0] ?? set.value.v6.ranges[0]) : undefined
  }
  const [low, high] = text.split('..').map((end) => parseAddress(end))
  if (!low!.ok || !high!.ok) return undefined
  const [from, to] = [low!.value, high!.value]
  const comparable = (address: Address): bigint =>
    address.family === 4 ? (0xffffn << 32n) | BigInt(address.value) : address.value
  if (from.family === to.family) return from.value > to.value ? undefined : { from: from.value, to: to.value }
  if (comparable(from) > comparable(to)) return undefined
  return from.family === 4 ? { from: from.value, to: 0xffffffff } : { from: from.value, to: comparable(to) }
}
