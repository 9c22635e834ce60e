/** Who is in charge of reserved IP objects: Berth alone, or kube-ovn-controller (faults.md (a), semantics.md §11 end). */
import { type Clock, LATE, within } from '../clock.ts'
import { type Problem, problem } from '../problem.ts'
import { err, ok, type Result } from '../result.ts'
import type { ClusterPort, ClusterReply, KubeObject, ObjectRef } from './port.ts'

/** Variable AUTHORITY. */
export type AuthorityWish = 'auto' | 'alone' | 'beside'

/** Held by whichever replica of the controller works. */
const LEASE: ObjectRef = { kind: 'Lease', namespace: 'kube-system', name: 'kube-ovn-controller' }

/**
 * A lease renewed more recently than this belongs to a controller that works, or comes back in a moment: it renews
 * every 2 s, a new replica takes over within 15 s, and clocks differ. A time ahead of ours is recent.
 */
const LIVE_MS = 60_000
/** An answer is used as it is for this long, and while a newer one is on its way for as long as STALE_MS. */
const FRESH_MS = 5_000
const STALE_MS = 60_000

/** How a look at the lease went. `unknown`: the cluster did not tell. */
export type Leadership = 'none' | 'live' | 'unknown'

export function leadershipOf(reply: ClusterReply, nowMs: number): Leadership {
  if (!reply.ok) return reply.error.reason === 'NotFound' ? 'none' : 'unknown'
  const { renewTime } = (reply.value as KubeObject<{ renewTime?: string }>).spec ?? {}
  if (renewTime === undefined) return 'none'
  const renewedMs = Date.parse(renewTime)
  return Number.isNaN(renewedMs) || nowMs - renewedMs < LIVE_MS ? 'live' : 'none'
}

/** How Berth writes. */
export type WritesAs = 'alone' | 'beside'

/**
 * Whether Berth may write, and how; the problem says why not. `beside` does not ask for the Lease: without a controller
 * a reservation waits for one.
 */
export function authorityOf(wish: AuthorityWish, leadership: Leadership): Result<WritesAs, Problem> {
  if (wish === 'beside') return ok('beside')
  switch (leadership) {
    case 'none':
      return ok('alone')
    case 'live':
      return wish === 'auto'
        ? ok('beside')
        : err(
            problem(
              'authority_conflict',
              'kube-ovn-controller holds its Lease kube-system/kube-ovn-controller, and AUTHORITY is alone',
              { retryAfterMs: LIVE_MS },
            ),
          )
    case 'unknown':
      return err(
        problem('unavailable', 'the cluster does not say whether kube-ovn-controller runs', {
          retryAfterMs: 1_000,
        }),
      )
    default:
      return leadership satisfies never
  }
}

export interface AuthorityParts {
  readonly cluster: ClusterPort
  readonly clock: Clock
  readonly wish: AuthorityWish
  /** How long a caller waits for the cluster. */
  readonly waitMs: number
  /** Keeps work going that nobody waits for. */
  readonly background: (work: Promise<unknown>) => void
}

/** Looks at the lease now and then, so that hardly a write waits for it. Kept as long as the isolate lives. */
export class Authority {
  #seen: { readonly leadership: Leadership; readonly atMs: number } | undefined
  #askedMs = Number.NEGATIVE_INFINITY

  /** How Berth wrote last, as far as is known; for what changes nothing. */
  last(wish: AuthorityWish): WritesAs {
    return wish === 'beside' || (wish === 'auto' && this.#seen?.leadership === 'live') ? 'beside' : 'alone'
  }

  /** May Berth write? Asks the cluster where it does not know, or no longer. */
  async check(parts: AuthorityParts): Promise<Result<WritesAs, Problem>> {
    const { clock, wish, waitMs, background } = parts
    if (wish === 'beside') return authorityOf(wish, 'unknown')
    const nowMs = clock.nowMs()
    const seen = this.#seen
    const ageMs = seen ? Math.abs(nowMs - seen.atMs) : Number.POSITIVE_INFINITY
    if (seen && ageMs < FRESH_MS) return authorityOf(wish, seen.leadership)
    if (seen?.leadership === 'none' && ageMs < STALE_MS) {
      if (Math.abs(nowMs - this.#askedMs) >= FRESH_MS) background(this.#look(parts))
      return authorityOf(wish, seen.leadership)
    }
    const leadership = await within(clock, waitMs, this.#look(parts))
    return authorityOf(wish, leadership === LATE ? 'unknown' : leadership)
  }

  async #look({ cluster, clock }: AuthorityParts): Promise<Leadership> {
    this.#askedMs = clock.nowMs()
    const [reply] = await cluster.send([{ verb: 'get', ref: LEASE }])
    if (!reply) throw new Error('no reply to one request')
    const atMs = clock.nowMs()
    const leadership = leadershipOf(reply, atMs)
    // What is known stays known while the cluster is silent, for as long as it is believed.
    if (leadership !== 'unknown') this.#seen = { leadership, atMs }
    return leadership
  }
}
