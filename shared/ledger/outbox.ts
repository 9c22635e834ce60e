import type { Sql, SqlRow } from '../sql.ts'
import { backoffMs } from './operations.ts'

export type EventReason =
  | 'Reserved'
  | 'Released'
  | 'ReservationRefused'
  | 'ReservationContested'
  | 'ReservationExpiring'

/** An Event about an IP object, yet to be written to the cluster. */
export interface LedgerEvent {
  /** Follows from what it says, so that writing it twice makes one. */
  readonly name: string
  readonly reason: EventReason
  readonly message: string
  /** The IP object's. */
  readonly object: string
  readonly uid: string
  /** Wall time, ms. */
  readonly atMs: number
}

interface StoredEvent extends SqlRow {
  name: string
  reason: EventReason
  message: string
  object: string
  uid: string
  at: number
  tries: number
}

/** Events kept waiting at most; beyond it new ones are dropped, for they are a courtesy and no record. */
const BACKLOG = 1_000
/** Tries after which one is dropped. */
const MOST_TRIES = 5
/** Events gather so long before they are sent: nobody waits for one. */
const GATHER_MS = 1_000

/** Events that a transaction left to be sent after it. */
export class Outbox {
  private readonly sql: Sql
  private readonly dueAt: (ledgerMs: number) => void
  private waiting: number | undefined

  constructor(sql: Sql, dueAt: (ledgerMs: number) => void) {
    this.sql = sql
    this.dueAt = dueAt
  }

  put(event: LedgerEvent, ledgerMs: number): void {
    if (this.count() >= BACKLOG) return
    const { name, reason, message, object, uid, atMs } = event
    const rows = this.sql.run(
      `INSERT OR IGNORE INTO outbox (name, reason, message, object, uid, at, tries, next_ms)
         VALUES (?, ?, ?, ?, ?, ?, 0, ?)`,
      name,
      reason,
      message,
      object,
      uid,
      atMs,
      ledgerMs + GATHER_MS,
    )
    this.waiting = this.count() + rows
    this.dueAt(ledgerMs + GATHER_MS)
  }

  /** Those to be sent by `ledgerMs`, oldest first. */
  due(ledgerMs: number, limit: number): LedgerEvent[] {
    if (this.count() === 0) return []
    return this.sql
      .all<StoredEvent>(
        `SELECT name, reason, message, object, uid, at, tries FROM outbox WHERE next_ms <= ?
           ORDER BY next_ms, name LIMIT ?`,
        ledgerMs,
        limit,
      )
      .map(({ at, tries: _tries, ...event }) => ({ ...event, atMs: at }))
  }

  nextDue(): number | undefined {
    if (this.count() === 0) return undefined
    return this.sql.first<{ at: number | null }>(`SELECT MIN(next_ms) AS at FROM outbox`)?.at ?? undefined
  }

  /** Written, or never to be. */
  drop(name: string): void {
    this.waiting = this.count() - this.sql.run(`DELETE FROM outbox WHERE name = ?`, name)
  }

  /** Not written: later, unless it was tried often enough. */
  defer(name: string, ledgerMs: number, retryAfterMs?: number): void {
    const row = this.sql.first<{ tries: number }>(`SELECT tries FROM outbox WHERE name = ?`, name)
    if (!row) return
    if (row.tries + 1 >= MOST_TRIES) {
      this.drop(name)
      return
    }
    const nextMs = ledgerMs + Math.max(GATHER_MS, backoffMs(row.tries + 3, retryAfterMs))
    this.sql.run(`UPDATE outbox SET tries = tries + 1, next_ms = ? WHERE name = ?`, nextMs, name)
    this.dueAt(nextMs)
  }

  clear(): void {
    this.sql.run(`DELETE FROM outbox`)
    this.waiting = 0
  }

  /** The transaction that wrote was taken back. */
  rolledBack(): void {
    this.waiting = undefined
  }

  private count(): number {
    this.waiting ??= this.sql.first<{ n: number }>(`SELECT COUNT(*) AS n FROM outbox`)?.n ?? 0
    return this.waiting
  }
}
