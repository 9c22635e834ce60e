import type { Family } from './types.ts'

/** Inclusive. */
export interface Range<N extends number | bigint> {
  readonly from: N
  readonly to: N
}

const shift = <N extends number | bigint>(value: N, by: 1 | -1): N =>
  (typeof value === 'bigint' ? value + BigInt(by) : (value as number) + by) as N
const before = <N extends number | bigint>(value: N): N => shift(value, -1)
const after = <N extends number | bigint>(value: N): N => shift(value, 1)

/**
 * A set of addresses as ascending, disjoint, non-touching ranges. Immutable. Arithmetic is linear in the number of
 * ranges, never in the number of addresses: `::..ffff::` costs what `::1` costs.
 */
export class RangeSet<N extends number | bigint> {
  readonly ranges: readonly Range<N>[]

  private constructor(ranges: readonly Range<N>[]) {
    this.ranges = ranges
  }

  static empty<N extends number | bigint>(): RangeSet<N> {
    return new RangeSet<N>([])
  }

  /** Any order, overlapping or touching; empty ones (`from > to`) are dropped. */
  static of<N extends number | bigint>(ranges: Iterable<Range<N>>): RangeSet<N> {
    const sorted = [...ranges]
      .filter((range) => range.from <= range.to)
      .sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0))
    const merged: Range<N>[] = []
    for (const range of sorted) {
      const last = merged.at(-1)
      if (last === undefined || range.from > after(last.to)) merged.push(range)
      else if (range.to > last.to) merged[merged.length - 1] = { from: last.from, to: range.to }
    }
    return new RangeSet(merged)
  }

  /** Ranges that are known to be ascending, disjoint and not touching. */
  static ofSorted<N extends number | bigint>(ranges: readonly Range<N>[]): RangeSet<N> {
    return new RangeSet(ranges)
  }

  static single<N extends number | bigint>(from: N, to: N): RangeSet<N> {
    return new RangeSet<N>(from <= to ? [{ from, to }] : [])
  }

  /** Number of addresses. */
  get size(): bigint {
    let size = 0n
    for (const { from, to } of this.ranges) size += BigInt(to) - BigInt(from) + 1n
    return size
  }

  get isEmpty(): boolean {
    return this.ranges.length === 0
  }

  has(address: N): boolean {
    const ranges = this.ranges
    let low = 0
    let high = ranges.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (ranges[middle]!.to < address) low = middle + 1
      else high = middle
    }
    return low < ranges.length && ranges[low]!.from <= address
  }

  union(other: RangeSet<N>): RangeSet<N> {
    if (this.isEmpty) return other
    return other.isEmpty ? this : RangeSet.of([...this.ranges, ...other.ranges])
  }

  intersect(other: RangeSet<N>): RangeSet<N> {
    const out: Range<N>[] = []
    let i = 0
    let j = 0
    while (i < this.ranges.length && j < other.ranges.length) {
      const a = this.ranges[i]!
      const b = other.ranges[j]!
      let { from, to } = a
      if (b.from > from) from = b.from
      if (b.to < to) to = b.to
      if (from <= to) out.push({ from, to })
      if (a.to < b.to) i++
      else j++
    }
    return new RangeSet(out)
  }

  /** What is here and not in `other`. */
  minus(other: RangeSet<N>): RangeSet<N> {
    if (this.isEmpty || other.isEmpty) return this
    const out: Range<N>[] = []
    let j = 0
    for (const range of this.ranges) {
      let from = range.from
      let covered = false
      while (j < other.ranges.length && other.ranges[j]!.to < from) j++
      for (let k = j; k < other.ranges.length; k++) {
        const hole = other.ranges[k]!
        if (hole.from > range.to) break
        if (hole.from > from) out.push({ from, to: before(hole.from) })
        if (hole.to >= range.to) {
          covered = true
          break
        }
        from = after(hole.to)
      }
      if (!covered) out.push({ from, to: range.to })
    }
    return new RangeSet(out)
  }

  equals(other: RangeSet<N>): boolean {
    return (
      this.ranges.length === other.ranges.length &&
      this.ranges.every(
        (range, i) => range.from === other.ranges[i]!.from && range.to === other.ranges[i]!.to,
      )
    )
  }

  /** `a-b,c`, ascending, as Subnet.status prints it [pkg/ipam/ip_range_list.go]. */
  format(family: Family, formatAddress: (family: Family, address: number | bigint) => string): string {
    return this.ranges
      .map(({ from, to }) =>
        from === to
          ? formatAddress(family, from)
          : `${formatAddress(family, from)}-${formatAddress(family, to)}`,
      )
      .join(',')
  }
}
