import type { Clock } from '../clock.ts'
import { SLOW } from '../elapsed.ts'
import { ElapsedClock } from '../elapsed-clock.ts'
import type { Sql, SqlRow } from '../sql.ts'
import type { Happening } from './cloud-event.ts'

/** One event as it is kept: `n` rises over all spaces, in the order of arrival. */
export interface Kept {
  readonly n: number
  readonly space: string
  readonly id: string
  readonly type: string
  readonly subject: string
  readonly data: string
  readonly at: number
}

/** A subscriber's next event of one space. */
export interface Waiting extends Kept {
  readonly tries: number
  /** Since it came, elapsed ms (elapsed.ts). */
  readonly ageMs: number
}

/** No event is put off for longer, so a time further away was set by a clock that has been set back since. */
export const LONGEST_DELAY_MS = 3_600_000

const TABLES = [
  `CREATE TABLE IF NOT EXISTS event (
     n INTEGER PRIMARY KEY AUTOINCREMENT, space TEXT NOT NULL, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL,
     subject TEXT NOT NULL, data TEXT NOT NULL, at INTEGER NOT NULL)`,
  `CREATE INDEX IF NOT EXISTS event_space ON event (space, n)`,
  // How far a subscriber is in a space. next_at: when the one after `n` may be tried (again).
  `CREATE TABLE IF NOT EXISTS progress (
     subscriber TEXT NOT NULL, space TEXT NOT NULL, n INTEGER NOT NULL, tries INTEGER NOT NULL,
     next_at INTEGER NOT NULL, PRIMARY KEY (subscriber, space)) WITHOUT ROWID`,
  // From where a subscriber counts: what was before it came is none of its business.
  `CREATE TABLE IF NOT EXISTS subscriber (name TEXT PRIMARY KEY, since INTEGER NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS dead_letter (
     subscriber TEXT NOT NULL, n INTEGER NOT NULL, id TEXT NOT NULL, why TEXT NOT NULL, at INTEGER NOT NULL,
     PRIMARY KEY (subscriber, n)) WITHOUT ROWID`,
]

/** Elapsed time at which an event came. Those that came before this column was there begin their week anew. */
const CAME = `ALTER TABLE event ADD COLUMN came_slow_ms INTEGER NOT NULL DEFAULT 0`
const CAME_INDEX = `CREATE INDEX IF NOT EXISTS event_came ON event (came_slow_ms)`

const COLUMNS = 'n, space, id, type, subject, data, at'

interface Row extends SqlRow {
  n: number
  space: string
  id: string
  type: string
  subject: string
  data: string
  at: number
}

/**
 * Events of all spaces, and how far each subscriber is in each of them. Times are wall ms, but for ages: a wall clock that
 * is set, or a week of standing still, makes no event old.
 */
export class EventStore {
  readonly #sql: Sql
  readonly #elapsed: ElapsedClock

