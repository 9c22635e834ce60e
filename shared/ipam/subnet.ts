import type { Random } from '../random.ts'
import { err, ok, type Result } from '../result.ts'
import { formatAddress, parseAddress } from './address.ts'
import type { PlaneSource } from './bitmap.ts'
import { familyName, parseRanges, sameFamily } from './config.ts'
import { decodeLayout, encodeLayout, LAYOUT_KEY, type PoolMembers } from './layout-page.ts'
import { MacSource, parseMac, randomMac } from './mac.ts'
import { PageError } from './page.ts'
import { Journal } from './plane.ts'
import { RangeSet } from './range.ts'
import { AddressSpace, type Pool } from './space.ts'
import { kubeOvnOrder, type Strategy } from './strategy.ts'
import type {
  AllocateRequest,
  BlockRequest,
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
  SuggestOptions,
} from './types.ts'

/** What an allocator is given from outside. */
export interface SubnetPorts<Tag> {
  readonly leases: LeaseIndex<Tag>
  readonly random: Random
  /** Where earlier pages are; absent: a Subnet nobody used. */
  readonly pages?: PageStore
  /** Default: Kube-OVN's order. */
  readonly strategy?: Strategy
}

type Spaces = { readonly v4: AddressSpace<number> | undefined; readonly v6: AddressSpace<bigint> | undefined }
type AnySpace = AddressSpace<number | bigint>
/**
 * The addresses and MACs of one Subnet. Leases live in the index; here are only the planes of free and released
 * addresses. Every verb either does all it says or changes nothing and returns an error; nothing awaits.
 *
 * Kube-OVN's rules for a NIC that asks again (re-use, move, share) are not here but in kube-ovn.ts: a caller of this
 * class looks for the NIC's lease first.
 */
export class SubnetAllocator<Tag = unknown> {
  /** For kube-ovn.ts, which applies Kube-OVN's rules to the same planes. */
  readonly leases: LeaseIndex<Tag>
  private readonly macs: MacSource
  private readonly strategy: Strategy
  private readonly journal = new Journal()
  private current: SubnetConfig
  private spaces: Spaces
  private recordedGatewayMac = ''
  private layoutChanged = true
  private gonePages: string[] = []

  /**
   * @throws PageError if the pages were written for another configuration, or are damaged. Open with the
   *   configuration they were written for and call `configure`.
   */
  constructor(config: SubnetConfig, ports: SubnetPorts<Tag>) {
    this.leases = ports.leases
    this.macs = new MacSource(ports.random)
    this.strategy = ports.strategy ?? kubeOvnOrder
    this.current = config
    const stored = ports.pages === undefined ? undefined : this.openStore(config, ports.pages)
    this.spaces = {
      v4:
        config.v4 &&
        new AddressSpace(
          config.v4,
          membersOf(stored?.pools, 'v4'),
          this.journal,
          this.strategy,
          stored?.source(4),
        ),
      v6:
        config.v6 &&
        new AddressSpace(
          config.v6,
          membersOf(stored?.pools, 'v6'),
          this.journal,
          this.strategy,
          stored?.source(6),
        ),
    }
  }

  get config(): SubnetConfig {
    return this.current
  }

  private openStore(config: SubnetConfig, store: PageStore) {
    const heads = new Map<string, Map<string, Uint8Array>>()
    let known = false
    for (const { key, head } of store.heads()) {
      if (key === LAYOUT_KEY) known = true
      const [plane, index] = splitKey(key)
      const group = heads.get(plane) ?? new Map<string, Uint8Array>()
      heads.set(plane, group.set(index, head))
    }
    if (!known) {
      if (heads.size > 0) throw new PageError('pages without a layout page')
      return undefined
    }
    const layout = decodeLayout(store.load(LAYOUT_KEY))
    const same = sameFamily(layout.config.v4, config.v4) && sameFamily(layout.config.v6, config.v6)
    if (!same)
      throw new PageError(`pages were written for ${layout.config.cidrBlock}, other gateway or excludes`)
    this.recordedGatewayMac = layout.gatewayMac
    this.layoutChanged = false
    const source =
      (family: Family) =>
      (plane: string): PlaneSource => ({
        heads: heads.get(`${family}.${plane}`) ?? new Map(),
        load: (index) => store.load(`${family}.${plane}#${index}`),
        key: (index) => `${family}.${plane}#${index}`,
      })
    return { pools: layout.pools, source }
  }

