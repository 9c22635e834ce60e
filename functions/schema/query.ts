import type { z } from '@hono/zod-openapi'
import { type Problem, problemOf } from '../../shared/problem.ts'
import { err, ok, type Result } from '../../shared/result.ts'
import type { DoorContext } from '../door.ts'
import { check, finding } from './findings.ts'

/**
 * The query by a strict schema. A parameter given twice or not known is refused, for one that is dropped in silence
 * (`?dryrun=All`) would make another request than the caller meant.
 * @returns `invalid_field`, or what the schema says, naming the parameter
 */
export function readQuery<S extends z.ZodObject>(c: DoorContext, schema: S): Result<z.output<S>, Problem> {
  const given: Record<string, string> = {}
  const pairs = c.req.url.includes('?') ? new URL(c.req.url).searchParams : []
  for (const [name, value] of pairs) {
    if (name === '__proto__' || Object.hasOwn(given, name)) {
      const complaint = name === '__proto__' ? 'is not a known field' : 'is given more than once'
      return err(problemOf([finding('invalid_field', [name], complaint)]))
    }
    given[name] = value
  }
  const parsed = check(schema, given)
  return parsed.ok ? ok(parsed.value) : err(problemOf(parsed.error))
}
