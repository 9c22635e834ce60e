import type { Problem } from '../problem.ts'
import type { Sql, SqlRow } from '../sql.ts'
import type { ItemState, OpKind, Phase } from './operations.ts'
import type { Answer } from './port.ts'
import { Recent } from './recent.ts'

/** One row of `op`. */
export interface OpRow {
  readonly id: string
  /** Who asked for it. */
  readonly tenant: string
  readonly kind: OpKind
  readonly phase: Phase
  readonly state: 'running' | 'done' | 'failed'
  /** Raised at each takeover; a driver with another number can neither send nor commit. */
  readonly driver: number
  /** Number of the last step handed out. */
  readonly attempt: number
  readonly issuedMs: number
  /** Slow ledger time: nothing new is posted after it. */
  readonly deadlineMs: number
  readonly nextMs: number | null
  readonly items: readonly ItemState[]
  /** Why a reserve turned back, or why the operation failed. */
  readonly problem: Problem | null
  readonly response: Answer | null
  readonly createdAt: number
  readonly updatedAt: number
  /** Slow ledger time at which a closed operation is dropped; absent while it is open. */
  readonly dropMs?: number
}

interface StoredOp extends SqlRow {
  id: string
  tenant: string
  kind: OpKind
  phase: Phase
  state: 'running' | 'done' | 'failed'
  driver: number
  attempt: number
  issued_ms: number
  deadline_ms: number
  next_ms: number | null
  items: string
  problem: string | null
  response: string | null
  created_at: number
  updated_at: number
}

const COLUMNS = `id, tenant, kind, phase, state, driver, attempt, issued_ms, deadline_ms, next_ms, items, problem, response,
  created_at, updated_at`

function decode(row: StoredOp): OpRow {
  return {
    id: row.id,
    tenant: row.tenant,
    kind: row.kind,
    phase: row.phase,
    state: row.state,
    driver: row.driver,
    attempt: row.attempt,
    issuedMs: row.issued_ms,
    deadlineMs: row.deadline_ms,
    nextMs: row.next_ms,
    items: JSON.parse(row.items) as ItemState[],
    problem: row.problem === null ? null : (JSON.parse(row.problem) as Problem),
    response: row.response === null ? null : (JSON.parse(row.response) as Answer),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

const INSERT = `INSERT INTO op (${COLUMNS}) VALUES (${Array(15).fill('?').join(', ')})`

/** Items of open operations kept in memory from one call to the next. */
const RECENT_ITEMS = 8_192

/** Operations and their attempts. */
export class OpTable {
  private readonly sql: Sql
  private readonly dueAt: (ledgerMs: number) => void
  private readonly open = new Recent<OpRow>(RECENT_ITEMS)

  /** `dueAt` is told the time at which each open operation is to be looked at. */
  constructor(sql: Sql, dueAt: (ledgerMs: number) => void) {
    this.sql = sql
    this.dueAt = dueAt
  }

  get(id: string): OpRow | undefined {
    const open = this.open.get(id)
    if (open) return open
    const row = this.sql.first<StoredOp>(`SELECT ${COLUMNS} FROM op WHERE id = ?`, id)
    return row && decode(row)
  }

  insert(op: OpRow): void {
    this.sql.run(INSERT, op.id, op.tenant, op.kind, ...mutable(op), op.createdAt, op.updatedAt)
    this.remember(op)
    if (op.nextMs !== null) this.dueAt(op.nextMs)
  }

  update(op: OpRow): void {
    this.sql.run(
      `UPDATE op SET phase = ?, state = ?, driver = ?, attempt = ?, issued_ms = ?, deadline_ms = ?, next_ms = ?,
         items = ?, problem = ?, response = ?, updated_at = ?, drop_ms = ? WHERE id = ?`,
      ...mutable(op),
      op.updatedAt,
      op.dropMs ?? null,
      op.id,
    )
    this.remember(op)
    if (op.nextMs !== null) this.dueAt(op.nextMs)
  }

  /** The transaction that wrote has committed. */
  committed(): void {
    this.open.committed()
  }

  /** The transaction that wrote was taken back. */
  rolledBack(): void {
    this.open.rolledBack()
  }

  /** Ids of open operations whose driver fell silent by `ledgerMs`. */
  due(ledgerMs: number, limit: number): string[] {
    return this.sql
      .all<{ id: string }>(`SELECT id FROM op WHERE next_ms <= ? ORDER BY next_ms LIMIT ?`, ledgerMs, limit)
      .map((row) => row.id)
  }

  /** Ledger time at which the next open operation is to be taken over. */
  nextDue(): number | undefined {
    return (
      this.sql.first<{ at: number | null }>(`SELECT MIN(next_ms) AS at FROM op WHERE next_ms IS NOT NULL`)
        ?.at ?? undefined
    )
  }

  /** Makes every open operation due: whoever drove it may have died with the last incarnation. */
  allDue(): void {
    if (this.sql.run(`UPDATE op SET next_ms = 0 WHERE next_ms > 0`) > 0) this.dueAt(0)
  }

  openAttempt(op: string, n: number, driver: number, sentMs: number, calls: unknown): void {
    this.sql.run(
      `INSERT INTO attempt (op, n, driver, sent_ms, calls, outcomes) VALUES (?, ?, ?, ?, ?, NULL)`,
      op,
      n,
      driver,
      sentMs,
      JSON.stringify(calls),
    )
  }

  closeAttempt(op: string, n: number, outcomes: unknown): void {
    this.sql.run(`UPDATE attempt SET outcomes = ? WHERE op = ? AND n = ?`, JSON.stringify(outcomes), op, n)
  }

  /** Marks the attempts of a closed operation that nobody reported on. */
  abandonAttempts(op: string): void {
    this.sql.run(`UPDATE attempt SET outcomes = '"superseded"' WHERE op = ? AND outcomes IS NULL`, op)
  }

  /**
   * Drops up to `limit` operations whose time to be dropped has come, with their attempts. Not by the time in their
   * ids: that is wall time, and a key whose operation went early would let its request be carried out again.
   */
  prune(slowMs: number, limit: number): number {
    const old = this.sql.all<{ id: string }>(
      `SELECT id FROM op WHERE drop_ms <= ? ORDER BY drop_ms LIMIT ?`,
      slowMs,
      limit,
    )
    if (old.length === 0) return 0
    const ids = JSON.stringify(old.map(({ id }) => id))
    this.sql.run(`DELETE FROM attempt WHERE op IN (SELECT value FROM json_each(?))`, ids)
    this.sql.run(`DELETE FROM op WHERE id IN (SELECT value FROM json_each(?))`, ids)
    return old.length
  }

  any(): boolean {
    return this.sql.first(`SELECT 1 AS one FROM op LIMIT 1`) !== undefined
  }

  /** Open operations will be asked for again soon, closed ones hardly. */
  private remember(op: OpRow): void {
    this.open.wrote(op.id, op.state === 'running' ? op : undefined, op.items.length)
  }
}

function mutable(op: OpRow): (string | number | null)[] {
  return [
    op.phase,
    op.state,
    op.driver,
    op.attempt,
    op.issuedMs,
    op.deadlineMs,
    op.nextMs,
    JSON.stringify(op.items),
    op.problem === null ? null : JSON.stringify(op.problem),
    op.response === null ? null : JSON.stringify(op.response),
  ]
}
