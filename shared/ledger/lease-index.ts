import type { Family, Lease, LeaseIndex } from '../ipam/types.ts'
import { ownerKey, portName } from '../kube-ovn/names.ts'
import type { LeaseRow, LeaseTable } from './lease.ts'

/** What the allocator does not know of a row it puts: everything but addresses and MAC. */
export type LeaseTag = Omit<LeaseRow, 'nic' | 'v4' | 'v6' | 'mac'>

/**
 * The allocator's look-ups over the lease table. Leases here are rows that hold a bit; a name in its cool-down, or of
 * somebody else's object, holds its addresses but not the name.
 */
export class SqlLeaseIndex implements LeaseIndex<LeaseTag> {
  private readonly table: LeaseTable
  private readonly provider: string

  constructor(table: LeaseTable, provider: string) {
    this.table = table
    this.provider = provider
  }

  byNic(nic: string): Lease<LeaseTag> | undefined {
    const row = this.table.promise(nic)
    return row && leaseOf(row)
  }

  byOwner(owner: string): Iterable<Lease<LeaseTag>> {
    const slash = owner.indexOf('/')
    const row = this.table.promise(portName(owner.slice(slash + 1), owner.slice(0, slash), this.provider))
    return row ? [leaseOf(row)] : []
  }

  byAddress(family: Family, address: number | bigint): readonly Lease<LeaseTag>[] {
    const row = family === 4 ? this.table.byV4(Number(address)) : this.table.byV6(BigInt(address))
    return row ? [leaseOf(row)] : []
  }

  byMac(mac: string): readonly Lease<LeaseTag>[] {
    return this.table.byMac(mac).map(leaseOf)
  }

  put(lease: Lease<LeaseTag>): void {
    if (!lease.tag) throw new Error(`lease ${lease.nic} has no row to go with it`)
    this.table.insert({
      ...lease.tag,
      nic: lease.nic,
      v4: lease.v4 ?? null,
      v6: lease.v6 ?? null,
      mac: lease.mac,
    })
  }

  remove(nic: string): void {
    const row = this.table.promise(nic)
    if (row) this.table.delete(row)
  }

  *all(): Iterable<Lease<LeaseTag>> {
    for (const row of this.table.all()) if (row.bit) yield leaseOf(row)
  }
}

function leaseOf(row: LeaseRow): Lease<LeaseTag> {
  return {
    nic: row.nic,
    owner: ownerKey(row.namespace, row.podName),
    ...(row.v4 === null ? {} : { v4: row.v4 }),
    ...(row.v6 === null ? {} : { v6: row.v6 }),
    mac: row.mac,
    tag: row,
  }
}