  /** The family's space; for kube-ovn.ts and tests. */
  space(family: Family): AnySpace | undefined {
    return (family === 4 ? this.spaces.v4 : this.spaces.v6) as AnySpace | undefined
  }

  // ---- allocation ----

  /**
   * One lease: in every family of the Subnet (or the one asked for) the address wished for, or the strategy's choice.
   * @returns `conflict` (`nic-held`, `address-held`, `gateway`, `mac-held`, `gateway-mac`, `skipped`),
   *   `out-of-range`, `no-available`, `unknown-pool`, `invalid-ip`, `invalid-mac`, `invalid-family`, `no-mac`
   */
  allocate(request: AllocateRequest<Tag>): Result<Lease<Tag>, IpamError> {
    if (this.leases.byNic(request.nic) !== undefined) return err(nicHeld(request.nic))
    const check = request.check ?? true
    const v4 = this.choose(request, 4, check)
    if (typeof v4 === 'object') return err(v4)
    const v6 = this.choose(request, 6, check)
    if (typeof v6 === 'object') return err(v6)
    if (v4 === undefined && v6 === undefined && this.current.protocol !== 'Mac')
      return err(wrongFamily(request.family))
    const mac = this.chooseMac(request.mac, check)
    if (!mac.ok) return mac
    if (v4 !== undefined) this.take(this.spaces.v4!, request.v4 === undefined, request.pool, v4 as number)
    if (v6 !== undefined) this.take(this.spaces.v6!, request.v6 === undefined, request.pool, v6 as bigint)
    const lease = makeLease(request, v4 as number | undefined, v6 as bigint | undefined, mac.value)
    this.leases.put(lease)
    return ok(lease)
  }

  private take<N extends number | bigint>(
    space: AddressSpace<N>,
    picked: boolean,
    pool = '',
    address: N,
  ): void {
    if (picked) space.takePicked(space.pools.get(pool)!, address)
    else space.take(address)
  }

  /** An address of the family, why there is none, or nothing if none is asked for. Changes nothing. */
  private choose(
    request: AllocateRequest<Tag>,
    family: Family,
    check: boolean,
  ): number | bigint | undefined | IpamError {
    const wish = family === 4 ? request.v4 : request.v6
    const space = this.space(family)
    if (wish !== undefined) return this.chooseWished(request, family, wish, check)
    if (space === undefined || (request.family !== undefined && request.family !== family)) return undefined
    const pool = space.pools.get(request.pool ?? '')
    if (pool === undefined) return unknownPool(request.pool ?? '')
    return space.pick(pool, parseSkip(request.skip, family)) ?? nothingLeft(family, pool)
  }

  private chooseWished(
    request: AllocateRequest<Tag>,
    family: Family,
    wish: string | number | bigint,
    check: boolean,
  ): number | bigint | IpamError {
    if (request.family !== undefined && request.family !== family) return wrongFamily(request.family)
    const field = family === 4 ? 'v4' : 'v6'
    const address = parseWish(wish, family, field)
    if (!address.ok) return address.error
    const refusal = this.refuseStatic(family, address.value, check)
    return refusal === undefined ? address.value : { ...refusal, field }
  }

  /** Why an address cannot be had, or nothing. Excluded addresses can (semantics.md R7). */
  refuseStatic(family: Family, address: number | bigint, check: boolean): IpamError | undefined {
    const space = this.space(family)
    const state = space?.state(address)
    if (space === undefined || state === 'outside') return outOfRange(space?.config, family, address)
    if (!check) return undefined
    if (address === space.config.gateway)
      return conflict('gateway', family, `${formatAddress(family, address)} is the Subnet's gateway`)
    if (state !== 'held') return undefined
    const by = this.leases.byAddress(family, address)[0]?.owner ?? 'something that is not a reservation'
    return conflict('address-held', family, `${formatAddress(family, address)} is held by ${by}`)
  }

  private chooseMac(wish: string | undefined, check: boolean): Result<string, IpamError> {
    if (wish === '') return ok('')
    if (wish === undefined) return this.drawMac()
    const mac = parseMac(wish)
    if (!mac.ok || !check) return mac
    const holder = this.leases.byMac(mac.value)[0]
    if (holder !== undefined) {
      const detail = `${mac.value} is held by ${holder.owner}`
      return err({ kind: 'conflict', field: 'mac', reason: 'mac-held', detail })
    }
    if (mac.value === this.recordedGatewayMac)
      return err({
        kind: 'conflict',
        field: 'mac',
        reason: 'gateway-mac',
        detail: `${mac.value} is the gateway's`,
      })
    return mac
  }

