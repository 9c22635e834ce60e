import { expect, it } from 'vitest'
import { isKept } from '../../functions/events/receive.ts'
import { PROBLEMS, type ProblemCode } from '../../shared/problem.ts'

const reply = (code: ProblemCode) =>
  [PROBLEMS[code].status, JSON.stringify({ code, status: PROBLEMS[code].status })] as const

it.each(['releasing', 'unavailable', 'rate_limited'] satisfies ProblemCode[])(
  'an event refused with %s may be sent again',
  (code) => expect(isKept(...reply(code))).toBe(false),
)

it.each(['address_taken', 'pod_alive', 'not_found', 'invalid_field'] satisfies ProblemCode[])(
  'one refused with %s is answered so for good',
  (code) => expect(isKept(...reply(code))).toBe(true),
)

it.each([200, 201, 202])('one that was answered %s is', (status) => expect(isKept(status, '{}')).toBe(true))
