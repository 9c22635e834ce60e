/** Who did what to a reservation, why, by which door, and how it was before and after: append-only, in a hash chain. */
import { rfc3339 } from '../clock.ts'
import { formatAddress } from '../ipam/address.ts'
import type { Sql, SqlRow, SqlValue } from '../sql.ts'
import { type AuditDoor, type AuditVerb, digest, genesisOf, sealed } from './audit-chain.ts'
import type { LeaseRow } from './lease.ts'
import type { Lifetime } from './lifetime.ts'
import type { OpRow } from './op.ts'

/** Part of a schema step. body: the line without its hash (audit-chain.ts); the columns are what is looked for. */
export const AUDIT_TABLE = `CREATE TABLE audit (
  seq INTEGER PRIMARY KEY, slow_ms INTEGER NOT NULL, at INTEGER NOT NULL, actor TEXT NOT NULL, door TEXT NOT NULL,
  verb TEXT NOT NULL, name TEXT NOT NULL, namespace TEXT NOT NULL, pod_name TEXT NOT NULL, body TEXT NOT NULL,
  hash TEXT NOT NULL)`

/** Who acts where nobody asked. */
const BERTH = 'berth'
/** Rows looked at in one page; a filter that fits few of them goes on with the next page. */
const LOOKED_AT = 20_000
/** Eleven parameters a line; a statement takes 100. */
const LINES_AT_ONCE = 9

export interface AuditFilter {
  readonly namespace?: string
  readonly podName?: string
  readonly name?: string
  readonly actor?: string
  readonly verb?: string
  readonly door?: string
  /** Wall time, ms; inclusive. */
  readonly sinceMs?: number
  /** Exclusive. */
  readonly untilMs?: number
}

export interface AuditPage {
  /** Lines with their hash, in order, with the namespace of the reservation each is about. */
  readonly lines: readonly { readonly line: string; readonly namespace: string; readonly name: string }[]
  /** The last one looked at, where more may follow. */
  readonly after?: number
}

/** A change of one row within a transaction. */
interface Change {
  readonly before: LeaseRow | undefined
  readonly after: LeaseRow | undefined
  /** The operation that did it, where it was known then. */
  readonly op?: OpRow | undefined
  /** It was renewed, by this tenant, and would have ended then before (wall ms). */
  readonly renewed?: { readonly tenant: string; readonly expiresAt: number | undefined }
}

type Operations = (id: string) => OpRow | undefined

interface Row extends SqlRow {
  seq: number
  name: string
  namespace: string
  body: string
  hash: string
}

/** What the audit is told at the end of a transaction. */
export interface AuditMoment {
  readonly space: string
  readonly wallMs: number
  readonly slowMs: number
  readonly op: Operations
  readonly lifetime: (id: string) => Lifetime | undefined
}

/** The chain of one space. Rows are only added, and the oldest dropped when their time is over. */
export class AuditTable {
  readonly #sql: Sql
  /** Rows that the running transaction has changed, by reservation. */
  readonly #changes = new Map<string, Change>()
  #head: { readonly seq: number; readonly hash: string } | undefined

  constructor(sql: Sql) {
    this.#sql = sql
  }

  /** The operation is asked for now, for it may be closed, and out of memory, by the end of the transaction. */
  changed(before: LeaseRow | undefined, after: LeaseRow | undefined, op: Operations): void {
    const row = after ?? before
    if (!row) return
    const known = this.#changes.get(row.id)
    const change = { before: known ? known.before : before, after }
    if (!known && !concernsPromise(change)) return
    this.#changes.set(row.id, { ...known, ...change, op: op(row.op) ?? known?.op })
  }

  /** A reservation was given another lifetime. */
  renewed(row: LeaseRow, tenant: string, before: Lifetime | undefined): void {
    this.#changes.set(row.id, { before: row, after: row, renewed: { tenant, expiresAt: before?.expiresAt } })
  }

