import type { Clock } from '../../clock.ts'
import type { Result } from '../../result.ts'
import type { ClusterFailure, ClusterReply, ClusterRequest, Kind, ListOptions, ObjectList } from '../port.ts'
import type { EventPage, EventQuery } from './event-log.ts'
import type { EmbeddedStore } from './store.ts'

/** What crosses between the store and those who use it: three calls, plain values, no streams. */
export interface EmbeddedCalls {
  send(requests: readonly ClusterRequest[]): Promise<ClusterReply[]>
  /** One page; `continue` leads on even where no limit was asked for. */
  list(kind: Kind, options?: ListOptions): Promise<Result<ObjectList, ClusterFailure>>
  /** Answers as soon as there are events, and after `waitMs` (at most MAX_WAIT_MS) with none. */
  eventsSince(query: EventQuery, waitMs: number): Promise<Result<EventPage, ClusterFailure>>
}

export const MAX_WAIT_MS = 30_000

/** The store with readers that wait: a write wakes them. */
export class EmbeddedCluster implements EmbeddedCalls {
  readonly #store: EmbeddedStore
  readonly #clock: Clock
  readonly #sleepers = new Set<() => void>()

  constructor(store: EmbeddedStore, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  async send(requests: readonly ClusterRequest[]): Promise<ClusterReply[]> {
    const replies = this.#store.send(requests)
    if (requests.some(({ verb }) => verb !== 'get')) {
      for (const wake of this.#sleepers) wake()
    }
    return replies
  }

  async list(kind: Kind, options?: ListOptions): Promise<Result<ObjectList, ClusterFailure>> {
    return this.#store.list(kind, options)
  }

  async eventsSince(query: EventQuery, waitMs: number): Promise<Result<EventPage, ClusterFailure>> {
    let page = this.#store.eventsSince(query)
    if (!(waitMs > 0) || !isEmpty(page)) return page
    const over = new AbortController()
    let timeIsUp = false
    const timer = this.#clock.sleep(Math.min(waitMs, MAX_WAIT_MS), over.signal).then(() => {
      timeIsUp = true
    })
    try {
      while (isEmpty(page) && !timeIsUp) {
        await this.#nextWrite(timer)
        // Other kinds' events were passed over; do not read them again.
        page = this.#store.eventsSince({ ...query, resourceVersion: page.value.resourceVersion })
      }
      return page
    } finally {
      over.abort()
    }
  }

  async #nextWrite(timer: Promise<void>): Promise<void> {
    let wake = () => {}
    const written = new Promise<void>((resolve) => {
      wake = resolve
      this.#sleepers.add(resolve)
    })
    await Promise.race([written, timer])
    this.#sleepers.delete(wake)
  }
}

function isEmpty(
  page: Result<EventPage, ClusterFailure>,
): page is { readonly ok: true; readonly value: EventPage } {
  return page.ok && page.value.events.length === 0
}
