import type { Sql } from '../sql.ts'
import { AUDIT_TABLE } from './audit.ts'
import { FEED_TABLE } from './feed.ts'
import { LIFETIME_TABLES } from './lifetime.ts'
import { createObserved } from './schema-observed.ts'
import { SHARED_TABLES } from './shared-marks.ts'

/** The ledger's tables. `migrations.ts` decides when they are made or changed; a reader of any other file finds the columns here. */
export const SCHEMA_VERSION = 6

/**
 * Times: `*_ms` is ledger time (elapsed.ts) where it is compared, wall time (`*_at`) where it is shown. slow_ms,
 * deadline_ms, drop_ms and expires_ms are slow ledger time.
 * Addresses: v4 as uint32, v6 as 32 hex digits, so that both sort and neither meets a float.
 */
const TABLES = [
  // One row: `schema`, `subnet`, `unverified`, `retiring`.
  `CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID`,

  // One row that every transaction rewrites: the ledger's clocks and the counts.
  `CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 0), ledger_ms INTEGER NOT NULL, slow_ms INTEGER NOT NULL,
     wall_ms INTEGER NOT NULL, counts TEXT NOT NULL)`,

  // A promise (or an address that is nobody's to give). A name may stand here twice: quarantined, and live again.
  // bit = 1: holds its addresses in the bitmap; 0: stranded, or released from there; of a pair, the address
  // that the CIDR still contains stays held.
  // contested: somebody else is there too; what the Subnet itself shows of that is not kept (space.ts).
  // origin, origin_epoch: the operation and epoch in the IP object's annotations. proof_ms: only a 404 asked for later proves absence.
  `CREATE TABLE lease (
     nic TEXT NOT NULL, id TEXT NOT NULL, namespace TEXT NOT NULL, pod_name TEXT NOT NULL, pod_type TEXT NOT NULL,
     v4 INTEGER, v6 TEXT, mac TEXT NOT NULL, pool TEXT NOT NULL, state TEXT NOT NULL, bit INTEGER NOT NULL,
     contested INTEGER NOT NULL, epoch INTEGER NOT NULL, op TEXT NOT NULL, origin TEXT NOT NULL,
     origin_epoch INTEGER NOT NULL,
     uid TEXT, rv TEXT, object_at TEXT, proof_ms INTEGER, reason TEXT, created_at INTEGER NOT NULL, free_ms INTEGER,
     PRIMARY KEY (nic, id)) WITHOUT ROWID`,
  `CREATE UNIQUE INDEX lease_v4 ON lease (v4) WHERE v4 IS NOT NULL AND bit = 1`,
  `CREATE UNIQUE INDEX lease_v6 ON lease (v6) WHERE v6 IS NOT NULL AND bit = 1`,
  `CREATE INDEX lease_mac ON lease (mac)`,
  `CREATE INDEX lease_free ON lease (free_ms) WHERE free_ms IS NOT NULL`,
  `CREATE INDEX lease_stranded ON lease (state) WHERE bit = 0`,

  // items: operations.ts ItemState[]. next_ms: when the alarm takes over; null once closed.
  // drop_ms: when a closed one is dropped.
  `CREATE TABLE op (
     id TEXT PRIMARY KEY, tenant TEXT NOT NULL DEFAULT '', kind TEXT NOT NULL, phase TEXT NOT NULL,
     state TEXT NOT NULL, driver INTEGER NOT NULL,
     attempt INTEGER NOT NULL, issued_ms INTEGER NOT NULL, deadline_ms INTEGER NOT NULL, next_ms INTEGER,
     items TEXT NOT NULL, problem TEXT, response TEXT,
     created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, drop_ms INTEGER) WITHOUT ROWID`,
  `CREATE INDEX op_next ON op (next_ms) WHERE next_ms IS NOT NULL`,
  `CREATE INDEX op_drop ON op (drop_ms) WHERE drop_ms IS NOT NULL`,

  // Written before the calls leave; outcomes null means: may have happened, may yet happen.
  `CREATE TABLE attempt (
     op TEXT NOT NULL, n INTEGER NOT NULL, driver INTEGER NOT NULL, sent_ms INTEGER NOT NULL,
     calls TEXT NOT NULL, outcomes TEXT, PRIMARY KEY (op, n)) WITHOUT ROWID`,

  // Idempotency keys. response null: the operation's answer counts. joined: it is told as 200, not 201.
  `CREATE TABLE idempotency (
     tenant TEXT NOT NULL, key TEXT NOT NULL, hash TEXT NOT NULL, op TEXT, joined INTEGER NOT NULL, response TEXT,
     expires_ms INTEGER NOT NULL, PRIMARY KEY (tenant, key)) WITHOUT ROWID`,
  `CREATE INDEX idempotency_expires ON idempotency (expires_ms)`,

  // Pages of the free and released planes: derived from the rows, checked against them.
  `CREATE TABLE page (key TEXT PRIMARY KEY, head BLOB NOT NULL, bytes BLOB NOT NULL)`,
]

/** Creates every table of version SCHEMA_VERSION in an empty database. */
export function createTables(sql: Sql): void {
  for (const statement of TABLES) sql.run(statement)
  createObserved(sql)
  sql.run(FEED_TABLE)
  for (const statement of SHARED_TABLES) sql.run(statement)
  sql.run(AUDIT_TABLE)
  for (const statement of LIFETIME_TABLES) sql.run(statement)
}
