import { err, ok, type Result } from '../../result.ts'
import type { Sql } from '../../sql.ts'

/**
 * Tables of the mirror. Prefixed, because the object that keeps them may keep other tables too. Whatever is in them can
 * be had again from the cluster: a version that is not this one is thrown away and made anew.
 */
export const MIRROR_VERSION = 1

const TABLES = [
  'CREATE TABLE mirror_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID',
  // rv: watch from here; '' until the first list is whole. gen: number of the latest list, whole or not.
  // heard_ms: wall time of the last word from the watch, or of the end of the list.
  `CREATE TABLE mirror_kind (
     kind TEXT PRIMARY KEY, state TEXT NOT NULL, rv TEXT NOT NULL, gen INTEGER NOT NULL, heard_ms INTEGER NOT NULL)
   WITHOUT ROWID`,
  // gen: the list that named the row last, or was the latest when the watch did.
  `CREATE TABLE mirror_object (
     kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, uid TEXT NOT NULL, rv TEXT NOT NULL,
     subnet TEXT NOT NULL, owner TEXT NOT NULL, gen INTEGER NOT NULL, body TEXT NOT NULL,
     PRIMARY KEY (kind, namespace, name)) WITHOUT ROWID`,
  `CREATE INDEX mirror_by_subnet ON mirror_object (kind, subnet, name) WHERE subnet <> ''`,
  `CREATE INDEX mirror_by_owner ON mirror_object (owner) WHERE owner <> ''`,
  // What a Subnet's ledger has yet to be told, in order. what: object (look at the row), gone, nudge (name is an owner).
  `CREATE TABLE mirror_mark (
     seq INTEGER PRIMARY KEY AUTOINCREMENT, subnet TEXT NOT NULL, what TEXT NOT NULL, name TEXT NOT NULL,
     uid TEXT NOT NULL, UNIQUE (subnet, what, name, uid))`,
  // What a Subnet's ledger was told. state: none, listing (a list is on its way), listed. gone: told that the Subnet is.
  `CREATE TABLE mirror_feed (
     subnet TEXT PRIMARY KEY, uid TEXT NOT NULL, config TEXT NOT NULL, state TEXT NOT NULL, gone INTEGER NOT NULL)
   WITHOUT ROWID`,
]

const NAMES = ['mirror_meta', 'mirror_kind', 'mirror_object', 'mirror_mark', 'mirror_feed']

/** Makes the tables, anew where they are of an older version. Newer ones are left alone: `stored` says which. */
export function openMirrorSchema(sql: Sql): Result<undefined, { readonly stored: number }> {
  const stored = storedVersion(sql)
  if (stored === MIRROR_VERSION) return ok(undefined)
  if (stored > MIRROR_VERSION) return err({ stored })
  sql.transaction(() => {
    for (const name of NAMES) sql.run(`DROP TABLE IF EXISTS ${name}`)
    for (const statement of TABLES) sql.run(statement)
    sql.run(`INSERT INTO mirror_meta (key, value) VALUES ('schema', ?)`, String(MIRROR_VERSION))
  })
  return ok(undefined)
}

function storedVersion(sql: Sql): number {
  const table = sql.first(`SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'mirror_meta'`)
  const row = table && sql.first<{ value: string }>(`SELECT value FROM mirror_meta WHERE key = 'schema'`)
  return row ? Number(row.value) : 0
}
