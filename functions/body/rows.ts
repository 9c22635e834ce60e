import { type Finding, type Problem, problem, problemOf } from '../../shared/problem.ts'
import { err, ok, type Result } from '../../shared/result.ts'
import { finding } from '../schema/findings.ts'
import { plainWish } from '../schema/ip.ts'
import { collect, type Entry, ITEM_LIMIT } from './collect.ts'
import { parseCsv, withoutGuard } from './csv.ts'
import { parseJson } from './json.ts'
import { documentsOf, FORMATS, readText } from './read.ts'
import { readWish, type Wish } from './wishes.ts'

const ROW_FORMATS = {
  ...FORMATS,
  'text/csv': 'csv',
  'application/x-ndjson': 'jsonl',
  'application/jsonl': 'jsonl',
} as const

export const ROW_TYPES: readonly string[] = Object.keys(ROW_FORMATS)

/** Where a row stands: the line of a CSV or JSON Lines file from 1, or the index among objects from 0. */
export type Place = { readonly line: number } | { readonly item: number }

export interface Row {
  readonly place: Place
  readonly wish: Result<Wish, readonly Finding[]>
}

/**
 * The rows of a file, told by Content-Type: CSV, JSON Lines, or manifests in YAML or JSON. A row that cannot be read is
 * one with findings; a file that cannot is refused.
 */
export async function readRows(request: Request): Promise<Result<readonly Row[], Problem>> {
  const body = await readText(request, ROW_FORMATS)
  if (!body.ok) return body
  const { format, text } = body.value
  const rows =
    format === 'csv' ? csvRows(text) : format === 'jsonl' ? jsonRows(text) : objectRows(format, text)
  if (!rows.ok) return rows
  if (rows.value.length > 0) return rows
  return err(problem('malformed', 'the body has no rows', { field: 'body' }))
}

const tooMany = err(problem('too_large', `one call may have ${ITEM_LIMIT} rows`, { field: 'body' }))

function objectRows(format: 'json' | 'yaml', text: string): Result<readonly Row[], Problem> {
  const documents = documentsOf(format, text)
  const collection = documents.ok ? collect(documents.value) : documents
  if (!collection.ok) return collection
  return ok(collection.value.entries.map((entry, item) => ({ place: { item }, wish: readWish(entry) })))
}

function jsonRows(text: string): Result<readonly Row[], Problem> {
  const rows: Row[] = []
  for (const [index, part] of text.split('\n').entries()) {
    if (/^[ \t\r]*$/.test(part)) continue
    if (rows.length === ITEM_LIMIT) return tooMany
    const place = { line: index + 1 }
    const value = parseJson(part)
    if (!value.ok) rows.push({ place, wish: err(findingsOf(value.error)) })
    else if (!isObject(value.value))
      rows.push({ place, wish: err([finding('invalid_field', [], 'must be an object')]) })
    else rows.push({ place, wish: readWish({ value: value.value, at: [] }) })
  }
  return ok(rows)
}

function findingsOf({ code, detail, field }: Problem): Finding[] {
  return [{ code, message: detail, ...(field === undefined ? {} : { field }) }]
}

function isObject(value: unknown): value is Entry['value'] {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Columns of a CSV file: the fields of the plain form, in any order; an end is given as a time. */
const COLUMNS: readonly string[] = Object.keys(plainWish.shape).filter((name) => name !== 'ttlSeconds')
const COLUMNS_LIMIT = 64
const NEEDED = ['subnet', 'namespace', 'podName'] as const

function csvRows(text: string): Result<readonly Row[], Problem> {
  const records = parseCsv(text)
  if (!records.ok) return records
  const [header, ...rest] = records.value
  if (rest.length > ITEM_LIMIT) return tooMany
  const names = header?.fields ?? []
  if (names.length > COLUMNS_LIMIT)
    return err(
      problem('invalid_field', `the first line has more than ${COLUMNS_LIMIT} columns`, { field: 'body' }),
    )
  const findings: Finding[] = []
  for (const [index, name] of names.entries()) {
    if (!COLUMNS.includes(name))
      findings.push(finding('invalid_field', [name], `is not a column; those are ${COLUMNS.join(', ')}`))
    else if (names.indexOf(name) < index) findings.push(finding('invalid_field', [name], 'is there twice'))
  }
  for (const name of NEEDED)
    if (!names.includes(name))
      findings.push(finding('invalid_field', [name], 'is required in the first line'))
  if (findings.length > 0) return err(problemOf(findings))
  return ok(
    rest.map(({ line, fields }) => {
      if (fields.length !== names.length) {
        const complaint = `must have ${names.length} fields in line ${line}, not ${fields.length}`
        return { place: { line }, wish: err([finding('invalid_field', [], complaint)]) }
      }
      const value = Object.fromEntries(names.map((name, at) => [name, withoutGuard(fields[at] ?? '')]))
      return { place: { line }, wish: readWish({ value, at: [] }) }
    }),
  )
}
