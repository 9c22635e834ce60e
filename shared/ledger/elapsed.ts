/**
 * Ledger time: elapsed ms that only ever grows, by clamped steps of the wall clock. A wall clock that jumps back adds
 * nothing, one that jumps ten years ahead adds one step, so a jump neither frees nor freezes anything (faults.md 51).
 * Whoever waits for something keeps an alarm at most MAX_STEP_MS ahead, or the wait grows (never shrinks).
 */
export const MAX_STEP_MS = 60_000

export interface ElapsedState {
  readonly ledgerMs: number
  readonly wallMs: number
}

/** The state after observing `wallMs`. */
export function elapse(state: ElapsedState, wallMs: number): ElapsedState {
  const step = Math.min(Math.max(wallMs - state.wallMs, 0), MAX_STEP_MS)
  return { ledgerMs: state.ledgerMs + step, wallMs }
}
