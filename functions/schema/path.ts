import type { z } from '@hono/zod-openapi'
import { type Problem, problemOf } from '../../shared/problem.ts'
import { err, ok, type Result } from '../../shared/result.ts'
import type { DoorContext } from '../door.ts'
import { check } from './findings.ts'

/** The path's parameters, decoded once and checked before any use: `..%2f` and `a%3fdryRun=All` are no names. */
export function readPath<S extends z.ZodObject>(c: DoorContext, schema: S): Result<z.output<S>, Problem> {
  const parsed = check(schema, c.req.param())
  return parsed.ok ? ok(parsed.value) : err(problemOf(parsed.error))
}
