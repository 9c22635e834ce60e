import { isRetryable, PROBLEMS, type Problem } from '../../shared/problem.ts'
import type { DoorContext } from '../door.ts'
import { writeJson } from './json.ts'

/** When to come again if the problem does not say: soon. */
const RETRY_AFTER_MS = 1000

/** RFC 9457 members of a problem; what a failed operation carries, too. */
export function problemBody(problem: Problem): Record<string, unknown> {
  const { status, title } = PROBLEMS[problem.code]
  return {
    type: `urn:berth:problem:${problem.code}`,
    title,
    status,
    detail: problem.detail,
    code: problem.code,
    ...(problem.field === undefined ? {} : { field: problem.field }),
    ...(problem.findings === undefined ? {} : { findings: problem.findings }),
  }
}

/** The one place where a problem becomes a reply. */
export function refuse(c: DoorContext, problem: Problem, more: Record<string, unknown> = {}): Response {
  const body = { ...problemBody(problem), instance: `${c.get('prefix')}${c.req.path}`.slice(0, 512), ...more }
  const headers: Record<string, string> = { 'Content-Type': 'application/problem+json' }
  if (problem.retryAfterMs !== undefined || isRetryable(problem.code))
    headers['Retry-After'] = retryAfter(problem.retryAfterMs ?? RETRY_AFTER_MS)
  return c.body(`${writeJson(body)}\n`, PROBLEMS[problem.code].status, headers)
}

/** Whole seconds, rounded up: never sooner than asked. */
export function retryAfter(ms: number): string {
  return String(Math.max(1, Math.ceil(ms / 1000)))
}
