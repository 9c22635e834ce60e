import type { RangeSet } from './range.ts'

/** 4 or 6. Addresses are numbers (uint32) in family 4 and bigints (uint128) in family 6. */
export type Family = 4 | 6

/** The number type a family's addresses use. */
export type AddressOf<F extends Family> = F extends 4 ? number : bigint

/** One NIC's addresses. Keyed by `nic`; an address occurs in more than one lease only when shared (`check: false`). */
export interface Lease<Tag = unknown> {
  /** Port name, key of the lease: `name.namespace[.provider]`. */
  readonly nic: string
  /** `namespace/name`. */
  readonly owner: string
  /** uint32. */
  readonly v4?: number
  /** uint128. */
  readonly v6?: bigint
  /** Lower case, `''` if none. */
  readonly mac: string
  /** Opaque to the core, stored by the index. */
  readonly tag?: Tag
}

/** Where leases live: maps in replay and tests (`MapLeaseIndex`), SQL rows in the Durable Object. */
export interface LeaseIndex<Tag = unknown> {
  byNic(nic: string): Lease<Tag> | undefined
  byOwner(owner: string): Iterable<Lease<Tag>>
  /** More than one only when shared. Order: as put. */
  byAddress(family: Family, address: number | bigint): readonly Lease<Tag>[]
  byMac(mac: string): readonly Lease<Tag>[]
  /** Insert, or replace by nic. */
  put(lease: Lease<Tag>): void
  remove(nic: string): void
  all(): Iterable<Lease<Tag>>
  /** Undo points, for an index whose store has none of its own. SQL leaves these out: its transaction rolls back. */
  mark?(): number
  rollback?(mark: number): void
  /** No rollback will come: undo memory may go. */
  settle?(): void
}

/**
 * Where pages are kept. A page describes itself: its first `PAGE_HEAD_BYTES` bytes hold magic, version, sizes and
 * population (page.ts), so a store answers `heads` from a short column and `load` from the BLOB.
 */
export interface PageStore {
  /** The manifest: every stored page's key and first `PAGE_HEAD_BYTES` bytes (or the whole page). Read once, at construction. */
  heads(): Iterable<{ readonly key: string; readonly head: Uint8Array }>
  /** The whole page. Called when a page is first touched, not before. */
  load(key: string): Uint8Array | undefined
}

/** A page that changed since the last take; `bytes: null` means delete the row. */
export interface DirtyPage {
  readonly key: string
  readonly bytes: Uint8Array | null
}

/** One family of a Subnet. `first..last` are usable (semantics.md §4 Range); none are when `first > last` (/32, /128). */
export interface FamilyConfig<N extends number | bigint = number | bigint> {
  readonly family: Family
  /** Canonical, host bits masked: `10.16.0.0/16`. */
  readonly cidr: string
  readonly prefix: number
  readonly network: N
  /** The CIDR's highest address (the broadcast address in family 4). */
  readonly top: N
  readonly first: N
  readonly last: N
  readonly gateway: N | undefined
  /** excludeIps of this family, normalised and clipped to first..last. Sizes in BigInt. */
  readonly excludes: RangeSet<N>
}

/** A parsed Subnet. Built by `parseSubnet`; texts are canonical (RFC 5952) and in `v4,v6` order. */
export interface SubnetConfig {
  readonly protocol: 'IPv4' | 'IPv6' | 'Dual' | 'Mac'
  readonly cidrBlock: string
  readonly gateway: string
  /** As given, gateways added, junk dropped, canonical spelling. */
  readonly excludeIps: readonly string[]
  readonly v4?: FamilyConfig<number>
  readonly v6?: FamilyConfig<bigint>
}

