import { QUICK } from '../elapsed.ts'
import type { LeaseRow } from './lease.ts'
import type { OpRow } from './op.ts'
import type { ItemState } from './operations.ts'
import { handOver } from './place.ts'
import type { Answer, LeaseView, Next } from './port.ts'
import type { Space } from './space.ts'

/** Epoch of a row that was never held before. */
const FIRST_EPOCH = 1

/** Nothing was sent for it: free at once, unless it came out of a cool-down, which then begins anew. */
export function letGo(space: Space, row: LeaseRow, item: ItemState): void {
  if (row.originEpoch === FIRST_EPOCH) free(space, row)
  else coolDown(space, row, item)
}

/** Confirmed gone: into the cool-down, or free where there is none or the row held no bit. */
export function coolDown(space: Space, row: LeaseRow, item: ItemState): LeaseView {
  const uid = item.uid ?? row.uid
  if (space.settings.mirrored && uid !== null) space.sightings.gone(uid, space.slowMs)
  const gone = { epoch: row.epoch + 1, uid: null, rv: null, proofMs: item.proofMs ?? null }
  if (!row.bit || space.settings.quarantineMs === 0) {
    free(space, row)
    return space.view({ ...row, ...gone }, 'free')
  }
  const freeMs = space.nowMs + space.settings.quarantineMs + QUICK.leewayMs
  const cooling = space.leases.update(row, { ...gone, state: 'quarantined', freeMs })
  over(space, row)
  return space.view(cooling)
}

/** What was known of a promise that is over; whoever says its addresses all the while has them now. */
function over(space: Space, row: LeaseRow): void {
  space.notes.drop(row.id)
  space.lifetimes.drop(row.id)
  handOver(space, row)
}

/** Takes a row and its bits away. The addresses go back to the allocator's order of re-use. */
export function free(space: Space, row: LeaseRow): void {
  const { leases, allocator } = space
  leases.delete(row)
  // Without its bit a row may still hold one family's address, unless somebody has it by now.
  if (row.v4 !== null && (row.bit || !leases.byV4(row.v4))) allocator.vacate(4, row.v4)
  if (row.v6 !== null && (row.bit || !leases.byV6(row.v6))) allocator.vacate(6, row.v6)
  over(space, row)
}

/** A row has room for the answer or for the items (size.ts): of these stay the names, unless the answer has them. */
function kept(op: OpRow, answer: Answer): readonly ItemState[] {
  if (answer.kind === 'done' && answer.leases.length === op.items.length) return []
  return op.items.map(({ nic, id, stage, tries }) => ({ nic, id, stage, tries }))
}

/** Whether a closed operation was about the object of this name. */
export function wasAbout({ items, response }: OpRow, name: string): boolean {
  if (items.some(({ nic }) => nic === name)) return true
  return response?.kind === 'done' && response.leases.some((lease) => lease.name === name)
}

/** Ends an operation with its answer. */
export function close(space: Space, op: OpRow, state: 'done' | 'failed', answer: Answer): Next {
  space.ops.update({
    ...op,
    state,
    nextMs: null,
    items: kept(op, answer),
    response: answer.kind === 'done' ? answer : null,
    problem: answer.kind === 'refused' ? answer.problem : op.problem,
    updatedAt: space.clock.nowMs(),
    dropMs: space.keptUntilMs,
  })
  // Attempts whose driver never reported: what became of them was found out by reading.
  if (op.driver > 1) space.ops.abandonAttempts(op.id)
  const [first] = op.items
  if (op.kind === 'reserve' && answer.kind === 'refused' && first) {
    const names = op.items.map(({ nic }) => nic)
    space.tellOf('refused', first.nic, { operation: op.id, names, problem: answer.problem })
  }
  space.closing(op.id, answer)
  return { kind: 'answer', op: op.id, answer }
}