  /** A MAC nobody holds in this Subnet. @returns `no-mac` */
  drawMac(): Result<string, IpamError> {
    return randomMac(this.macs, (mac) => mac === this.recordedGatewayMac || this.leases.byMac(mac).length > 0)
  }

  /**
   * A block: leases at ascending contiguous addresses, the lowest block there is, in each family; all or nothing.
   * @returns as `allocate`; `no-available` with `fragmented` if there is room but not in one piece
   */
  allocateBlock(request: BlockRequest<Tag>): Result<readonly Lease<Tag>[], IpamError> {
    const count = request.leases.length
    const starts: { readonly space: AnySpace; readonly address: number | bigint }[] = []
    for (const family of [4, 6] as const) {
      const space = this.space(family)
      if (space === undefined || (request.family !== undefined && request.family !== family)) continue
      const start = this.findBlock(space, family, count, request)
      if (!start.ok) return start
      starts.push({ space, address: start.value })
    }
    if (starts.length === 0) return err(wrongFamily(request.family))
    const mark = this.mark()
    const leases: Lease<Tag>[] = []
    for (const [i, one] of request.leases.entries()) {
      const held = this.leases.byNic(one.nic)
      const mac: Result<string, IpamError> =
        held === undefined ? this.chooseMac(one.mac, true) : err(nicHeld(one.nic))
      if (!mac.ok) {
        this.rollback(mark)
        return err({ ...mac.error, field: `leases[${i}].${mac.error.field ?? 'nic'}` })
      }
      let v4: number | undefined
      let v6: bigint | undefined
      for (const { space, address } of starts) {
        const next = step(address, i)
        space.take(next)
        if (typeof next === 'number') v4 = next
        else v6 = next
      }
      const lease = makeLease(one, v4, v6, mac.value)
      this.leases.put(lease)
      leases.push(lease)
    }
    this.settle(mark)
    return ok(leases)
  }

  private findBlock(
    space: AnySpace,
    family: Family,
    count: number,
    { pool: name = '', aligned = false }: { readonly pool?: string; readonly aligned?: boolean },
  ): Result<number | bigint, IpamError> {
    if (!Number.isSafeInteger(count) || count < 1 || (aligned && !Number.isInteger(Math.log2(count)))) {
      const detail = aligned
        ? `an aligned block has a power of two addresses, not ${count}`
        : `a block of ${count}`
      return err({ kind: 'invalid-range', field: 'count', detail })
    }
    const pool = space.pools.get(name)
    if (pool === undefined) return err(unknownPool(name))
    const start = space.findRun(pool, count, aligned)
    if (start !== undefined) return ok(start)
    const reason = pool.free.count + pool.released.count < BigInt(count) ? 'exhausted' : 'fragmented'
    return err({ kind: 'no-available', reason, family, detail: `no ${count} contiguous addresses are free` })
  }

  /**
   * Addresses that would be given now, in canonical text: promises nothing, changes nothing. Fewer than `count` if
   * there are fewer; a block whole or not at all.
   */
  suggest(count: number, options: SuggestOptions = {}): Result<readonly string[], IpamError> {
    const family = options.family ?? (this.spaces.v4 === undefined ? 6 : 4)
    const space = this.space(family)
    if (space === undefined) return err(wrongFamily(family))
    if (options.contiguous === true) {
      const start = this.findBlock(space, family, count, options)
      if (!start.ok) return start
      return ok(Array.from({ length: count }, (_, i) => formatAddress(family, step(start.value, i))))
    }
    const pool = space.pools.get(options.pool ?? '')
    if (pool === undefined) return err(unknownPool(options.pool ?? ''))
    const found: string[] = []
    if (count < 1) return ok(found)
    for (const address of this.strategy.candidates(pool)) {
      found.push(formatAddress(family, address))
      if (found.length >= count) break
    }
    return ok(found)
  }

  // ---- giving back ----

