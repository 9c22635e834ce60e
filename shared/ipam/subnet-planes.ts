import { err, ok, type Result } from '../result.ts'
import { formatAddress } from './address.ts'
import { sameFamily } from './config.ts'
import { encodeLayout, LAYOUT_KEY, type PoolMembers } from './layout-page.ts'
import { Journal } from './plane.ts'
import { parsePool, type Spaces } from './pool.ts'
import { RangeSet } from './range.ts'
import { unknownPool } from './refusals.ts'
import { step } from './request.ts'
import { AddressSpace } from './space.ts'
import type { Strategy } from './strategy.ts'
import { membersOf, openStore, pageKey } from './subnet-store.ts'
import type {
  Capacity,
  ConfigureReport,
  DirtyPage,
  Family,
  FamilyConfig,
  IpamError,
  Lease,
  LeaseIndex,
  Mark,
  PageStore,
  SubnetConfig,
} from './types.ts'

/** Either family's space, where it does not matter which. */
export type AnySpace = AddressSpace<number | bigint>

/** One Subnet's planes with all that is not allocation: configuration, pools, counting, undo, pages. */
export class SubnetPlanes<Tag = unknown> {
  /** Public for kube-ovn-rules.ts, which applies Kube-OVN's rules to the same planes. */
  readonly leases: LeaseIndex<Tag>
  protected readonly strategy: Strategy
  protected spaces: Spaces
  private readonly journal = new Journal()
  private current: SubnetConfig
  private recordedGatewayMac = ''
  private layoutChanged = true
  private gonePages: string[] = []

  /** @throws PageError */
  constructor(
    config: SubnetConfig,
    leases: LeaseIndex<Tag>,
    strategy: Strategy,
    pages: PageStore | undefined,
  ) {
    this.leases = leases
    this.strategy = strategy
    this.current = config
    const stored = pages === undefined ? undefined : openStore(config, pages)
    if (stored !== undefined) {
      this.recordedGatewayMac = stored.gatewayMac
      this.layoutChanged = false
    }
    const { journal } = this
    const { v4, v6 } = config
    this.spaces = {
      v4: v4 && new AddressSpace(v4, membersOf(stored?.pools, 'v4'), journal, strategy, stored?.source(4)),
      v6: v6 && new AddressSpace(v6, membersOf(stored?.pools, 'v6'), journal, strategy, stored?.source(6)),
    }
  }

  get config(): SubnetConfig {
    return this.current
  }

  /** The family's space; for kube-ovn.ts and tests. */
  space(family: Family): AnySpace | undefined {
    return (family === 4 ? this.spaces.v4 : this.spaces.v6) as AnySpace | undefined
  }

  /**
   * Changes CIDR, gateway or excludes of the living Subnet. A family in which nothing differs is left alone; in one
   * that differs the free addresses become all − excludes − held, the released none
   * [pkg/ipam/ipam.go:298-415]. Nothing is moved or ended here.
   * @param force families to lay out anew though nothing differs
   */
  configure(next: SubnetConfig, force: readonly Family[] = []): ConfigureReport<Tag> {
    const same4 = sameFamily(this.current.v4, next.v4) && !force.includes(4)
    const same6 = sameFamily(this.current.v6, next.v6) && !force.includes(6)
    if (same4 && same6) {
      this.current = next
      return { changed: false, fellOut: [], addresses: 0n }
    }
    this.remember()
    const fell4 = this.relay(4, this.spaces.v4, next.v4, same4)
    const fell6 = this.relay(6, this.spaces.v6, next.v6, same6)
    this.spaces = { v4: fell4.space, v6: fell6.space }
    this.current = next
    this.layoutChanged = true
    const fellOut = new Map<string, Lease<Tag>>()
    for (const [family, set] of [
      [4, fell4.fellOut],
      [6, fell6.fellOut],
    ] as const)
      for (const { from, to } of set.ranges)
        for (let address: number | bigint = from; address <= to; address = step(address, 1))
          for (const lease of this.leases.byAddress(family, address)) fellOut.set(lease.nic, lease)
    return {
      changed: true,
      fellOut: [...fellOut.values()],
      addresses: fell4.fellOut.size + fell6.fellOut.size,
    }
  }

