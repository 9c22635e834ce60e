import type { Sql } from '../sql.ts'
import {
  COLUMNS,
  decode,
  encode,
  encodeChange,
  encodeV6,
  type LeaseChange,
  type StoredLease,
} from './lease-columns.ts'
import { LeaseWrites } from './lease-writes.ts'
import { Recent } from './recent.ts'

/** States of faults.md (a); FREE is the absence of a row. */
export const LEASE_STATES = ['held', 'bound', 'releasing', 'quarantined', 'foreign', 'stranded'] as const
export type LeaseState = (typeof LEASE_STATES)[number]

/** One row of `lease`. Columns are explained in schema.ts. */
export interface LeaseRow {
  readonly nic: string
  readonly id: string
  readonly namespace: string
  readonly podName: string
  readonly podType: string
  readonly v4: number | null
  readonly v6: bigint | null
  readonly mac: string
  readonly pool: string
  readonly state: LeaseState
  readonly bit: boolean
  readonly contested: boolean
  readonly epoch: number
  readonly op: string
  readonly origin: string
  readonly originEpoch: number
  readonly uid: string | null
  readonly rv: string | null
  readonly objectAt: string | null
  readonly proofMs: number | null
  readonly reason: string | null
  readonly createdAt: number
  readonly freeMs: number | null
}

/** Rows kept in memory after a call, for the next call of the same operation: a few groups of 1,000. */
const RECENT_ROWS = 4_096

/** Reads and writes of the lease table; every count of rows by state goes through `changed` (counts.ts). */
export class LeaseTable {
  private readonly sql: Sql
  /** By name, all rows of the name; an empty list is a name nobody has. */
  private readonly recent = new Recent<readonly LeaseRow[]>(RECENT_ROWS)
  private readonly writes: LeaseWrites
  private readonly changed: (before: LeaseRow | undefined, after: LeaseRow | undefined) => void

  constructor(sql: Sql, changed: (before: LeaseRow | undefined, after: LeaseRow | undefined) => void) {
    this.sql = sql
    this.writes = new LeaseWrites(sql)
    this.changed = changed
  }

  /** The promise of this name, at most one; else the latest of somebody else's. None of those that cool down. */
  live(nic: string): LeaseRow | undefined {
    const rows = this.named(nic)
    return rows.find(isPromise) ?? rows.findLast((row) => row.state === 'foreign')
  }

  /** The promise of this name, if any. */
  promise(nic: string): LeaseRow | undefined {
    return this.named(nic).find(isPromise)
  }

  /** What a reader of this name should see: the live row, else the one that cooled down last. */
  visible(nic: string): LeaseRow | undefined {
    return this.live(nic) ?? this.quarantined(nic)
  }

  /** The row of this name in its cool-down that ends last, if any. */
  quarantined(nic: string): LeaseRow | undefined {
    let last: LeaseRow | undefined
    for (const row of this.named(nic)) {
      if (row.state === 'quarantined' && (row.freeMs ?? 0) >= (last?.freeMs ?? 0)) last = row
    }
    return last
  }

  /** Every row of this name: cooling down or live, in the order of their ids. */
  named(nic: string): readonly LeaseRow[] {
    const known = this.recent.get(nic)
    if (known) return known
    if (this.writes.named(nic)) this.writes.flush()
    // Sorted here: with ORDER BY, SQLite prepares the statement anew for every name.
    const rows = this.sql
      .all<StoredLease>(`SELECT ${COLUMNS} FROM lease WHERE nic = ?`, nic)
      .map(decode)
      .sort(byId)
    this.recent.read(nic, rows)
    return rows
  }

  /** Asks for many names at once, so that `named` knows which nobody has. */
  lookUp(nics: readonly string[]): void {
    this.writes.flush()
    const taken = this.sql.all<{ nic: string }>(
      `SELECT DISTINCT nic FROM json_each(?) CROSS JOIN lease ON nic = value`,
      JSON.stringify(nics),
    )
    const known = new Set(taken.map(({ nic }) => nic))
    for (const nic of nics) if (!known.has(nic)) this.recent.read(nic, [])
  }

  get(nic: string, id: string): LeaseRow | undefined {
    return this.named(nic).find((row) => row.id === id)
  }

  /** Puts everything written so far into storage: called before the transaction commits. */
  flush(): void {
    this.writes.flush()
  }

  /** The transaction that wrote has committed. */
  committed(): void {
    this.recent.committed()
  }

  /** The transaction that wrote was taken back. */
  rolledBack(): void {
    this.writes.clear()
    this.recent.rolledBack()
  }

  byV4(address: number): LeaseRow | undefined {
    return this.one(`WHERE v4 = ? AND bit = 1`, address)
  }

