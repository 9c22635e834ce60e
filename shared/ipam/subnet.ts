import type { Random } from '../random.ts'
import { err, ok, type Result } from '../result.ts'
import { formatAddress } from './address.ts'
import { MacSource, parseMac, randomMac } from './mac.ts'
import { conflict, nicHeld, nothingLeft, outOfRange, unknownPool, wrongFamily } from './refusals.ts'
import { makeLease, parseSkip, parseWish, step } from './request.ts'
import type { AddressSpace } from './space.ts'
import { kubeOvnOrder, type Strategy } from './strategy.ts'
import { type AnySpace, SubnetPlanes } from './subnet-planes.ts'
import type {
  AllocateRequest,
  BlockRequest,
  Family,
  IpamError,
  Lease,
  LeaseIndex,
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

/**
 * The addresses and MACs of one Subnet. Leases live in the index; here are only the planes of free and released
 * addresses. Every verb either does all it says or changes nothing and returns an error; nothing awaits.
 *
 * Kube-OVN's rules for a NIC that asks again (re-use, move, share) are not here but in kube-ovn.ts: a caller of this
 * class looks for the NIC's lease first.
 */
export class SubnetAllocator<Tag = unknown> extends SubnetPlanes<Tag> {
  private readonly macs: MacSource

  /**
   * @throws PageError if the pages were written for another configuration, or are damaged. Open with the
   *   configuration they were written for and call `configure`.
   */
  constructor(config: SubnetConfig, ports: SubnetPorts<Tag>) {
    super(config, ports.leases, ports.strategy ?? kubeOvnOrder, ports.pages)
    this.macs = new MacSource(ports.random)
  }

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
    if (v4 === undefined && v6 === undefined && this.config.protocol !== 'Mac')
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
    if (mac.value === this.gatewayMac)
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
    return randomMac(this.macs, (mac) => mac === this.gatewayMac || this.leases.byMac(mac).length > 0)
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
}