  private relay<N extends number | bigint>(
    family: Family,
    space: AddressSpace<N> | undefined,
    config: FamilyConfig<N> | undefined,
    same: boolean,
  ): { readonly space: AddressSpace<N> | undefined; readonly fellOut: RangeSet<N> } {
    if (same) return { space, fellOut: RangeSet.empty() }
    if (config === undefined) {
      for (const [name, plane] of space!.planes())
        this.gonePages.push(...plane.storedPages().map((index) => pageKey(family, name, index)))
      this.gonePages.push(...space!.takeGone().map((key) => `${family}.${key}`))
      return { space: undefined, fellOut: space!.used() }
    }
    if (space !== undefined) return { space, fellOut: space.configure(config, space.members).fellOut }
    const members = new Map<string, RangeSet<N>>()
    for (const [name, pool] of this.pools)
      members.set(name, (family === 4 ? pool.v4 : pool.v6) as unknown as RangeSet<N>)
    return {
      space: new AddressSpace(config, members, this.journal, this.strategy),
      fellOut: RangeSet.empty(),
    }
  }

  /** Members of the named pools. */
  get pools(): PoolMembers {
    const pools = new Map<string, { v4: RangeSet<number>; v6: RangeSet<bigint> }>()
    const { v4, v6 } = this.spaces
    for (const name of new Set([...(v4?.members.keys() ?? []), ...(v6?.members.keys() ?? [])])) {
      const none4 = RangeSet.empty<number>()
      const none6 = RangeSet.empty<bigint>()
      pools.set(name, { v4: v4?.members.get(name) ?? none4, v6: v6?.members.get(name) ?? none6 })
    }
    return pools
  }

  /**
   * Creates or replaces a named pool of addresses, `a..b` ranges and CIDRs. Automatic allocation keeps out of it.
   * @returns `invalid-ip`, `invalid-range`, `invalid-cidr-text`, `out-of-range` (not usable in this Subnet),
   *   `pool-overlap`, `unknown-pool` (the name `''`)
   */
  setPool(name: string, ips: readonly string[]): Result<void, IpamError> {
    if (name === '') return err(unknownPool(name))
    const sets = parsePool(name, ips, this.spaces)
    if (!sets.ok) return sets
    const { v4, v6 } = sets.value
    this.remember()
    this.spaces.v4?.setPool(name, v4)
    this.spaces.v6?.setPool(name, v6)
    this.layoutChanged = true
    return ok(undefined)
  }

  /** Removes a named pool; its addresses join the default pool. @returns `unknown-pool` */
  removePool(name: string): Result<void, IpamError> {
    if (name === '' || !this.pools.has(name)) return err(unknownPool(name))
    this.remember()
    this.spaces.v4?.removePool(name)
    this.spaces.v6?.removePool(name)
    this.layoutChanged = true
    return ok(undefined)
  }

  /** The MAC of the Subnet's gateway, which no lease may have. `''`: none recorded. */
  get gatewayMac(): string {
    return this.recordedGatewayMac
  }

  set gatewayMac(mac: string) {
    this.remember()
    this.recordedGatewayMac = mac
    this.layoutChanged = true
  }

  /** Exact counts per family, without scanning anything. */
  capacity(): Capacity {
    const { v4, v6 } = this.spaces
    return { ...(v4 && { v4: v4.capacity() }), ...(v6 && { v6: v6.capacity() }) }
  }

  /** Held addresses as `a-b,c`; of one pool if named. `''` also where the Subnet lacks the family or the pool. */
  usingRanges(family: Family, pool = ''): string {
    const space = this.space(family)
    const used = space?.used()
    return (
      (pool === '' ? used : used?.intersect(space?.pools.get(pool)?.members ?? RangeSet.empty()))?.format(
        family,
        formatAddress,
      ) ?? ''
    )
  }

