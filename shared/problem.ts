/** The one closed table of refusals (contract.md, RFC 9457). Doors map a Problem to their own form in one place. */
export const PROBLEMS = {
  malformed: { status: 400, title: 'The body cannot be read' },
  invalid_field: { status: 400, title: 'A field is not acceptable' },
  invalid_address: { status: 400, title: 'Not an IP address in an accepted spelling' },
  invalid_mac: { status: 400, title: 'Not a unicast MAC address' },
  invalid_range: { status: 400, title: 'Not an address range' },
  invalid_name: { status: 400, title: 'Not an acceptable name' },
  unauthenticated: { status: 401, title: 'Who is calling is not known' },
  forbidden: { status: 403, title: 'The caller may not do this' },
  quota_exceeded: { status: 403, title: 'The namespace has used its quota' },
  outside_policy: { status: 403, title: "The Subnet's policy does not allow this" },
  not_found: { status: 404, title: 'There is no such thing' },
  unknown_subnet: { status: 404, title: 'There is no such Subnet' },
  method_not_allowed: { status: 405, title: 'This path does not take this method' },
  not_acceptable: { status: 406, title: 'No representation fits the Accept header' },
  address_taken: { status: 409, title: 'The address is promised to somebody else' },
  mac_taken: { status: 409, title: 'The MAC address is in use' },
  already_reserved: { status: 409, title: 'The owner has another reservation' },
  name_collision: { status: 409, title: 'Another owner has this object name' },
  immutable_field: { status: 409, title: 'The field cannot change' },
  releasing: { status: 409, title: 'A release is under way' },
  pod_alive: { status: 409, title: 'The owner is alive' },
  port_exists: { status: 409, title: 'A logical switch port exists' },
  outside_window: { status: 409, title: 'The address lies outside the window' },
  subnet_in_use: { status: 409, title: 'The Subnet has reservations' },
  contested: { status: 409, title: 'Somebody else holds the address too' },
  too_large: { status: 413, title: 'The body is too large' },
  unsupported_media_type: { status: 415, title: 'The content type is not understood' },
  idempotency_mismatch: { status: 422, title: 'The key was used for another request' },
  out_of_range: { status: 422, title: 'The address is not usable in this Subnet' },
  excluded_gateway: { status: 422, title: 'The address is a gateway' },
  rate_limited: { status: 429, title: 'Too many requests' },
  unavailable: { status: 503, title: 'A part Berth needs does not answer' },
  no_leader: { status: 503, title: 'The database has no leader' },
  authority_conflict: { status: 503, title: 'Another controller is in charge' },
  no_capacity: { status: 507, title: 'No address is free' },
} as const satisfies Record<string, { status: number; title: string }>

export type ProblemCode = keyof typeof PROBLEMS

/** One thing that is wrong with a request; `item` is the index in a group. */
export interface Finding {
  readonly code: ProblemCode
  readonly field?: string
  readonly message: string
  readonly hint?: string
  readonly item?: number
}

/** A refusal as a plain value; crosses isolates. */
export interface Problem {
  readonly code: ProblemCode
  readonly detail: string
  readonly field?: string
  readonly findings?: readonly Finding[]
  /** For answers worth retrying: how long to wait. */
  readonly retryAfterMs?: number
}

export function problem(
  code: ProblemCode,
  detail: string,
  more: Omit<Problem, 'code' | 'detail'> = {},
): Problem {
  return { code, detail, ...more }
}

const RETRYABLE: ReadonlySet<ProblemCode> = new Set(['releasing', 'no_capacity', 'quota_exceeded'])

/** Answers that must not be stored under an idempotency key: the same request may succeed later. */
export function isRetryable(code: ProblemCode): boolean {
  const status = PROBLEMS[code].status
  return RETRYABLE.has(code) || status === 429 || status === 503
}

/** The problem of a group: each bad item is named, the first finding gives code and status. */
export function problemOf(findings: readonly Finding[]): Problem {
  const first = findings[0]
  if (!first) throw new Error('a problem needs a finding')
  return {
    code: first.code,
    detail: first.message,
    ...(first.field === undefined ? {} : { field: first.field }),
    findings,
  }
}
