import { LATE, within } from '../clock.ts'
import { problem } from '../problem.ts'
import type { CommandPorts } from './ports.ts'
import type { WriteOutcome } from './types.ts'

/** How long it may take to hold, at least: a WAIT_MS that is shorter asks for a quick 202, not for a refusal. */
const HOLD_MS = 5_000

/** WAIT_MS of one write as it is spent. */
export interface Budget {
  /** What is left, ms; never below 0. */
  readonly leftMs: () => number
  /** What is left to hold in, ms; once it is over the caller is told that nothing is. */
  readonly holdMs: () => number
  /** The caller has been told that nothing is held, so nothing may be held any more. */
  readonly isTooLate: () => boolean
  /** What the caller is told if the time ends, or a part fails, from here on. */
  readonly otherwise: (outcome: WriteOutcome) => void
}

/** An operation that goes on by itself. */
export const pending = (operation: string, retryAfterMs = 1_000): WriteOutcome => ({
  kind: 'pending',
  operation,
  retryAfterMs,
})

/** Nobody answered while nothing was promised yet. */
export const TOO_LATE = {
  kind: 'refused',
  problem: problem('unavailable', 'a part Berth needs did not answer in time', { retryAfterMs: 1_000 }),
} as const

/**
 * The outcome of a write within WAIT_MS, whatever hangs or fails on the way. Before anything is held that is `TOO_LATE`
 * (or the failure itself); once an operation is written down it is that operation, which the ledger's alarm finishes.
 */
export async function withinWait(
  ports: CommandPorts,
  work: (budget: Budget) => Promise<WriteOutcome>,
): Promise<WriteOutcome> {
  const { clock, settings } = ports
  const startedMs = clock.nowMs()
  const spentMs = () => clock.nowMs() - startedMs
  const holdMs = Math.max(settings.waitMs, HOLD_MS)
  const known = Promise.withResolvers<typeof LATE>()
  let promised: WriteOutcome | undefined
  const going = work({
    leftMs: () => Math.max(0, settings.waitMs - spentMs()),
    holdMs: () => Math.max(0, holdMs - spentMs()),
    isTooLate: () => promised === undefined && spentMs() >= holdMs,
    otherwise: (outcome) => {
      promised = outcome
      known.resolve(LATE)
    },
  })
  try {
    let outcome = await within(clock, settings.waitMs, going)
    if (outcome === LATE && promised === undefined && holdMs > settings.waitMs)
      outcome = await within(clock, holdMs - settings.waitMs, Promise.race([going, known.promise]))
    if (outcome !== LATE) return outcome
    ports.background(going)
    return promised ?? TOO_LATE
  } catch (error) {
    if (promised === undefined) throw error
    const reason = error instanceof Error ? error.message : 'unknown'
    ports.log.write('warn', 'write left to the alarm', { reason })
    return promised
  }
}
