import type { Sql, SqlRow, SqlValue } from '../../shared/sql.ts'

/** The SQL port over a Durable Object's SQLite storage. */
export function durableObjectSql(storage: DurableObjectStorage): Sql {
  const exec = (statement: string, parameters: SqlValue[]) =>
    storage.sql.exec<Record<string, SqlStorageValue>>(statement, ...parameters)
  return {
    run: (statement, ...parameters) => exec(statement, parameters).rowsWritten,
    all: <Row extends SqlRow>(query: string, ...parameters: SqlValue[]) =>
      exec(query, parameters).toArray().map(fromStorage) as Row[],
    first: <Row extends SqlRow>(query: string, ...parameters: SqlValue[]) => {
      // To the end, for a statement left in the middle cannot be used again and would be compiled anew.
      const [row] = exec(query, parameters).toArray()
      return row && (fromStorage(row) as Row)
    },
    *iterate<Row extends SqlRow>(query: string, ...parameters: SqlValue[]) {
      for (const row of exec(query, parameters)) yield fromStorage(row) as Row
    },
    transaction: (work) =>
      storage.transactionSync(() => {
        const result = work()
        if (result instanceof Promise) throw new TypeError('a transaction must be synchronous')
        return result
      }),
  }
}

/** BLOBs leave SQLite as ArrayBuffer; the port promises Uint8Array. */
function fromStorage(row: Record<string, SqlStorageValue>): SqlRow {
  for (const column in row) {
    const value = row[column]
    // The row is ours alone: the cursor makes a new one each time.
    if (value instanceof ArrayBuffer) (row as SqlRow)[column] = new Uint8Array(value)
  }
  return row as SqlRow
}
