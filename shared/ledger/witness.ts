import { formatAddress } from '../ipam/address.ts'
import { rowOf } from './issue.ts'
import { type ItemState, refused } from './operations.ts'
import type { Space } from './space.ts'
import { isOlder } from './version.ts'

/** How soon the ledger looks again whether it has been told enough. */
const LOOK_MS = 15
const SLOWEST_LOOK_MS = 1_000

/**
 * R4, exclusivity by address: the acknowledgement of an address says nothing of who else has it (N1). The watch is
 * ordered, so a ledger that was told of everything up to the acknowledged object was told of each object before it; if
 * none of them says the address, it is ours alone.
 */
export function witnessed(space: Space, item: ItemState): ItemState {
  if (item.stage !== 'witness') return item
  const row = rowOf(space, item)
  for (const [family, address] of [
    [4, row.v4],
    [6, row.v6],
  ] as const) {
    if (address === null) continue
    const other = space.claims.saying(family, address).find(({ id }) => id !== row.id)
    if (!other) continue
    const detail = `IP object ${other.name} says ${formatAddress(family, address)} too: kube-ovn-controller shares it between the two (N1)`
    return refused(item, 'address_taken', detail)
  }
  if (isToldUpTo(space, item.rv ?? '')) return { ...item, stage: 'proven', tries: 0 }
  const waitMs = Math.min(LOOK_MS * 2 ** Math.min(item.tries, 20), SLOWEST_LOOK_MS)
  return { ...item, tries: item.tries + 1, notBeforeMs: space.nowMs + waitMs }
}

function isToldUpTo(space: Space, version: string): boolean {
  if (!space.settings.mirrored) return true
  const observed = space.meta('observed')
  return observed !== undefined && !isOlder(observed, version)
}
