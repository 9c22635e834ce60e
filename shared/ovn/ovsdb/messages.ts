/** What goes over the wire (RFC 7047 §4, §5.2), without I/O. */
import { err, ok, type Result } from '../../result.ts'
import { isArray, isObject, type Json, type JsonObject, member } from './json.ts'
import { type Atom, type Row, readRow, type Uuid, type Value } from './notation.ts'

/** RFC 7047 §5.1 <condition>. */
export type Condition = readonly [
  column: string,
  test: '<' | '<=' | '==' | '!=' | '>=' | '>' | 'includes' | 'excludes',
  value: Value,
]

/** RFC 7047 §5.1 <mutation>. */
export type Mutation = readonly [
  column: string,
  mutator: '+=' | '-=' | '*=' | '/=' | '%=' | 'insert' | 'delete',
  value: Value,
]

/** RFC 7047 §5.2. */
export type Operation =
  | { op: 'select'; table: string; where: readonly Condition[]; columns?: readonly string[] }
  | { op: 'insert'; table: string; row: Row; 'uuid-name'?: string }
  | { op: 'update'; table: string; where: readonly Condition[]; row: Row }
  | { op: 'mutate'; table: string; where: readonly Condition[]; mutations: readonly Mutation[] }
  | { op: 'delete'; table: string; where: readonly Condition[] }
  | {
      op: 'wait'
      table: string
      where: readonly Condition[]
      columns: readonly string[]
      until: '==' | '!='
      rows: readonly Row[]
      /** ms; 0 does not wait. */
      timeout?: number
    }
  | { op: 'commit'; durable: boolean }
  | { op: 'abort' }
  | { op: 'comment'; comment: string }

/** A result of one operation, as far as its kind has it. */
export interface OperationResult {
  /** select */
  readonly rows?: readonly Row[]
  /** update, mutate, delete */
  readonly count?: number
  /** insert */
  readonly uuid?: Uuid
}

/** What became of a transaction: all of it, or nothing of it. */
export type Transacted =
  | { readonly kind: 'done'; readonly results: readonly OperationResult[] }
  /** `at`: the operation that failed; `commit` when each succeeded and the whole did not (§4.1.3). */
  | {
      readonly kind: 'failed'
      readonly at: number | 'commit'
      readonly error: string
      readonly details: string
    }

/** A message from the other side. `id` is what a reply must carry. */
export type Incoming =
  | { readonly kind: 'reply'; readonly id: Json; readonly result: Json; readonly error: Json }
  | { readonly kind: 'request'; readonly id: Json; readonly method: string; readonly params: readonly Json[] }
  | { readonly kind: 'notification'; readonly method: string; readonly params: readonly Json[] }

/** Words that an error of the database itself carries when nothing was done (§3.1, §4.1.3, §5.2). */
const NOTHING_DONE: ReadonlySet<string> = new Set([
  'aborted',
  'canceled',
  'constraint violation',
  'domain error',
  'duplicate uuid',
  'duplicate uuid-name',
  'not allowed',
  'not owner',
  'not supported',
  'permission error',
  'range error',
  'referential integrity violation',
  'resources exhausted',
  'syntax error',
  'timed out',
  'type error',
  'unknown column',
  'unknown database',
  'unknown table',
])

/**
 * Whether a failure proves that nothing was done. An operation's failure does: it comes before the commit. A commit's
 * does only for the errors that say so; a cluster may commit later what it calls failed now (ovsdb/raft.h: "lost
 * leadership", "timeout").
 */
export function isNothingDone(failed: Extract<Transacted, { kind: 'failed' }>): boolean {
  return failed.at !== 'commit' || NOTHING_DONE.has(failed.error)
}

export function request(id: number, method: string, params: readonly Json[]): JsonObject {
  return { id, method, params }
}

/** JSON-RPC 1.0 §1.3. */
export function notification(method: string, params: readonly Json[]): JsonObject {
  return { id: null, method, params }
}

export function reply(id: Json, result: Json, error: Json = null): JsonObject {
  return { id, result, error }
}

/** @returns the parameters of `transact` (§4.1.3) */
export function transactParams(database: string, operations: readonly Operation[]): readonly Json[] {
  return [database, ...(operations as unknown as readonly Json[])]
}

/** What a message is, or why it is none (JSON-RPC 1.0 §1). */
export function incoming(message: JsonObject): Result<Incoming, string> {
  const [id, method, params] = [member(message, 'id'), member(message, 'method'), member(message, 'params')]
  if (method !== undefined) {
    if (typeof method !== 'string' || !isArray(params)) return err('a request without method or params')
    if (id === undefined || id === null) return ok({ kind: 'notification', method, params })
    return ok({ kind: 'request', id, method, params })
  }
  const [result, error] = [member(message, 'result'), member(message, 'error')]
  if (id === undefined || id === null || result === undefined || error === undefined) {
    return err('neither a request nor a reply')
  }
  return ok({ kind: 'reply', id, result, error })
}

/** An <error> (§3.1) as words. Servers also use plain strings. */
export function errorWords(error: Json): { readonly error: string; readonly details: string } {
  if (typeof error === 'string') return { error, details: '' }
  const words = isObject(error) ? member(error, 'error') : undefined
  const details = isObject(error) ? member(error, 'details') : undefined
  return {
    error: typeof words === 'string' ? words : 'an error without words',
    details: typeof details === 'string' ? details : '',
  }
}

/**
 * The result of `transact` against what was asked (§4.1.3): one result an operation; or a failure in its place and
 * nothing after it; or, when only the commit failed, one error more than operations. Anything else is refused.
 */
export function readTransacted(operations: readonly Operation[], result: Json): Result<Transacted, string> {
  if (!isArray(result)) return err('the result of a transaction is no array')
  const results: OperationResult[] = []
  for (const [index, operation] of operations.entries()) {
    const one = result[index]
    if (isObject(one) && member(one, 'error') !== undefined) {
      return ok({ kind: 'failed', at: index, ...errorWords(one) })
    }
    const read = operationResult(operation, one)
    if (!read.ok) return err(`operation ${index}: ${read.error}`)
    results.push(read.value)
  }
  const trailing = result[operations.length]
  if (result.length === operations.length) return ok({ kind: 'done', results })
  if (
    result.length === operations.length + 1 &&
    isObject(trailing) &&
    member(trailing, 'error') !== undefined
  ) {
    return ok({ kind: 'failed', at: 'commit', ...errorWords(trailing) })
  }
  return err('more results than operations')
}

function operationResult(operation: Operation, json: Json | undefined): Result<OperationResult, string> {
  if (!isObject(json)) return err('no result')
  switch (operation.op) {
    case 'select': {
      const rows = member(json, 'rows')
      if (!isArray(rows)) return err('a select without rows')
      const read: Row[] = []
      for (const row of rows) {
        const one = readRow(row)
        if (!one.ok) return one
        read.push(one.value)
      }
      return ok({ rows: read })
    }
    case 'insert': {
      const uuid = readRow(json)
      const atom: Atom | undefined = uuid.ok ? (uuid.value.uuid as Atom | undefined) : undefined
      return isArray(atom as Json) ? ok({ uuid: atom as Uuid }) : err('an insert without uuid')
    }
    case 'update':
    case 'mutate':
    case 'delete': {
      const count = member(json, 'count')
      if (typeof count === 'number' && Number.isSafeInteger(count) && count >= 0) return ok({ count })
      return err(`a ${operation.op} without count`)
    }
    case 'wait':
    case 'commit':
    case 'abort':
    case 'comment':
      return ok({})
    default:
      return operation satisfies never
  }
}
