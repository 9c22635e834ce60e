import { PAGE_HEAD_BYTES } from '../ipam/page.ts'
import type { DirtyPage, PageStore } from '../ipam/types.ts'
import type { Sql } from '../sql.ts'

/** The allocator's pages as rows. `head` repeats the first bytes, so that a cold start reads no BLOB it does not need. */
export class SqlPageStore implements PageStore {
  private readonly sql: Sql

  constructor(sql: Sql) {
    this.sql = sql
  }

  heads(): Iterable<{ readonly key: string; readonly head: Uint8Array }> {
    return this.sql.all<{ key: string; head: Uint8Array }>(`SELECT key, head FROM page ORDER BY key`)
  }

  load(key: string): Uint8Array | undefined {
    return this.sql.first<{ bytes: Uint8Array }>(`SELECT bytes FROM page WHERE key = ?`, key)?.bytes
  }

  /** Writes what changed; called in the transaction that changed it. */
  save(pages: Iterable<DirtyPage>): void {
    for (const { key, bytes } of pages) {
      if (bytes === null) this.sql.run(`DELETE FROM page WHERE key = ?`, key)
      else
        this.sql.run(
          `INSERT INTO page (key, head, bytes) VALUES (?, ?, ?)
             ON CONFLICT (key) DO UPDATE SET head = excluded.head, bytes = excluded.bytes`,
          key,
          bytes.subarray(0, PAGE_HEAD_BYTES),
          bytes,
        )
    }
  }

  any(): boolean {
    return this.sql.first(`SELECT 1 AS one FROM page LIMIT 1`) !== undefined
  }

  clear(): void {
    this.sql.run(`DELETE FROM page`)
  }
}
