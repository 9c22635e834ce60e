import { SLOW } from '../elapsed.ts'
import type { Sql } from '../sql.ts'

/** How long news of an object of ours may still come after it was proven gone: slow ledger time, with its leeway. */
const LATE_NEWS_MS = 3_600_000 + SLOW.leewayMs

/** Before the uid of one that is not gone yet. */
const LEAVING = 'leaving '
/** Two parameters each; a statement takes 100. */
const UIDS_AT_ONCE = 50

type News = 'gone' | 'leaving'

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
    return this.newsOf([uid]).get(uid) === 'gone'
  }

  /** An object of ours is being deleted while its operation has yet to end. */
  leaving(uid: string, slowMs: number): void {
    this.gone(`${LEAVING}${uid}`, slowMs)
  }

  /** What came of objects of ours, of those there is news of: gone outweighs being deleted. */
  newsOf(uids: readonly string[]): ReadonlyMap<string, News> {
    const news = new Map<string, News>()
    for (let from = 0; from < uids.length; from += UIDS_AT_ONCE) {
      const some = uids.slice(from, from + UIDS_AT_ONCE)
      const heard = this.sql.all<{ uid: string }>(
        `SELECT uid FROM gone WHERE uid IN (${some.map(() => '?, ?').join()})`,
        ...some.flatMap((uid) => [uid, `${LEAVING}${uid}`]),
      )
      for (const { uid } of heard) {
        const left = uid.startsWith(LEAVING) ? uid.slice(LEAVING.length) : undefined
        if (left === undefined) news.set(uid, 'gone')
        else if (!news.has(left)) news.set(left, 'leaving')
      }
    }
    return news
  }

  prune(slowMs: number): void {
    this.sql.run(`DELETE FROM gone WHERE until_ms <= ?`, slowMs)
  }

  clear(): void {
    this.begin()
    this.sql.run(`DELETE FROM gone`)
  }
}
