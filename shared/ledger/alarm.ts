import { QUICK, SLOW } from '../elapsed.ts'
import { free } from './ending.ts'
import { endLifetimes } from './lifetime.ts'
import type { Space } from './space.ts'
import { tryWishes } from './wishes.ts'

/** Rows freed, operations taken over and keys dropped in one run of the alarm; what is left makes the next one come at once. */
const BATCH = 500
/** How long what happened gathers before it is handed on. */
const FEED_MS = 250

/** Ends cool-downs that are over (QUARANTINED to FREE, the only way there) and returns the operations to take over. */
export function tick(space: Space): readonly string[] {
  return space.transaction(() => {
    for (const row of space.leases.cooled(space.nowMs, BATCH)) free(space, row)
    tryWishes(space)
    endLifetimes(space)
    space.sweeping = sweep(space)
    space.findDue()
    return { commit: true, value: space.ops.due(space.nowMs, BATCH) }
  })
}

/** Drops what was kept long enough: expired keys, closed operations, uids; whether there may be more of it. */
function sweep(space: Space): boolean {
  space.sightings.prune(space.slowMs)
  const keys = space.keys.prune(space.slowMs, BATCH)
  const ops = space.ops.prune(space.slowMs, BATCH)
  const lines = space.audit.prune(space.slowMs - space.settings.auditMs - SLOW.leewayMs, BATCH)
  return keys === BATCH || ops === BATCH || lines === BATCH
}

/**
 * Wall time (ms) at which the alarm should run next, undefined when nothing waits. Time passes only when somebody looks
 * (elapsed.ts): while anything waits, the alarm does.
 */
export function nextAlarmMs(space: Space): number | undefined {
  const wallMs = space.clock.nowMs()
  if (space.sweeping) return wallMs
  // What waits to be told is handed on a little later, so that many changes are one telling.
  const feedMs = space.settings.feed && space.feed.any() ? wallMs + FEED_MS : undefined
  const times = [feedMs, lifetimeMs(space, wallMs)]
  if (space.dueMs !== undefined) {
    times.push(wallMs + Math.min(Math.max(0, space.dueMs - space.nowMs), QUICK.lookEveryMs))
  }
  const known = times.filter((at) => at !== undefined)
  if (known.length > 0) return Math.min(...known)
  return space.ops.any() || space.keys.any() ? wallMs + SLOW.lookEveryMs : undefined
}

/** Lifetimes go by slow time, which a look every ten minutes keeps going. */
function lifetimeMs(space: Space, wallMs: number): number | undefined {
  const nextMs = space.lifetimes.nextMs()
  if (nextMs === undefined) return undefined
  return wallMs + Math.min(Math.max(0, nextMs - space.slowMs), SLOW.lookEveryMs)
}
