import type { Clock } from '../clock.ts'
import { ElapsedClock } from '../elapsed-clock.ts'
import type { Sql, SqlRow } from '../sql.ts'

/** Something to be done later, at least once, by whoever the alarm wakes. */
export interface Job {
  readonly id: string
  /** JSON; whoever runs it knows its form. */
  readonly body: string
  /** Tries so far. */
  readonly tries: number
}

/** No job waits longer for its next try, so a time further away was set by a clock that has been set back since. */
export const LONGEST_WAIT_MS = 60_000

const TABLES = [
  `CREATE TABLE IF NOT EXISTS job (
     id TEXT PRIMARY KEY, body TEXT NOT NULL, at INTEGER NOT NULL, tries INTEGER NOT NULL,
     until_slow_ms INTEGER NOT NULL) WITHOUT ROWID`,
  `CREATE INDEX IF NOT EXISTS job_at ON job (at)`,
]
/** An earlier version went by the wall clock. */
const BY_WALL = [
  `ALTER TABLE job ADD COLUMN until_slow_ms INTEGER NOT NULL DEFAULT 0`,
  `UPDATE job SET until_slow_ms = until + ?`,
  `ALTER TABLE job DROP COLUMN until`,
] as const

interface Row extends SqlRow {
  id: string
  body: string
  tries: number
}

/**
 * Jobs by id; putting one again replaces it. When one is due goes by the wall clock, when nobody wants it any more by
 * elapsed time (elapsed.ts): neither a clock that is set nor a time of standing still loses one.
 */
export class Jobs {
  readonly #sql: Sql
  readonly #elapsed: ElapsedClock

  constructor(sql: Sql, clock: Pick<Clock, 'nowMs'>) {
    this.#sql = sql
    this.#elapsed = new ElapsedClock(sql, clock)
    const [create, index] = TABLES
    sql.run(create as string)
    if (sql.first(`SELECT 1 AS there FROM pragma_table_info('job') WHERE name = 'until'`)) {
      const { wallMs, slowMs } = this.#elapsed.look()
      sql.transaction(() => {
        sql.run(BY_WALL[0])
        sql.run(BY_WALL[1], slowMs - wallMs)
        sql.run(BY_WALL[2])
      })
    }
    sql.run(index as string)
  }

  /** @param afterMs until its first try, LONGEST_WAIT_MS at most; forMs after which nobody wants it any more */
  put(id: string, body: string, afterMs: number, forMs: number): void {
    const { wallMs, slowMs } = this.#elapsed.look()
    this.#sql.run(
      `INSERT OR REPLACE INTO job (id, body, at, tries, until_slow_ms) VALUES (?, ?, ?, 0, ?)`,
      id,
      body,
      wallMs + Math.min(afterMs, LONGEST_WAIT_MS),
      slowMs + forMs,
    )
  }

  drop(id: string): void {
    this.#sql.run(`DELETE FROM job WHERE id = ?`, id)
  }

  /** This job is done; one that took its place meanwhile is not. */
  done({ id, body }: Job): void {
    this.#sql.run(`DELETE FROM job WHERE id = ? AND body = ?`, id, body)
  }

  /**
   * The jobs due now. Each is put off by `waitMs(tries)` first, so that one that kills its runner is not run at once
   * again and again; those nobody wants any more go.
   */
  take(waitMs: (tries: number) => number, limit: number): Job[] {
    const { wallMs, slowMs } = this.#elapsed.look()
    return this.#sql.transaction(() => {
      this.#sql.run(`DELETE FROM job WHERE until_slow_ms <= ?`, slowMs)
      const due = this.#sql.all<Row>(
        `SELECT id, body, tries FROM job WHERE at NOT BETWEEN ?1 + 1 AND ?1 + ?2 ORDER BY at LIMIT ?3`,
        wallMs,
        LONGEST_WAIT_MS,
        limit,
      )
      for (const { id, tries } of due)
        this.#sql.run(
          `UPDATE job SET at = ?, tries = tries + 1 WHERE id = ?`,
          wallMs + Math.min(waitMs(tries), LONGEST_WAIT_MS),
          id,
        )
      return due
    })
  }

  /** When the next one is due, wall ms. */
  nextMs(): number | undefined {
    const { wallMs } = this.#elapsed.look()
    const next = this.#sql.first<{ at: number | null }>(
      `SELECT MIN(iif(at <= ?, at, 0)) AS at FROM job`,
      wallMs + LONGEST_WAIT_MS,
    )
    return next?.at ?? undefined
  }
}
