import type { Sql, SqlRow } from '../sql.ts'

/** Longest document, characters: a row may have 2 MB, and one takes up to three bytes. */
const LENGTH_LIMIT = 600_000

interface Row extends SqlRow {
  body: string
}

/** JSON by name: what somebody wants to find again. Cut into pieces, so that a long one is no row too large. */
export class Documents {
  readonly #sql: Sql

  constructor(sql: Sql) {
    this.#sql = sql
    sql.run(`CREATE TABLE IF NOT EXISTS document (
       name TEXT NOT NULL, piece INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (name, piece)) WITHOUT ROWID`)
  }

  get(name: string): string | undefined {
    const rows = this.#sql.all<Row>(`SELECT body FROM document WHERE name = ? ORDER BY piece`, name)
    return rows.length === 0 ? undefined : rows.map(({ body }) => body).join('')
  }

  put(name: string, text: string): void {
    this.#sql.transaction(() => {
      this.#sql.run(`DELETE FROM document WHERE name = ?`, name)
      for (let piece = 0; piece * LENGTH_LIMIT < text.length || piece === 0; piece++)
        this.#sql.run(
          `INSERT INTO document (name, piece, body) VALUES (?, ?, ?)`,
          name,
          piece,
          text.slice(piece * LENGTH_LIMIT, (piece + 1) * LENGTH_LIMIT),
        )
    })
  }
}
