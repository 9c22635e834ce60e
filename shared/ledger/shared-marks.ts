import { formatAddress } from '../ipam/address.ts'
import { AWAY_PREFIX } from '../kube-ovn/names.ts'
import { inWords, type Settlement, type Taken } from '../spaces/port.ts'
import type { Sql } from '../sql.ts'
import type { LeaseRow } from './lease.ts'
import type { Space } from './space.ts'

/** How soon a row whose address another cluster has is told again: by then that one may have given it back. */
const RETRY_MS = 60_000

/** Part of a schema step. Rows that the shared space is to be told of; what is told is the row as it is by then. */
export const SHARED_TABLES = [
  `CREATE TABLE shared_mark (id TEXT PRIMARY KEY, nic TEXT NOT NULL, due_ms INTEGER NOT NULL) WITHOUT ROWID`,
  `CREATE INDEX shared_mark_due ON shared_mark (due_ms)`,
]

/** Which rows the shared space has yet to be told of. */
export class SharedMarks {
  private readonly sql: Sql
  private readonly dueAt: (ledgerMs: number) => void

  constructor(sql: Sql, dueAt: (ledgerMs: number) => void) {
    this.sql = sql
    this.dueAt = dueAt
  }

  put({ id, nic }: Pick<LeaseRow, 'id' | 'nic'>, ledgerMs: number): void {
    this.sql.run(`INSERT OR REPLACE INTO shared_mark (id, nic, due_ms) VALUES (?, ?, ?)`, id, nic, ledgerMs)
    this.dueAt(ledgerMs)
  }

  /** Every row there is: the Subnet has become a member. */
  putAll(ledgerMs: number): void {
    this.sql.run(
      `INSERT OR REPLACE INTO shared_mark (id, nic, due_ms) SELECT id, nic, ? FROM lease`,
      ledgerMs,
    )
    this.dueAt(ledgerMs)
  }

  due(ledgerMs: number, limit: number): { readonly id: string; readonly nic: string }[] {
    return this.sql.all<{ id: string; nic: string }>(
      `SELECT id, nic FROM shared_mark WHERE due_ms <= ? ORDER BY due_ms, id LIMIT ?`,
      ledgerMs,
      limit,
    )
  }

  nextDue(): number | undefined {
    return this.sql.first<{ at: number | null }>(`SELECT MIN(due_ms) AS at FROM shared_mark`)?.at ?? undefined
  }

  drop(id: string): void {
    this.sql.run(`DELETE FROM shared_mark WHERE id = ?`, id)
  }
}

/** Whether a change of a row is one for the shared space. A hold is taken there by its own operation. */
export function isForOthers(before: LeaseRow | undefined, after: LeaseRow | undefined): boolean {
  const row = after ?? before
  if (!row || row.nic.startsWith(AWAY_PREFIX)) return false
  if (!after || !before) return after?.state !== 'held'
  return after.state !== before.state && (after.state === 'bound' || after.state === 'foreign')
}

/** What the shared space is to be told now. */
export function unsettled(space: Space, limit: number): readonly Settlement[] {
  return space.shared.due(space.nowMs, limit).map(({ id, nic }) => {
    const row = space.leases.get(nic, id)
    return row ? { id, holding: { id, name: nic, addresses: addressesOf(row), mac: row.mac } } : { id }
  })
}

/**
 * What it said. A row whose address another cluster has keeps it: neither is taken away, both are shown as contested.
 * A row that changed meanwhile is told again.
 */
export function settled(space: Space, rows: readonly Settlement[], answers: readonly Taken[]): void {
  space.transaction(() => {
    for (const [index, { id, holding }] of rows.entries()) {
      const answer = answers[index]
      if (!answer) continue
      const row = holding && space.leases.get(holding.name, id)
      if (holding && !row) continue
      if (answer.result === 'taken' || !row) {
        space.notes.remove(id, 'elsewhere')
        space.shared.drop(id)
        continue
      }
      const { by } = answer
      const text = `${inWords(by)} has ${by.what === 'mac' ? 'MAC ' : ''}${by.value} too`
      if (space.notes.set(id, 'elsewhere', text) && row.state !== 'foreign') space.tellContested(row)
      space.shared.put(row, space.nowMs + RETRY_MS)
    }
    space.findDue()
    return { commit: true, value: undefined }
  })
}

function addressesOf({ v4, v6 }: LeaseRow): string[] {
  return [...(v4 === null ? [] : [formatAddress(4, v4)]), ...(v6 === null ? [] : [formatAddress(6, v6)])]
}
