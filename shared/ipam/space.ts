import { capacityOf, type Layout, layOut, type Pool, planesOf, type SourceOf, usedIn } from './layout.ts'
import type { Journal, Plane } from './plane.ts'
import { type Range, RangeSet } from './range.ts'
import type { ReleaseOrder } from './release-order.ts'
import type { Strategy } from './strategy.ts'
import type { FamilyCapacity, FamilyConfig } from './types.ts'

/** What an address is at the moment. */
export type AddressState = 'outside' | 'free' | 'released' | 'excluded' | 'held'

/**
 * One family of a Subnet: every usable address is free or released (in exactly one pool), excluded, or held. Held is
 * what is left over, so no plane is kept for it and a million leases cost two bits each.
 */
export class AddressSpace<N extends number | bigint> {
  private layout: Layout<N>
  private readonly journal: Journal
  private readonly strategy: Strategy
  private gone: string[] = []

  constructor(
    config: FamilyConfig<N>,
    members: ReadonlyMap<string, RangeSet<N>>,
    journal: Journal,
    strategy: Strategy,
    source?: SourceOf,
  ) {
    this.journal = journal
    this.strategy = strategy
    this.layout = layOut(config, members, RangeSet.empty(), strategy, source)
  }

  get config(): FamilyConfig<N> {
    return this.layout.config
  }

  get pools(): ReadonlyMap<string, Pool<N>> {
    return this.layout.pools
  }

  /** The pool an address belongs to. */
  poolOf(address: N): Pool<N> {
    const pools = this.layout.pools
    if (pools.size > 1) for (const pool of pools.values()) if (pool.members.has(address)) return pool
    return pools.get('')!
  }

  state(address: N): AddressState {
    const { config, held } = this.layout
    if (address < config.first || address > config.last) return 'outside'
    if (config.excludes.has(address)) return held.has(address) ? 'held' : 'excluded'
    const pool = this.poolOf(address)
    if (pool.free.has(address)) return 'free'
    return pool.released.has(address) ? 'released' : 'held'
  }

  /** What the strategy would choose now; changes nothing. */
  pick(pool: Pool<N>, skip: ReadonlySet<N>): N | undefined {
    return this.strategy.pick(pool, skip)
  }

  /** Start of the lowest contiguous block in a pool; free addresses first, then released, then both together. */
  findRun(pool: Pool<N>, length: number, aligned: boolean): N | undefined {
    const whole = pool.free.run(length, aligned) ?? pool.released.run(length, aligned)
    if (whole !== undefined || pool.free.isEmpty || pool.released.isEmpty) return whole
    const n = BigInt(length)
    for (const { from, to } of this.available(pool).ranges) {
      const start = aligned ? ((BigInt(from) + n - 1n) / n) * n : BigInt(from)
      if (BigInt(to) - start + 1n >= n) return pool.free.plus(from, Number(start - BigInt(from)))
    }
    return undefined
  }

  /** Marks an address as held. False if it is held already or outside. */
  take(address: N): boolean {
    const { config, held } = this.layout
    if (address < config.first || address > config.last) return false
    if (config.excludes.has(address)) return this.change(held, address, true)
    const pool = this.poolOf(address)
    if (this.change(pool.free, address, false)) return true
    if (!this.change(pool.released, address, false)) return false
    if (pool.order !== undefined) this.reorder(pool.order, address, false)
    return true
  }

  /** Takes an address the strategy picked: where it recycles and none is free, all released ones become free first. */
  takePicked(pool: Pool<N>, address: N): void {
    if (this.strategy.recycles && !pool.free.has(address)) this.recycle(pool)
    this.take(address)
  }

  /** Makes all released addresses of a pool free. */
  recycle(pool: Pool<N>): void {
    if (pool.released.isEmpty) return
    if (this.journal.active) {
      const free = RangeSet.ofSorted([...pool.free.ranges()])
      const released = RangeSet.ofSorted([...pool.released.ranges()])
      this.journal.push(() => {
        pool.free.assign(free)
        pool.released.assign(released)
      })
    }
    pool.released.moveAllTo(pool.free)
  }

  /** Gives an address back: to released, or, if it is excluded, nowhere. False if it was not held. */
  give(address: N): boolean {
    const { config, held } = this.layout
    if (address < config.first || address > config.last) return false
    if (config.excludes.has(address)) return this.change(held, address, false)
    const pool = this.poolOf(address)
    if (pool.free.has(address)) return false
    if (!this.change(pool.released, address, true)) return false
    if (pool.order !== undefined) this.reorder(pool.order, address, true)
    return true
  }