  /**
   * Ends a lease. Addresses another lease shares stay held; addresses outside the CIDR (stranded) set no bit.
   * @returns `not-held`, or `conflict` with `owner` if the NIC is another owner's
   */
  release(nic: string, owner: string): Result<Lease<Tag>, IpamError> {
    const lease = this.leases.byNic(nic)
    if (lease === undefined)
      return err({ kind: 'not-held', field: 'nic', detail: `${nic} holds nothing here` })
    if (lease.owner !== owner)
      return err({
        kind: 'conflict',
        field: 'owner',
        reason: 'owner',
        detail: `${nic} is ${lease.owner}'s, not ${owner}'s`,
      })
    this.leases.remove(nic)
    if (lease.v4 !== undefined) this.giveUnshared(4, lease.v4)
    if (lease.v6 !== undefined) this.giveUnshared(6, lease.v6)
    return ok(lease)
  }

  private giveUnshared(family: Family, address: number | bigint): void {
    if (this.leases.byAddress(family, address).length === 0) this.space(family)?.give(address)
  }

  /** Marks an address held without a lease of the core's making. False: outside, or held already. */
  occupy(family: Family, address: number | bigint): boolean {
    return this.space(family)?.take(address) ?? false
  }

  /** The inverse of `occupy`: the address goes to the released ones. False: outside, or not held. */
  vacate(family: Family, address: number | bigint): boolean {
    return this.space(family)?.give(address) ?? false
  }

