import type { Sql } from '../sql.ts'

/**
 * What a reader of a reservation should be told. contested: who else is there. changed: its object says something else.
 * waiting: what its release waits for. elsewhere: who has its address or MAC in another cluster of a shared space.
 */
export type NoteKind = 'contested' | 'changed' | 'waiting' | 'elsewhere'

/** Notes by reservation. There are few, so all are kept in memory. */
export class Notes {
  private readonly sql: Sql
  private known: Map<string, Map<string, string>> | undefined

  constructor(sql: Sql) {
    this.sql = sql
  }

  of(id: string): readonly string[] {
    return [...(this.all().get(id)?.values() ?? [])]
  }

  get(id: string, kind: NoteKind): string | undefined {
    return this.all().get(id)?.get(kind)
  }

  /** False where it said so already. */
  set(id: string, kind: NoteKind, text: string): boolean {
    if (this.get(id, kind) === text) return false
    const mine = this.all().get(id) ?? new Map<string, string>()
    this.all().set(id, mine.set(kind, text))
    this.sql.run(`INSERT OR REPLACE INTO note (id, kind, text) VALUES (?, ?, ?)`, id, kind, text)
    return true
  }

  remove(id: string, kind: NoteKind): void {
    if (this.get(id, kind) === undefined) return
    this.all().get(id)?.delete(kind)
    this.sql.run(`DELETE FROM note WHERE id = ? AND kind = ?`, id, kind)
  }

  /** The reservation is over. */
  drop(id: string): void {
    if (!this.all().delete(id)) return
    this.sql.run(`DELETE FROM note WHERE id = ?`, id)
  }

  /** The transaction that wrote was taken back. */
  rolledBack(): void {
    this.known = undefined
  }

  private all(): Map<string, Map<string, string>> {
    if (this.known) return this.known
    const known = new Map<string, Map<string, string>>()
    const rows = this.sql.all<{ id: string; kind: string; text: string }>(
      `SELECT id, kind, text FROM note ORDER BY id, kind`,
    )
    for (const { id, kind, text } of rows) known.set(id, (known.get(id) ?? new Map()).set(kind, text))
    this.known = known
    return known
  }
}
