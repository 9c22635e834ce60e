import type { Plane } from './plane.ts'

/** What a strategy sees of a pool: two disjoint planes, and the order in which addresses came back (if it keeps one). */
export interface PoolPlanes<N extends number | bigint> {
  /** Not used since the pool was laid out. */
  readonly free: Plane<N>
  /** Used before, given back since. */
  readonly released: Plane<N>
  /** Released addresses, longest released first; only for strategies with `ordered`. */
  readonly order: Iterable<N> | undefined
}

/** Which address comes next. Picking changes nothing; `recycles` says what taking does beside. */
export interface Strategy {
  readonly name: string
  /** Whether the order of releases is kept (and paid for: memory and a page a few thousand releases). */
  readonly ordered: boolean
  /** Whether released addresses become free, all at once, when none is left. */
  readonly recycles: boolean
  pick<N extends number | bigint>(pool: PoolPlanes<N>, skip: ReadonlySet<N>): N | undefined
  /** What successive picks would give. */
  candidates<N extends number | bigint>(pool: PoolPlanes<N>): Iterable<N>
}

function* ascending<N extends number | bigint>(plane: Plane<N>): Iterable<N> {
  for (let address = plane.next(); address !== undefined; address = plane.next(plane.plus(address, 1)))
    yield address
}

/** The lowest member that is not skipped. */
export function lowest<N extends number | bigint>(plane: Plane<N>, skip: ReadonlySet<N>): N | undefined {
  let address = plane.next()
  while (address !== undefined && skip.has(address)) address = plane.next(plane.plus(address, 1))
  return address
}

/**
 * As Kube-OVN [pkg/ipam/subnet.go:310-373]: the lowest free address; released ones wait until none is free, then all
 * become free again, lowest first. Where all free ones are skipped it goes on with released ones (Kube-OVN does not:
 * `skip-ignores-released`).
 */
export const kubeOvnOrder: Strategy = {
  name: 'kube-ovn',
  ordered: false,
  recycles: true,
  pick: (pool, skip) => lowest(pool.free, skip) ?? lowest(pool.released, skip),
  *candidates(pool) {
    yield* ascending(pool.free)
    yield* ascending(pool.released)
  },
}

/** The lowest address that is not held: leases stay packed at the low end, long runs stay whole at the high end. */
export const contiguous: Strategy = {
  name: 'contiguous',
  ordered: false,
  recycles: false,
  pick: (pool, skip) => {
    const free = lowest(pool.free, skip)
    const released = lowest(pool.released, skip)
    if (free === undefined || (released !== undefined && released < free)) return released
    return free
  },
  *candidates(pool) {
    const free = ascending(pool.free)[Symbol.iterator]()
    const released = ascending(pool.released)[Symbol.iterator]()
    let a = free.next()
    let b = released.next()
    while (!a.done || !b.done) {
      if (b.done || (!a.done && a.value < b.value)) {
        yield a.value
        a = free.next()
      } else {
        yield b.value
        b = released.next()
      }
    }
  },
}

/** Cool-down: addresses never used first, then the one released longest ago. */
export const longestReleasedFirst: Strategy = {
  name: 'longest-released',
  ordered: true,
  recycles: false,
  pick: (pool, skip) => {
    const free = lowest(pool.free, skip)
    if (free !== undefined) return free
    for (const address of pool.order ?? []) if (!skip.has(address)) return address
    return undefined
  },
  *candidates(pool) {
    yield* ascending(pool.free)
    yield* pool.order ?? []
  },
}
