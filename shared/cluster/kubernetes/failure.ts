import type { ClusterFailure, FailureReason } from '../port.ts'
import { ApiException } from './client.ts'
import { retryAfterMs } from './retry-after.ts'
import { CallFailed } from './transport.ts'

const MAX_MESSAGE_CHARACTERS = 1_000

/** What a failure is judged by. */
export interface CallFacts {
  /** Changes nothing on the server, whatever happens to the reply. */
  readonly harmless: boolean
  /** The object the path names; only a Status about it proves that it is not there. */
  readonly named?: string
  readonly nowMs: number
  readonly retryAfterCapMs: number
  readonly redact: (text: string) => string
}

/** A Status [k8s.io/apimachinery/pkg/apis/meta/v1/types.go], as far as it is read. */
export interface Status {
  readonly reason: string
  readonly message: string
  readonly code: number | undefined
  readonly details: { readonly name?: unknown; readonly uid?: unknown; readonly retryAfterSeconds?: unknown }
}

/** Which code each reason comes with; a reply where they do not fit is not the API server's. */
const REASONS: ReadonlyMap<string, { readonly codes: readonly number[]; readonly is: FailureReason }> =
  new Map([
    ['NotFound', { codes: [404], is: 'NotFound' }],
    ['AlreadyExists', { codes: [409], is: 'AlreadyExists' }],
    ['Conflict', { codes: [409], is: 'Conflict' }],
    ['Invalid', { codes: [422], is: 'Invalid' }],
    ['BadRequest', { codes: [400], is: 'Invalid' }],
    ['RequestEntityTooLarge', { codes: [413], is: 'Invalid' }],
    ['MethodNotAllowed', { codes: [405], is: 'Invalid' }],
    ['NotAcceptable', { codes: [406], is: 'Invalid' }],
    ['UnsupportedMediaType', { codes: [415], is: 'Invalid' }],
    ['Unauthorized', { codes: [401], is: 'Unauthorized' }],
    ['Forbidden', { codes: [403], is: 'Forbidden' }],
    ['Expired', { codes: [410], is: 'Expired' }],
    ['Gone', { codes: [410], is: 'Expired' }],
    ['TooManyRequests', { codes: [429], is: 'TooManyRequests' }],
  ])

/** Codes that say the same without a Status: filters before the API itself answer in plain text. */
const PLAIN: ReadonlyMap<number, FailureReason> = new Map([
  [401, 'Unauthorized'],
  [403, 'Forbidden'],
  [429, 'TooManyRequests'],
])

/** Maps whatever a call threw. Nothing in it is taken for proof that a write was not carried out unless it is. */
export function failureOf(error: unknown, facts: CallFacts): ClusterFailure {
  const doubtful = facts.harmless ? 'refused' : 'unknown'
  if (error instanceof ApiException) return failureOfReply(error.code, error.body, error.headers, facts)
  const outcome = error instanceof CallFailed && !error.sent ? 'refused' : doubtful
  const message =
    error instanceof CallFailed ? error.message : `the reply is not what was asked for: ${words(error)}`
  return { reason: 'Unavailable', message: shortened(message, facts), outcome }
}

/** A reply that is not a success. `body` is text or what was parsed from it. */
export function failureOfReply(
  code: number,
  body: unknown,
  headers: Readonly<Record<string, string>>,
  facts: CallFacts,
): ClusterFailure {
  const status = statusOf(body)
  const known = status && REASONS.get(status.reason)
  const fits = known?.codes.includes(code) ? known.is : undefined
  const reason = fits === undefined ? PLAIN.get(code) : proven(fits, status, facts)
  const refused = facts.harmless || reason !== undefined || (status !== undefined && code < 500)
  const wait =
    retryAfterMs(headers['retry-after'], facts.nowMs, facts.retryAfterCapMs) ??
    retryAfterMs(secondsOf(status), facts.nowMs, facts.retryAfterCapMs)
  return {
    reason: reason ?? 'Unavailable',
    message: shortened(status?.message || `HTTP ${code} without a Status`, facts),
    outcome: refused ? 'refused' : 'unknown',
    ...(wait === undefined ? {} : { retryAfterMs: wait }),
  }
}

/** Absence is believed only when the server names what was asked for: a missing CRD is a 404 too. */
function proven(reason: FailureReason, status: Status | undefined, facts: CallFacts) {
  if (reason !== 'NotFound' || facts.named === undefined) return reason
  return status?.details.name === facts.named ? reason : 'Unavailable'
}

/** The Status in `body` (text or parsed), or undefined when it is something else. */
export function statusOf(body: unknown): Status | undefined {
  let value = body
  if (typeof body === 'string') {
    try {
      value = JSON.parse(body)
    } catch {
      return undefined
    }
  }
  if (typeof value !== 'object' || value === null || !('kind' in value) || value.kind !== 'Status') {
    return undefined
  }
  const { reason, message, code, details } = value as Record<string, unknown>
  return {
    reason: typeof reason === 'string' ? reason : '',
    message: typeof message === 'string' ? message : '',
    code: typeof code === 'number' ? code : undefined,
    details: typeof details === 'object' && details !== null ? details : {},
  }
}

function secondsOf(status: Status | undefined): string | undefined {
  const seconds = status?.details.retryAfterSeconds
  return typeof seconds === 'number' && seconds > 0 ? String(seconds) : undefined
}

function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function shortened(message: string, facts: CallFacts): string {
  return facts.redact(message).slice(0, MAX_MESSAGE_CHARACTERS)
}