  /** Called before the transaction commits. */
  write(moment: () => AuditMoment): void {
    if (this.#changes.size === 0) return
    const changes = [...this.#changes.values()]
    this.#changes.clear()
    let at: AuditMoment | undefined
    const lines: SqlValue[][] = []
    for (const change of changes) {
      if (!concernsPromise(change)) continue
      at ??= moment()
      const line = this.#line(change, at)
      if (line) lines.push(line)
    }
    for (let from = 0; from < lines.length; from += LINES_AT_ONCE) {
      const some = lines.slice(from, from + LINES_AT_ONCE)
      this.#sql.run(
        `INSERT INTO audit (seq, slow_ms, at, actor, door, verb, name, namespace, pod_name, body, hash)
           VALUES ${some.map(() => '(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)').join()}`,
        ...some.flat(),
      )
    }
  }

  /** The transaction that wrote was taken back. */
  rolledBack(): void {
    this.#changes.clear()
    this.#head = undefined
  }

  page(filter: AuditFilter, after: number, limit: number): AuditPage {
    const wanted = Object.entries(COLUMNS).flatMap(([field, column]) => {
      const value = filter[field as keyof typeof COLUMNS]
      return value === undefined ? [] : [{ where: `${column} = ?`, value }]
    })
    const from = filter.sinceMs === undefined ? [] : [{ where: 'at >= ?', value: filter.sinceMs }]
    const to = filter.untilMs === undefined ? [] : [{ where: 'at < ?', value: filter.untilMs }]
    const all = [...wanted, ...from, ...to]
    const untilSeq = after + LOOKED_AT
    const rows = this.#sql.all<Row>(
      `SELECT seq, name, namespace, body, hash FROM audit
         WHERE ${['seq > ?', 'seq <= ?', ...all.map(({ where }) => where)].join(' AND ')} ORDER BY seq LIMIT ?`,
      after,
      untilSeq,
      ...all.map(({ value }) => value),
      limit,
    )
    const lines = rows.map(({ body, hash, namespace, name }) => ({
      line: sealed(body, hash),
      namespace,
      name,
    }))
    const seen = rows.length === limit ? (rows.at(-1)?.seq ?? after) : untilSeq
    const more = this.#sql.first(`SELECT seq FROM audit WHERE seq > ? LIMIT 1`, seen)
    return { lines, ...(more ? { after: seen } : {}) }
  }

  /** Drops up to `limit` rows from before `slowMs`; the chain goes on from what they left, the newest stays. */
  prune(slowMs: number, limit: number): number {
    const ends = this.#sql.first<{ first: number | null; last: number | null }>(
      `SELECT (SELECT MIN(seq) FROM audit) AS first, (SELECT MAX(seq) FROM audit) AS last`,
    )
    const { first, last } = ends ?? {}
    if (first == null || last == null) return 0
    const untilSeq = Math.min(first + limit, last)
    return this.#sql.run(
      `DELETE FROM audit WHERE seq >= ? AND seq < ? AND slow_ms < ?`,
      first,
      untilSeq,
      slowMs,
    )
  }

  /** The next line of the chain, as a row; undefined where nothing was done to a promise. */
  #line(change: Change, { space, wallMs, slowMs, op, lifetime }: AuditMoment): SqlValue[] | undefined {
    const { before, after } = change
    const row = (after ?? before) as LeaseRow
    const did = change.op ?? op(row.op)
    const verb = change.renewed ? 'renew' : verbOf(change, did)
    if (!verb) return undefined
    const by = BY_ITSELF.has(verb) ? undefined : (change.renewed ?? did)
    const head = this.#headOf(space)
    const seq = head.seq + 1
    const actor = by?.tenant || BERTH
    const door = doorOf(by)
    const body = JSON.stringify({
      space,
      seq,
      time: rfc3339(wallMs),
      actor,
      door,
      verb,
      name: row.nic,
      id: row.id,
      epoch: row.epoch,
      operation: row.op,
      reason: row.reason ?? '',
      before: withExpiry(stateOf(before), change.renewed?.expiresAt),
      after: withExpiry(stateOf(after), lifetime(row.id)?.expiresAt),
      previous: head.hash,
    })
    const hash = digest(body)
    this.#head = { seq, hash }
    return [seq, slowMs, wallMs, actor, door, verb, row.nic, row.namespace, row.podName, body, hash]
  }

  #headOf(space: string): { readonly seq: number; readonly hash: string } {
    this.#head ??= this.#sql.first<{ seq: number; hash: string }>(
      `SELECT seq, hash FROM audit WHERE seq = (SELECT MAX(seq) FROM audit)`,
    ) ?? { seq: 0, hash: genesisOf(space) }
    return this.#head
  }
}

