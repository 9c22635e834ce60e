import { type Problem, problem } from '../../shared/problem.ts'
import { err, ok, type Result } from '../../shared/result.ts'
import { quote, spellPath } from './path.ts'
import { positionOf } from './position.ts'

/** Containers inside containers, in JSON and YAML alike. */
export const DEPTH_LIMIT = 64

/** What a reader may let pass. */
export interface ReadOptions {
  /** Integers beyond 2^53 become BigInt (Subnet status counters) instead of a refusal. */
  readonly wideIntegers?: boolean
}

/** A refusal on its way out of the recursive descent; never leaves this folder. */
export class Unreadable extends Error {
  readonly problem: Problem
  constructor(code: 'malformed' | 'invalid_field' | 'too_large', detail: string, field: string) {
    super(detail)
    this.problem = problem(code, detail, { field })
  }
}

/**
 * RFC 8259 and nothing more: no duplicate names (§4 leaves them open; a second reader might see the other value),
 * no number that would lose digits, no lone surrogate, no NUL, no byte order mark, depth 64. One pass, linear.
 * @returns `malformed` with the position, or `invalid_field` for a `__proto__` name
 */
export function parseJson(text: string, options: ReadOptions = {}): Result<unknown, Problem> {
  try {
    return ok(new JsonReader(text, options).document())
  } catch (error) {
    if (error instanceof Unreadable) return err(error.problem)
    throw error
  }
}

const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y
/** What stands for itself in a string: all but quote, backslash and control characters. */
const PLAIN = /[ !#-[\]-\uffff]*/y
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
}

class JsonReader {
  private readonly text: string
  private readonly wide: boolean
  private readonly path: (string | number)[] = []
  private at = 0

  constructor(text: string, options: ReadOptions) {
    this.text = text
    this.wide = options.wideIntegers ?? false
  }

  document(): unknown {
    if (this.text.charCodeAt(0) === 0xfeff) this.refuse('a byte order mark is not JSON')
    const value = this.value()
    this.space()
    if (this.at < this.text.length) this.refuse('more text follows the value')
    return value
  }

  private refuse(what: string, at = this.at): never {
    const field = this.path.length === 0 ? 'body' : spellPath(this.path)
    throw new Unreadable('malformed', `not acceptable JSON at ${positionOf(this.text, at)}: ${what}`, field)
  }

  private space(): void {
    for (;;) {
      const unit = this.text.charCodeAt(this.at)
      if (unit !== 0x20 && unit !== 0x0a && unit !== 0x0d && unit !== 0x09) return
      this.at++
    }
  }

  private value(): unknown {
    this.space()
    switch (this.text[this.at]) {
      case '{':
        return this.object()
      case '[':
        return this.array()
      case '"':
        return this.string()
      case 't':
        return this.word('true', true)
      case 'f':
        return this.word('false', false)
      case 'n':
        return this.word('null', null)
      case undefined:
        return this.refuse('the text ends where a value was expected')
      default:
        return this.number()
    }
  }

  private word<T>(word: string, value: T): T {
    if (!this.text.startsWith(word, this.at)) this.refuse('no value begins like this')
    this.at += word.length
    return value
  }

  private number(): number | bigint {
    NUMBER.lastIndex = this.at
    const found = NUMBER.exec(this.text)
    if (!found) return this.refuse('no value begins like this')
    const number = exactNumber(found[0], found[1] === undefined && found[2] === undefined, this.wide)
    if (number === undefined) this.refuse(`${quote(found[0])} cannot be held exactly; write it as a string`)
    this.at = NUMBER.lastIndex
    return number
  }

  private enter(): void {
    if (this.path.length >= DEPTH_LIMIT) {
      const { length } = this.path
      this.path.length = 0
      this.refuse(`more than ${length} levels of nesting`)
    }
    this.at++
    this.space()
  }

  private array(): unknown[] {
    const items: unknown[] = []
    this.enter()
    if (this.text[this.at] === ']') {
      this.at++
      return items
    }
    for (;;) {
      this.path.push(items.length)
      items.push(this.value())
      this.path.pop()
      this.space()
      const next = this.text[this.at]
      if (next !== ',' && next !== ']') this.refuse('expected , or ]')
      this.at++
      if (next === ']') return items
    }
  }

  private object(): Record<string, unknown> {
    const object: Record<string, unknown> = {}
    this.enter()
    if (this.text[this.at] === '}') {
      this.at++
      return object
    }
    for (;;) {
      this.space()
      const start = this.at
      if (this.text[start] !== '"') this.refuse('expected a name in double quotes')
      const name = this.string()
      this.path.push(name)
      if (Object.hasOwn(object, name)) this.refuse(`the name ${quote(name)} appears twice`, start)
      refuseProto(name, this.path)
      this.space()
      if (this.text[this.at] !== ':') this.refuse('expected : after the name')
      this.at++
      object[name] = this.value()
      this.path.pop()
      this.space()
      const next = this.text[this.at]
      if (next !== ',' && next !== '}') this.refuse('expected , or }')
      this.at++
      if (next === '}') return object
    }
  }

  private string(): string {
    const start = this.at
    let from = ++this.at
    let value = ''
    for (;;) {
      PLAIN.lastIndex = this.at
      PLAIN.test(this.text)
      this.at = PLAIN.lastIndex
      const unit = this.text.charCodeAt(this.at)
      if (unit === 0x22) {
        value += this.text.slice(from, this.at++)
        if (!value.isWellFormed()) this.refuse('a lone surrogate', start)
        if (value.includes('\0')) this.refuse('NUL in a string', start)
        return value
      }
      if (Number.isNaN(unit)) this.refuse('the string does not end', start)
      if (unit < 0x20) this.refuse('a control character in a string must be escaped')
      value += this.text.slice(from, this.at) + this.escape()
      from = this.at
    }
  }

  private escape(): string {
    const letter = this.text[this.at + 1] ?? ''
    if (letter === 'u') {
      const digits = this.text.slice(this.at + 2, this.at + 6)
      if (!/^[0-9A-Fa-f]{4}$/.test(digits)) this.refuse('\\u needs four hexadecimal digits')
      this.at += 6
      return String.fromCharCode(Number.parseInt(digits, 16))
    }
    const plain = Object.hasOwn(ESCAPES, letter) ? ESCAPES[letter] : undefined
    if (plain === undefined) return this.refuse('no such escape')
    this.at += 2
    return plain
  }
}

/** The number if it can be held without loss. `undefined` for 2^53 + 1, 1e400 and 1e-400. */
export function exactNumber(text: string, integer: boolean, wide: boolean): number | bigint | undefined {
  const number = Number(text)
  if (number === 0) return integer || !/^[^eE]*[1-9]/.test(text) ? number : undefined
  if (Number.isSafeInteger(number)) return number
  if (integer) return wide && text.length <= 64 ? BigInt(text) : undefined
  return Number.isFinite(number) && !Number.isInteger(number) ? number : undefined
}

/** The one name that assignment does not treat as a name. */
export function refuseProto(name: string, path: readonly (string | number)[]): void {
  if (name !== '__proto__') return
  throw new Unreadable('invalid_field', 'the name "__proto__" is not accepted', spellPath(path))
}
