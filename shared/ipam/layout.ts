import { BitPlane, type PlaneSource } from './bitmap.ts'
import type { Plane } from './plane.ts'
import { RangeSet } from './range.ts'
import { ReleaseOrder } from './release-order.ts'
import { RunPlane } from './runs.ts'
import type { PoolPlanes, Strategy } from './strategy.ts'
import type { FamilyCapacity, FamilyConfig } from './types.ts'

/** A pool's planes. `members` as given, not clipped: a resize clips them anew. The default pool's are all others. */
export interface Pool<N extends number | bigint> extends PoolPlanes<N> {
  readonly name: string
  readonly members: RangeSet<N>
  readonly order: ReleaseOrder<N> | undefined
}

/** Which stored pages belong to which plane. */
export type SourceOf = (plane: string) => PlaneSource | undefined

/** A configuration with the planes that belong to it; replaced as one, so that an undo restores it as one. */
export interface Layout<N extends number | bigint> {
  readonly config: FamilyConfig<N>
  readonly pools: ReadonlyMap<string, Pool<N>>
  /** Excluded addresses that are held: the only held ones that the free and released planes do not imply. */
  readonly held: Plane<N>
}

type Members<N extends number | bigint> = ReadonlyMap<string, RangeSet<N>>

/** Planes for a configuration: free = all − excludes − used, released = none; or what the source holds. */
export function layOut<N extends number | bigint>(
  config: FamilyConfig<N>,
  members: Members<N>,
  used: RangeSet<N>,
  strategy: Strategy,
  source?: SourceOf,
): Layout<N> {
  const open = RangeSet.single(config.first, config.last).minus(config.excludes)
  let rest = open
  for (const set of members.values()) rest = rest.minus(set)
  const pool = (name: string, members: RangeSet<N>, base: RangeSet<N>): Pool<N> => {
    const free = planeOf(config, base, source?.(`free@${name}`))
    for (const address of each(used.intersect(base), free)) free.clear(address)
    const released = planeOf(config, RangeSet.empty<N>(), source?.(`released@${name}`))
    const order = strategy.ordered ? new ReleaseOrder<N>(config.family, source?.(`order@${name}`)) : undefined
    return { name, members, free, released, order }
  }
  const pools = new Map<string, Pool<N>>([['', pool('', RangeSet.empty(), rest)]])
  for (const [name, set] of members) pools.set(name, pool(name, set, open.intersect(set)))
  const held = planeOf(config, RangeSet.empty<N>(), source?.('held'))
  for (const address of each(used.intersect(config.excludes), held)) held.set(address)
  return { config, pools, held }
}

function planeOf<N extends number | bigint>(
  config: FamilyConfig<N>,
  base: RangeSet<N>,
  source: PlaneSource | undefined,
): Plane<N> {
  const plane =
    config.family === 4
      ? new BitPlane(Number(config.network), config.prefix, base as unknown as RangeSet<number>, source)
      : new RunPlane(base as unknown as RangeSet<bigint>, source)
  return plane as unknown as Plane<N>
}

/** Held addresses: usable − free − released − excluded, and the excluded ones that are held. */
export function usedIn<N extends number | bigint>({ config, pools, held }: Layout<N>): RangeSet<N> {
  let used = RangeSet.single(config.first, config.last).minus(config.excludes)
  for (const pool of pools.values()) {
    used = used.minus(RangeSet.ofSorted([...pool.free.ranges()]))
    used = used.minus(RangeSet.ofSorted([...pool.released.ranges()]))
  }
  return used.union(RangeSet.ofSorted([...held.ranges()]))
}

/** What a configuration has room for, and how much of it is taken. */
export function capacityOf<N extends number | bigint>({ config, pools, held }: Layout<N>): FamilyCapacity {
  const usable = config.first > config.last ? 0n : BigInt(config.last) - BigInt(config.first) + 1n
  let free = 0n
  let released = 0n
  const perPool = new Map<string, { free: bigint; released: bigint; held: bigint }>()
  for (const [name, pool] of pools) {
    free += pool.free.count
    released += pool.released.count
    if (name === '') continue
    const members = pool.members.intersect(RangeSet.single(config.first, config.last))
    const closed = members.intersect(config.excludes)
    const heldExcluded =
      closed.isEmpty || held.isEmpty ? 0n : closed.intersect(RangeSet.ofSorted([...held.ranges()])).size
    const taken = members.size - closed.size - pool.free.count - pool.released.count + heldExcluded
    perPool.set(name, {
      free: pool.free.count + pool.released.count,
      released: pool.released.count,
      held: taken,
    })
  }
  const excluded = config.excludes.size - held.count
  return {
    usable,
    excluded,
    free: free + released,
    released,
    held: usable - excluded - free - released,
    pools: perPool,
  }
}

/** Every plane by the name its pages carry. */
export function planesOf<N extends number | bigint>(
  layout: Layout<N>,
): Map<string, Plane<N> | ReleaseOrder<N>> {
  const planes = new Map<string, Plane<N> | ReleaseOrder<N>>()
  for (const [name, pool] of layout.pools) {
    planes.set(`free@${name}`, pool.free)
    planes.set(`released@${name}`, pool.released)
    if (pool.order !== undefined) planes.set(`order@${name}`, pool.order)
  }
  planes.set('held', layout.held)
  return planes
}

/** Every address of a set. */
function* each<N extends number | bigint>(set: RangeSet<N>, plane: Plane<N>): Iterable<N> {
  for (const { from, to } of set.ranges)
    for (let address = from; address <= to; address = plane.plus(address, 1)) yield address
}
