import { parseAddress } from '../../../shared/ipam/address.ts'
import { parseRange } from '../../../shared/ipam/config.ts'
import { parseKubeOvnSubnet } from '../../../shared/ipam/kube-ovn-config.ts'
import { parseMac } from '../../../shared/ipam/mac.ts'
import { RangeSet } from '../../../shared/ipam/range.ts'
import type { Family } from '../../../shared/ipam/types.ts'

/** GetStringIP: the valid ones of both, with a comma; an invalid one is dropped without a word (D9). */
export function joinValid(v4: string, v6: string): string {
  return [v4, v6].filter((text) => parseAddress(text).ok).join(',')
}

/** SplitStringIP: by the family each text has, whatever the order. Nothing where it is neither one nor a pair. */
export function splitAddresses(text: string): { readonly v4: string; readonly v6: string } {
  const parts = text.split(',').map((part) => ({ part, parsed: parseAddress(part) }))
  const of = (family: Family) =>
    parts.filter(({ parsed }) => parsed.ok && parsed.value.family === family).map(({ part }) => part)
  const [v4, v6] = [of(4), of(6)]
  const whole = v4.length <= 1 && v6.length <= 1 && v4.length + v6.length === parts.length
  return whole ? { v4: v4[0] ?? '', v6: v6[0] ?? '' } : { v4: '', v6: '' }
}

/** What Go's net.ParseMAC takes, of the six-octet forms. */
export const isMac = (text: string) =>
  parseMac(text).ok || /^([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}$/.test(text)

/** ContainsIPs: in the range, or the same text. */
export function excludes(exclude: string, address: string): boolean {
  if (!exclude.includes('..')) return exclude === address
  const range = parseRange(exclude)
  const parsed = parseAddress(address)
  if (!range.ok || !parsed.ok || range.value.family !== parsed.value.family) return false
  const value = parsed.value.value
  return range.value.from <= value && value <= range.value.to
}

const span = (from: number | bigint, to: number | bigint) => RangeSet.single<number | bigint>(from, to)

/**
 * How many addresses of a family a Subnet has for others: 2^host - 2 (all of a /31, /32) minus every exclude entry by
 * itself [pkg/controller/subnet_status.go:205-230]. Undefined: the Subnet lacks the family.
 */
export function capacity(
  cidrBlock: string,
  gateway: string,
  excludeIps: readonly string[],
  family: Family,
): bigint | undefined {
  const parsed = parseKubeOvnSubnet(cidrBlock, gateway, excludeIps)
  const config = parsed.ok ? parsed.value.config[`v${family}`] : undefined
  if (config === undefined) return undefined
  const { network, top, first, last } = config
  const all = BigInt(top) - BigInt(network) + 1n
  let count = all >= 4n ? all - 2n : all
  for (const text of excludeIps) {
    const range = parseRange(text)
    if (!range.ok || range.value.family !== family) continue
    const { from, to } = range.value
    if (text.includes('..')) count -= span(from, to).intersect(span(first, last)).size
    else if (all < 4n ? from >= network && from <= top : from > network && from < top) count -= 1n
  }
  return count
}
