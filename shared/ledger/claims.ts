import type { Sql, SqlRow } from '../sql.ts'
import { encodeV6 } from './lease-columns.ts'
import type { SeenIp } from './port.ts'

/** One row of `claim`: an IP object that is not ours, as last seen, with the addresses it says it has. */
export interface ClaimRow {
  readonly name: string
  /** Of its row in `lease`. */
  readonly id: string
  readonly uid: string
  readonly rv: string
  readonly v4: number | null
  readonly v6: bigint | null
  readonly terminating: boolean
  readonly finalizers: readonly string[]
  /** The object, where it is a wish that is not answered yet (wishes.ts). */
  readonly wish: SeenIp | null
  /** Why the wish was refused. */
  readonly refused: string | null
  /** Ledger time at which the wish is to be tried (again). */
  readonly retryMs: number | null
}

interface StoredClaim extends SqlRow {
  name: string
  id: string
  uid: string
  rv: string
  v4: number | null
  v6: string | null
  terminating: number
  finalizers: string
  wish: string | null
  refused: string | null
  retry_ms: number | null
}

const COLUMNS = 'name, id, uid, rv, v4, v6, terminating, finalizers, wish, refused, retry_ms'

function decode(row: StoredClaim): ClaimRow {
  return {
    name: row.name,
    id: row.id,
    uid: row.uid,
    rv: row.rv,
    v4: row.v4,
    v6: row.v6 === null ? null : BigInt(`0x${row.v6}`),
    terminating: row.terminating === 1,
    finalizers: JSON.parse(row.finalizers) as string[],
    wish: row.wish === null ? null : (JSON.parse(row.wish) as SeenIp),
    refused: row.refused,
    retryMs: row.retry_ms,
  }
}

/** Reads and writes of the claim table. Where nobody else's object was ever seen, reading costs nothing. */
export class ClaimTable {
  private readonly sql: Sql
  private readonly dueAt: (ledgerMs: number) => void
  private isEmpty: boolean | undefined

  constructor(sql: Sql, dueAt: (ledgerMs: number) => void) {
    this.sql = sql
    this.dueAt = dueAt
  }

  get(name: string): ClaimRow | undefined {
    return this.some() ? this.all(`WHERE name = ?`, name)[0] : undefined
  }

  /** Objects that say an address, in name order. */
  saying(family: 4 | 6, address: number | bigint): ClaimRow[] {
    if (!this.some()) return []
    return family === 4
      ? this.all(`WHERE v4 = ? ORDER BY name`, Number(address))
      : this.all(`WHERE v6 = ? ORDER BY name`, encodeV6(BigInt(address)))
  }

  /** Objects that say an address which they do not keep, for somebody else has it or the CIDR has it not. */
  unplaced(): ClaimRow[] {
    if (!this.some()) return []
    const columns = COLUMNS.split(', ').map((column) => `claim.${column} AS ${column}`)
    return this.sql
      .all<StoredClaim>(
        `SELECT ${columns.join()} FROM claim JOIN lease ON lease.nic = claim.name AND lease.id = claim.id
           WHERE (claim.v4 IS NOT NULL AND lease.v4 IS NULL) OR (claim.v6 IS NOT NULL AND lease.v6 IS NULL)`,
      )
      .map(decode)
  }

  every(): ClaimRow[] {
    return this.some() ? this.all(`ORDER BY name`) : []
  }

  put(claim: ClaimRow): void {
    this.isEmpty = false
    this.sql.run(
      `INSERT OR REPLACE INTO claim (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      claim.name,
      claim.id,
      claim.uid,
      claim.rv,
      claim.v4,
      claim.v6 === null ? null : encodeV6(claim.v6),
      claim.terminating ? 1 : 0,
      JSON.stringify(claim.finalizers),
      claim.wish === null ? null : JSON.stringify(claim.wish),
      claim.refused,
      claim.retryMs,
    )
    if (claim.retryMs !== null) this.dueAt(claim.retryMs)
  }

  delete(name: string): void {
    this.sql.run(`DELETE FROM claim WHERE name = ?`, name)
  }

  clear(): void {
    this.sql.run(`DELETE FROM claim`)
  }

  /** The transaction that wrote was taken back. */
  rolledBack(): void {
    this.isEmpty = undefined
  }

  /** Wishes to try by `ledgerMs`. */
  due(ledgerMs: number, limit: number): ClaimRow[] {
    return this.some() ? this.all(`WHERE retry_ms <= ? ORDER BY retry_ms LIMIT ?`, ledgerMs, limit) : []
  }

  /** Ledger time at which the next wish is to be tried. */
  nextDue(): number | undefined {
    if (!this.some()) return undefined
    const next = `SELECT MIN(retry_ms) AS at FROM claim WHERE retry_ms IS NOT NULL`
    return this.sql.first<{ at: number | null }>(next)?.at ?? undefined
  }

  private some(): boolean {
    this.isEmpty ??= this.sql.first(`SELECT 1 AS one FROM claim LIMIT 1`) === undefined
    return !this.isEmpty
  }

  private all(where: string, ...parameters: (string | number)[]): ClaimRow[] {
    return this.sql.all<StoredClaim>(`SELECT ${COLUMNS} FROM claim ${where}`, ...parameters).map(decode)
  }
}
