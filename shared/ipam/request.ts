import { err, ok, type Result } from '../result.ts'
import { parseAddress } from './address.ts'
import { familyName } from './config.ts'
import type { Family, IpamError, Lease } from './types.ts'

/** `address + by`. */
export const step = (address: number | bigint, by: number): number | bigint =>
  typeof address === 'bigint' ? address + BigInt(by) : address + by

/** A lease as it is asked for. Without the keys it has no value for: an object in one shape is half the size. */
export function makeLease<Tag>(
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

/**
 * A wish for one family's address: text, or its number.
 * @returns `invalid-ip`
 */
export function parseWish(
  wish: string | number | bigint,
  family: Family,
  field: string,
): Result<number | bigint, IpamError> {
  if (typeof wish !== 'string') {
    const top = family === 4 ? 0xffffffff : (1n << 128n) - 1n
    const whole = family === 6 ? typeof wish === 'bigint' : Number.isInteger(wish)
    if (whole && wish >= 0 && wish <= top) return ok(wish)
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
