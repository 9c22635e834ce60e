import type { z } from '@hono/zod-openapi'
import { type Finding, PROBLEMS, type ProblemCode } from '../../shared/problem.ts'
import { err, ok, type Result } from '../../shared/result.ts'
import { type Path, quote, spellPath } from '../body/path.ts'

/** More would not help anybody mend one item. */
const FINDINGS_LIMIT = 20

/**
 * Parses with a schema and says what is wrong in the closed table's words.
 * @param at where the value stands in the caller's body
 * @param item index in a group, if there is one
 */
export function check<S extends z.ZodType>(
  schema: S,
  value: unknown,
  at: Path = [],
  item?: number,
): Result<z.output<S>, readonly Finding[]> {
  const parsed = schema.safeParse(value, { error: describe })
  if (parsed.success) return ok(parsed.data)
  const findings = parsed.error.issues.flatMap((issue) => findingsOf(issue, at, item))
  return err(findings.slice(0, FINDINGS_LIMIT))
}

/** One finding about the field at `at`. */
export function finding(code: ProblemCode, at: Path, complaint: string, item?: number): Finding {
  const field = at.length === 0 ? 'body' : spellPath(at)
  return { code, field, message: `${field} ${complaint}`, ...(item === undefined ? {} : { item }) }
}

function findingsOf(issue: z.core.$ZodIssue, at: Path, item: number | undefined): Finding[] {
  const path = [...at, ...issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step))]
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => finding('invalid_field', [...path, key], 'is not a known field', item))
  return [finding(codeOf(issue), path, issue.message, item)]
}

function codeOf(issue: z.core.$ZodIssue): ProblemCode {
  const code: unknown = issue.code === 'custom' ? issue.params?.code : undefined
  return typeof code === 'string' && Object.hasOwn(PROBLEMS, code) ? (code as ProblemCode) : 'invalid_field'
}

/** The end of a sentence that begins with the field's name. */
function describe(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_type')
    return issue.input === undefined || issue.input === null
      ? 'is required'
      : `must be ${ARTICLES[issue.expected] ?? issue.expected}, not ${typeOf(issue.input)}`
  if (issue.code === 'invalid_value') {
    const choices = issue.values.map((value) => JSON.stringify(value)).join(', ')
    const got = typeof issue.input === 'string' ? quote(issue.input) : typeOf(issue.input)
    if (issue.input === undefined || issue.input === null) return `is required and must be ${choices}`
    return `must be ${issue.values.length === 1 ? choices : `one of ${choices}`}, not ${got}`
  }
  if (issue.code === 'too_big')
    return issue.origin === 'array'
      ? `has more than ${issue.maximum} entries`
      : `must be at most ${issue.maximum}`
  // Patterns are for programs; a schema with better words brings them itself.
  if (issue.code === 'invalid_format' && issue.format === 'regex') return 'does not have the right form'
  if (issue.code === 'too_small' && issue.origin !== 'array') return `must be at least ${issue.minimum}`
  return undefined
}

const ARTICLES: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  record: 'an object',
  array: 'a list',
}

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'an object'
  return value === undefined ? 'nothing' : `a ${typeof value === 'bigint' ? 'number' : typeof value}`
}