const COLUMNS = {
  namespace: 'namespace',
  podName: 'pod_name',
  name: 'name',
  actor: 'actor',
  verb: 'verb',
  door: 'door',
} as const

/** What follows from the cluster or the Subnet: the operation that the row names is another's. */
const BY_ITSELF: ReadonlySet<AuditVerb> = new Set(['strand', 'return', 'contest', 'settle'])

const isPromised = (row: LeaseRow | undefined) => row?.state === 'bound' || row?.state === 'stranded'

/** Others' objects, holds that were never answered and cool-downs are no promises of anybody. */
function concernsPromise({ before, after }: Change): boolean {
  return (
    isPromised(before) || isPromised(after) || before?.state === 'releasing' || after?.state === 'releasing'
  )
}

function verbOf({ before, after }: Change, op: OpRow | undefined): AuditVerb | undefined {
  const isTransfer = op?.kind === 'transfer'
  if (isPromised(after)) {
    if (isTransfer && before?.state === 'held') return 'transfer'
    if (!isPromised(before))
      return before?.state === 'foreign' ? 'adopt' : before?.state === 'releasing' ? 'keep' : 'reserve'
    return before && after ? changeOf(before, after) : undefined
  }
  const isRelease = op?.kind === 'release'
  if (after?.state === 'releasing') {
    if (isTransfer && isPromised(before)) return 'transfer'
    return isRelease && before?.state !== 'releasing' ? 'release' : undefined
  }
  // A reserve that turned back was never promised.
  if (isPromised(before)) return 'end'
  return before?.state === 'releasing' && isRelease ? 'end' : undefined
}

function changeOf(before: LeaseRow, after: LeaseRow): AuditVerb | undefined {
  if (before.nic !== after.nic) return 'transfer'
  if (before.state !== after.state) return after.state === 'stranded' ? 'strand' : 'return'
  if (before.contested !== after.contested) return after.contested ? 'contest' : 'settle'
  return before.uid !== after.uid && after.uid !== null ? 'remake' : undefined
}

function stateOf(row: LeaseRow | undefined): Record<string, unknown> | null {
  if (!row) return null
  return {
    state: row.state,
    ...(row.contested ? { contested: true } : {}),
    v4IpAddress: row.v4 === null ? '' : formatAddress(4, row.v4),
    v6IpAddress: row.v6 === null ? '' : formatAddress(6, row.v6),
    macAddress: row.mac,
    namespace: row.namespace,
    podName: row.podName,
    podType: row.podType,
    uid: row.uid ?? '',
  }
}

function withExpiry(
  state: Record<string, unknown> | null,
  expiresAt: number | undefined,
): Record<string, unknown> | null {
  return state && expiresAt !== undefined ? { ...state, expiresAt: rfc3339(expiresAt) } : state
}

/** A tenant's first part tells by which door its kind comes in (functions/access). */
function doorOf(op: Partial<Pick<OpRow, 'tenant' | 'kind' | 'items'>> | undefined): AuditDoor {
  if (!op?.tenant) return 'cluster'
  if (op.kind === 'admission' || op.items?.[0]?.door) return 'admission'
  const [kind = ''] = op.tenant.split('/')
  if (kind === 'git' || kind === 'chat' || kind === 'events') return kind
  return op.tenant === BERTH ? 'repair' : 'http'
}
