import { type Problem, problem } from '../../shared/problem.ts'
import { err, ok, type Result } from '../../shared/result.ts'

/** One record and the line it begins at, from 1. */
export interface CsvRecord {
  readonly line: number
  readonly fields: readonly string[]
}

/**
 * RFC 4180, with LF taken for CRLF and a byte order mark let pass, as spreadsheets write them. Empty lines are skipped.
 * @returns `malformed` for a quote where none may be, or one that is not closed
 */
export function parseCsv(text: string): Result<readonly CsvRecord[], Problem> {
  const records: CsvRecord[] = []
  let at = text.startsWith('\ufeff') ? 1 : 0
  let line = 1
  while (at < text.length) {
    const begin = line
    const fields: string[] = []
    let isOver = false
    while (!isOver) {
      const field = text[at] === '"' ? quoted(text, at) : plain(text, at)
      if (field === undefined) {
        const what = 'a quote where none may be, or one that is not closed'
        return err(problem('malformed', `not acceptable CSV at line ${begin}: ${what}`, { field: 'body' }))
      }
      line += field.lines
      at = field.end
      fields.push(field.value)
      isOver = text[at] !== ','
      at += isOver ? endOfLine(text, at) : 1
    }
    line += 1
    if (fields.length > 1 || fields[0] !== '') records.push({ line: begin, fields })
  }
  return ok(records)
}

interface Field {
  readonly value: string
  readonly end: number
  readonly lines: number
}

const PLAIN = /[^",\r\n]*/y

function plain(text: string, at: number): Field | undefined {
  PLAIN.lastIndex = at
  const value = PLAIN.exec(text)?.[0] ?? ''
  const end = at + value.length
  return isEnd(text, end) ? { value, end, lines: 0 } : undefined
}

function quoted(text: string, at: number): Field | undefined {
  let close = text.indexOf('"', at + 1)
  while (close >= 0 && text[close + 1] === '"') close = text.indexOf('"', close + 2)
  if (close < 0 || !isEnd(text, close + 1)) return undefined
  const value = text.slice(at + 1, close).replaceAll('""', '"')
  return { value, end: close + 1, lines: value.split('\n').length - 1 }
}

function isEnd(text: string, at: number): boolean {
  return at === text.length || text[at] === ',' || endOfLine(text, at) > 0
}

function endOfLine(text: string, at: number): number {
  if (text[at] === '\n') return 1
  return text[at] === '\r' && text[at + 1] === '\n' ? 2 : 0
}

/** What spreadsheets take for a formula, their full-width forms too, and any apostrophes before it. */
const FORMULA = /^'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/

/** One record with its CRLF. What begins like a formula gets an apostrophe before it, which `withoutGuard` takes off. */
export function writeCsv(fields: readonly string[]): string {
  return `${fields.map(writeField).join(',')}\r\n`
}

function writeField(text: string): string {
  const value = FORMULA.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value
}

/** A field as it was before `writeCsv`. */
export function withoutGuard(value: string): string {
  return value.startsWith("'") && FORMULA.test(value) ? value.slice(1) : value
}
