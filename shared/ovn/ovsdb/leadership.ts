/** Whether a server may be asked, by its row in the database `_Server` (ovsdb-server(7), ovsdb(7) "Clustered"). */
import { err, ok, type Result } from '../../result.ts'
import { flag, optional, type Reader, type Row, readColumns, text, uuidText, type Value } from './notation.ts'

export const SERVER_DATABASE = '_Server'
export const DATABASE_TABLE = 'Database'
export const DATABASE_COLUMNS = ['name', 'model', 'connected', 'leader', 'cid', 'index'] as const

export interface DatabaseStatus {
  readonly clustered: boolean
  /** In contact with a majority. */
  readonly connected: boolean
  readonly leader: boolean
  /** Which cluster; undefined alone. */
  readonly cluster?: string
  /** How far this server's log is applied. */
  readonly index?: bigint
}

const integer: Reader<bigint> = (value: Value | undefined, field) =>
  typeof value === 'bigint' || Number.isSafeInteger(value)
    ? ok(BigInt(value as number | bigint))
    : err(`${field} is no integer`)

const COLUMNS = {
  name: text,
  model: text,
  connected: flag,
  leader: flag,
  cid: optional(uuidText),
  index: optional(integer),
}

/** The status of `database` among the rows of the table; undefined when it is not served here. */
export function statusOf(database: string, rows: Iterable<Row>): Result<DatabaseStatus | undefined, string> {
  for (const row of rows) {
    if (row.name !== database) continue
    const read = readColumns(COLUMNS, row)
    if (!read.ok) return read
    const { model, connected, leader, cid, index } = read.value
    return ok({
      clustered: model === 'clustered',
      connected,
      leader,
      ...(cid === undefined ? {} : { cluster: cid }),
      ...(index === undefined ? {} : { index }),
    })
  }
  return ok(undefined)
}

/** The newest state of each cluster that this client has seen: no server behind it is asked. */
export interface Seen {
  readonly cluster: string
  readonly index: bigint
}

export type Verdict =
  | { readonly kind: 'lead' }
  | { readonly kind: 'pass'; readonly why: 'unserved' | 'disconnected' | 'follower' | 'behind' }

/**
 * Only the leader of a cluster is asked, as only it knows of every commit; one that stands alone or relays is taken as
 * it is. A leader overthrown without knowing it yet may stand behind what another one has said.
 */
export function verdictOf(status: DatabaseStatus | undefined, seen: Seen | undefined): Verdict {
  if (!status) return { kind: 'pass', why: 'unserved' }
  if (!status.connected) return { kind: 'pass', why: 'disconnected' }
  if (!status.clustered) return { kind: 'lead' }
  if (!status.leader) return { kind: 'pass', why: 'follower' }
  if (seen && seen.cluster === status.cluster && seen.index > (status.index ?? seen.index))
    return { kind: 'pass', why: 'behind' }
  return { kind: 'lead' }
}

/** What is seen after a status. */
export function seenAfter(status: DatabaseStatus, seen: Seen | undefined): Seen | undefined {
  const { cluster, index } = status
  if (cluster === undefined || index === undefined) return seen
  return seen?.cluster === cluster && seen.index > index ? seen : { cluster, index }
}
