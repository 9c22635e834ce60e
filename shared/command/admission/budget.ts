import { type Clock, LATE, within } from '../../clock.ts'
import { problem } from '../../problem.ts'
import { type Admission, failed } from './types.ts'

/** The API server waits 3 s (timeoutSeconds of the webhooks); a plain refusal must still reach it. */
export const ADMISSION_BUDGET_MS = 2_500

/**
 * The verdict, or that there was none in time. Work that comes too late is abandoned: what it held is let go like any
 * hold whose object never comes (P22).
 */
export async function inTime(
  clock: Clock,
  work: Promise<Admission>,
  budgetMs = ADMISSION_BUDGET_MS,
): Promise<Admission> {
  const verdict = await within(clock, budgetMs, work)
  if (verdict !== LATE) return verdict
  return failed(
    problem('unavailable', `Berth came to no answer within ${budgetMs} ms; try again`, {
      retryAfterMs: 1_000,
    }),
  )
}
