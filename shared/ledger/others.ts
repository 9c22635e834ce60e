/** Addresses that are nobody's here because somebody else was seen with them: a logical switch port, or another cluster. */
import { QUICK } from '../elapsed.ts'
import { parseAddress } from '../ipam/address.ts'
import { AWAY_PREFIX } from '../kube-ovn/names.ts'
import { free } from './ending.ts'
import { reservationId } from './ids.ts'
import type { LeaseRow } from './lease.ts'
import { holderOf, isInside } from './place.ts'
import type { Wish } from './port.ts'
import type { Space } from './space.ts'

/** How long such an address is kept from others before it may be tried again, at least. */
const LEAST_REST_MS = 60_000
const BATCH = 500

/** An address that another cluster has, and nobody here has chosen yet. */
export function leave(space: Space, text: string): void {
  const parsed = parseAddress(text)
  if (!parsed.ok) return
  const { family, value } = parsed.value
  if (!isInside(space, family, value) || !space.allocator.occupy(family, value)) return
  const place = family === 4 ? { v4: Number(value), v6: null } : { v4: null, v6: BigInt(value) }
  const reason = `another cluster of the shared space has ${text}`
  space.leases.insert(nobodys(space, `${AWAY_PREFIX}${text}`, place, reason))
}

/** A wish for an address that another cluster had: it may have given it back. */
export function askAgainFor(space: Space, { v4IpAddress, v6IpAddress }: Wish): void {
  for (const text of [v4IpAddress, v6IpAddress]) {
    const parsed = text === undefined ? undefined : parseAddress(text)
    const row = parsed?.ok ? holderOf(space, parsed.value.family, parsed.value.value) : undefined
    if (row && isAway(row)) free(space, row)
  }
}

/** Nothing else is left: all that other clusters had. False where there was nothing. */
export function askAgainForAll(space: Space): boolean {
  let some = false
  for (;;) {
    const rows = space.leases.after(AWAY_PREFIX, '', BATCH).filter(isAway)
    for (const row of rows) free(space, row)
    if (rows.length === 0) return some
    some = true
  }
}

const isAway = ({ nic }: LeaseRow) => nic.startsWith(AWAY_PREFIX)

/** A row of nobody's, which keeps an address from others for a while. */
export function nobodys(
  space: Space,
  nic: string,
  place: Pick<LeaseRow, 'v4' | 'v6'>,
  reason: string,
): LeaseRow {
  const wallMs = space.clock.nowMs()
  return {
    nic,
    ...place,
    id: reservationId(wallMs, space.random),
    namespace: '',
    podName: '',
    podType: '',
    mac: '',
    pool: '',
    state: 'quarantined',
    bit: true,
    contested: false,
    epoch: 1,
    op: '',
    origin: '',
    originEpoch: 1,
    uid: null,
    rv: null,
    objectAt: null,
    proofMs: null,
    reason,
    createdAt: wallMs,
    freeMs: space.nowMs + Math.max(space.settings.quarantineMs, LEAST_REST_MS) + QUICK.leewayMs,
  }
}
