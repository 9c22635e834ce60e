import type { Clock } from '../../clock.ts'
import type { Sql } from '../../sql.ts'

/** Zones remembered; beyond it the one that is unchanged for longest is forgotten. */
const ZONE_ROWS = 1_000
const LARGEST_SERIAL = 2 ** 32 - 1

/**
 * SOA serials [RFC 1035 section 3.3.13]: seconds since 1970, or one more than the last where that is greater, so that
 * a serial still grows over a clock that was set back and after a zone was forgotten. The table is made with the first
 * zone, next to whatever else the storage has.
 */
export class SerialTable {
  private readonly sql: Sql
  private readonly clock: Pick<Clock, 'nowMs'>

  constructor(sql: Sql, clock: Pick<Clock, 'nowMs'>) {
    this.sql = sql
    this.clock = clock
    sql.run(`CREATE TABLE IF NOT EXISTS dns_zone (
      key TEXT PRIMARY KEY, digest TEXT NOT NULL, serial INTEGER NOT NULL) WITHOUT ROWID`)
  }

  serial(key: string, digest: string): number {
    return this.sql.transaction(() => {
      const known = this.sql.first<{ digest: string; serial: number }>(
        `SELECT digest, serial FROM dns_zone WHERE key = ?`,
        key,
      )
      if (known?.digest === digest) return known.serial
      const seconds = Math.floor(this.clock.nowMs() / 1_000)
      const serial = Math.min(LARGEST_SERIAL, Math.max(seconds, (known?.serial ?? 0) + 1))
      if (!known) this.makeRoom()
      this.sql.run(
        `INSERT OR REPLACE INTO dns_zone (key, digest, serial) VALUES (?, ?, ?)`,
        key,
        digest,
        serial,
      )
      return serial
    })
  }

  private makeRoom(): void {
    this.sql.run(
      `DELETE FROM dns_zone WHERE key IN
         (SELECT key FROM dns_zone ORDER BY serial DESC, key LIMIT -1 OFFSET ?)`,
      ZONE_ROWS - 1,
    )
  }
}
