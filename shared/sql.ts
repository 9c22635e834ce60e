/** SQLite as the core sees it: five synchronous methods, fulfilled by a Durable Object's storage and by node:sqlite. */
export type SqlValue = string | number | null | Uint8Array
export type SqlRow = Record<string, SqlValue>

export interface Sql {
  /** Runs one statement and returns how many rows it wrote. At most 100 bound parameters. */
  run(statement: string, ...parameters: SqlValue[]): number
  /** All rows. Integers beyond 2^53 do not occur in our tables. BLOBs arrive as Uint8Array. */
  all<Row extends SqlRow>(query: string, ...parameters: SqlValue[]): Row[]
  /** The first row, if any. */
  first<Row extends SqlRow>(query: string, ...parameters: SqlValue[]): Row | undefined
  /** Rows one by one, for results too large to hold. Nothing may be written while it runs. */
  iterate<Row extends SqlRow>(query: string, ...parameters: SqlValue[]): Iterable<Row>
  /** All or nothing; `work` is synchronous (a promise returned from it is a defect and rolls back). Not nested. */
  transaction<T>(work: () => T): T
}
