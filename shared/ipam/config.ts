import { err, ok, type Result } from '../result.ts'
import { type Cidr, formatAddress, parseAddress, parseCidr, quote } from './address.ts'
import { type Range, RangeSet } from './range.ts'
import type { Family, FamilyConfig, IpamError, SubnetConfig } from './types.ts'

/** A Subnet's spec as it is written. */
export interface SubnetInput {
  /** `v4`, `v6`, or both with a comma; `''` for a mac-only Subnet (underlay without CIDR). */
  readonly cidrBlock: string
  /** As many as CIDRs; absent or `''`: the first usable address of each. */
  readonly gateway?: string
  /** `a` or `a..b`, either family. Entries Kube-OVN drops (outside, reversed, mixed, junk) are dropped. */
  readonly excludeIps?: readonly string[]
}

/** A parsed range of one family. */
export type ParsedRange = ({ readonly family: 4 } & Range<number>) | ({ readonly family: 6 } & Range<bigint>)

/**
 * The Subnet as Kube-OVN's controller normalises it (semantics.md §2): host bits masked, the gateway defaults to the
 * first usable address and is always excluded, the protocol is computed, texts are canonical.
 * @returns `invalid-cidr` (also `v6,v4` order, two of one family, three), `dual-gateway`, `invalid-gateway`
 */
export function parseSubnet(input: SubnetInput): Result<SubnetConfig, IpamError> {
  if (input.cidrBlock === '') return ok({ protocol: 'Mac', cidrBlock: '', gateway: '', excludeIps: [] })
  const cidrs = parseCidrBlock(input.cidrBlock)
  if (!cidrs.ok) return cidrs
  const gateways = parseGateways(cidrs.value, input.gateway ?? '')
  if (!gateways.ok) return gateways
  const families = cidrs.value.map((cidr, i) => familyConfig(cidr, gateways.value[i], input.excludeIps ?? []))
  return ok(assemble(families))
}

/** Joins family configurations (v4 first) into a Subnet's. */
export function assemble(families: readonly FamilyConfig[]): SubnetConfig {
  const v4 = families.find((family) => family.family === 4) as FamilyConfig<number> | undefined
  const v6 = families.find((family) => family.family === 6) as FamilyConfig<bigint> | undefined
  return {
    protocol: families.length === 2 ? 'Dual' : v4 ? 'IPv4' : 'IPv6',
    cidrBlock: families.map((family) => family.cidr).join(','),
    gateway: families
      .flatMap(({ family, gateway: g }) => (g === undefined ? [] : [formatAddress(family, g)]))
      .join(','),
    excludeIps: families.flatMap(({ family, excludes }) =>
      excludes.ranges.map(({ from, to }) =>
        from === to
          ? formatAddress(family, from)
          : `${formatAddress(family, from)}..${formatAddress(family, to)}`,
      ),
    ),
    ...(v4 === undefined ? {} : { v4 }),
    ...(v6 === undefined ? {} : { v6 }),
  }
}

/** Parses `v4`, `v6` or `v4,v6`. */
export function parseCidrBlock(text: string): Result<readonly Cidr[], IpamError> {
  const cidrs: Cidr[] = []
  for (const part of text.split(',')) {
    const cidr = parseCidr(part, 'cidrBlock')
    if (!cidr.ok) return cidr
    cidrs.push(cidr.value)
  }
  const families = cidrs.map((cidr) => cidr.family).join()
  if (families === '4' || families === '6' || families === '4,6') return ok(cidrs)
  const detail = `${quote(text)} is not one CIDR, nor an IPv4 and an IPv6 CIDR in this order`
  return err({ kind: 'invalid-cidr', field: 'cidrBlock', detail })
}

function parseGateways(
  cidrs: readonly Cidr[],
  text: string,
): Result<readonly (number | bigint | undefined)[], IpamError> {
  if (text === '') {
    return ok(
      cidrs.map((cidr) => {
        const [first, last] = usable(cidr)
        return first > last ? undefined : first
      }),
    )
  }
  const parts = text.split(',')
  if (parts.length !== cidrs.length) {
    const kind = cidrs.length === 2 ? 'dual-gateway' : 'invalid-gateway'
    return err({ kind, field: 'gateway', detail: `${cidrs.length} gateways wanted, ${parts.length} given` })
  }
  const gateways: (number | bigint)[] = []
  for (const [i, part] of parts.entries()) {
    const cidr = cidrs[i]!
    const address = parseAddress(part, 'gateway')
    if (!address.ok) return address
    const { family, value } = address.value
    if (family !== cidr.family || value < cidr.network || value > cidr.top) {
      const detail = `gateway ${part} is outside the Subnet's IPv${cidr.family} CIDR`
      return err({
        kind: 'invalid-gateway',
        field: 'gateway',
        detail,
        reason: 'outside',
        family: cidr.family,
      })
    }
    gateways.push(value)
  }
  return ok(gateways)
}

