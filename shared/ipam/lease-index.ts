import type { Family, Lease, LeaseIndex } from './types.ts'

/** One lease, or several: nearly every key has one, and an array each would cost more than the lease. */
type Few<Tag> = Lease<Tag> | Lease<Tag>[]

function add<K, Tag>(map: Map<K, Few<Tag>>, key: K, lease: Lease<Tag>): void {
  const there = map.get(key)
  if (there === undefined) map.set(key, lease)
  else if (Array.isArray(there)) there.push(lease)
  else map.set(key, [there, lease])
}

function drop<K, Tag>(map: Map<K, Few<Tag>>, key: K, lease: Lease<Tag>): void {
  const there = map.get(key)
  if (there === lease) map.delete(key)
  else if (Array.isArray(there)) {
    there.splice(there.indexOf(lease), 1)
    if (there.length === 1) map.set(key, there[0]!)
  }
}

/** Puts `next` where `lease` is, so that order stays the order of arrival. */
function swap<K, Tag>(map: Map<K, Few<Tag>>, key: K, lease: Lease<Tag>, next: Lease<Tag>): void {
  const there = map.get(key)
  if (Array.isArray(there)) there[there.indexOf(lease)] = next
  else map.set(key, next)
}

function few<K, Tag>(map: Map<K, Few<Tag>>, key: K): readonly Lease<Tag>[] {
  const there = map.get(key)
  return there === undefined ? [] : Array.isArray(there) ? there : [there]
}

/** Leases in maps, for replay, tests and tools. The Durable Object has SQL instead. */
export class MapLeaseIndex<Tag = unknown> implements LeaseIndex<Tag> {
  private readonly nics = new Map<string, Lease<Tag>>()
  private readonly owners = new Map<string, Few<Tag>>()
  private readonly v4s = new Map<number, Few<Tag>>()
  private readonly v6s = new Map<bigint, Few<Tag>>()
  private readonly macs = new Map<string, Few<Tag>>()
  private undos: { readonly nic: string; readonly before: Lease<Tag> | undefined }[] | undefined

  get size(): number {
    return this.nics.size
  }

  byNic(nic: string): Lease<Tag> | undefined {
    return this.nics.get(nic)
  }

  byOwner(owner: string): readonly Lease<Tag>[] {
    return few(this.owners, owner)
  }

  byAddress(family: Family, address: number | bigint): readonly Lease<Tag>[] {
    return family === 4 ? few(this.v4s, Number(address)) : few(this.v6s, BigInt(address))
  }

  /** The lease that took the MAC last comes last. */
  byMac(mac: string): readonly Lease<Tag>[] {
    return few(this.macs, mac)
  }

  put(lease: Lease<Tag>): void {
    const before = this.nics.get(lease.nic)
    this.undos?.push({ nic: lease.nic, before })
    this.nics.set(lease.nic, lease)
    this.rekey(this.owners, before, lease, before?.owner, lease.owner)
    this.rekey(this.v4s, before, lease, before?.v4, lease.v4)
    this.rekey(this.v6s, before, lease, before?.v6, lease.v6)
    if (before !== undefined && before.mac !== '') drop(this.macs, before.mac, before)
    if (lease.mac !== '') add(this.macs, lease.mac, lease)
  }

  private rekey<K>(
    map: Map<K, Few<Tag>>,
    before: Lease<Tag> | undefined,
    lease: Lease<Tag>,
    oldKey: K | undefined,
    key: K | undefined,
  ): void {
    if (before !== undefined && oldKey !== undefined) {
      if (oldKey === key) {
        swap(map, key, before, lease)
        return
      }
      drop(map, oldKey, before)
    }
    if (key !== undefined) add(map, key, lease)
  }

  remove(nic: string): void {
    const before = this.nics.get(nic)
    if (before === undefined) return
    this.undos?.push({ nic, before })
    this.nics.delete(nic)
    drop(this.owners, before.owner, before)
    if (before.v4 !== undefined) drop(this.v4s, before.v4, before)
    if (before.v6 !== undefined) drop(this.v6s, before.v6, before)
    if (before.mac !== '') drop(this.macs, before.mac, before)
  }

  all(): Iterable<Lease<Tag>> {
    return this.nics.values()
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
