import type { Clock } from '../clock.ts'
import { SLOW } from '../elapsed.ts'
import { ElapsedClock, type Look } from '../elapsed-clock.ts'
import type { Sql, SqlRow } from '../sql.ts'
import { equalBytes } from './equal.ts'
import type { Grant } from './grants.ts'

/** A key as its administrators see it: everything but the secret, which nobody has. Times are wall ms. */
export interface ApiKey {
  readonly id: string
  /** What it is for, in the maker's words. */
  readonly name: string
  /** Keys of one tenant share idempotency keys and operations, so that one can replace another. */
  readonly tenant: string
  readonly grants: readonly Grant[]
  /** Tenant of whoever made it. */
  readonly madeBy: string
  readonly createdAt: number
  readonly expiresAt?: number
  readonly revokedAt?: number
}

/** Added to later by further statements; columns are never changed. */
const TABLES = `CREATE TABLE IF NOT EXISTS api_key (
  id TEXT PRIMARY KEY, hash BLOB NOT NULL, name TEXT NOT NULL, tenant TEXT NOT NULL, grants TEXT NOT NULL,
  made_by TEXT NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER, revoked_at INTEGER) WITHOUT ROWID`
/** When a key ends by elapsed time. */
const SLOW_END = `ALTER TABLE api_key ADD COLUMN expires_slow_ms INTEGER`

interface Row extends SqlRow {
  id: string
  hash: Uint8Array
  name: string
  tenant: string
  grants: string
  made_by: string
  created_at: number
  expires_at: number | null
  expires_slow_ms: number | null
  revoked_at: number | null
}

/** Compared with where there is no such key, so that a guess of an id takes as long as a guess of a secret. */
const NO_HASH = new Uint8Array(32)

/**
 * API keys, hashed. A key that ended stays in the list, so that its operations can be told whose they were.
 *
 * A key that expires does so by two clocks, by whichever comes first: the wall clock, by which its end was given, and
 * elapsed time, which a wall clock that is set back does not hold up. One that is set on shuts keys while it is wrong, and
 * no longer. Either way the step is told to `onDoubt`.
 */
export class KeyTable {
  readonly #sql: Sql
  readonly #elapsed: ElapsedClock
  readonly #onDoubt: (stepMs: number) => void

  constructor(sql: Sql, clock: Pick<Clock, 'nowMs'>, onDoubt: (stepMs: number) => void = () => undefined) {
    this.#sql = sql
    this.#elapsed = new ElapsedClock(sql, clock)
    this.#onDoubt = onDoubt
    sql.run(TABLES)
    if (!sql.first(`SELECT 1 AS there FROM pragma_table_info('api_key') WHERE name = 'expires_slow_ms'`)) {
      const { wallMs, slowMs } = this.look()
      sql.transaction(() => {
        sql.run(SLOW_END)
        sql.run(`UPDATE api_key SET expires_slow_ms = expires_at - ?`, wallMs - slowMs)
      })
    }
  }

  add(key: ApiKey, hash: Uint8Array): void {
    const { wallMs, slowMs } = this.look()
    this.#sql.run(
      `INSERT INTO api_key
         (id, hash, name, tenant, grants, made_by, created_at, expires_at, expires_slow_ms, revoked_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)`,
      key.id,
      hash,
      key.name,
      key.tenant,
      JSON.stringify(key.grants),
      key.madeBy,
      key.createdAt,
      key.expiresAt ?? null,
      key.expiresAt === undefined ? null : key.expiresAt - wallMs + slowMs,
    )
  }

  /** The key that this secret's hash belongs to, if it still opens anything. Why not is not told. */
  check(id: string, hash: Uint8Array): ApiKey | undefined {
    const row = this.#sql.first<Row>(`SELECT * FROM api_key WHERE id = ?`, id)
    const same = equalBytes(hash, row?.hash ?? NO_HASH)
    if (!row || !same || row.revoked_at !== null) return undefined
    const { wallMs, slowMs } = this.look()
    const { expires_at: byWall, expires_slow_ms: bySlow } = row
    return (byWall !== null && byWall <= wallMs) || (bySlow !== null && bySlow <= slowMs)
      ? undefined
      : keyOf(row)
  }

  /** Lets time pass. */
  look(): Look {
    const look = this.#elapsed.look()
    if (look.doubtedStepMs !== undefined) this.#onDoubt(look.doubtedStepMs)
    return look
  }

  /** Wall ms of the next look that elapsed time needs; undefined while no key that is good has an end. */
  nextLookMs(): number | undefined {
    const { wallMs, slowMs } = this.look()
    const open = this.#sql.first(
      `SELECT 1 AS there FROM api_key
         WHERE revoked_at IS NULL AND expires_at > ? AND expires_slow_ms > ? LIMIT 1`,
      wallMs,
      slowMs,
    )
    return open && wallMs + SLOW.lookEveryMs
  }

  /** Up to `limit` keys in id order, after an id. */
  list(after: string, limit: number): ApiKey[] {
    return this.#sql
      .all<Row>(`SELECT * FROM api_key WHERE id > ? ORDER BY id LIMIT ?`, after, limit)
      .map(keyOf)
  }

  /** Ends a key for good; the first time counts. undefined where there is none. */
  revoke(id: string): ApiKey | undefined {
    const { wallMs } = this.look()
    this.#sql.run(`UPDATE api_key SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL`, wallMs, id)
    const row = this.#sql.first<Row>(`SELECT * FROM api_key WHERE id = ?`, id)
    return row && keyOf(row)
  }
}

function keyOf(row: Row): ApiKey {
  return {
    id: row.id,
    name: row.name,
    tenant: row.tenant,
    grants: JSON.parse(row.grants) as Grant[],
    madeBy: row.made_by,
    createdAt: row.created_at,
    ...(row.expires_at === null ? {} : { expiresAt: row.expires_at }),
    ...(row.revoked_at === null ? {} : { revokedAt: row.revoked_at }),
  }
}