/** First and last usable address: network+1 to broadcast-1 in both families, both of /31 and /127, none of /32 and /128 [pkg/util/net.go:111-146]. */
export function usable(cidr: Cidr): readonly [number | bigint, number | bigint] {
  const bits = cidr.family === 4 ? 32 : 128
  if (cidr.prefix === bits - 1) return [cidr.network, cidr.top]
  if (cidr.family === 4) return [cidr.network + 1, cidr.top - 1]
  return [cidr.network + 1n, cidr.top - 1n]
}

/** One family's configuration; `gateway` joins the excludes. */
export function familyConfig(
  cidr: Cidr,
  gateway: number | bigint | undefined,
  excludeIps: readonly string[],
  excludeGateway = true,
): FamilyConfig {
  const [first, last] = usable(cidr)
  const ranges: Range<number | bigint>[] = []
  for (const text of excludeIps) {
    const range = parseRange(text)
    if (range.ok && range.value.family === cidr.family) ranges.push(range.value)
  }
  if (gateway !== undefined && excludeGateway) ranges.push({ from: gateway, to: gateway })
  return {
    family: cidr.family,
    cidr: `${formatAddress(cidr.family, cidr.network)}/${cidr.prefix}`,
    prefix: cidr.prefix,
    network: cidr.network,
    top: cidr.top,
    first,
    last,
    gateway,
    excludes: RangeSet.of(ranges).intersect(RangeSet.single(first, last)),
  }
}

/**
 * `a` or `a..b`, both of one family, ascending. Strict: what the doors and pools accept.
 * @returns `invalid-ip` or `invalid-range`
 */
export function parseRange(text: string, field?: string): Result<ParsedRange, IpamError> {
  const where = field === undefined ? {} : { field }
  const parts = text.split('..')
  if (parts.length > 2)
    return err({ kind: 'invalid-range', detail: `${quote(text)} has more than two ends`, ...where })
  const from = parseAddress(parts[0]!, field)
  if (!from.ok) return from
  const to = parts.length === 2 ? parseAddress(parts[1]!, field) : from
  if (!to.ok) return to
  if (from.value.family !== to.value.family)
    return err({ kind: 'invalid-range', detail: `${quote(text)} mixes address families`, ...where })
  if (from.value.value > to.value.value)
    return err({ kind: 'invalid-range', detail: `${quote(text)} starts above its end`, ...where })
  return ok({ family: from.value.family, from: from.value.value, to: to.value.value } as ParsedRange)
}

/**
 * A pool's or a request's list: addresses, `a..b` ranges and CIDRs (whole, network and broadcast included).
 * `undefined` entries are passed over.
 * @returns `invalid-ip`, `invalid-range` or `invalid-cidr-text`, with the entry's index in `field`
 */
export function parseRanges(
  texts: readonly (string | undefined)[],
  field = 'ips',
): Result<{ readonly v4: RangeSet<number>; readonly v6: RangeSet<bigint> }, IpamError> {
  const v4: Range<number>[] = []
  const v6: Range<bigint>[] = []
  for (const [i, text] of texts.entries()) {
    if (text === undefined) continue
    const isCidr = text.includes('/') && !text.includes('..')
    const range = (isCidr ? parseCidrRange : parseRange)(text, `${field}[${i}]`)
    if (!range.ok) return range
    if (range.value.family === 4) v4.push(range.value)
    else v6.push(range.value)
  }
  return ok({ v4: RangeSet.of(v4), v6: RangeSet.of(v6) })
}

function parseCidrRange(text: string, field: string): Result<ParsedRange, IpamError> {
  const cidr = parseCidr(text, field)
  if (!cidr.ok) return err({ ...cidr.error, kind: 'invalid-cidr-text' })
  return ok({ family: cidr.value.family, from: cidr.value.network, to: cidr.value.top } as ParsedRange)
}

/** Whether two families' configurations would be laid out alike. */
export function sameFamily(a: FamilyConfig | undefined, b: FamilyConfig | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return a.cidr === b.cidr && a.gateway === b.gateway && a.excludes.equals(b.excludes)
}

/** The family's name as Kube-OVN writes it. */
export const familyName = (family: Family): 'IPv4' | 'IPv6' => (family === 4 ? 'IPv4' : 'IPv6')
