import { QUICK } from '../elapsed.ts'
import { type ProblemCode, problem } from '../problem.ts'
import type { Opened, SubnetFacts } from './port.ts'
import type { Space } from './space.ts'

/** A write to the Subnet object has been announced; until it is known how it ended, holds need fresh facts. */
export interface Unverified {
  readonly token: string
  /** Ledger time after which the announced write cannot land any more. */
  readonly untilMs: number
}

/** The Subnet object is about to be deleted; no hold until it is known how that ended. */
export interface Retiring extends Unverified {
  readonly uid: string
}

/** An IPPool is about to be written or removed. One at a time, or two that overlap could both be written. */
export interface PoolWrite extends Unverified {
  readonly pool: string
}

interface Announced {
  readonly unverified: Unverified
  readonly retiring: Retiring
  readonly poolWrite: PoolWrite
}

/** What was announced and not yet settled. */
export function pending<K extends keyof Announced>(space: Space, key: K): Announced[K] | undefined {
  const stored = space.meta(key)
  return stored === undefined ? undefined : (JSON.parse(stored) as Announced[K])
}

/**
 * A token for a write that is about to leave, and when it cannot land any more. The alarm looks at the clock until
 * then: ledger time passes only when somebody looks, and a Subnet nobody visits must not stay shut.
 */
export function undertaking(space: Space): Unverified {
  const token = Array.from(space.random.bytes(12), (byte) => byte.toString(16).padStart(2, '0')).join('')
  const untilMs = space.nowMs + space.settings.stragglerMs + space.settings.sendMs + QUICK.leewayMs
  space.dueAt(untilMs)
  return { token, untilMs }
}

/** Ledger time at which the next announced write cannot land any more; undefined when none is waited for. */
export function nextLanded(space: Space): number | undefined {
  const waiting = (['unverified', 'retiring', 'poolWrite'] as const)
    .map((key) => pending(space, key)?.untilMs)
    .filter((untilMs) => untilMs !== undefined && untilMs > space.nowMs)
  return waiting.length > 0 ? Math.min(...(waiting as number[])) : undefined
}

/** An announced write or removal is over when its token comes back, or when it cannot land any more. */
export function settle(space: Space, facts: SubnetFacts, token: string | undefined): void {
  for (const key of ['unverified', 'poolWrite'] as const) {
    const write = pending(space, key)
    if (write && (write.token === token || space.nowMs >= write.untilMs)) space.deleteMeta(key)
  }
  const retiring = pending(space, 'retiring')
  if (!retiring) return
  if (retiring.token === token || retiring.uid !== facts.uid || space.nowMs >= retiring.untilMs) {
    space.deleteMeta('retiring')
  }
}

/** Why no new promise may be made now; undefined when the Subnet is known, alive, and nobody is just writing it. */
export function holdGate(space: Space, verified: boolean): Opened | undefined {
  if (!space.subnet) return { kind: 'unconfigured' }
  if (space.subnet.orphaned)
    return verified ? refusal('unknown_subnet', 'the Subnet is gone') : { kind: 'unconfigured' }
  const retiring = pending(space, 'retiring')
  if (retiring && (verified || space.nowMs < retiring.untilMs)) {
    return refusal('unavailable', 'the Subnet is being removed', 1_000)
  }
  if (retiring) return { kind: 'unconfigured' }
  // Nothing is promised before all that others hold is known.
  if (space.settings.mirrored && space.meta('observed') === undefined) {
    return verified
      ? refusal('unavailable', "the cluster's IP objects are not known yet", 1_000)
      : { kind: 'unconfigured' }
  }
  const known = verified || !(pending(space, 'unverified') || pending(space, 'poolWrite'))
  return known ? undefined : { kind: 'unconfigured' }
}

function refusal(code: ProblemCode, detail: string, retryAfterMs?: number): Opened {
  const why = problem(code, detail, retryAfterMs === undefined ? {} : { retryAfterMs })
  return { kind: 'answer', answer: { kind: 'refused', problem: why } }
}
