import { err, ok, type Result } from '../result.ts'
import type { Sql } from '../sql.ts'
import { createTables, SCHEMA_VERSION } from './schema.ts'

/** One step per version: `MIGRATIONS[n]` takes storage of version n + 1 to n + 2. Never edited once released. */
export const MIGRATIONS: readonly ((sql: Sql) => void)[] = []

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
