/** Reservations that end by themselves: until when, and what becomes of them then. */
import { rfc3339 } from '../clock.ts'
import { type Finding, problem } from '../problem.ts'
import type { Sql, SqlRow } from '../sql.ts'
import { announce } from './announce.ts'
import { enqueue } from './issue.ts'
import type { LeaseRow } from './lease.ts'
import type { Space } from './space.ts'

/** Part of a schema step. lapse_ms, warn_ms: slow ledger time (elapsed.ts), so that a clock that is set ends nothing early and keeps nothing for ever. */
export const LIFETIME_TABLES = [
  // expires_at: wall time, as it was said. ttl_ms: as long as it was asked for. warn_ms: null once it was told. looks: how
  // often it was over and its owner lived.
  `CREATE TABLE lifetime (
     id TEXT PRIMARY KEY, nic TEXT NOT NULL, ttl_ms INTEGER NOT NULL, expires_at INTEGER NOT NULL,
     lapse_ms INTEGER NOT NULL, warn_ms INTEGER, looks INTEGER NOT NULL) WITHOUT ROWID`,
  `CREATE INDEX lifetime_lapse ON lifetime (lapse_ms)`,
  `CREATE INDEX lifetime_warn ON lifetime (warn_ms) WHERE warn_ms IS NOT NULL`,
]

/** Ten years; longer is a mistake. */
export const LONGEST_TTL_SECONDS = 315_360_000
/** Said this long before the end, and no sooner than after nine tenths of it. */
const WARNED_BEFORE_MS = 3_600_000
const WARNED_SHARE = 0.1
/** How soon an owner that outlives the term is looked at again: this, then twice as long each time. */
const FIRST_LOOK_MS = 60_000
const LONGEST_LOOK_MS = 3_600_000
const BATCH = 100

/** Reason of a release that nobody asked for. */
export const LEASE_EXPIRED = 'lease_expired'

export interface Lifetime {
  readonly ttlMs: number
  /** Wall time, ms. */
  readonly expiresAt: number
  /** It is over, and the owner lived when it was last asked for. */
  readonly overdue: boolean
}

interface Row extends SqlRow {
  id: string
  nic: string
  ttl_ms: number
  expires_at: number
  looks: number
}

/** Lifetimes by reservation; most have none, and a space without any asks storage for none. */
export class Lifetimes {
  readonly #sql: Sql
  #any: boolean | undefined

  constructor(sql: Sql) {
    this.#sql = sql
  }

  of(id: string): Lifetime | undefined {
    if (!this.#some()) return undefined
    const row = this.#sql.first<Row>(`SELECT ttl_ms, expires_at, looks FROM lifetime WHERE id = ?`, id)
    return row && { ttlMs: row.ttl_ms, expiresAt: row.expires_at, overdue: row.looks > 0 }
  }

  put({ id, nic }: Pick<LeaseRow, 'id' | 'nic'>, ttlMs: number, wallMs: number, slowMs: number): void {
    this.#any = true
    const lapseMs = slowMs + ttlMs
    const warnMs = lapseMs - Math.min(WARNED_BEFORE_MS, Math.floor(ttlMs * WARNED_SHARE))
    this.#sql.run(
      `INSERT OR REPLACE INTO lifetime (id, nic, ttl_ms, expires_at, lapse_ms, warn_ms, looks)
         VALUES (?, ?, ?, ?, ?, ?, 0)`,
      ...[id, nic, ttlMs, wallMs + ttlMs, lapseMs, warnMs],
    )
  }

