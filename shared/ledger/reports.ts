import { type CountersReport, countersReport } from './counters.ts'
import type { LedgerEvent } from './outbox.ts'
import type { Space, Verdict } from './space.ts'

/** Events told in one run of the alarm: with a second between runs, the most a Subnet adds to the cluster's load. */
const EVENTS_PER_RUN = 20
/** How soon a telling that failed is tried again. */
const RETRY_MS = 5_000

export interface Reports {
  readonly events: readonly LedgerEvent[]
  readonly counters?: CountersReport
}

/** done: told, or never to be. later: to be tried again. */
export type Told =
  | { readonly outcome: 'done' }
  | { readonly outcome: 'later'; readonly retryAfterMs?: number }

export interface ReportOutcomes {
  readonly events: readonly { readonly name: string; readonly told: Told }[]
  readonly counters?: { readonly revision: number; readonly told: Told }
}

/** What is due to be told. */
export function reports(space: Space): Reports {
  return space.transaction((): Verdict<Reports> => {
    const events = space.outbox.due(space.nowMs, EVENTS_PER_RUN)
    const dueMs = space.counters.dueMs
    const counters = dueMs !== undefined && dueMs <= space.nowMs ? countersReport(space) : undefined
    if (dueMs !== undefined && dueMs <= space.nowMs && !counters)
      space.counters.told(space.counters.revision, space.nowMs)
    return { commit: false, value: { events, ...(counters ? { counters } : {}) } }
  })
}

export function reported(space: Space, { events, counters }: ReportOutcomes): void {
  space.transaction((): Verdict<undefined> => {
    for (const { name, told } of events) {
      if (told.outcome === 'done') space.outbox.drop(name)
      else space.outbox.defer(name, space.nowMs, told.retryAfterMs)
    }
    if (counters) {
      const { revision, told } = counters
      space.counters.told(
        revision,
        space.nowMs,
        told.outcome === 'later' ? (told.retryAfterMs ?? RETRY_MS) : undefined,
      )
    }
    space.findDue()
    return { commit: events.length > 0, value: undefined }
  })
}
