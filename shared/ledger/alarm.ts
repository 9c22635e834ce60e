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
    space.findDue()
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
  if (space.dueMs !== undefined) {
    return wallMs + Math.min(Math.max(0, space.dueMs - space.nowMs), MAX_STEP_MS)
  }
  return space.ops.any() || space.keys.any() ? wallMs + PRUNE_EVERY_MS : undefined
}
