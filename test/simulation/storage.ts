import type { Sql } from '../../shared/sql.ts'
import { type GatedSql, gatedSql } from '../support/node-sqlite.ts'

/** An object's storage: SQL whose writes are lost by a kill until they are flushed, and a call back at the first of them. */
export class Storage {
  readonly sql: Sql
  dirty = false
  private readonly gated: GatedSql = gatedSql()

  /** `committed`: after each transaction. */
  constructor(dirtied: () => void, committed: () => void) {
    const { sql } = this.gated
    this.sql = {
      ...sql,
      run: (statement, ...parameters) => {
        if (!this.dirty) {
          this.dirty = true
          dirtied()
        }
        return sql.run(statement, ...parameters)
      },
      transaction: (work) => {
        const value = sql.transaction(work)
        if (this.dirty) committed()
        return value
      },
    }
  }

  flush(): void {
    this.gated.flush()
    this.dirty = false
  }

  lose(): void {
    this.gated.lose()
    this.dirty = false
  }
}
