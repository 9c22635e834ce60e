import type { Clock } from './clock.ts'
import { elapse, SLOW } from './elapsed.ts'
import type { Sql } from './sql.ts'

/** Looks are written down no more often than this: what a crash forgets is seen again as one believed step. */
const SAVED_EVERY_MS = 60_000
/** A step back up to this is a clock being disciplined, not one that was set. */
const BACK_MS = 1_000

/** One look at the wall clock. */
export interface Look {
  readonly wallMs: number
  /** Elapsed ms by SLOW: behind true time after sleep and jumps, and not moved by a clock that is set back. */
  readonly slowMs: number
  /** The step since the look before, ms, where it was not believed: the clock was set, or nobody looked for long. */
  readonly doubtedStepMs?: number
}

/**
 * Elapsed time (elapsed.ts) that outlives its process, for objects that have no ledger. Time passes only when somebody
 * looks, so whoever waits looks every SLOW.lookEveryMs.
 */
export class ElapsedClock {
  readonly #sql: Sql
  readonly #clock: Pick<Clock, 'nowMs'>
  #slowMs: number
  #wallMs: number
  #savedMs: number

  constructor(sql: Sql, clock: Pick<Clock, 'nowMs'>) {
    this.#sql = sql
    this.#clock = clock
    sql.run(
      `CREATE TABLE IF NOT EXISTS elapsed (
         one INTEGER PRIMARY KEY CHECK (one = 1), slow_ms INTEGER NOT NULL, wall_ms INTEGER NOT NULL)`,
    )
    const row = sql.first<{ slow_ms: number; wall_ms: number }>(`SELECT slow_ms, wall_ms FROM elapsed`)
    this.#slowMs = row?.slow_ms ?? 0
    this.#wallMs = row?.wall_ms ?? clock.nowMs()
    this.#savedMs = this.#wallMs
    if (!row) this.#save()
  }

  look(): Look {
    const wallMs = this.#clock.nowMs()
    const stepMs = wallMs - this.#wallMs
    this.#slowMs = elapse({ ledgerMs: 0, slowMs: this.#slowMs, wallMs: this.#wallMs }, wallMs).slowMs
    this.#wallMs = wallMs
    const doubted = stepMs < -BACK_MS || stepMs > SLOW.maxStepMs
    if (doubted || wallMs - this.#savedMs >= SAVED_EVERY_MS) this.#save()
    return { wallMs, slowMs: this.#slowMs, ...(doubted ? { doubtedStepMs: stepMs } : {}) }
  }

  #save(): void {
    this.#sql.run(
      `INSERT OR REPLACE INTO elapsed (one, slow_ms, wall_ms) VALUES (1, ?, ?)`,
      this.#slowMs,
      this.#wallMs,
    )
    this.#savedMs = this.#wallMs
  }
}
