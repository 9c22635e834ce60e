import type { ManualClock } from '../clock.ts'

/** All microtasks, and what they start, have run. */
export const settle = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Lets `ms` of the clock's time pass, timer by timer; everybody has settled in between and at the end. */
export async function runFor(clock: ManualClock, ms: number): Promise<void> {
  const untilMs = clock.nowMs() + ms
  for (;;) {
    await settle()
    const nextMs = clock.nextWakeMs
    if (nextMs === undefined || nextMs > untilMs) break
    clock.advance(Math.max(nextMs - clock.nowMs(), 0))
  }
  clock.advance(Math.max(untilMs - clock.nowMs(), 0))
  await settle()
}
