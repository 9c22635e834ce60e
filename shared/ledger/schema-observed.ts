import type { Sql } from '../sql.ts'

/** What the ledger keeps of news about the cluster's IP objects; times as in schema.ts. */
const TABLES = [
  // An IP object that is not ours, as last seen. id: its row in `lease`, state foreign, which has those of the addresses
  // said here that nobody else holds. wish: the object, if it is one that somebody wrote to get an address (wishes.ts);
  // refused: why it did not; retry_ms: when to try (again).
  `CREATE TABLE claim (
     name TEXT PRIMARY KEY, id TEXT NOT NULL, uid TEXT NOT NULL, rv TEXT NOT NULL, v4 INTEGER, v6 TEXT,
     terminating INTEGER NOT NULL, finalizers TEXT NOT NULL, wish TEXT, refused TEXT, retry_ms INTEGER) WITHOUT ROWID`,
  `CREATE INDEX claim_v4 ON claim (v4) WHERE v4 IS NOT NULL`,
  `CREATE INDEX claim_v6 ON claim (v6) WHERE v6 IS NOT NULL`,
  `CREATE INDEX claim_retry ON claim (retry_ms) WHERE retry_ms IS NOT NULL`,

  // Names that parts of a list have told of so far; meta listing has the list's id.
  `CREATE TABLE sighting (name TEXT PRIMARY KEY) WITHOUT ROWID`,

  // Uids of objects of ours that are proven gone: late news of one is no news. until_ms: news is never that late.
  `CREATE TABLE gone (uid TEXT PRIMARY KEY, until_ms INTEGER NOT NULL) WITHOUT ROWID`,
  `CREATE INDEX gone_until ON gone (until_ms)`,

  // Events about IP objects, to be written to the cluster after the fact.
  `CREATE TABLE outbox (
     name TEXT PRIMARY KEY, reason TEXT NOT NULL, message TEXT NOT NULL, object TEXT NOT NULL, uid TEXT NOT NULL,
     at INTEGER NOT NULL, tries INTEGER NOT NULL, next_ms INTEGER NOT NULL) WITHOUT ROWID`,
  `CREATE INDEX outbox_next ON outbox (next_ms)`,

  // What a reader of a reservation should be told, beside its state.
  `CREATE TABLE note (id TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (id, kind)) WITHOUT ROWID`,
]

/** Part of the step from schema version 1 to 2, and of every new database. */
export function createObserved(sql: Sql): void {
  for (const statement of TABLES) sql.run(statement)
}
