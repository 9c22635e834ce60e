import { ok, type Result } from '../../result.ts'
import type { Sql } from '../../sql.ts'
import type { ClusterFailure, Kind, KubeObject, ListOptions, ObjectList } from '../port.ts'
import type { EventLog } from './event-log.ts'
import { refused } from './failure.ts'

/** One page never holds more than this, whatever the limit; `continue` leads on. */
const MAX_PAGE_ITEMS = 5_000
const MAX_PAGE_BYTES = 8 * 1024 * 1024
const ROWS_PER_READ = 500
/** Sorts after every namespace. */
const AFTER_ALL_NAMESPACES = '~'

interface Position {
  readonly rv: number
  readonly namespace: string
  readonly name: string
}

/**
 * One page of a list as the cluster was at the first page's resourceVersion: what changed since then is shown as it was
 * (`embedded_before`), what was added since then is left out. Expired once the log no longer reaches back that far.
 */
export function listPage(
  sql: Sql,
  log: EventLog,
  kind: Kind,
  options: ListOptions,
): Result<ObjectList, ClusterFailure> {
  const limit = options.limit ?? 0
  if (!Number.isSafeInteger(limit) || limit < 0) return refused('Invalid', `limit: ${limit} is no count`)
  const start = startOf(log, kind, options)
  if (!start.ok) return start
  const { rv } = start.value
  const wanted = limit === 0 ? MAX_PAGE_ITEMS : Math.min(limit, MAX_PAGE_ITEMS)
  const selector = Object.entries(options.labelSelector ?? {})
  const items: KubeObject[] = []
  let last: Position = start.value
  let bytes = 0
  for (const row of rowsAfter(sql, kind, start.value, options.namespace)) {
    const object = JSON.parse(row.body) as KubeObject
    if (selector.every(([key, value]) => labelOf(object, key) === value)) {
      if (items.length === wanted || bytes >= MAX_PAGE_BYTES) {
        return ok({ items, resourceVersion: String(rv), continue: token(kind, last) })
      }
      items.push(object)
      bytes += row.body.length
      last = { rv, namespace: row.namespace, name: row.name }
    }
  }
  return ok({ items, resourceVersion: String(rv) })
}

function startOf(log: EventLog, kind: Kind, options: ListOptions): Result<Position, ClusterFailure> {
  if (options.continue === undefined || options.continue === '') {
    return ok({ rv: log.position().current, namespace: options.namespace ?? '', name: '' })
  }
  const position = readToken(kind, options.continue)
  if (!position || (options.namespace !== undefined && position.namespace !== options.namespace)) {
    return refused('Invalid', 'continue: not a token of this list')
  }
  const reachable = log.reachable(String(position.rv))
  return reachable.ok ? ok(position) : reachable
}

function* rowsAfter(sql: Sql, kind: Kind, start: Position, namespace: string | undefined) {
  const upTo = namespace ?? AFTER_ALL_NAMESPACES
  let from = { namespace: start.namespace, name: start.name }
  for (;;) {
    const rows = sql.all<{ namespace: string; name: string; body: string }>(
      `SELECT namespace, name, body FROM embedded_object
        WHERE kind = ? AND (namespace, name) > (?, ?) AND namespace <= ? AND rv <= ?
       UNION ALL
       SELECT namespace, name, body FROM embedded_before
        WHERE rv > ? AND before_rv <= ? AND kind = ? AND (namespace, name) > (?, ?) AND namespace <= ?
       ORDER BY namespace, name LIMIT ?`,
      ...[kind, from.namespace, from.name, upTo, start.rv],
      ...[start.rv, start.rv, kind, from.namespace, from.name, upTo],
      ROWS_PER_READ,
    )
    yield* rows
    const last = rows.at(-1)
    if (!last || rows.length < ROWS_PER_READ) return
    from = last
  }
}

function labelOf({ metadata: { labels } }: KubeObject, key: string): string | undefined {
  return labels && Object.hasOwn(labels, key) ? labels[key] : undefined
}

/** Opaque to callers. No part of a key can hold a slash. */
function token(kind: Kind, { rv, namespace, name }: Position): string {
  return btoa(`1/${rv}/${kind}/${namespace}/${name}`)
}

function readToken(kind: Kind, text: string): Position | undefined {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text) || text.length % 4 !== 0) return undefined
  const [version, rv, ofKind, namespace, name, ...rest] = atob(text).split('/')
  if (version !== '1' || ofKind !== kind || namespace === undefined || !name || rest.length > 0) {
    return undefined
  }
  return /^\d{1,15}$/.test(rv ?? '') ? { rv: Number(rv), namespace, name } : undefined
}
