import { DatabaseSync } from 'node:sqlite'
import type { Sql, SqlRow, SqlValue } from '../../shared/sql.ts'

/** Storage that commits to disk when told: until then a kill loses what was written (the output gate's flush). */
export interface GatedSql {
  readonly sql: Sql
  /** Makes everything written so far durable. */
  flush(): void
  /** The process dies: what was not flushed is gone. */
  lose(): void
}

/** The SQL port over node:sqlite, in memory unless a path is given; each transaction is durable at once. */
export function nodeSql(path = ':memory:'): Sql {
  return overDatabase(new DatabaseSync(path), (database, work) =>
    within(database, 'BEGIN', 'COMMIT', 'ROLLBACK', work),
  )
}

/** The same with the flush in the test's hands. */
export function gatedSql(): GatedSql {
  const database = new DatabaseSync(':memory:')
  let open = false
  const begin = () => {
    if (!open) database.exec('BEGIN')
    open = true
  }
  const end = (statement: 'COMMIT' | 'ROLLBACK') => {
    if (open) database.exec(statement)
    open = false
  }
  const sql = overDatabase(database, (_, work) => {
    begin()
    return within(database, 'SAVEPOINT t', 'RELEASE t', 'ROLLBACK TO t; RELEASE t', work)
  })
  return {
    sql: {
      ...sql,
      run: (statement, ...parameters) => {
        begin()
        return sql.run(statement, ...parameters)
      },
    },
    flush: () => end('COMMIT'),
    lose: () => end('ROLLBACK'),
  }
}

function overDatabase(
  database: DatabaseSync,
  transaction: <T>(database: DatabaseSync, work: () => T) => T,
): Sql {
  const statements = new Map<string, ReturnType<DatabaseSync['prepare']>>()
  const prepare = (text: string) => {
    let statement = statements.get(text)
    if (!statement) {
      statement = database.prepare(text)
      statements.set(text, statement)
    }
    return statement
  }
  return {
    run: (text, ...parameters) => Number(prepare(text).run(...parameters).changes),
    all: <Row extends SqlRow>(text: string, ...parameters: SqlValue[]) =>
      prepare(text).all(...parameters) as Row[],
    first: <Row extends SqlRow>(text: string, ...parameters: SqlValue[]) =>
      prepare(text).get(...parameters) as Row | undefined,
    iterate: <Row extends SqlRow>(text: string, ...parameters: SqlValue[]) =>
      database.prepare(text).iterate(...parameters) as Iterable<Row>,
    transaction: (work) => transaction(database, work),
  }
}

function within<T>(
  database: DatabaseSync,
  begin: string,
  commit: string,
  rollback: string,
  work: () => T,
): T {
  database.exec(begin)
  try {
    const result = work()
    if (result instanceof Promise) throw new TypeError('a transaction must be synchronous')
    database.exec(commit)
    return result
  } catch (error) {
    database.exec(rollback)
    throw error
  }
}