  /** Free and released addresses of the Subnet, or of one pool. */
  availableRanges(family: Family, pool = ''): string {
    const space = this.space(family)
    if (pool === '') return space?.available().format(family, formatAddress) ?? ''
    const planes = space?.pools.get(pool)
    return planes === undefined ? '' : space!.available(planes).format(family, formatAddress)
  }

  /** Free addresses of one pool (default: the default pool). */
  freeRanges(family: Family, pool = ''): string {
    return RangeSet.of(this.space(family)?.pools.get(pool)?.free.ranges() ?? []).format(family, formatAddress)
  }

  /** Released addresses of one pool (default: the default pool). */
  releasedRanges(family: Family, pool = ''): string {
    return RangeSet.of(this.space(family)?.pools.get(pool)?.released.ranges() ?? []).format(
      family,
      formatAddress,
    )
  }

  /** Opens an undo point over planes, pools, configuration, and the index if it has undo points. */
  mark(): Mark {
    const restorePages: (() => void)[] = []
    for (const space of [this.spaces.v4, this.spaces.v6]) {
      if (space === undefined) continue
      const gone = space.gonePages
      restorePages.push(() => space.restoreGone(gone))
      for (const plane of space.planes().values()) {
        const dirty = plane.dirty()
        restorePages.push(() => plane.restoreDirty(dirty))
      }
    }
    const { layoutChanged } = this
    const gonePages = [...this.gonePages]
    restorePages.push(() => {
      this.layoutChanged = layoutChanged
      this.gonePages = gonePages
    })
    return { journal: this.journal.mark(), index: this.leases.mark?.(), restorePages }
  }

  /** Undoes everything since the mark; what was clean at the mark is clean again. */
  rollback(mark: Mark): void {
    this.journal.rollback(mark.journal)
    if (mark.index !== undefined) this.leases.rollback?.(mark.index)
    for (const restore of mark.restorePages) restore()
    if (mark.journal.depth === 0) this.leases.settle?.()
  }

  /** Keeps what happened since the mark; undo memory goes with the outermost mark. */
  settle(mark: Mark): void {
    this.journal.settle(mark.journal)
    if (mark.journal.depth > 0) return
    this.leases.settle?.()
    for (const space of [this.spaces.v4, this.spaces.v6])
      for (const plane of space?.planes().values() ?? []) plane.settled()
  }

  /** Runs `body` inside a mark: an error it returns, or throws, leaves nothing behind. */
  attempt<T, E>(body: () => Result<T, E>): Result<T, E> {
    const mark = this.mark()
    try {
      const result = body()
      if (result.ok) this.settle(mark)
      else this.rollback(mark)
      return result
    } catch (cause) {
      this.rollback(mark)
      throw cause
    }
  }

  private remember(): void {
    if (!this.journal.active) return
    const { current, spaces, recordedGatewayMac } = this
    this.journal.push(() => {
      this.current = current
      this.spaces = spaces
      this.recordedGatewayMac = recordedGatewayMac
    })
  }

  /**
   * Pages changed since the last take, encoded. Call inside the storage transaction, before it commits, and write them
   * before anything changes again: their bytes are the living ones.
   */
  takeDirtyPages(): readonly DirtyPage[] {
    const pages = new Map<string, Uint8Array | null>()
    for (const key of this.gonePages) pages.set(key, null)
    this.gonePages = []
    for (const family of [4, 6] as const) {
      const space = this.space(family)
      if (space === undefined) continue
      for (const key of space.takeGone()) pages.set(`${family}.${key}`, null)
      for (const [name, plane] of space.planes())
        for (const { index, bytes } of plane.takePages()) pages.set(pageKey(family, name, index), bytes)
    }
    if (this.layoutChanged) {
      pages.set(LAYOUT_KEY, encodeLayout(this.current, this.pools, this.recordedGatewayMac))
      this.layoutChanged = false
    }
    return [...pages].map(([key, bytes]) => ({ key, bytes }))
  }
}
