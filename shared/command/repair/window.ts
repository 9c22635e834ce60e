import { formatAddress, parseAddress } from '../../ipam/address.ts'
import { parseRange } from '../../ipam/config.ts'
import { type Range, RangeSet } from '../../ipam/range.ts'

/**
 * What of a window the Subnet's excludeIps do not cover, as `a` or `a..b`: kube-ovn-controller may give those addresses
 * away (semantics.md D2, R7). Entries nobody can read cover nothing, as for Kube-OVN.
 */
export function windowDrift(window: readonly string[], excludeIps: readonly string[]): readonly string[] {
  const wanted = rangesOf(window)
  const covered = rangesOf(excludeIps)
  return [...texts(4, wanted.v4.minus(covered.v4)), ...texts(6, wanted.v6.minus(covered.v6))]
}

/** Those of the addresses that no entry covers, each by itself. */
export function uncovered(addresses: readonly string[], entries: readonly string[]): string[] {
  const covered = rangesOf(entries)
  return addresses.filter((text) => {
    const { v4, v6 } = rangesOf([text])
    return !v4.minus(covered.v4).isEmpty || !v6.minus(covered.v6).isEmpty
  })
}

function rangesOf(entries: readonly string[]) {
  const v4: Range<number>[] = []
  const v6: Range<bigint>[] = []
  for (const text of entries) {
    const range = parseRange(text, 'excludeIps')
    if (!range.ok) continue
    if (range.value.family === 4) v4.push(range.value)
    else v6.push(range.value)
  }
  return { v4: RangeSet.of(v4), v6: RangeSet.of(v6) }
}

function texts(family: 4 | 6, set: RangeSet<number> | RangeSet<bigint>): string[] {
  return set.ranges.map(({ from, to }) =>
    from === to
      ? formatAddress(family, from)
      : `${formatAddress(family, from)}..${formatAddress(family, to)}`,
  )
}

/** RFC 5952 or dotted quad; undefined where it is no address. */
export function canonical(text: string): string | undefined {
  const address = parseAddress(text.trim())
  return address.ok ? formatAddress(address.value.family, address.value.value) : undefined
}