  /** The same, for the row that takes another's place. */
  move(from: string, to: Pick<LeaseRow, 'id' | 'nic'>): void {
    if (!this.#some()) return
    this.#sql.run(`UPDATE lifetime SET id = ?, nic = ? WHERE id = ?`, to.id, to.nic, from)
  }

  drop(id: string): void {
    if (this.#some()) this.#sql.run(`DELETE FROM lifetime WHERE id = ?`, id)
  }

  /** Over by `slowMs`, the longest first. */
  over(
    slowMs: number,
    limit: number,
  ): readonly { readonly id: string; readonly nic: string; readonly looks: number }[] {
    if (!this.#some()) return []
    return this.#sql.all<Row>(
      `SELECT id, nic, looks FROM lifetime WHERE lapse_ms <= ? ORDER BY lapse_ms LIMIT ?`,
      slowMs,
      limit,
    )
  }

  /** About to be over, and nobody was told. */
  closing(slowMs: number, limit: number): readonly { readonly id: string; readonly nic: string }[] {
    if (!this.#some()) return []
    return this.#sql.all<Row>(
      `SELECT id, nic FROM lifetime WHERE warn_ms <= ? ORDER BY warn_ms LIMIT ?`,
      slowMs,
      limit,
    )
  }

  told(id: string): void {
    this.#sql.run(`UPDATE lifetime SET warn_ms = NULL WHERE id = ?`, id)
  }

  /** Its owner lives: looked at again later and later. */
  putOff(id: string, slowMs: number): void {
    this.#sql.run(
      `UPDATE lifetime SET lapse_ms = ? + MIN(? * (1 << MIN(looks, 20)), ?), looks = looks + 1 WHERE id = ?`,
      ...[slowMs, FIRST_LOOK_MS, LONGEST_LOOK_MS, id],
    )
  }

  /** Its operation cannot begin now. */
  rest(id: string, slowMs: number): void {
    this.#sql.run(`UPDATE lifetime SET lapse_ms = ? WHERE id = ?`, slowMs + FIRST_LOOK_MS, id)
  }

  /** Whoever outlived it may have gone. False where nobody did. */
  lookNow(id: string, slowMs: number): boolean {
    if (!this.#some()) return false
    return this.#sql.run(`UPDATE lifetime SET lapse_ms = ? WHERE id = ? AND looks > 0`, slowMs, id) > 0
  }

  /** Slow ledger time of the next thing to do. */
  nextMs(): number | undefined {
    if (!this.#some()) return undefined
    const next = this.#sql.first<{ lapse: number | null; warn: number | null }>(
      `SELECT (SELECT MIN(lapse_ms) FROM lifetime) AS lapse,
              (SELECT MIN(warn_ms) FROM lifetime WHERE warn_ms IS NOT NULL) AS warn`,
    )
    const times = [next?.lapse, next?.warn].filter((at) => at !== null && at !== undefined)
    return times.length > 0 ? Math.min(...times) : undefined
  }

  /** The transaction that wrote was taken back. */
  rolledBack(): void {
    this.#any = undefined
  }

  #some(): boolean {
    // A search of an index, where a look at any row would be a scan.
    const first = () => this.#sql.first<{ at: number | null }>(`SELECT MIN(lapse_ms) AS at FROM lifetime`)?.at
    this.#any ??= typeof first() === 'number'
    return this.#any
  }
}

/** How long somebody wishes for; neither: until it is released. */
export interface Lasting {
  readonly ttlSeconds?: number
  /** Wall time, ms. */
  readonly expiresAt?: number
}

/** In ms; undefined: until somebody releases it. Or what is wrong with it. */
export function lifetimeOf({ ttlSeconds, expiresAt }: Lasting, wallMs: number): number | undefined | Finding {
  if (ttlSeconds !== undefined) return ttlSeconds * 1_000
  if (expiresAt === undefined) return undefined
  const refuse = (message: string): Finding => ({ code: 'invalid_field', field: 'expiresAt', message })
  if (expiresAt <= wallMs) return refuse(`${rfc3339(expiresAt)} is over`)
  if (expiresAt - wallMs > LONGEST_TTL_SECONDS * 1_000) return refuse('is more than ten years away')
  return expiresAt - wallMs
}

/** Ends the reservations whose time is over, and tells of those whose time is about to be; the caller is in a transaction. */
export function endLifetimes(space: Space): void {
  for (const { id, nic } of space.lifetimes.closing(space.slowMs, BATCH)) {
    const row = space.leases.get(nic, id)
    const lifetime = space.lifetimes.of(id)
    space.lifetimes.told(id)
    if (row?.state !== 'bound' || !lifetime) continue
    const text = `${nic} is reserved until ${rfc3339(lifetime.expiresAt)}; renew it to keep it`
    announce(space, { name: nic, uid: row.uid }, 'ReservationExpiring', text)
    space.tellExpiring(row)
  }
  for (const { id, nic } of space.lifetimes.over(space.slowMs, BATCH)) {
    const row = space.leases.get(nic, id)
    if (!row) {
      space.lifetimes.drop(id)
      continue
    }
    space.lifetimes.rest(id, space.slowMs)
    const open = space.ops.get(row.op)
    if (open?.state === 'running' || (row.state !== 'bound' && row.state !== 'stranded')) continue
    const lapsed = space.lifetimes.of(id)?.expiresAt ?? 0
    const item = { nic, id, stage: 'owner', tries: 0, lapsed, ...space.begun } as const
    space.leases.update(row, { op: enqueue(space, 'release', 'owner', [item]).id })
  }
}

/** Why the owner of what is over keeps it for now. */
export const outlived = (nic: string, alive: string) =>
  problem('pod_alive', `${nic} is over and kept: ${alive}`)

const UNITS = { s: 1, m: 60, h: 3_600, d: 86_400 } as const

/** Seconds of `90`, `90s`, `15m`, `72h` or `30d`; undefined where the text is none of these, or too long. */
export function ttlOf(text: string): number | undefined {
  const [, count, unit = 's'] = /^([1-9]\d{0,8})(s|m|h|d)?$/.exec(text) ?? []
  const seconds = Number(count) * UNITS[unit as keyof typeof UNITS]
  return seconds <= LONGEST_TTL_SECONDS ? seconds : undefined
}
