import {
  Composer,
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  Lexer,
  type ParsedNode,
  Parser,
  type Scalar,
} from 'yaml'
import type { Problem } from '../../shared/problem.ts'
import { err, ok, type Result } from '../../shared/result.ts'
import { DEPTH_LIMIT, exactNumber, type ReadOptions, refuseProto, Unreadable } from './json.ts'
import { quote, spellPath } from './path.ts'
import { positionOf } from './position.ts'

/** Documents in one stream; as many as a group may have items, and one more so that the excess can be told. */
const DOCUMENT_LIMIT = 1001
const ALIAS_LIMIT = 100
/** Lexemes in a body. A thousand objects as kubectl prints them have 160,000; each costs some microseconds. */
const LEXEME_LIMIT = 250_000
/** Nodes reached through aliases, so that a few of them cannot grow into millions. */
const ALIASED_NODE_LIMIT = 10_000
/** Characters reached through aliases: as many as a body may have. An alias costs three bytes and may stand for all of it. */
const ALIASED_CHARACTER_LIMIT = 1 << 20

/** What the aliases of a whole stream have grown to. */
interface Growth {
  nodes: number
  characters: number
}

/** What a stream must not hold (§5.1): control characters but tab, line feed, carriage return and NEL. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNPRINTABLE = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]/

/** The library knows more than the core schema's (§10.3), such as binary and set. */
const CORE_TAGS = /^(?:!|tag:yaml\.org,2002:(?:str|int|float|bool|null|map|seq))$/

/**
 * A YAML 1.2 stream with the core schema: `no` and `1:30` are strings. Refused with line and column: duplicate names
 * (compared here, the library compares each with each), merge keys, tags of one's own, names that are not strings,
 * other versions by `%YAML`, depth over 64, aliases beyond 100 uses or a body's length, numbers that would lose digits. Empty documents
 * are skipped, as kubectl does.
 * @returns one value a document
 */
export function parseYaml(text: string, options: ReadOptions = {}): Result<unknown[], Problem> {
  try {
    const unprintable = UNPRINTABLE.exec(text)
    if (unprintable) refuse(text, unprintable.index, 'a control character; escape it in double quotes')
    const values: unknown[] = []
    const growth: Growth = { nodes: 0, characters: 0 }
    let index = 0
    for (const document of documents(text)) {
      if (index > DOCUMENT_LIMIT) refuse(text, 0, `more than ${DOCUMENT_LIMIT - 1} documents`)
      const reader = new YamlReader(text, document, options, growth)
      const value = reader.value()
      if (value !== null) values.push(value)
      index++
    }
    return ok(values)
  } catch (error) {
    if (error instanceof Unreadable) return err(error.problem)
    throw error
  }
}

function refuse(text: string, offset: number, what: string, path: readonly (string | number)[] = []): never {
  const field = path.length === 0 ? 'body' : spellPath(path)
  throw new Unreadable('malformed', `not acceptable YAML at ${positionOf(text, offset)}: ${what}`, field)
}

/**
 * Drives lexer, parser and composer by hand: the parser's stack shows the depth before anything recurses over it, and
 * the first fault ends the work, where the library would collect a million of them.
 */
function* documents(text: string): Generator<Document.Parsed> {
  const lexer = new Lexer()
  const parser = new Parser()
  const composer = new Composer({
    version: '1.2',
    schema: 'core',
    merge: false,
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: 'silent',
  })
  // Private in its types; the only place every fault and warning passes as it is found.
  const faults = composer as unknown as {
    onError: (place: FaultPlace, code: string, message: string) => void
  }
  // The library catches what is thrown here in some places, and reports it as a fault of its own: the first one counts.
  let first: unknown
  faults.onError = (place, _code, message) => {
    if (first) throw first
    try {
      refuse(text, offsetOf(place), plain(message))
    } catch (refusal) {
      first = refusal
      throw refusal
    }
  }
  let lexemes = 0
  for (const lexeme of lexer.lex(text)) {
    if (++lexemes > LEXEME_LIMIT) tooMany(text, parser.offset)
    if (parser.stack.length > DEPTH_LIMIT + 3) tooDeep(text, parser.offset)
    for (const token of parser.next(lexeme)) {
      if (token.type === 'error') refuse(text, token.offset, plain(token.message))
      yield* composer.next(token)
    }
  }
  for (const token of parser.end()) yield* composer.next(token)
  yield* composer.end(false, text.length)
}

/** The library's words, which may repeat the caller's at any length: short and ASCII. */
function plain(message: string): string {
  return message.slice(0, 200).replace(/[^\x20-\x7e]/g, '?')
}

type FaultPlace = number | readonly number[] | { readonly offset: number }

function offsetOf(place: FaultPlace): number {
  if (typeof place === 'number') return place
  return 'offset' in place ? place.offset : (place[0] ?? 0)
}

