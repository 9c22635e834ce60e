import { err, ok, type Result } from '../result.ts'
import type { Sql } from '../sql.ts'
import { AUDIT_TABLE } from './audit.ts'
import { FEED_TABLE } from './feed.ts'
import { LIFETIME_TABLES } from './lifetime.ts'
import { createTables, SCHEMA_VERSION } from './schema.ts'
import { createObserved } from './schema-observed.ts'
import { SHARED_TABLES } from './shared-marks.ts'

/**
 * Version 1 to 2. New statements go to the end, or under a heading of their own.
 *
 * The clocks: slow ledger time begins where ledger time stands, so that deadlines stay what they are. What protects an
 * address gets the leeway it was not given (elapsed.ts). Keys expired in wall time: they keep what they have left, and
 * get their leeway; so do the operations that answer them.
 */
const TO_2: readonly string[] = [
  `ALTER TABLE state ADD COLUMN slow_ms INTEGER NOT NULL DEFAULT 1`,
  `UPDATE state SET slow_ms = ledger_ms`,
  `UPDATE lease SET free_ms = free_ms + 15000 WHERE free_ms IS NOT NULL`,
  `UPDATE lease SET proof_ms = proof_ms + 15000 WHERE proof_ms IS NOT NULL`,

  // Both contests there were are seen in the Subnet now (space.ts).
  `UPDATE lease SET contested = 0 WHERE contested = 1`,

  `ALTER TABLE op ADD COLUMN drop_ms INTEGER`,
  `UPDATE op SET drop_ms = (SELECT slow_ms FROM state) + 86400000 + 1800000 WHERE next_ms IS NULL`,
  `CREATE INDEX op_drop ON op (drop_ms) WHERE drop_ms IS NOT NULL`,

  `DROP INDEX idempotency_expires`,
  `ALTER TABLE idempotency RENAME COLUMN expires_at TO expires_ms`,
  `UPDATE idempotency SET expires_ms = (SELECT slow_ms + MIN(MAX(expires_ms - wall_ms, 0), 86400000) + 1800000
     FROM state)`,
  `CREATE INDEX idempotency_expires ON idempotency (expires_ms)`,
]

/** One step per version: `MIGRATIONS[n]` takes storage of version n + 1 to n + 2. Never edited once released. */
export const MIGRATIONS: readonly ((sql: Sql) => void)[] = [
  (sql) => {
    for (const statement of TO_2) sql.run(statement)
    createObserved(sql)
  },
  // 3: operations know whose they are; those from before are nobody's. And a feed of what happens.
  (sql) => {
    sql.run(`ALTER TABLE op ADD COLUMN tenant TEXT NOT NULL DEFAULT ''`)
    sql.run(FEED_TABLE)
  },
  // 4: shared spaces.
  (sql) => {
    for (const statement of SHARED_TABLES) sql.run(statement)
  },
  // 5: the audit. It begins here: what was before is not known any more.
  (sql) => {
    sql.run(AUDIT_TABLE)
  },
  // 6: reservations that end by themselves.
  (sql) => {
    for (const statement of LIFETIME_TABLES) sql.run(statement)
  },
]

export interface TooNew {
  readonly stored: number
  readonly known: number
}

/**
 * Brings storage to `target` in one transaction, so a kill leaves it migrated or untouched (faults.md 53).
 * Storage newer than the code is refused and nothing is written.
 */
export function migrate(
  sql: Sql,
  migrations: readonly ((sql: Sql) => void)[] = MIGRATIONS,
  target: number = SCHEMA_VERSION,
): Result<{ readonly created: boolean }, TooNew> {
  const stored = storedVersion(sql)
  if (stored === undefined) {
    sql.transaction(() => {
      createTables(sql)
      writeVersion(sql, target)
    })
    return ok({ created: true })
  }
  if (stored > target) return err({ stored, known: target })
  if (stored < target) {
    sql.transaction(() => {
      for (let version = stored; version < target; version++) {
        const step = migrations[version - 1]
        if (!step) throw new Error(`no migration from schema version ${version}`)
        step(sql)
      }
      writeVersion(sql, target)
    })
  }
  return ok({ created: false })
}

/** The version in storage, undefined where there is none yet. */
export function storedVersion(sql: Sql): number | undefined {
  const table = sql.first<{ name: string }>(
    `SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'meta'`,
  )
  if (!table) return undefined
  const row = sql.first<{ value: string }>(`SELECT value FROM meta WHERE key = 'schema'`)
  if (!row) throw new Error('storage has tables but no schema version')
  return Number(row.value)
}

function writeVersion(sql: Sql, version: number): void {
  sql.run(`INSERT OR REPLACE INTO meta (key, value) VALUES ('schema', ?)`, String(version))
}
