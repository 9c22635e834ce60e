import type { Sql, SqlValue } from '../sql.ts'

/** Rows kept back at most; their JSON stays below a few hundred KiB. */
const ROWS_AT_ONCE = 500

/** Which row a write is about. */
export interface RowKey {
  readonly nic: string
  readonly id: string
}

/**
 * Inserts and updates of leases that wait for more of their kind: a group of 1,000 is a handful of statements, its rows
 * in one JSON parameter (a statement takes 100 parameters). Every read that such a row could be part of flushes first,
 * and so does the end of the transaction.
 */
export class LeaseWrites {
  private readonly sql: Sql
  private readonly singles = { insert: new Map<string, string>(), update: new Map<string, string>() }
  private kind: 'insert' | 'update' = 'insert'
  private columns = ''
  private rows: SqlValue[][] = []
  private readonly names = new Set<string>()
  private readonly macs = new Set<string>()

  constructor(sql: Sql) {
    this.sql = sql
  }

  /** `columns` are given in one order by all callers; so are `values`. */
  insert({ nic }: RowKey, mac: string, columns: string, values: SqlValue[]): void {
    this.add('insert', columns, nic, values)
    this.macs.add(mac)
  }

  update({ nic, id }: RowKey, columns: readonly string[], values: readonly SqlValue[]): void {
    this.add('update', columns.join(), nic, [...values, nic, id])
  }

  /** Whether a row of this name waits. */
  named(nic: string): boolean {
    return this.names.has(nic)
  }

  /** Whether a new row with this MAC waits. */
  hasMac(mac: string): boolean {
    return this.macs.has(mac)
  }

  flush(): void {
    const { rows, columns } = this
    const [first] = rows
    if (!first) return
    this.clear()
    if (rows.length === 1) {
      this.sql.run(this.single(this.kind, columns), ...first)
      return
    }
    const names = columns.split(',')
    if (this.kind === 'insert') {
      const values = names.map(member).join()
      this.sql.run(`INSERT INTO lease (${columns}) SELECT ${values} FROM json_each(?)`, JSON.stringify(rows))
      return
    }
    const set = names.map((name, index) => `${name} = ${member(name, index)}`).join()
    const { length } = names
    this.sql.run(
      `UPDATE lease SET ${set} FROM json_each(?) AS waiting
         WHERE nic = waiting.value ->> ${length} AND lease.id = waiting.value ->> ${length + 1}`,
      JSON.stringify(rows),
    )
  }

  /** The statement for one row. A space writes a handful of sets of columns, again and again. */
  private single(kind: 'insert' | 'update', columns: string): string {
    const known = this.singles[kind].get(columns)
    if (known !== undefined) return known
    const names = columns.split(',')
    const statement =
      kind === 'insert'
        ? `INSERT INTO lease (${columns}) VALUES (${names.map(() => '?').join()})`
        : `UPDATE lease SET ${names.map((name) => `${name} = ?`).join()} WHERE nic = ? AND id = ?`
    this.singles[kind].set(columns, statement)
    return statement
  }

  /** Forgets what waits: the transaction was taken back. */
  clear(): void {
    this.rows = []
    this.names.clear()
    this.macs.clear()
  }

  private add(kind: 'insert' | 'update', columns: string, nic: string, values: SqlValue[]): void {
    const fits = this.kind === kind && this.columns === columns && !this.names.has(nic)
    if (!fits || this.rows.length === ROWS_AT_ONCE) this.flush()
    this.kind = kind
    this.columns = columns
    this.rows.push(values)
    this.names.add(nic)
  }
}

const member = (_name: string, index: number): string => `value ->> ${index}`
