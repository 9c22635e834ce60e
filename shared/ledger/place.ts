import type { ClaimRow } from './claims.ts'
import type { LeaseRow } from './lease.ts'
import type { Space } from './space.ts'

/**
 * Gives the row of somebody else's object those of its addresses that nobody here holds, and takes from it what it may
 * not have. A foreign row has an address only while it really keeps it from others: two objects that say the same share
 * one bit, and one that says an address outside the CIDR has none.
 */
export function settleClaim(space: Space, claim: ClaimRow): LeaseRow {
  const row = space.leases.get(claim.name, claim.id)
  if (!row) throw new Error(`the claim of ${claim.name} has no row`)
  const isWish = claim.wish !== null
  const v4 = claim.v4 !== null && mayHave(space, row, 4, claim.v4, isWish) ? claim.v4 : null
  const v6 = claim.v6 !== null && mayHave(space, row, 6, claim.v6, isWish) ? claim.v6 : null
  if (row.v4 === v4 && row.v6 === v6) return row
  // An address never changes in a row: it is another row of the same id.
  space.leases.delete(row)
  const settled: LeaseRow = { ...row, v4, v6, bit: v4 !== null || v6 !== null }
  space.leases.insert(settled)
  return settled
}

function mayHave(
  space: Space,
  row: LeaseRow,
  family: 4 | 6,
  address: number | bigint,
  isWish: boolean,
): boolean {
  if (!isInside(space, family, address)) return false
  const has = row.bit && (family === 4 ? row.v4 === address : row.v6 === address)
  return has || take(space, family, address, isWish)
}

export function isInside(space: Space, family: 4 | 6, address: number | bigint): boolean {
  const { in4, in6 } = space.excludes()
  return family === 4 ? in4(Number(address)) : in6(BigInt(address))
}

/** The row that holds an address. */
export function holderOf(space: Space, family: 4 | 6, address: number | bigint): LeaseRow | undefined {
  return family === 4 ? space.leases.byV4(Number(address)) : space.leases.byV6(BigInt(address))
}

/** Takes an address for somebody else's object: one that is free; or that cools down, unless the object is but a wish for it. */
function take(space: Space, family: 4 | 6, address: number | bigint, isWish: boolean): boolean {
  const holder = holderOf(space, family, address)
  if (!holder) return space.allocator.occupy(family, address)
  if (holder.state !== 'quarantined' || isWish) return false
  cede(space, holder, family)
  return true
}

/** What cools down gives one address up, without its becoming free in between; the other family cools on. */
function cede(space: Space, row: LeaseRow, family: 4 | 6): void {
  space.leases.delete(row)
  const rest = family === 4 ? { ...row, v4: null } : { ...row, v6: null }
  if (rest.v4 !== null || rest.v6 !== null) space.leases.insert(rest)
}

/** An address has become free or cools down: the first who has said it all the while has it now. */
export function handOver(space: Space, row: LeaseRow): void {
  if (row.v4 !== null) handOverOne(space, 4, row.v4)
  if (row.v6 !== null) handOverOne(space, 6, row.v6)
}

function handOverOne(space: Space, family: 4 | 6, address: number | bigint): void {
  for (const claim of space.claims.saying(family, address)) {
    const settled = settleClaim(space, claim)
    if ((family === 4 ? settled.v4 : settled.v6) === address) return
  }
}