  // ---- configuration ----

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
        this.gonePages.push(...plane.storedPages().map((index) => `${family}.${name}#${index}`))
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
    const isV4 = (text: string) => {
      const first = parseAddress(text.split(/\.\.|\//)[0]!)
      return first.ok && first.value.family === 4
    }
    // Family 4 is judged before family 6 is read, as Kube-OVN does.
    const parts = [ips.map((ip) => (isV4(ip) ? ip : undefined)), ips.map((ip) => (isV4(ip) ? undefined : ip))]
    const sets: { v4: RangeSet<number>; v6: RangeSet<bigint> } = {
      v4: RangeSet.empty(),
      v6: RangeSet.empty(),
    }
    for (const [i, part] of parts.entries()) {
      const parsed = parseRanges(part)
      if (!parsed.ok) return parsed
      const family = i === 0 ? 4 : 6
      if (family === 4) sets.v4 = parsed.value.v4
      else sets.v6 = parsed.value.v6
      const refusal = this.refusePool(
        name,
        family,
        (family === 4 ? sets.v4 : sets.v6) as RangeSet<number | bigint>,
      )
      if (refusal !== undefined) return err({ field: 'ips', family, ...refusal })
    }
    this.remember()
    this.spaces.v4?.setPool(name, sets.v4)
    this.spaces.v6?.setPool(name, sets.v6)
    this.layoutChanged = true
    return ok(undefined)
  }

  private refusePool(name: string, family: Family, set: RangeSet<number | bigint>): IpamError | undefined {
    const space = this.space(family)
    if (space === undefined) return undefined
    const { first, last } = space.config
    for (const [other, { members }] of space.pools) {
      const shared = set.intersect(members)
      if (other !== name && !shared.isEmpty)
        return { kind: 'pool-overlap', detail: `${shared.format(family, formatAddress)} is pool ${other}'s` }
    }
    const beyond = set.minus(RangeSet.single(first, last))
    if (beyond.isEmpty) return undefined
    const detail = `${beyond.format(family, formatAddress)} is not usable in this Subnet`
    return { kind: 'out-of-range', reason: 'outside', detail }
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

  // ---- counting ----

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

  // ---- undo and pages ----

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

  /** Pages changed since the last take, encoded. Call inside the storage transaction, before it commits. */
  takeDirtyPages(): readonly DirtyPage[] {
    const pages = new Map<string, Uint8Array | null>()
    for (const key of this.gonePages) pages.set(key, null)
    this.gonePages = []
    for (const family of [4, 6] as const) {
      const space = this.space(family)
      if (space === undefined) continue
      for (const key of space.takeGone()) pages.set(`${family}.${key}`, null)
      for (const [name, plane] of space.planes())
        for (const { index, bytes } of plane.takePages()) pages.set(`${family}.${name}#${index}`, bytes)
    }
    if (this.layoutChanged) {
      pages.set(LAYOUT_KEY, encodeLayout(this.current, this.pools, this.recordedGatewayMac))
      this.layoutChanged = false
    }
    return [...pages].map(([key, bytes]) => ({ key, bytes }))
  }
}

function membersOf<F extends 'v4' | 'v6'>(pools: PoolMembers | undefined, family: F) {
  type N = F extends 'v4' ? number : bigint
  const members = new Map<string, RangeSet<N>>()
  for (const [name, sets] of pools ?? []) members.set(name, sets[family] as unknown as RangeSet<N>)
  return members
}

function splitKey(key: string): readonly [plane: string, index: string] {
  const at = key.lastIndexOf('#')
  return at < 0 ? [key, ''] : [key.slice(0, at), key.slice(at + 1)]
}

const step = (address: number | bigint, by: number): number | bigint =>
  typeof address === 'bigint' ? address + BigInt(by) : address + by

function makeLease<Tag>(
  { owner, nic, tag }: { readonly owner: string; readonly nic: string; readonly tag?: Tag },
  v4: number | undefined,
  v6: bigint | undefined,
  mac: string,
): Lease<Tag> {
  if (tag === undefined) {
    if (v6 === undefined) return v4 === undefined ? { nic, owner, mac } : { nic, owner, mac, v4 }
    return v4 === undefined ? { nic, owner, mac, v6 } : { nic, owner, mac, v4, v6 }
  }
  if (v6 === undefined) return v4 === undefined ? { nic, owner, mac, tag } : { nic, owner, mac, v4, tag }
  return v4 === undefined ? { nic, owner, mac, v6, tag } : { nic, owner, mac, v4, v6, tag }
}

function parseWish(
  wish: string | number | bigint,
  family: Family,
  field: string,
): Result<number | bigint, IpamError> {
  if (typeof wish !== 'string') {
    const top = family === 4 ? 0xffffffff : (1n << 128n) - 1n
    if (wish >= 0 && wish <= top && (typeof wish === 'bigint') === (family === 6)) return ok(wish)
    return err({ kind: 'invalid-ip', field, detail: `${wish} is no ${familyName(family)} address` })
  }
  const address = parseAddress(wish, field)
  if (!address.ok) return address
  if (address.value.family === family) return ok(address.value.value)
  return err({ kind: 'invalid-ip', field, family, detail: `${wish} is no ${familyName(family)} address` })
}

const NONE: ReadonlySet<number | bigint> = new Set()

/** Addresses of one family in a list that may hold both families and junk. */
export function parseSkip(skip: readonly string[] | undefined, family: Family): ReadonlySet<number | bigint> {
  if (skip === undefined || skip.length === 0) return NONE
  const set = new Set<number | bigint>()
  for (const text of skip) {
    const address = parseAddress(text)
    if (address.ok && address.value.family === family) set.add(address.value.value)
  }
  return set
}

const conflict = (reason: 'gateway' | 'address-held', family: Family, detail: string): IpamError => ({
  kind: 'conflict',
  reason,
  family,
  detail,
})

function outOfRange(config: FamilyConfig | undefined, family: Family, address: number | bigint): IpamError {
  const text = formatAddress(family, address)
  if (config === undefined) {
    const detail = `${text}: the Subnet has no ${familyName(family)} CIDR`
    return { kind: 'out-of-range', reason: 'no-family', family, detail }
  }
  const inside = address >= config.network && address <= config.top
  const reason = !inside ? 'outside' : address === config.network ? 'network' : 'broadcast'
  return {
    kind: 'out-of-range',
    reason,
    family,
    detail: `${text} is not usable in ${config.cidr} (${reason})`,
  }
}

const nicHeld = (nic: string): IpamError => ({
  kind: 'conflict',
  field: 'nic',
  reason: 'nic-held',
  detail: `${nic} holds a lease already`,
})

const unknownPool = (name: string): IpamError => ({
  kind: 'unknown-pool',
  field: 'pool',
  detail: name === '' ? 'the default pool has no name' : `the Subnet has no pool ${name}`,
})

const wrongFamily = (family: Family | undefined): IpamError => ({
  kind: 'invalid-family',
  field: 'family',
  ...(family === undefined ? {} : { family }),
  detail:
    family === undefined
      ? 'the Subnet has no addresses'
      : `the Subnet or the wish is not ${familyName(family)}`,
})

function nothingLeft(family: Family, pool: Pool<number | bigint>): IpamError {
  const where = pool.name === '' ? 'the Subnet' : `pool ${pool.name}`
  return pool.free.isEmpty && pool.released.isEmpty
    ? {
        kind: 'no-available',
        reason: 'exhausted',
        family,
        detail: `${where} has no free ${familyName(family)} address`,
      }
    : {
        kind: 'conflict',
        reason: 'skipped',
        family,
        detail: `every free ${familyName(family)} address of ${where} is to be skipped`,
      }
}
