import { isDeepStrictEqual } from 'node:util'

/** A fenced block of a Markdown page. */
export interface Fence {
  readonly language: string
  readonly text: string
  /** Line of the opening fence, from 1. */
  readonly line: number
  /** The test that runs it, where a comment of its section names one: `<!-- run by test/peers/readme.test.ts -->`. */
  readonly runBy?: string
}

/** A script to run, with the output the page shows for it. */
export interface Step {
  readonly script: string
  readonly line: number
  readonly runBy?: string
  readonly output?: Fence
}

export function fencesOf(markdown: string): Fence[] {
  const fences: Fence[] = []
  let open: { language: string; line: number; lines: string[] } | undefined
  let runBy: string | undefined
  for (const [index, line] of markdown.split('\n').entries()) {
    const mark = /^```(\S*)\s*$/.exec(line)
    if (open && mark && mark[1] === '') {
      const elsewhere = runBy === undefined ? {} : { runBy }
      fences.push({ language: open.language, text: open.lines.join('\n'), line: open.line, ...elsewhere })
      open = undefined
    } else if (open) {
      open.lines.push(line)
    } else if (mark) {
      open = { language: mark[1] ?? '', line: index + 1, lines: [] }
    } else if (line.startsWith('## ')) {
      runBy = undefined
    } else {
      runBy = /^<!-- run by (\S+) -->$/.exec(line)?.[1] ?? runBy
    }
  }
  if (open) throw new Error(`the fence of line ${open.line} is never closed`)
  return fences
}

const OUTPUTS = new Set(['text', 'json', 'yaml'])

/** Every `sh` block is a script; an output block directly after it is what it shows. */
export function stepsOf(markdown: string): Step[] {
  const fences = fencesOf(markdown)
  return fences.flatMap((fence, index) => {
    if (fence.language !== 'sh') return []
    const next = fences[index + 1]
    const output = next && OUTPUTS.has(next.language) ? { output: next } : {}
    const elsewhere = fence.runBy === undefined ? {} : { runBy: fence.runBy }
    return [{ script: fence.text, line: fence.line, ...elsewhere, ...output }]
  })
}

/** What differs from run to run, by how it looks. */
const CHANGING: readonly [RegExp, string][] = [
  [/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/, 'a MAC'],
  [/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'a uid'],
  [/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/, 'a time'],
  [/^op_[\w./~-]+$/, 'an operation'],
]

/** And by its name. */
const CHANGING_KEYS = new Set(['resourceVersion', 'id'])

/** The value with everything that changes from run to run replaced by what it is. */
export function shapeOf(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) return value.map((item) => shapeOf(item))
  if (value instanceof Date) return 'a time'
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, shapeOf(item, name)]))
  }
  if (typeof value !== 'string') return value
  if (CHANGING_KEYS.has(key) && value !== '') return `a ${key}`
  return CHANGING.find(([pattern]) => pattern.test(value))?.[1] ?? value
}

export const sameShape = (a: unknown, b: unknown) => isDeepStrictEqual(shapeOf(a), shapeOf(b))

/** The shown lines that the output does not have, in the order of the page. */
export function missingLines(shown: string, output: string): string[] {
  const lines = output.split('\n').map((line) => line.trimEnd())
  let from = 0
  return shown.split('\n').filter((line) => {
    const at = lines.indexOf(line.trimEnd(), from)
    if (at < 0) return true
    from = at + 1
    return false
  })
}
