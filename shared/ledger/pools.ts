import { formatAddress } from '../ipam/address.ts'
import { parseRanges } from '../ipam/config.ts'
import { RangeSet } from '../ipam/range.ts'
import type { SubnetAllocator } from '../ipam/subnet.ts'
import type { Family, FamilyConfig, IpamError, SubnetConfig } from '../ipam/types.ts'
import { ok, type Result } from '../result.ts'
import type { PoolChange, PoolFacts, SubnetFacts } from './port.ts'

/** What of an IPPool is in force. */
export interface PoolFit {
  readonly pool: PoolFacts
  readonly v4: RangeSet<number>
  readonly v6: RangeSet<bigint>
  /** What is not: unreadable, not usable in the Subnet, or an earlier pool's. */
  readonly leftOut: readonly string[]
}

/**
 * Which addresses each pool has. The cluster may hold pools that do not fit: the Subnet shrank, somebody wrote two that
 * overlap. They must not cost anybody the Subnet, so what fits is in force and the rest is named. Of two that overlap
 * the earlier in the list has the address.
 */
export function fitPools(pools: readonly PoolFacts[], { v4, v6 }: SubnetConfig): readonly PoolFit[] {
  let open4 = usable(v4)
  let open6 = usable(v6)
  return pools.map((pool) => {
    const unreadable = pool.ips.filter((ip) => !parseRanges([ip]).ok)
    const readable = parseRanges(pool.ips.filter((ip) => !unreadable.includes(ip)))
    if (!readable.ok) throw new Error(`readable entries cannot be read: ${readable.error.detail}`)
    const { v4: all4, v6: all6 } = readable.value
    const fit4 = all4.intersect(open4)
    const fit6 = all6.intersect(open6)
    open4 = open4.minus(fit4)
    open6 = open6.minus(fit6)
    const leftOut = [...unreadable, ...texts(4, all4.minus(fit4)), ...texts(6, all6.minus(fit6))]
    return { pool, v4: fit4, v6: fit6, leftOut }
  })
}

/**
 * Brings the allocator's pools to these. One that is there already is not touched: setting a pool lays the default pool
 * out anew.
 * @param proposed name of a pool that is not in the cluster yet: it must fit whole
 * @returns why the core will not have the proposed pool; then the caller's transaction must be taken back
 */
export function applyPools<Tag>(
  allocator: SubnetAllocator<Tag>,
  pools: readonly PoolFacts[],
  proposed?: string,
): Result<void, IpamError> {
  const isProposed = ({ name }: PoolFacts) => name === proposed
  const judgedLast = [...pools.filter((pool) => !isProposed(pool)), ...pools.filter(isProposed)]
  const present = allocator.pools
  const kept = new Set<string>()
  const changed: PoolFit[] = []
  for (const fit of fitPools(judgedLast, allocator.config)) {
    const has = present.get(fit.pool.name)
    const same = has?.v4.equals(fit.v4) === true && has.v6.equals(fit.v6)
    if (same && !(isProposed(fit.pool) && fit.leftOut.length > 0)) kept.add(fit.pool.name)
    else changed.push(fit)
  }
  // All that change go first: what one gives up another may get.
  for (const name of present.keys()) if (!kept.has(name)) allocator.removePool(name)
  for (const { pool, v4, v6 } of changed) {
    const ips = isProposed(pool) ? pool.ips : [...texts(4, v4), ...texts(6, v6)]
    const set = allocator.setPool(pool.name, ips)
    if (set.ok) continue
    if (isProposed(pool)) return set
    throw new Error(`pool ${pool.name} was made to fit and does not: ${set.error.detail}`)
  }
  return ok(undefined)
}

/** The pools after a change, in name order. */
export function changedPools(pools: readonly PoolFacts[], { name, ips }: PoolChange): readonly PoolFacts[] {
  const others = pools.filter((pool) => pool.name !== name)
  if (!ips) return others
  return [...others, { name, ips }].sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Facts of a Subnet that were stored before there were pools. */
export function withPools(facts: SubnetFacts): SubnetFacts {
  return (facts as Partial<SubnetFacts>).pools ? facts : { ...facts, pools: [], poolsVersion: '' }
}

function usable<N extends number | bigint>(family: FamilyConfig<N> | undefined): RangeSet<N> {
  return family ? RangeSet.single(family.first, family.last) : RangeSet.empty()
}

function texts<N extends number | bigint>(family: Family, set: RangeSet<N>): string[] {
  return set.ranges.map(({ from, to }) =>
    from === to
      ? formatAddress(family, from)
      : `${formatAddress(family, from)}..${formatAddress(family, to)}`,
  )
}
