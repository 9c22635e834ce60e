import { hashText, KeyIndex, spread } from './key-index.ts'
import type { Family, Lease, LeaseIndex } from './types.ts'

const NONE: readonly never[] = []

/**
 * Leases in memory, for replay, tests and tools. The Durable Object has SQL instead. Several leases of one key come in
 * order of arrival; of one MAC, the lease that was put last comes last.
 */
export class MapLeaseIndex<Tag = unknown> implements LeaseIndex<Tag> {
  private readonly rows: (Lease<Tag> | undefined)[] = []
  private readonly spareRows: number[] = []
  private readonly nics = new KeyIndex()
  private readonly owners = new KeyIndex()
  private readonly v4s = new KeyIndex()
  private readonly v6s = new KeyIndex()
  private readonly macs = new KeyIndex()
  /** By row, in puts since the start: when the owner's lease came, took its addresses, was last put. */
  private arrivals = new Uint32Array(16)
  private moves4 = new Uint32Array(16)
  private moves6 = new Uint32Array(16)
  private puts = new Uint32Array(16)
  private clock = 0
  private lastNic = ''
  private lastHash = hashText('')
  private undos: { readonly nic: string; readonly before: Lease<Tag> | undefined }[] | undefined

  get size(): number {
    return this.rows.length - this.spareRows.length
  }

  private rowOf(nic: string, hash: number): number {
    let row = this.nics.first(hash)
    while (row >= 0 && this.rows[row]!.nic !== nic) row = this.nics.next(row, hash)
    return row
  }

  byNic(nic: string): Lease<Tag> | undefined {
    const row = this.rowOf(nic, this.hashNic(nic))
    return row < 0 ? undefined : this.rows[row]
  }

  byOwner(owner: string): readonly Lease<Tag>[] {
    return this.collect(this.owners, hashText(owner), (lease) => lease.owner === owner, this.arrivals)
  }

  byAddress(family: Family, address: number | bigint): readonly Lease<Tag>[] {
    if (family === 4) {
      const v4 = Number(address)
      return this.collect(this.v4s, spread(v4), (lease) => lease.v4 === v4, this.moves4)
    }
    const v6 = BigInt(address)
    return this.collect(this.v6s, hash6(v6), (lease) => lease.v6 === v6, this.moves6)
  }

  byMac(mac: string): readonly Lease<Tag>[] {
    return this.collect(this.macs, hashText(mac), (lease) => lease.mac === mac, this.puts)
  }

  private collect(
    index: KeyIndex,
    hash: number,
    matches: (lease: Lease<Tag>) => boolean,
    order: Uint32Array,
  ): readonly Lease<Tag>[] {
    let one = -1
    let more: number[] | undefined
    for (let row = index.first(hash); row >= 0; row = index.next(row, hash)) {
      if (!matches(this.rows[row]!)) continue
      if (one < 0) one = row
      else if (more === undefined) more = [one, row]
      else more.push(row)
    }
    if (one < 0) return NONE
    if (more === undefined) return [this.rows[one]!]
    return more.sort((a, b) => order[a]! - order[b]!).map((row) => this.rows[row]!)
  }

  /** A port is looked up and then put or removed: its name is hashed once. */
  private hashNic(nic: string): number {
    if (nic !== this.lastNic) {
      this.lastNic = nic
      this.lastHash = hashText(nic)
    }
    return this.lastHash
  }

  put(lease: Lease<Tag>): void {
    const hash = this.hashNic(lease.nic)
    let row = this.rowOf(lease.nic, hash)
    const before = row < 0 ? undefined : this.rows[row]
    this.undos?.push({ nic: lease.nic, before })
    if (row < 0) {
      row = this.spareRows.pop() ?? this.rows.length
      this.nics.add(row, hash)
    }
    this.rows[row] = lease
    if (row >= this.arrivals.length) this.widen()
    this.puts[row] = ++this.clock
    if (before?.owner !== lease.owner) {
      this.arrivals[row] = this.clock
      if (before !== undefined) this.owners.remove(row)
      this.owners.add(row, hashText(lease.owner))
    }
    if (before?.v4 !== lease.v4) {
      this.moves4[row] = this.clock
      if (before?.v4 !== undefined) this.v4s.remove(row)
      if (lease.v4 !== undefined) this.v4s.add(row, spread(lease.v4))
    }
    if (before?.v6 !== lease.v6) {
      this.moves6[row] = this.clock
      if (before?.v6 !== undefined) this.v6s.remove(row)
      if (lease.v6 !== undefined) this.v6s.add(row, hash6(lease.v6))
    }
    if (before?.mac !== lease.mac) {
      if (before !== undefined && before.mac !== '') this.macs.remove(row)
      if (lease.mac !== '') this.macs.add(row, hashText(lease.mac))
    }
  }

  private widen(): void {
    const wider = (clocks: Uint32Array) => {
      const next = new Uint32Array(clocks.length * 2)
      next.set(clocks)
      return next
    }
    this.arrivals = wider(this.arrivals)
    this.moves4 = wider(this.moves4)
    this.moves6 = wider(this.moves6)
    this.puts = wider(this.puts)
  }

  remove(nic: string): void {
    const row = this.rowOf(nic, this.hashNic(nic))
    if (row < 0) return
    const before = this.rows[row]!
    this.undos?.push({ nic, before })
    this.nics.remove(row)
    this.owners.remove(row)
    if (before.v4 !== undefined) this.v4s.remove(row)
    if (before.v6 !== undefined) this.v6s.remove(row)
    if (before.mac !== '') this.macs.remove(row)
    this.rows[row] = undefined
    this.spareRows.push(row)
  }

  *all(): Iterable<Lease<Tag>> {
    for (const lease of this.rows) if (lease !== undefined) yield lease
  }

  mark(): number {
    this.undos ??= []
    return this.undos.length
  }

  /** Restores members and values; the order among several leases of one key is not kept. */
  rollback(mark: number): void {
    const undos = this.undos ?? []
    this.undos = undefined
    for (const { nic, before } of undos.splice(mark).reverse()) {
      if (before === undefined) this.remove(nic)
      else this.put(before)
    }
    this.undos = undos
  }

  settle(): void {
    this.undos = undefined
  }
}

/** The low 64 bits decide: Subnets of more than 2^64 addresses in use differ there all the same. */
function hash6(address: bigint): number {
  return spread(Number(BigInt.asUintN(32, address)) ^ Number(BigInt.asUintN(32, address >> 32n)))
}
