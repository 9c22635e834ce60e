/** What was asked and what was answered. The checks of check.ts judge by this and by the final state alone. */

/** One reservation as a reply shows it; only what is compared. */
export interface Promised {
  readonly id: string
  readonly name: string
  readonly state: string
  readonly subnet: string
  readonly v4IpAddress: string
  readonly v6IpAddress: string
  readonly macAddress: string
  readonly operation: string
}

export type Kind =
  | 'reserve'
  | 'release'
  | 'dry-run'
  | 'validate'
  | 'read'
  | 'put-pod'
  | 'delete-pod'
  | 'put-subnet'
  | 'delete-subnet'

export interface Answer {
  readonly status: number
  readonly text: string
  /** Milliseconds since the run began. */
  readonly returnedMs: number
}

/** One request of a client, with all its attempts. A kill leaves it unanswered; it is then sent again with its key. */
export interface Intent {
  readonly number: number
  readonly client: number
  readonly kind: Kind
  readonly method: string
  readonly path: string
  readonly body?: string
  readonly contentType?: string
  readonly key?: string
  /** Reservation names it is about. */
  readonly names: readonly string[]
  /** When its first attempt left. */
  readonly invokedMs: number
  attempts: number
  /** Every answer, the 202s included, in order. */
  readonly answers: Answer[]
  /** The answer that ended it. */
  final?: Answer
}

/**
 * Refusals a server need not keep under their key, besides 429, 503 and 507: they pass by themselves, or (not found)
 * have no Subnet to be kept in. The client that got one has its answer and no reason to ask again.
 */
const NOT_KEPT = new Set(['releasing', 'pod_alive', 'not_found', 'unknown_subnet'])

/** Kept by the server, and so the same for ever under its key. */
export function isKept(answer: Answer): boolean {
  return ![202, 429, 503, 507].includes(answer.status) && !NOT_KEPT.has(problemCode(answer))
}

export function isSuccess(answer: Answer | undefined): answer is Answer {
  return answer !== undefined && answer.status >= 200 && answer.status < 300 && answer.status !== 202
}

export function problemCode(answer: Answer): string {
  const body = parse(answer.text)
  return isObject(body) && typeof body.code === 'string' ? body.code : ''
}

/** The reservations a reply carries: one, or `items`. */
export function promisedIn(answer: Answer): Promised[] {
  const body = parse(answer.text)
  if (!isObject(body)) return []
  return (Array.isArray(body.items) ? body.items : [body]).filter(isPromised)
}

export function isPromised(value: unknown): value is Promised {
  return (
    isObject(value) &&
    ['id', 'name', 'state', 'subnet', 'v4IpAddress', 'v6IpAddress', 'macAddress'].every(
      (field) => typeof value[field] === 'string',
    )
  )
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Everything that happened to a name, one line each, to be read beside a violation. */
export function historyOf(name: string, intents: readonly Intent[]): string[] {
  return intents
    .filter(
      (intent) => intent.names.includes(name) || intent.answers.some((a) => a.text.includes(`"${name}"`)),
    )
    .flatMap((intent) => [
      `  ${intent.invokedMs.toFixed(0)} ms  client ${intent.client}  ${intent.method} ${intent.path}` +
        `${intent.key ? `  key ${intent.key}` : ''}  ${shorten(intent.body ?? '')}`,
      ...intent.answers.map((a) => `      ${a.returnedMs.toFixed(0)} ms  ${a.status} ${shorten(a.text)}`),
      ...(intent.final ? [] : [`      never answered (${intent.attempts} attempts)`]),
    ])
}

const shorten = (text: string) => {
  const line = text.replace(/\s+/g, ' ')
  return line.length > 400 ? `${line.slice(0, 400)}…` : line
}
