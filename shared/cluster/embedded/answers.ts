import type { Clock } from '../../clock.ts'
import type { Sql } from '../../sql.ts'
import type { Claim, KeyedRequest } from '../answers.ts'

const KEY_MS = 24 * 60 * 60 * 1_000
/** After this long a claim's owner has died: longer than any door waits. */
const CLAIM_MS = 30_000
const SWEPT_AT_ONCE = 100

/**
 * Answers under idempotency keys. The table is made with the first key, next to whatever else the storage has: it is
 * no part of the cluster's own schema.
 */
export class AnswerTable {
  private readonly sql: Sql
  private readonly clock: Pick<Clock, 'nowMs'>

  constructor(sql: Sql, clock: Pick<Clock, 'nowMs'>) {
    this.sql = sql
    this.clock = clock
    // answer null: claimed, and not answered yet.
    sql.run(`CREATE TABLE IF NOT EXISTS answer (
      tenant TEXT NOT NULL, key TEXT NOT NULL, hash TEXT NOT NULL, answer TEXT, claimed_at INTEGER NOT NULL,
      PRIMARY KEY (tenant, key)) WITHOUT ROWID`)
    sql.run(`CREATE INDEX IF NOT EXISTS answer_claimed ON answer (claimed_at)`)
  }

  claim({ tenant, key, hash }: KeyedRequest): Claim {
    const nowMs = this.clock.nowMs()
    return this.sql.transaction((): Claim => {
      this.sql.run(
        `DELETE FROM answer WHERE (tenant, key) IN
           (SELECT tenant, key FROM answer WHERE claimed_at <= ? LIMIT ?)`,
        nowMs - KEY_MS,
        SWEPT_AT_ONCE,
      )
      const row = this.sql.first<{ hash: string; answer: string | null; claimed_at: number }>(
        `SELECT hash, answer, claimed_at FROM answer WHERE tenant = ? AND key = ? AND claimed_at > ?`,
        tenant,
        key,
        nowMs - KEY_MS,
      )
      if (row && row.hash !== hash) return { kind: 'mismatch' }
      if (row?.answer) return { kind: 'answered', answer: row.answer }
      if (row && nowMs - row.claimed_at < CLAIM_MS) return { kind: 'running' }
      this.sql.run(
        `INSERT OR REPLACE INTO answer (tenant, key, hash, answer, claimed_at) VALUES (?, ?, ?, NULL, ?)`,
        tenant,
        key,
        hash,
        nowMs,
      )
      return { kind: 'mine' }
    })
  }

  keep({ tenant, key, hash }: KeyedRequest, answer: string | undefined): string | undefined {
    return this.sql.transaction(() => {
      const where = `tenant = ? AND key = ? AND hash = ?`
      if (answer === undefined) {
        this.sql.run(`DELETE FROM answer WHERE ${where} AND answer IS NULL`, tenant, key, hash)
      } else {
        this.sql.run(
          `UPDATE answer SET answer = ? WHERE ${where} AND answer IS NULL`,
          answer,
          tenant,
          key,
          hash,
        )
      }
      const row = this.sql.first<{ answer: string | null }>(
        `SELECT answer FROM answer WHERE ${where}`,
        tenant,
        key,
        hash,
      )
      return row?.answer ?? undefined
    })
  }
}
