import { rfc3339 } from '../clock.ts'
import type { Random } from '../random.ts'
import type { Sql, SqlRow } from '../sql.ts'
import { eventId } from './ids.ts'
import type { LeaseRow } from './lease.ts'
import type { LeaseView } from './port.ts'

/** What happened to a reservation. */
export type FeedType = 'reserved' | 'released' | 'refused' | 'contested' | 'stranded' | 'expiring'

/** One thing that happened, in the order in which it did. */
export interface FeedEntry {
  /** Rises within the space. */
  readonly seq: number
  /** cluster/subnet */
  readonly space: string
  /** Stays the same however often the entry is handed on. */
  readonly id: string
  readonly type: FeedType
  /** Port name. */
  readonly subject: string
  /** JSON: what it looked like then. */
  readonly data: string
  /** Wall time, ms. */
  readonly at: number
}

interface Row extends SqlRow {
  seq: number
  space: string
  id: string
  type: FeedType
  subject: string
  data: string
  at: number
}

/** Part of a schema step. AUTOINCREMENT: a number is never given twice, also when the last row is gone. */
export const FEED_TABLE = `CREATE TABLE feed (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, space TEXT NOT NULL, id TEXT NOT NULL, type TEXT NOT NULL,
  subject TEXT NOT NULL, data TEXT NOT NULL, at INTEGER NOT NULL)`

/** What a change of a row means to those outside; undefined where it means nothing to them. */
export function feedTypeOf(before: LeaseRow | undefined, after: LeaseRow | undefined): FeedType | undefined {
  const was = before?.state
  const is = after?.state
  // Held, or somebody else's that was adopted.
  if (is === 'bound' && (was === undefined || was === 'held' || was === 'foreign')) return 'reserved'
  if (was === 'releasing' && (is === undefined || is === 'quarantined')) return 'released'
  if (is === 'stranded' && was !== 'stranded') return 'stranded'
  if (after?.contested === true && before?.contested === false) return 'contested'
  return undefined
}

/** A reservation as those outside are told of it: contract.md's, without what only the cluster cares for. */
export function toldOf(view: LeaseView): Record<string, unknown> {
  const { id, state, contested, name, subnet, cluster, namespace, podName, podType, provider } = view
  return {
    id,
    state,
    ...(contested ? { contested } : {}),
    name,
    subnet,
    cluster,
    owner: { namespace, name: podName, kind: podType, provider },
    v4IpAddress: view.v4,
    v6IpAddress: view.v6,
    macAddress: view.mac,
    operation: view.operation,
    ...(view.expiresAt === undefined ? {} : { expiresAt: rfc3339(view.expiresAt) }),
    ...(view.reason === undefined ? {} : { reason: view.reason }),
  }
}

/**
 * What a transaction leaves to be told to the outside, written with what it tells of. Entries stay until they are
 * taken over by whoever tells them: at least once, in order.
 */
export class Feed {
  readonly #sql: Sql
  readonly #random: Random
  /** Whether entries wait; undefined while nobody looked. A transaction taken back may leave it true for a while. */
  #some: boolean | undefined

  constructor(sql: Sql, random: Random) {
    this.#sql = sql
    this.#random = random
  }

  put(space: string, type: FeedType, subject: string, data: unknown, wallMs: number): void {
    this.#some = true
    this.#sql.run(
      `INSERT INTO feed (space, id, type, subject, data, at) VALUES (?, ?, ?, ?, ?, ?)`,
      space,
      eventId(wallMs, this.#random),
      type,
      subject,
      JSON.stringify(data),
      wallMs,
    )
  }

  /** The oldest entries. */
  waiting(limit: number): FeedEntry[] {
    return this.#sql.all<Row>(`SELECT * FROM feed ORDER BY seq LIMIT ?`, limit)
  }

  /** Those up to `seq` are somebody else's to tell. */
  handedOn(seq: number): void {
    this.#sql.run(`DELETE FROM feed WHERE seq <= ?`, seq)
    this.#some = undefined
  }

  any(): boolean {
    this.#some ??= this.#sql.first(`SELECT 1 AS one FROM feed LIMIT 1`) !== undefined
    return this.#some
  }
}
