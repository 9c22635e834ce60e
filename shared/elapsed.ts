/**
 * The ledger's clocks: elapsed ms that only ever grow, made of the wall clock's steps between one look and the next.
 * Nobody here knows the true time; a wall clock may be set, and a step of an hour is an hour of sleep or a lie. So the
 * clocks go slow rather than fast: what protects an address may last longer than it says, never shorter (faults.md 51,
 * invariant 11).
 *
 * - A step back adds nothing.
 * - A step up to `maxStepMs` is believed. Whoever waits looks more often than that (`lookEveryMs`).
 * - A longer step is doubted: it counts `doubtedMs`, whatever its length, so that a ledger that is always looked at late
 *   goes on, slowly.
 * - Each wait is `leewayMs` longer than it has to be. That pays for one lie that hides in a believed step, and besides
 *   for five that do not, of any length, within one wait.
 *
 * More lies than that within one wait, or a wall clock that runs fast all the time, can end it early.
 */
export interface Pace {
  readonly maxStepMs: number
  readonly doubtedMs: number
  readonly leewayMs: number
  readonly lookEveryMs: number
}

/** For waits of seconds and minutes: cool-downs, stragglers, announced writes, take-overs, back-offs. */
export const QUICK: Pace = { maxStepMs: 10_000, doubtedMs: 1_000, leewayMs: 15_000, lookEveryMs: 5_000 }

/**
 * For what is kept a day (keys, closed operations): a look every ten minutes is enough, and an hour's jump (summer time) is doubted. And for the deadline of a reserve,
 * which is the other way round: it may come early, and must not be put off because the process was down past it.
 */
export const SLOW: Pace = {
  maxStepMs: 1_200_000,
  doubtedMs: 120_000,
  leewayMs: 1_800_000,
  lookEveryMs: 600_000,
}

export interface ElapsedState {
  /** By QUICK: what `*Ms` of the ledger is compared with, unless it says otherwise. */
  readonly ledgerMs: number
  /** By SLOW. Never behind ledgerMs. */
  readonly slowMs: number
  readonly wallMs: number
}

/** The state after observing `wallMs`. */
export function elapse(state: ElapsedState, wallMs: number): ElapsedState {
  const stepMs = Math.max(wallMs - state.wallMs, 0)
  return {
    ledgerMs: state.ledgerMs + believed(stepMs, QUICK),
    slowMs: state.slowMs + believed(stepMs, SLOW),
    wallMs,
  }
}

function believed(stepMs: number, { maxStepMs, doubtedMs }: Pace): number {
  return stepMs <= maxStepMs ? stepMs : doubtedMs
}
