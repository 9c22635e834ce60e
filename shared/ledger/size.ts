import { type Problem, problem } from '../problem.ts'
import type { Evidence } from './operations.ts'
import type { LeaseView } from './port.ts'

/**
 * A row of a Durable Object's SQLite takes 2 MB on Cloudflare (workerd by itself takes more). An operation's row holds its items while it is open and its answer
 * afterwards, never both (ending.ts), so each must fit by itself; 50 kB are left for the other columns.
 */
const TEXT_BYTES = 1_950_000
/** What a lease gains until it is in an answer: a longer state and epoch; where it is new, what its object is known by. */
const LATER_BYTES = 10
const OBJECT_BYTES = 120
/** An item of an operation without its name: ids, times, an other finalizer or two. */
const ITEM_BYTES = 400
/** An item that has nothing to do but to keep the lease it found; without its name and that lease. */
const SEEN_BYTES = 120
/** So few leases with so short reasons fit, whatever else they say: every other text of a lease is a name or an address. */
const FEW = 20
const SHORT = 5_000
/** Words of the cluster's that all items of an operation keep together, in characters. */
const WORDS = 100_000

/**
 * Why these leases cannot be one operation's, undefined when they can: what is known before the first write decides.
 * @param seen those that the operation's items keep a copy of while it is open
 */
export function tooLarge(leases: readonly LeaseView[], seen: readonly LeaseView[] = []): Problem | undefined {
  if (leases.length <= FEW && leases.every(({ reason = '' }) => reason.length <= SHORT)) return undefined
  const fresh = leases.filter(({ uid }) => uid === undefined).length
  const answer = bytesOf(leases) + leases.length * LATER_BYTES + fresh * OBJECT_BYTES
  const names = leases.reduce((sum, { name }) => sum + name.length, 0)
  const working = leases.length - seen.length
  const items = names + working * ITEM_BYTES + seen.length * SEEN_BYTES + bytesOf(seen)
  if (answer <= TEXT_BYTES && items <= TEXT_BYTES) return undefined
  return problem('too_large', 'names and reasons are too long together; ask for fewer at a time', {
    field: leases.length > 1 ? 'items' : 'reason',
  })
}

/** Evidence with no more of the cluster's words than an operation of so many items has room for. */
export function brief(evidence: Evidence, items: number): Evidence {
  const room = Math.floor(WORDS / items)
  switch (evidence.result) {
    case 'rejected':
      return { ...evidence, detail: evidence.detail.slice(0, room) }
    case 'spared':
      return { ...evidence, why: evidence.why.slice(0, room) }
    case 'object': {
      const { object } = evidence
      const { content, ...rest } = object
      const kept = content !== undefined && items === 1 ? { content } : {}
      return {
        ...evidence,
        object: { ...rest, ...kept, description: object.description.slice(0, room) },
      }
    }
    case 'absent':
    case 'owner':
    case 'port':
    case 'held':
    case 'taken':
    case 'conflict':
    case 'later':
    case 'unsent':
    case 'unknown':
      return evidence
    default:
      return evidence satisfies never
  }
}

function bytesOf(leases: readonly LeaseView[]): number {
  const text = JSON.stringify(leases)
  // A UTF-16 unit is three bytes of UTF-8 at most; most answers are nowhere near the limit.
  return text.length * 3 < TEXT_BYTES / 2 ? text.length * 3 : new TextEncoder().encode(text).length
}