  private change(plane: Plane<N>, address: N, member: boolean): boolean {
    if (!(member ? plane.set(address) : plane.clear(address))) return false
    if (this.journal.active) {
      this.journal.push(member ? () => void plane.clear(address) : () => void plane.set(address))
    }
    return true
  }

  private reorder(order: ReleaseOrder<N>, address: N, member: boolean): void {
    const ticket = member ? order.append(address) : order.remove(address)
    if (!this.journal.active || ticket === undefined) return
    this.journal.push(member ? () => void order.remove(address) : () => order.restore(address, ticket))
  }

  /** Held addresses. */
  used(): RangeSet<N> {
    return usedIn(this.layout)
  }

  /** Free and released addresses of one pool, or of all. */
  available(pool?: Pool<N>): RangeSet<N> {
    const ranges: Range<N>[] = []
    for (const each of pool === undefined ? this.layout.pools.values() : [pool])
      ranges.push(...each.free.ranges(), ...each.released.ranges())
    return RangeSet.of(ranges)
  }

  /** Lays the planes out anew for another configuration or other pools; held addresses inside stay held. */
  configure(
    config: FamilyConfig<N>,
    members: ReadonlyMap<string, RangeSet<N>>,
  ): { readonly fellOut: RangeSet<N> } {
    const used = this.used()
    const all = RangeSet.single(config.first, config.last)
    this.relay(layOut(config, members, used.intersect(all), this.strategy))
    return { fellOut: used.minus(all) }
  }

  /** The members of the named pools. */
  get members(): Map<string, RangeSet<N>> {
    const members = new Map<string, RangeSet<N>>()
    for (const [name, pool] of this.layout.pools) if (name !== '') members.set(name, pool.members)
    return members
  }

  /**
   * Creates or replaces a named pool. It and the default pool are laid out anew, the other pools stay as they are
   * [pkg/ipam/subnet.go:768-862].
   */
  setPool(name: string, set: RangeSet<N>): void {
    const members = this.members.set(name, set)
    const { config, pools, held } = this.layout
    const laid = layOut(config, members, this.used(), this.strategy)
    const next = new Map<string, Pool<N>>()
    for (const [key, pool] of laid.pools) next.set(key, key === '' || key === name ? pool : pools.get(key)!)
    this.relay({ config, pools: next, held })
  }

  /** Removes a named pool; its free addresses join the default pool's free ones, its released ones the released. */
  removePool(name: string): void {
    const { config, pools, held } = this.layout
    const gone = pools.get(name)
    if (gone === undefined) return
    const main = pools.get('')!
    for (const kind of ['free', 'released'] as const) {
      const before = RangeSet.ofSorted([...main[kind].ranges()])
      if (this.journal.active) this.journal.push(() => main[kind].assign(before))
      main[kind].assign(before.union(RangeSet.ofSorted([...gone[kind].ranges()])))
    }
    if (main.order !== undefined)
      for (const address of gone.order ?? []) this.reorder(main.order, address, true)
    const next = new Map(pools)
    next.delete(name)
    this.relay({ config, pools: next, held })
  }

  private relay(next: Layout<N>): void {
    const before = this.layout
    const gone = this.gone
    if (this.journal.active) {
      this.journal.push(() => {
        this.layout = before
        this.gone = gone
      })
    }
    const kept = new Set(planesOf(next).values())
    this.gone = [...gone]
    for (const [name, plane] of planesOf(before))
      if (!kept.has(plane)) this.gone.push(...plane.storedPages().map((index) => `${name}#${index}`))
    this.layout = next
  }

  capacity(): FamilyCapacity {
    return capacityOf(this.layout)
  }

  /** Every plane by the name its pages carry. */
  planes(): Map<string, Plane<N> | ReleaseOrder<N>> {
    return planesOf(this.layout)
  }

  /** Keys (`plane#index`) of pages whose plane is no more; cleared by `takeGone`. */
  get gonePages(): readonly string[] {
    return this.gone
  }

  takeGone(): readonly string[] {
    const gone = this.gone
    this.gone = []
    return gone
  }

  restoreGone(gone: readonly string[]): void {
    this.gone = [...gone]
  }
}