export interface AllocateRequest<Tag = unknown> {
  readonly owner: string
  readonly nic: string
  /** A wish: text (parsed strictly) or a uint32. Absent: chosen, if the Subnet has the family. */
  readonly v4?: string | number
  readonly v6?: string | bigint
  /** Absent: chosen. `''`: none. Else validated (unicast, not zero), any case in, lower case out. */
  readonly mac?: string
  /** Named pool for addresses that are chosen; `''` or absent: the default pool, which keeps out of named ones. */
  readonly pool?: string
  /** Only this family; the default is all the Subnet has. */
  readonly family?: Family
  /** Addresses (either family, canonical or not; junk is ignored) that must not be chosen. */
  readonly skip?: readonly string[]
  /** Refuse held addresses, held MACs and the gateway. Default true; false shares (replay, foreign state). */
  readonly check?: boolean
  readonly tag?: Tag
}

/** A block: `nics.length` leases at ascending contiguous addresses, all or nothing, in each family of the Subnet. */
export interface BlockRequest<Tag = unknown> {
  readonly leases: readonly {
    readonly owner: string
    readonly nic: string
    readonly mac?: string
    readonly tag?: Tag
  }[]
  readonly pool?: string
  readonly family?: Family
  /** The block starts at a multiple of its size, which must then be a power of two. */
  readonly aligned?: boolean
}

/** Why something was refused, beside its kind. */
export type Reason =
  | 'gateway'
  | 'address-held'
  | 'mac-held'
  | 'gateway-mac'
  | 'nic-held'
  | 'owner'
  | 'skipped'
  | 'excluded'
  | 'exhausted'
  | 'fragmented'
  | 'network'
  | 'broadcast'
  | 'outside'
  | 'no-family'
  | 'duplicate'

/** Everything the core refuses. Closed; the ledger maps kinds (and reasons) to problem codes. */
export interface IpamError {
  readonly kind:
    | 'invalid-family'
    | 'no-subnet'
    | 'invalid-ip'
    | 'out-of-range'
    | 'conflict'
    | 'no-available'
    | 'invalid-cidr'
    | 'dual-gateway'
    | 'invalid-gateway'
    | 'invalid-mac'
    | 'no-mac'
    | 'invalid-range'
    | 'invalid-cidr-text'
    | 'pool-overlap'
    | 'unknown-pool'
    | 'unknown-subnet'
    | 'not-held'
  /** The input field at fault: `cidrBlock`, `gateway`, `excludeIps[2]`, `v4`, `mac`, `ips[0]`, … */
  readonly field?: string
  readonly detail: string
  readonly reason?: Reason
  readonly family?: Family
}

/** Per family, all exact: free + excluded + held = usable, where an excluded address with a lease counts as held. */
export interface FamilyCapacity {
  /** first..last. */
  readonly usable: bigint
  /** Excluded and not held. */
  readonly excluded: bigint
  /** Held by a lease or occupied, excluded addresses included. */
  readonly held: bigint
  /** Free to be chosen, named pools included: never used plus released. */
  readonly free: bigint
  /** The part of `free` that was used before and waits its turn. */
  readonly released: bigint
  readonly pools: ReadonlyMap<
    string,
    { readonly free: bigint; readonly released: bigint; readonly held: bigint }
  >
}

export interface Capacity {
  readonly v4?: FamilyCapacity
  readonly v6?: FamilyCapacity
}

/** What a live change did. Leases stay in the index: what to do with those that fell out is the caller's (the ledger strands them). */
export interface ConfigureReport<Tag = unknown> {
  /** False: nothing differed, nothing was laid out anew. */
  readonly changed: boolean
  /** Leases with an address outside the new CIDR, or of a family that went. */
  readonly fellOut: readonly Lease<Tag>[]
  /** Addresses that fell out, in number; more than the leases' if some were occupied without a lease. */
  readonly addresses: bigint
}

/** An undo point. Valid until a rollback to it or to an earlier one, or until it is settled. */
export interface Mark {
  readonly journal: { readonly at: number; readonly depth: number }
  readonly index: number | undefined
  readonly restorePages: readonly (() => void)[]
}

export interface SuggestOptions {
  /** Default: 4 if the Subnet has it. */
  readonly family?: Family
  readonly contiguous?: boolean
  /** With `contiguous`: start at a multiple of the count, a power of two. */
  readonly aligned?: boolean
  readonly pool?: string
}
