import { SLOW } from '../elapsed.ts'
import type { Sql } from '../sql.ts'

/** How long news of an object of ours may still come after it was proven gone: slow ledger time, with its leeway. */
const LATE_NEWS_MS = 3_600_000 + SLOW.leewayMs

/** Before the uid of one that is not gone yet. */
const LEAVING = 'leaving '

/** What is remembered of news: the parts of a list so far, and objects of ours of which any news is late news. */
export class Sightings {
  private readonly sql: Sql

  constructor(sql: Sql) {
    this.sql = sql
  }

  /** A list begins anew. */
  begin(): void {
    this.sql.run(`DELETE FROM sighting`)
  }

  add(names: readonly string[]): void {
    this.sql.run(`INSERT OR IGNORE INTO sighting SELECT value FROM json_each(?)`, JSON.stringify(names))
  }

  /** Names with an object, as far as the ledger knows, that no part of the list named. */
  missing(): { readonly nic: string; readonly id: string }[] {
    return this.sql.all<{ nic: string; id: string }>(
      `SELECT nic, id FROM lease WHERE state IN ('bound', 'stranded', 'foreign') AND uid IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM sighting WHERE name = nic)`,
    )
  }

  /** An object of ours is proven gone; a uid never comes back. */
  gone(uid: string, slowMs: number): void {
    this.sql.run(`INSERT OR REPLACE INTO gone (uid, until_ms) VALUES (?, ?)`, uid, slowMs + LATE_NEWS_MS)
  }

  isGone(uid: string): boolean {
    return this.sql.first(`SELECT 1 AS one FROM gone WHERE uid = ?`, uid) !== undefined
  }

  /** An object of ours is being deleted while its operation has yet to end. */
  leaving(uid: string, slowMs: number): void {
    this.gone(`${LEAVING}${uid}`, slowMs)
  }

  isLeaving(uid: string): boolean {
    return this.isGone(`${LEAVING}${uid}`)
  }

  prune(slowMs: number): void {
    this.sql.run(`DELETE FROM gone WHERE until_ms <= ?`, slowMs)
  }

  clear(): void {
    this.begin()
    this.sql.run(`DELETE FROM gone`)
  }
}
