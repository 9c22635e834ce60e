import { MAX_STEP_MS } from './elapsed.ts'
import type { Space } from './space.ts'
import { free } from './steps.ts'

/** Rows freed, operations taken over and keys dropped in one run of the alarm; what is left makes the next one come at once. */
const BATCH = 500
/** How often closed operations and expired keys are looked for, while there are any. */
const PRUNE_EVERY_MS = 3_600_000

/** Ends cool-downs that are over (QUARANTINED to FREE, the only way there) and returns the operations to take over. */
export function tick(space: Space): readonly string[] {
  return space.transaction(() => {
    for (const row of space.leases.cooled(space.nowMs, BATCH)) free(space, row)
    prune(space)
    return { commit: true, value: space.ops.due(space.nowMs, BATCH) }
  })
}

function prune(space: Space): void {
  const wallMs = space.clock.nowMs()
  space.keys.prune(wallMs, BATCH)
  space.ops.prune(wallMs - space.settings.keyMs - PRUNE_EVERY_MS, BATCH)
}

/**
 * Wall time (ms) at which the alarm should run next, undefined when nothing waits. Ledger time passes only when
 * somebody looks at it, at most MAX_STEP_MS a look: while anything waits, the alarm looks that often.
 */
export function nextAlarmMs(space: Space): number | undefined {
  const wallMs = space.clock.nowMs()
  const due = [space.ops.nextDue(), space.leases.nextCooled()].filter((at) => at !== undefined)
  if (due.length > 0) {
    const wait = Math.max(0, Math.min(...due) - space.nowMs)
    return wallMs + Math.min(wait, MAX_STEP_MS)
  }
  return space.ops.any() || space.keys.any() ? wallMs + PRUNE_EVERY_MS : undefined
}
