import { err, ok, type Result } from '../result.ts'
import { formatAddress, parseAddress } from './address.ts'
import { parseRanges } from './config.ts'
import { RangeSet } from './range.ts'
import type { AddressSpace } from './space.ts'
import type { Family, IpamError } from './types.ts'

/** A Subnet's families. */
export interface Spaces {
  readonly v4: AddressSpace<number> | undefined
  readonly v6: AddressSpace<bigint> | undefined
}

/**
 * A pool's members, per family. Family 4 is judged before family 6 is read, as Kube-OVN does; addresses of a family
 * the Subnet lacks are passed over.
 * @returns `invalid-ip`, `invalid-range`, `invalid-cidr-text`, `pool-overlap`, `out-of-range`
 */
export function parsePool(
  name: string,
  ips: readonly string[],
  spaces: Spaces,
): Result<{ readonly v4: RangeSet<number>; readonly v6: RangeSet<bigint> }, IpamError> {
  const isV4 = (text: string) => {
    const first = parseAddress(text.split(/\.\.|\//)[0]!)
    return first.ok && first.value.family === 4
  }
  const v4 = parseRanges(ips.map((ip) => (isV4(ip) ? ip : undefined)))
  if (!v4.ok) return v4
  const overlap4 = overlap(name, 4, v4.value.v4, spaces.v4)
  if (overlap4 !== undefined) return err(overlap4)
  const v6 = parseRanges(ips.map((ip) => (isV4(ip) ? undefined : ip)))
  if (!v6.ok) return v6
  const refusal =
    overlap(name, 6, v6.value.v6, spaces.v6) ??
    beyond(4, v4.value.v4, spaces.v4) ??
    beyond(6, v6.value.v6, spaces.v6)
  return refusal === undefined ? ok({ v4: v4.value.v4, v6: v6.value.v6 }) : err(refusal)
}

function overlap<N extends number | bigint>(
  name: string,
  family: Family,
  set: RangeSet<N>,
  space: AddressSpace<N> | undefined,
): IpamError | undefined {
  for (const [other, { members }] of space?.pools ?? []) {
    const shared = set.intersect(members)
    if (other === name || shared.isEmpty) continue
    const detail = `${shared.format(family, formatAddress)} is pool ${other}'s`
    return { kind: 'pool-overlap', field: 'ips', family, detail }
  }
  return undefined
}

function beyond<N extends number | bigint>(
  family: Family,
  set: RangeSet<N>,
  space: AddressSpace<N> | undefined,
): IpamError | undefined {
  if (space === undefined) return undefined
  const outside = set.minus(RangeSet.single(space.config.first, space.config.last))
  if (outside.isEmpty) return undefined
  const detail = `${outside.format(family, formatAddress)} is not usable in this Subnet`
  return { kind: 'out-of-range', reason: 'outside', field: 'ips', family, detail }
}