  constructor(sql: Sql, clock: Pick<Clock, 'nowMs'>) {
    this.#sql = sql
    this.#elapsed = new ElapsedClock(sql, clock)
    for (const statement of TABLES) sql.run(statement)
    if (!sql.first(`SELECT 1 AS there FROM pragma_table_info('event') WHERE name = 'came_slow_ms'`)) {
      sql.transaction(() => {
        sql.run(CAME)
        sql.run(`UPDATE event SET came_slow_ms = ?`, this.#slowMs)
      })
    }
    sql.run(CAME_INDEX)
  }

  /** Takes over what spaces hand on, in its order; what is there already is not taken twice. */
  accept(happenings: readonly Happening[]): void {
    const cameMs = this.#slowMs
    this.#sql.transaction(() => {
      for (const { space, id, type, subject, data, at } of happenings)
        this.#sql.run(
          `INSERT OR IGNORE INTO event (space, id, type, subject, data, at, came_slow_ms)
             VALUES (?, ?, ?, ?, ?, ?, ?)`,
          space,
          id,
          type,
          subject,
          data,
          at,
          cameMs,
        )
    })
  }

  after(n: number, limit: number): Kept[] {
    return this.#sql.all<Row>(`SELECT ${COLUMNS} FROM event WHERE n > ? ORDER BY n LIMIT ?`, n, limit)
  }

  /** Number of the last event, 0 where there is none. */
  last(): number {
    return this.#sql.first<{ n: number | null }>(`SELECT MAX(n) AS n FROM event`)?.n ?? 0
  }

  /** Number of the first event that is kept. */
  first(): number {
    return this.#sql.first<{ n: number | null }>(`SELECT MIN(n) AS n FROM event`)?.n ?? 0
  }

  /** A subscriber that is new begins with what comes next; one that is gone is forgotten. */
  subscribe(names: readonly string[]): void {
    this.#sql.transaction(() => {
      const known = this.#sql.all<{ name: string }>(`SELECT name FROM subscriber`).map(({ name }) => name)
      for (const name of names)
        if (!known.includes(name))
          this.#sql.run(`INSERT INTO subscriber (name, since) VALUES (?, ?)`, name, this.last())
      for (const name of known)
        if (!names.includes(name)) {
          this.#sql.run(`DELETE FROM subscriber WHERE name = ?`, name)
          this.#sql.run(`DELETE FROM progress WHERE subscriber = ?`, name)
        }
    })
  }

  /** The next event of each space that a subscriber may be told now: one a space, so that order holds. */
  due(subscriber: string, nowMs: number, limit: number): Waiting[] {
    return this.#sql
      .all<Row & { tries: number; ageMs: number }>(
        `SELECT event.n, event.space, event.id, event.type, event.subject, event.data, event.at,
                ifnull(p.tries, 0) AS tries, ?5 - event.came_slow_ms AS ageMs
           FROM (SELECT space, MIN(n) AS n FROM event
                  WHERE n > ifnull((SELECT n FROM progress WHERE subscriber = ?1 AND progress.space = event.space),
                                   (SELECT since FROM subscriber WHERE name = ?1))
                  GROUP BY space) AS next
           JOIN event ON event.n = next.n
           LEFT JOIN progress AS p ON p.subscriber = ?1 AND p.space = event.space
          WHERE ifnull(p.next_at, 0) NOT BETWEEN ?2 + 1 AND ?2 + ?4 ORDER BY event.n LIMIT ?3`,
        subscriber,
        nowMs,
        limit,
        LONGEST_DELAY_MS,
        this.#slowMs,
      )
      .map((row) => ({ ...row }))
  }

  /** When to look again: as the next event of any subscriber is due, and while events are kept. */
  nextLookMs(subscribers: readonly string[], nowMs: number): number | undefined {
    const dueMs = this.nextDue(subscribers, nowMs)
    if (this.last() === 0) return dueMs
    return Math.min(dueMs ?? Number.POSITIVE_INFINITY, nowMs + SLOW.lookEveryMs)
  }

  /** When the next event of any subscriber is due; undefined where nothing waits. */
  nextDue(subscribers: readonly string[], nowMs: number): number | undefined {
    const found = subscribers.flatMap((subscriber) => {
      const row = this.#sql.first<{ at: number | null }>(
        `SELECT MIN(iif(p.next_at <= ?2, p.next_at, 0)) AS at
           FROM (SELECT DISTINCT space FROM event
                  WHERE n > ifnull((SELECT n FROM progress WHERE subscriber = ?1 AND progress.space = event.space),
                                   (SELECT since FROM subscriber WHERE name = ?1))) AS open
           LEFT JOIN progress AS p ON p.subscriber = ?1 AND p.space = open.space`,
        subscriber,
        nowMs + LONGEST_DELAY_MS,
      )
      return row?.at == null ? [] : [row.at]
    })
    return found.length === 0 ? undefined : Math.min(...found)
  }

  /** It was told; the space's next one may follow at once. */
  told(subscriber: string, { space, n }: Kept): void {
    this.#progress(subscriber, space, n, 0, 0)
  }

  /** It was not: the space waits until `nextMs`. */
  failed(subscriber: string, { space, n, tries }: Waiting, nextMs: number): void {
    this.#progress(subscriber, space, n - 1, tries + 1, nextMs)
  }

  /** It never will be: it is put aside, and the space's next one may follow. */
  gaveUp(subscriber: string, event: Kept, why: string, nowMs: number): void {
    this.#sql.transaction(() => {
      this.#sql.run(
        `INSERT OR IGNORE INTO dead_letter (subscriber, n, id, why, at) VALUES (?, ?, ?, ?, ?)`,
        subscriber,
        event.n,
        event.id,
        why,
        nowMs,
      )
      this.told(subscriber, event)
    })
  }

  deadLetters(limit: number): { subscriber: string; id: string; why: string; at: number }[] {
    return this.#sql
      .all<{ subscriber: string; id: string; why: string; at: number }>(
        `SELECT subscriber, id, why, at FROM dead_letter ORDER BY n DESC LIMIT ?`,
        limit,
      )
      .map((row) => ({ ...row }))
  }

  /** Drops up to `limit` events that came longer ago than `keptMs`, whoever has not heard them; whether there may be more. */
  prune(keptMs: number, limit: number): boolean {
    const dropped = this.#sql.all(
      `DELETE FROM event WHERE n IN (SELECT n FROM event WHERE came_slow_ms < ? ORDER BY came_slow_ms LIMIT ?)
         RETURNING n`,
      this.#slowMs - keptMs,
      limit,
    )
    // A dead letter is kept as long as its event.
    if (dropped.length > 0)
      this.#sql.run(`DELETE FROM dead_letter WHERE n < ifnull((SELECT MIN(n) FROM event), n + 1)`)
    return dropped.length === limit
  }

  get #slowMs(): number {
    return this.#elapsed.look().slowMs
  }

  #progress(subscriber: string, space: string, n: number, tries: number, nextMs: number): void {
    this.#sql.run(
      `INSERT OR REPLACE INTO progress (subscriber, space, n, tries, next_at) VALUES (?, ?, ?, ?, ?)`,
      subscriber,
      space,
      n,
      tries,
      nextMs,
    )
  }
}