function tooMany(text: string, offset: number): never {
  const detail = `more than ${LEXEME_LIMIT} YAML tokens at ${positionOf(text, offset)}; send fewer objects, or JSON`
  throw new Unreadable('too_large', detail, 'body')
}

function tooDeep(text: string, offset: number): never {
  return refuse(text, offset, `more than ${DEPTH_LIMIT} levels of nesting`)
}

class YamlReader {
  private readonly text: string
  private readonly document: Document.Parsed
  private readonly wide: boolean
  private readonly growth: Growth
  private readonly anchors = new Map<string, ParsedNode>()
  private readonly path: (string | number)[] = []
  private aliases = 0
  private insideAlias = 0

  constructor(text: string, document: Document.Parsed, options: ReadOptions, growth: Growth) {
    this.text = text
    this.document = document
    this.wide = options.wideIntegers ?? false
    this.growth = growth
  }

  value(): unknown {
    const { errors, directives, contents } = this.document
    if (errors[0]) refuse(this.text, errors[0].pos[0], plain(errors[0].message))
    if (directives.yaml.explicit && directives.yaml.version !== '1.2')
      refuse(this.text, this.document.range[0], 'only YAML 1.2 is read')
    return contents === null ? null : this.node(contents)
  }

  private refuse(node: ParsedNode, what: string): never {
    return refuse(this.text, node.range[0], what, this.path)
  }

  private node(node: ParsedNode): unknown {
    if (this.insideAlias > 0 && ++this.growth.nodes > ALIASED_NODE_LIMIT)
      refuse(this.text, node.range[0], 'aliases grow beyond reason')
    if (isAlias(node)) return this.alias(node)
    if (node.anchor) this.anchors.set(node.anchor, node)
    if (node.tag && !CORE_TAGS.test(node.tag)) this.refuse(node, `the tag ${quote(node.tag)} is not read`)
    if (isScalar(node)) return this.scalar(node as Scalar.Parsed)
    if (this.path.length >= DEPTH_LIMIT) tooDeep(this.text, node.range[0])
    if (isSeq(node)) {
      return node.items.map((item, index) => this.inside(index, () => this.node(item as ParsedNode)))
    }
    if (!isMap(node)) return this.refuse(node as ParsedNode, 'not a value')
    const object: Record<string, unknown> = {}
    for (const pair of node.items) {
      const key = pair.key as ParsedNode
      const name = this.name(key)
      this.inside(name, () => {
        if (Object.hasOwn(object, name)) this.refuse(key, `the name ${quote(name)} appears twice`)
        refuseProto(name, this.path)
        object[name] = isNode(pair.value) ? this.node(pair.value) : null
      })
    }
    return object
  }

  private inside<T>(step: string | number, read: () => T): T {
    this.path.push(step)
    const value = read()
    this.path.pop()
    return value
  }

  private name(key: ParsedNode | null): string {
    if (key === null || !isScalar(key) || typeof key.value !== 'string')
      return refuse(
        this.text,
        key?.range[0] ?? this.document.range[0],
        'a name must be a string; quote it',
        this.path,
      )
    if (key.anchor) this.anchors.set(key.anchor, key)
    if (key.value === '<<' && key.type === 'PLAIN')
      this.refuse(key, 'merge keys are not applied; write the fields out')
    return this.string(key as Scalar.Parsed, key.value)
  }

  private alias(node: ParsedNode & { source: string }): unknown {
    const target = this.anchors.get(node.source)
    if (!target) return this.refuse(node, `no anchor ${quote(node.source)} before this alias`)
    if (++this.aliases > ALIAS_LIMIT) refuse(this.text, node.range[0], `more than ${ALIAS_LIMIT} aliases`)
    this.insideAlias++
    const value = this.node(target)
    this.insideAlias--
    return value
  }

  private scalar(node: Scalar.Parsed): unknown {
    const { value } = node
    if (typeof value === 'string') return this.string(node, value)
    if (typeof value === 'number') return this.number(node)
    if (value === null || typeof value === 'boolean') return value
    return this.refuse(node, 'not a value that JSON has')
  }

  private string(node: Scalar.Parsed, value: string): string {
    if (!value.isWellFormed()) this.refuse(node, 'a lone surrogate')
    if (value.includes('\0')) this.refuse(node, 'NUL in a string')
    if (this.insideAlias > 0) this.grow(value.length)
    return value
  }

  private grow(characters: number): void {
    this.growth.characters += characters
    if (this.growth.characters <= ALIASED_CHARACTER_LIMIT) return
    const detail = `aliases grow to more than ${ALIASED_CHARACTER_LIMIT} characters; write less, or send JSON`
    throw new Unreadable('too_large', detail, 'body')
  }

  private number(node: Scalar.Parsed): number | bigint {
    const { source } = node
    const integer = /^(?:[-+]?\d+|0[xo][0-9A-Fa-f]+)$/.test(source)
    const number = exactNumber(source, integer, this.wide)
    return number ?? this.refuse(node, `${quote(source)} cannot be held exactly; write it as a string`)
  }
}
