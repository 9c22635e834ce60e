import { DatabaseSync } from 'node:sqlite'
import type { Sql, SqlRow, SqlValue } from '../../shared/sql.ts'

/** The SQL port over node:sqlite, in memory unless a path is given. */
export function nodeSql(path = ':memory:'): Sql {
  const database = new DatabaseSync(path)
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
    transaction: (work) => {
      database.exec('BEGIN')
      try {
        const result = work()
        if (result instanceof Promise) throw new TypeError('a transaction must be synchronous')
        database.exec('COMMIT')
        return result
      } catch (error) {
        database.exec('ROLLBACK')
        throw error
      }
    },
  }
}
