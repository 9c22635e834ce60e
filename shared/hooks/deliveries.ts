import type { Sql, SqlRow } from '../sql.ts'

/** How a delivery was answered, byte for byte. */
export interface HookAnswer {
  readonly status: number
  /** "" sends no body. */
  readonly body: string
  /** Content-Type of the body. */
  readonly type: string
  /** Header Retry-After, seconds. */
  readonly retryAfter?: string
}

/** What a delivery is to its receiver. */
export type Claim =
  /** Nobody has worked on it, or whoever did fell silent: do so, and settle it. */
  | { readonly kind: 'first' }
  | { readonly kind: 'again'; readonly answer: HookAnswer }
  /** Somebody works on it now. */
  | { readonly kind: 'busy' }
  /** The id was used for another body. */
  | { readonly kind: 'mismatch' }

/** Replays are known for this long; what is older meets timestamps, ancestry and the ledger's own keys. */
const KEPT_MS = 7 * 86_400_000
/** How long one receiver may work before another takes over. Its effects carry the delivery's id as their key. */
const LEASE_MS = 60_000
/** Ended rows dropped with each new one. */
const DROPPED_AT_ONCE = 20

const TABLES = [
  `CREATE TABLE IF NOT EXISTS delivery (
     source TEXT NOT NULL, id TEXT NOT NULL, hash TEXT NOT NULL, answer TEXT, until INTEGER NOT NULL,
     PRIMARY KEY (source, id)) WITHOUT ROWID`,
  `CREATE INDEX IF NOT EXISTS delivery_until ON delivery (until)`,
]

interface Row extends SqlRow {
  hash: string
  answer: string | null
  until: number
}

/** Deliveries by source and id: one effect each, and the first answer for every repetition (faults.md 41). */
export class Deliveries {
  readonly #sql: Sql

  constructor(sql: Sql) {
    this.#sql = sql
    for (const statement of TABLES) sql.run(statement)
  }

  /** @param hash of what was signed: the same id with another body is not the same delivery */
  claim(source: string, id: string, hash: string, nowMs: number): Claim {
    return this.#sql.transaction(() => {
      const row = this.#sql.first<Row>(
        `SELECT hash, answer, until FROM delivery WHERE source = ? AND id = ?`,
        source,
        id,
      )
      if (row && (row.answer === null || row.until > nowMs)) {
        if (row.hash !== hash) return { kind: 'mismatch' }
        if (row.answer !== null) return { kind: 'again', answer: JSON.parse(row.answer) as HookAnswer }
        // A lease that ends further away was given before the clock was set back.
        if (row.until > nowMs && row.until <= nowMs + LEASE_MS) return { kind: 'busy' }
      }
      this.#sql.run(
        `INSERT OR REPLACE INTO delivery (source, id, hash, answer, until) VALUES (?, ?, ?, NULL, ?)`,
        source,
        id,
        hash,
        nowMs + LEASE_MS,
      )
      this.#drop(nowMs)
      return { kind: 'first' }
    })
  }

  /** Keeps the answer. One that is not worth keeping (`undefined`) lets the delivery be tried again. */
  settle(source: string, id: string, answer: HookAnswer | undefined, nowMs: number): void {
    if (answer === undefined) {
      this.#sql.run(`DELETE FROM delivery WHERE source = ? AND id = ? AND answer IS NULL`, source, id)
      return
    }
    this.#sql.run(
      `UPDATE delivery SET answer = ?, until = ? WHERE source = ? AND id = ? AND answer IS NULL`,
      JSON.stringify(answer),
      nowMs + KEPT_MS,
      source,
      id,
    )
  }

  #drop(nowMs: number): void {
    this.#sql.run(
      `DELETE FROM delivery WHERE (source, id) IN
         (SELECT source, id FROM delivery WHERE until <= iif(answer IS NULL, ?, ?) ORDER BY until LIMIT ?)`,
      nowMs - KEPT_MS,
      nowMs,
      DROPPED_AT_ONCE,
    )
  }
}
