import { ok, type Result } from '../../result.ts'
import type { Sql, SqlValue } from '../../sql.ts'
import type { ClusterFailure, Kind, KubeObject, WatchEvent } from '../port.ts'
import { type Key, utf8Bytes } from './admit.ts'
import { refused } from './failure.ts'

export type ChangeEvent = Extract<WatchEvent, { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' }>

/** Which events to read. `limit` counts events; the reply may hold fewer. */
export interface EventQuery {
  readonly kind: Kind
  readonly resourceVersion: string
  readonly namespace?: string
  readonly limit?: number
}

/** Events in order; nothing of this query happened up to `resourceVersion` that is not among them. Go on from there. */
export interface EventPage {
  readonly events: ChangeEvent[]
  readonly resourceVersion: string
}

/** How much of the past is kept. Older watches and lists are told Expired and start again. */
export interface LogLimits {
  readonly maxEvents: number
  readonly maxLogBytes: number
}
export const LOG_LIMITS: LogLimits = { maxEvents: 10_000, maxLogBytes: 128 * 1024 * 1024 }

/** One page of events, for readers that hold them in memory or send them on. */
const MAX_PAGE_EVENTS = 1_000
const MAX_PAGE_BYTES = 8 * 1024 * 1024

/** Five parameters each, of the 100 that a statement may have. */
const EVENTS_PER_STATEMENT = 20

interface State {
  readonly rv: number
  readonly compacted: number
  readonly log_bytes: number
}

/** The version a change replaced. */
export interface Before {
  readonly rv: number
  readonly body: string
}

/**
 * The counter and the bounded log of changes. Every `append` belongs inside the transaction of its change, and that
 * transaction ends with `settle`, or with `forget` after a rollback: in between the counter is ahead of its row.
 */
export class EventLog {
  readonly #sql: Sql
  readonly #limits: LogLimits
  /** The counter's row as last read or written, so that a write need not read it. */
  #known: State | undefined
  #unwritten = false
  /** Events of the running transaction. */
  #waiting: SqlValue[][] = []

  constructor(sql: Sql, limits: LogLimits = LOG_LIMITS) {
    this.#sql = sql
    this.#limits = limits
  }

  /** The newest resourceVersion, and the one up to which the past is forgotten. */
  position(): { readonly current: number; readonly compacted: number } {
    const { rv, compacted } = this.#state()
    return { current: rv, compacted }
  }

  /** The resourceVersion the next change has to carry. */
  next(): number {
    return this.#state().rv + 1
  }

  /** Writes change number `rv` (from `next`, same transaction) and moves the counter on. */
  append(rv: number, type: ChangeEvent['type'], key: Key, body: string, before?: Before): void {
    this.#waiting.push([rv, type, key.kind, key.namespace, body])
    if (before) {
      this.#sql.run(
        `INSERT INTO embedded_before (rv, kind, namespace, name, before_rv, body) VALUES (?, ?, ?, ?, ?, ?)`,
        rv,
        key.kind,
        key.namespace,
        key.name,
        before.rv,
        before.body,
      )
    }
    const { compacted, log_bytes } = this.#state()
    const bytes = log_bytes + utf8Bytes(body) + (before ? utf8Bytes(before.body) : 0)
    this.#known = { rv, compacted, log_bytes: bytes }
    this.#unwritten = true
  }

  /** Writes events and counter of all appends of a transaction, and forgets the past beyond the limits. */
  settle(): void {
    if (!this.#unwritten) return
    for (let from = 0; from < this.#waiting.length; from += EVENTS_PER_STATEMENT) {
      const events = this.#waiting.slice(from, from + EVENTS_PER_STATEMENT)
      this.#sql.run(
        `INSERT INTO embedded_event (rv, type, kind, namespace, body) VALUES ${events.map(() => '(?, ?, ?, ?, ?)').join()}`,
        ...events.flat(),
      )
    }
    this.#waiting = []
    const state = this.#compacted(this.#state())
    this.#sql.run(
      `UPDATE embedded_state SET rv = ?, compacted = ?, log_bytes = ? WHERE id = 0`,
      state.rv,
      state.compacted,
      state.log_bytes,
    )
    this.#known = state
    this.#unwritten = false
  }

  /** The transaction was taken back. */
  forget(): void {
    this.#known = undefined
    this.#unwritten = false
    this.#waiting = []
  }

  /** Events of a kind after a resourceVersion. Expired when the log no longer reaches back, Invalid when it is no number. */
  since(query: EventQuery): Result<EventPage, ClusterFailure> {
    const from = this.reachable(query.resourceVersion)
    if (!from.ok) return from
    const current = this.#state().rv
    const limit = Math.min(Math.max(1, query.limit ?? MAX_PAGE_EVENTS), MAX_PAGE_EVENTS)
    const rows = this.#sql.iterate<{ rv: number; type: ChangeEvent['type']; body: string }>(
      `SELECT rv, type, body FROM embedded_event
        WHERE rv > ? AND kind = ? AND (? IS NULL OR namespace = ?) ORDER BY rv LIMIT ?`,
      from.value,
      query.kind,
      query.namespace ?? null,
      query.namespace ?? null,
      limit,
    )
    const events: ChangeEvent[] = []
    let through = from.value
    let bytes = 0
    for (const row of rows) {
      events.push({ type: row.type, object: JSON.parse(row.body) as KubeObject })
      through = row.rv
      bytes += row.body.length
      if (bytes >= MAX_PAGE_BYTES) break
    }
    const full = events.length === limit || bytes >= MAX_PAGE_BYTES
    return ok({ events, resourceVersion: String(full ? through : current) })
  }

  /** Reads a resourceVersion from which the log is still whole. One from the future is not of this storage: Expired too. */
  reachable(resourceVersion: string): Result<number, ClusterFailure> {
    if (!/^\d{1,15}$/.test(resourceVersion)) {
      return refused('Invalid', `invalid resourceVersion ${JSON.stringify(resourceVersion)}`)
    }
    const rv = Number(resourceVersion)
    const state = this.#state()
    if (rv < state.compacted || rv > state.rv) {
      return refused('Expired', `too old resource version: ${rv} (${state.compacted}..${state.rv} are kept)`)
    }
    return ok(rv)
  }

  #state(): State {
    if (this.#known) return this.#known
    const state = this.#sql.first<{ rv: number; compacted: number; log_bytes: number }>(
      `SELECT rv, compacted, log_bytes FROM embedded_state WHERE id = 0`,
    )
    if (!state) throw new Error('the embedded cluster lost its counter')
    this.#known = state
    return state
  }

  /** Cuts in steps (a tenth of the log, or half of it by size), so that most writes pay nothing. */
  #compacted(state: State): State {
    const { rv, compacted, log_bytes } = state
    const { maxEvents, maxLogBytes } = this.#limits
    const kept = rv - compacted
    const tooMany = kept > maxEvents + Math.ceil(maxEvents / 10)
    const tooLarge = log_bytes > maxLogBytes
    if (!tooMany && !tooLarge) return state
    const through = rv - Math.min(maxEvents, tooLarge ? Math.floor(kept / 2) : maxEvents)
    let freed = 0
    for (const table of ['embedded_event', 'embedded_before']) {
      freed +=
        this.#sql.first<{ bytes: number }>(
          `SELECT COALESCE(SUM(LENGTH(CAST(body AS BLOB))), 0) AS bytes FROM ${table} WHERE rv <= ?`,
          through,
        )?.bytes ?? 0
      this.#sql.run(`DELETE FROM ${table} WHERE rv <= ?`, through)
    }
    return { rv, compacted: through, log_bytes: log_bytes - freed }
  }
}
