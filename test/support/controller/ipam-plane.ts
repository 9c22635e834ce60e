import { formatAddress } from '../../../shared/ipam/address.ts'
import { RangeSet } from '../../../shared/ipam/range.ts'
import type { Family, FamilyConfig } from '../../../shared/ipam/types.ts'

export type Value = number | bigint
export type AddressSet = RangeSet<Value>

export const none = (): AddressSet => RangeSet.empty<Value>()
const one = (value: Value): AddressSet => RangeSet.single(value, value)

/** One family of one pool [pkg/ipam/ippool.go]. */
export interface PoolPlane {
  ips: AddressSet
  free: AddressSet
  available: AddressSet
  reserved: AddressSet
  released: AddressSet
  using: AddressSet
}

/** One family of a Subnet [pkg/ipam/subnet.go Subnet]: its sets, who holds which address, and its pools' parts. */
export class Plane {
  readonly family: Family
  config: FamilyConfig
  gateway: string
  reserved: AddressSet
  available: AddressSet
  using = none()
  readonly nicToIp = new Map<string, Value>()
  /** By canonical text; several pods with commas. */
  readonly ipToPod = new Map<string, string>()
  readonly pools = new Map<string, PoolPlane>()

  constructor(config: FamilyConfig, gateway: string, reserved: AddressSet) {
    this.family = config.family
    this.config = config
    this.gateway = gateway
    this.reserved = reserved
    const ips = this.range
    this.available = ips.minus(reserved)
    this.pools.set('', { ...fresh(ips, this.available), reserved })
  }

  /** First to last usable address. */
  get range(): AddressSet {
    return RangeSet.single<Value>(this.config.first, this.config.last)
  }

  text(value: Value): string {
    return formatAddress(this.family, value)
  }

  contains(value: Value): boolean {
    return value >= this.config.network && value <= this.config.top
  }

  /** The pool an address belongs to; pools of one Subnet do not overlap. */
  poolOf(value: Value): PoolPlane | undefined {
    return [...this.pools.values()].find((pool) => pool.ips.has(value))
  }

  /** The lowest free address of the pool that is not to be skipped. Released ones come back when none is free. */
  pick(pool: PoolPlane, skip: AddressSet): Value | 'none' | 'skipped' {
    pool.free = pool.free.minus(pool.reserved)
    if (pool.free.isEmpty) {
      pool.free = pool.released.minus(pool.reserved)
      pool.released = none()
      if (pool.free.isEmpty) return 'none'
    }
    const value = pool.free.minus(skip).ranges[0]?.from
    if (value === undefined) return 'skipped'
    pool.free = pool.free.minus(one(value))
    return value
  }

  /** A static address leaves the free or released ones; excluded ones may be had too [subnet.go allocateStaticAddress]. */
  claim(pool: PoolPlane, value: Value): boolean {
    if (pool.reserved.has(value)) return true
    for (const list of ['free', 'released'] as const) {
      if (!pool[list].has(value)) continue
      pool[list] = pool[list].minus(one(value))
      return true
    }
    return false
  }

  markUsed(pool: PoolPlane, value: Value): void {
    const it = one(value)
    this.available = this.available.minus(it)
    this.using = this.using.union(it)
    pool.available = pool.available.minus(it)
    pool.using = pool.using.union(it)
  }

  /**
   * Gives the NIC's address back [subnet.go releaseV4Addr]. Of several owners only `pod` goes: the NIC stays bound (N2).
   * @returns whether the NIC lost its address
   */
  release(pod: string, nic: string): boolean {
    const value = this.nicToIp.get(nic)
    if (value === undefined) return false
    const text = this.text(value)
    const pods = (this.ipToPod.get(text) ?? '').split(',')
    if (pods.length > 1) {
      this.ipToPod.set(text, pods.filter((other) => other !== pod).join(','))
      return false
    }
    this.nicToIp.delete(nic)
    this.ipToPod.delete(text)
    const returns = this.contains(value) && !this.reserved.has(value)
    const it = one(value)
    this.using = this.using.minus(it)
    if (returns) this.available = this.available.union(it)
    const pool = [...this.pools.values()].find(({ using }) => using.has(value))
    if (pool !== undefined) {
      pool.using = pool.using.minus(it)
      if (returns) {
        pool.available = pool.available.union(it)
        pool.released = pool.released.union(it)
      }
    }
    return true
  }

  /** New CIDR, gateway or excludes [ipam.go AddOrUpdateSubnet]. With `dropOutside` (Q14) leases outside are forgotten. */
  resize(config: FamilyConfig, gateway: string, reserved: AddressSet, dropOutside: boolean): void {
    this.config = config
    this.gateway = gateway
    this.reserved = reserved
    const ips = this.range
    const kept = (using: AddressSet) => (dropOutside ? using.intersect(ips) : using)
    this.using = kept(this.using)
    const free = ips.minus(reserved).minus(this.using)
    this.available = free
    const base: PoolPlane = { ips, free, available: free, reserved, released: none(), using: this.using }
    for (const [name, pool] of this.pools) {
      if (name === '') continue
      pool.using = kept(pool.using)
      pool.reserved = reserved.intersect(pool.ips)
      pool.free = ips.intersect(pool.ips).minus(pool.using).minus(pool.reserved)
      pool.available = pool.free
      pool.released = none()
      base.ips = base.ips.minus(pool.ips)
      base.free = base.free.minus(pool.ips)
      base.using = base.using.minus(pool.using)
      base.reserved = base.reserved.minus(pool.reserved)
    }
    base.available = base.free
    this.pools.set('', base)
    if (!dropOutside) return
    for (const [nic, value] of [...this.nicToIp]) {
      if (ips.has(value)) continue
      this.nicToIp.delete(nic)
      this.ipToPod.delete(this.text(value))
    }
  }

  /** [subnet.go AddOrUpdateIPPool] */
  setPool(name: string, ips: AddressSet): void {
    const before = this.pools.get(name)
    const using = this.using.intersect(ips)
    const reserved = this.reserved.intersect(ips)
    const free = this.range.intersect(ips).minus(using).minus(reserved)
    const pool = { ips, free, available: free, reserved, released: none(), using }
    const base = this.pools.get('')!
    const back = (list: 'ips' | 'using' | 'reserved' | 'available') =>
      before === undefined ? base[list] : base[list].union(before[list])
    base.ips = back('ips').minus(ips)
    base.using = back('using').minus(using)
    base.reserved = back('reserved').minus(reserved)
    base.free = back('available').minus(free).minus(this.reserved)
    base.available = base.free
    base.released = none()
    this.pools.set(name, pool)
  }

  removePool(name: string): void {
    const pool = this.pools.get(name)
    const base = this.pools.get('')
    if (pool === undefined || base === undefined) return
    for (const list of ['ips', 'free', 'available', 'using', 'reserved', 'released'] as const)
      base[list] = base[list].union(pool[list])
    this.pools.delete(name)
  }
}

function fresh(ips: AddressSet, free: AddressSet): PoolPlane {
  return { ips, free, available: free, reserved: none(), released: none(), using: none() }
}