  byV6(address: bigint): LeaseRow | undefined {
    return this.one(`WHERE v6 = ? AND bit = 1`, encodeV6(address))
  }

  byMac(mac: string): LeaseRow[] {
    if (this.writes.hasMac(mac)) this.writes.flush()
    if (!this.sql.first(`SELECT id FROM lease WHERE mac = ? LIMIT 1`, mac)) return []
    return this.sql.all<StoredLease>(`SELECT ${COLUMNS} FROM lease WHERE mac = ?`, mac).map(decode)
  }

  /** Rows whose cool-down ended by `ledgerMs`, oldest first. */
  cooled(ledgerMs: number, limit: number): LeaseRow[] {
    this.writes.flush()
    return this.sql
      .all<StoredLease>(
        `SELECT ${COLUMNS} FROM lease WHERE free_ms <= ? ORDER BY free_ms LIMIT ?`,
        ledgerMs,
        limit,
      )
      .map(decode)
  }

  /** Ledger time at which the next cool-down ends. */
  nextCooled(): number | undefined {
    this.writes.flush()
    return (
      this.sql.first<{ at: number | null }>(`SELECT MIN(free_ms) AS at FROM lease WHERE free_ms IS NOT NULL`)
        ?.at ?? undefined
    )
  }

  /** Stranded rows, for a CIDR that may contain them again. */
  stranded(): LeaseRow[] {
    this.writes.flush()
    return this.sql
      .all<StoredLease>(`SELECT ${COLUMNS} FROM lease WHERE bit = 0 AND state = 'stranded'`)
      .map(decode)
  }

  /** Rows an address of which lies outside the CIDR. */
  outside(): LeaseRow[] {
    this.writes.flush()
    return this.sql.all<StoredLease>(`SELECT ${COLUMNS} FROM lease WHERE bit = 0`).map(decode)
  }

  *all(): Iterable<LeaseRow> {
    this.writes.flush()
    for (const row of this.sql.iterate<StoredLease>(`SELECT ${COLUMNS} FROM lease`)) yield decode(row)
  }

  any(): boolean {
    this.writes.flush()
    return this.sql.first(`SELECT 1 AS one FROM lease LIMIT 1`) !== undefined
  }

  /** Promises by namespace, those being released included (usage.ts). */
  countByNamespace(): Map<string, number> {
    this.writes.flush()
    const counted = this.sql.all<{ namespace: string; n: number }>(
      `SELECT namespace, COUNT(*) AS n FROM lease WHERE state NOT IN ('quarantined', 'foreign') GROUP BY namespace`,
    )
    return new Map(counted.map(({ namespace, n }) => [namespace, n]))
  }

  /** Rows after (nic, id) in name order. */
  after(nic: string, id: string, limit: number): LeaseRow[] {
    this.writes.flush()
    return this.sql
      .all<StoredLease>(
        `SELECT ${COLUMNS} FROM lease WHERE (nic, id) > (?, ?) ORDER BY nic, id LIMIT ?`,
        nic,
        id,
        limit,
      )
      .map(decode)
  }

  insert(row: LeaseRow): void {
    this.writes.insert(row, row.mac, COLUMNS, encode(row))
    const known = this.recent.get(row.nic)
    this.recent.wrote(row.nic, known && [...known, row].sort(byId))
    this.changed(undefined, row)
  }

  /** Writes the columns that `change` names; address, MAC, owner and id never do. */
  update(before: LeaseRow, change: LeaseChange): LeaseRow {
    const after: LeaseRow = { ...before, ...change }
    const { columns, values } = encodeChange(change)
    this.writes.update(before, columns, values)
    // What is bound stays so for long; kept until pushed out it would only live long enough to cost the collector.
    const known = after.state === 'bound' ? undefined : this.recent.get(before.nic)
    this.recent.wrote(
      before.nic,
      known?.map((row) => (row.id === before.id ? after : row)),
    )
    this.changed(before, after)
    return after
  }

  delete(row: LeaseRow): void {
    this.writes.flush()
    this.sql.run(`DELETE FROM lease WHERE nic = ? AND id = ?`, row.nic, row.id)
    this.recent.wrote(row.nic, undefined)
    this.changed(row, undefined)
  }

  private one(where: string, ...parameters: (string | number)[]): LeaseRow | undefined {
    this.writes.flush()
    const row = this.sql.first<StoredLease>(`SELECT ${COLUMNS} FROM lease ${where}`, ...parameters)
    return row && decode(row)
  }
}

/** Neither cooling down nor somebody else's. */
function isPromise({ state }: LeaseRow): boolean {
  return state !== 'quarantined' && state !== 'foreign'
}

function byId(a: LeaseRow, b: LeaseRow): number {
  return a.id < b.id ? -1 : 1
}
