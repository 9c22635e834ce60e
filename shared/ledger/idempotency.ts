import type { Sql } from '../sql.ts'
import type { Answer, Keyed } from './port.ts'

export interface KeyRow {
  readonly hash: string
  /** The operation whose answer counts, where `answer` is absent. */
  readonly op: string | null
  /** The caller found the operation under way: its success is told as "already there". */
  readonly joined: boolean
  readonly answer: Answer | null
}

/** Idempotency keys, unique per tenant (and per space, since each space has its own table). */
export class IdempotencyTable {
  private readonly sql: Sql

  constructor(sql: Sql) {
    this.sql = sql
  }

  /** What is remembered at slow ledger time `slowMs`; a row that expired counts as gone before the alarm sweeps it. */
  get(tenant: string, key: string, slowMs: number): KeyRow | undefined {
    const row = this.sql.first<{ hash: string; op: string | null; joined: number; response: string | null }>(
      `SELECT hash, op, joined, response FROM idempotency WHERE tenant = ? AND key = ? AND expires_ms > ?`,
      tenant,
      key,
      slowMs,
    )
    return (
      row && {
        hash: row.hash,
        op: row.op,
        joined: row.joined === 1,
        answer: row.response === null ? null : (JSON.parse(row.response) as Answer),
      }
    )
  }

  /** Remembers a request by its operation or by its final answer. Without a key there is nothing to remember. */
  put(
    keyed: Keyed,
    what: { readonly op?: string; readonly joined?: boolean; readonly answer?: Answer },
    expiresMs: number,
  ): void {
    if (keyed.key === undefined) return
    this.sql.run(
      `INSERT OR REPLACE INTO idempotency (tenant, key, hash, op, joined, response, expires_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?)`,
      keyed.tenant,
      keyed.key,
      keyed.bodyHash,
      what.op ?? null,
      what.joined ? 1 : 0,
      what.answer ? JSON.stringify(what.answer) : null,
      expiresMs,
    )
  }

  prune(slowMs: number, limit: number): number {
    return this.sql.run(
      `DELETE FROM idempotency WHERE (tenant, key) IN
         (SELECT tenant, key FROM idempotency WHERE expires_ms <= ? LIMIT ?)`,
      slowMs,
      limit,
    )
  }

  any(): boolean {
    return this.sql.first(`SELECT 1 AS one FROM idempotency LIMIT 1`) !== undefined
  }
}
