import { z } from '@hono/zod-openapi'
import { PROBLEMS, type ProblemCode } from '../../shared/problem.ts'

const code = z.enum(Object.keys(PROBLEMS) as [ProblemCode, ...ProblemCode[]])

export const findingReply = z
  .object({
    code,
    field: z.string().optional().openapi({ description: "Where, in the caller's spelling." }),
    message: z.string(),
    hint: z.string().optional(),
    item: z.int().optional().openapi({ description: 'Index in a group.' }),
  })
  .openapi('Finding')

/** RFC 9457 with Berth's members. */
export const problemReply = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string(),
    code,
    field: z.string().optional().openapi({
      description: 'A field of the body, or the parameter or header, that is the cause.',
    }),
    findings: z.array(findingReply).optional(),
  })
  .openapi('Problem')

/** The documented refusals of an operation, by status, each with the codes it may carry. */
export function refusals(...codes: readonly ProblemCode[]) {
  const byStatus = new Map<number, ProblemCode[]>()
  for (const name of codes) {
    const { status } = PROBLEMS[name]
    byStatus.set(status, [...(byStatus.get(status) ?? []), name])
  }
  const entries = [...byStatus].map(([status, names]) => {
    const [first = 'malformed'] = names
    const example = {
      type: `urn:berth:problem:${first}`,
      title: PROBLEMS[first].title,
      status,
      detail: PROBLEMS[first].title,
      instance: '/v1/reserve',
      code: first,
    }
    const content = { 'application/problem+json': { schema: problemReply, example } }
    return [status, { description: names.join(', '), content }] as const
  })
  return Object.fromEntries(entries)
}

/** What any call may meet. */
export const ANY_CALL = ['unauthenticated', 'forbidden', 'not_acceptable', 'unavailable'] as const

/** What any call with a body may meet before it is understood. */
export const ANY_BODY = [
  'malformed',
  'invalid_field',
  'invalid_name',
  'too_large',
  'unsupported_media_type',
] as const
