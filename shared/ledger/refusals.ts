import type { IpamError } from '../ipam/types.ts'
import { type Finding, isRetryable, type ProblemCode, problemOf } from '../problem.ts'
import type { Answer } from './port.ts'

/** What an allocator's refusal is called outside, and which field of the wish it is about. */
export function findingOf(error: IpamError): Finding {
  const field = fieldOf(error)
  return { code: codeOf(error), message: error.detail, ...(field === undefined ? {} : { field }) }
}

function codeOf(error: IpamError): ProblemCode {
  switch (error.kind) {
    case 'invalid-ip':
      return 'invalid_address'
    case 'invalid-mac':
      return 'invalid_mac'
    case 'invalid-range':
    case 'invalid-cidr-text':
    case 'pool-overlap':
      return 'invalid_range'
    case 'invalid-cidr':
    case 'dual-gateway':
    case 'invalid-gateway':
      return 'invalid_address'
    case 'invalid-family':
    case 'unknown-pool':
      return 'invalid_field'
    case 'unknown-subnet':
    case 'no-subnet':
      return 'unknown_subnet'
    case 'not-held':
      return 'not_found'
    case 'no-mac':
      return 'unavailable'
    case 'out-of-range':
      return error.reason === 'gateway' ? 'excluded_gateway' : 'out_of_range'
    case 'no-available':
      return error.reason === 'address-held' ? 'address_taken' : 'no_capacity'
    case 'conflict':
      if (error.reason === 'gateway') return 'excluded_gateway'
      if (error.reason === 'mac-held' || error.reason === 'gateway-mac' || error.field === 'mac')
        return 'mac_taken'
      return error.reason === 'skipped' ? 'no_capacity' : 'address_taken'
    default:
      return error.kind satisfies never
  }
}

const FIELDS: Readonly<Record<string, string>> = {
  v4: 'v4IpAddress',
  v6: 'v6IpAddress',
  mac: 'macAddress',
  pool: 'ipPool',
}

function fieldOf(error: IpamError): string | undefined {
  if (error.field !== undefined) return FIELDS[error.field] ?? error.field
  if (error.kind === 'unknown-pool') return 'ipPool'
  if (error.kind === 'no-available' || error.reason === 'skipped') return 'subnet'
  return undefined
}

/** Wait this long before asking again where nobody knows better. */
const RETRY_MS = 1_000

/** The answer that names every bad item; the first decides code and status. */
export function refusedAnswer(findings: readonly Finding[]): Answer {
  const problem = problemOf(findings)
  return {
    kind: 'refused',
    problem: isRetryable(problem.code) ? { ...problem, retryAfterMs: RETRY_MS } : problem,
  }
}

/** Answers that must not be kept under a key. */
export function isFinal(answer: Answer): boolean {
  return answer.kind === 'done' || !isRetryable(answer.problem.code)
}
