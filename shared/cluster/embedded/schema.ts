import { err, ok, type Result } from '../../result.ts'
import type { Sql } from '../../sql.ts'

/** Tables of the embedded cluster store. Prefixed, because the object that keeps them may keep other tables too. */
export const SCHEMA_VERSION = 1

/**
 * `rv` is the store's one counter: every change of any object takes the next number, writes it into the object and
 * appends one event under it. So `rv - compacted` is the length of the log.
 * A row holds at most one object (1.5 MiB) and stays below the 2 MB a row may have; hence `before` is its own table.
 */
const TABLES = [
  `CREATE TABLE embedded_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID`,
  // One row. Events up to `compacted` are gone. log_bytes: UTF-8 bytes of all bodies in event and before.
  `CREATE TABLE embedded_state (
     id INTEGER PRIMARY KEY CHECK (id = 0), rv INTEGER NOT NULL, compacted INTEGER NOT NULL, log_bytes INTEGER NOT NULL)`,
  // namespace is '' for cluster-scoped kinds. body: the whole object as JSON.
  `CREATE TABLE embedded_object (
     kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, rv INTEGER NOT NULL, body TEXT NOT NULL,
     PRIMARY KEY (kind, namespace, name))`,
  `CREATE TABLE embedded_event (
     rv INTEGER PRIMARY KEY, type TEXT NOT NULL, kind TEXT NOT NULL, namespace TEXT NOT NULL, body TEXT NOT NULL)`,
  // The version (before_rv) that the change `rv` replaced or removed: what a list begun earlier still has to show.
  `CREATE TABLE embedded_before (
     rv INTEGER PRIMARY KEY, kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
     before_rv INTEGER NOT NULL, body TEXT NOT NULL)`,
]

/** One step per version: `MIGRATIONS[n]` takes storage of version n + 1 to n + 2. Never edited once released. */
export const MIGRATIONS: readonly ((sql: Sql) => void)[] = []

/** Storage written by newer code: version `stored`, while this code knows `known`. */
export interface TooNew {
  readonly stored: number
  readonly known: number
}

/**
 * Makes the tables, or brings them to `target`; either in one transaction, so a kill leaves all or nothing.
 * `seed` runs inside the transaction that makes the tables, hence once in the storage's life.
 * Storage newer than the code is refused and nothing is written.
 */
export function openSchema(
  sql: Sql,
  seed: () => void,
  migrations: readonly ((sql: Sql) => void)[] = MIGRATIONS,
  target: number = SCHEMA_VERSION,
): Result<{ readonly created: boolean }, TooNew> {
  const stored = storedVersion(sql)
  if (stored === undefined) {
    sql.transaction(() => {
      for (const statement of TABLES) sql.run(statement)
      sql.run(`INSERT INTO embedded_state (id, rv, compacted, log_bytes) VALUES (0, 0, 0, 0)`)
      writeVersion(sql, target)
      seed()
    })
    return ok({ created: true })
  }
  if (stored > target) return err({ stored, known: target })
  if (stored < target) {
    sql.transaction(() => {
      for (let version = stored; version < target; version++) {
        const step = migrations[version - 1]
        if (!step) throw new Error(`no migration from schema version ${version} of the embedded cluster`)
        step(sql)
      }
      writeVersion(sql, target)
    })
  }
  return ok({ created: false })
}

function storedVersion(sql: Sql): number | undefined {
  const table = sql.first(`SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'embedded_meta'`)
  if (!table) return undefined
  const row = sql.first<{ value: string }>(`SELECT value FROM embedded_meta WHERE key = 'schema'`)
  if (!row) throw new Error('the embedded cluster has tables but no schema version')
  return Number(row.value)
}

function writeVersion(sql: Sql, version: number): void {
  sql.run(`INSERT OR REPLACE INTO embedded_meta (key, value) VALUES ('schema', ?)`, String(version))
}
