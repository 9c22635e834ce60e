/** Values as they stand in messages (RFC 7047 §5.1), and how they are read. No I/O. */
import { err, ok, type Result } from '../../result.ts'
import { isArray, isObject, type Json, type JsonObject } from './json.ts'

export type Uuid = readonly ['uuid', string]
/** A row inserted by the same transaction under that `uuid-name`. */
export type NamedUuid = readonly ['named-uuid', string]
export type Atom = string | number | bigint | boolean | Uuid | NamedUuid
/** A set of one is written as its atom too; readers take both. */
export type OvsSet = readonly ['set', readonly Atom[]]
export type OvsMap = readonly ['map', readonly (readonly [Atom, Atom])[]]
export type Value = Atom | OvsSet | OvsMap
/** Columns of a row, by name. */
export type Row = Readonly<Record<string, Value>>

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
/** RFC 7047 §3.1 <id>. */
const ID = /^[a-zA-Z_][a-zA-Z0-9_]*$/

export const isUuidText = (text: string): boolean => UUID.test(text)

export const uuid = (text: string): Uuid => ['uuid', text]
export const namedUuid = (name: string): NamedUuid => ['named-uuid', name]
export const set = (atoms: readonly Atom[]): OvsSet => ['set', atoms]
export const map = (entries: Iterable<readonly [Atom, Atom]>): OvsMap => ['map', [...entries]]

/** A value, checked through and through; `field` names it in the refusal. */
export function readValue(json: Json | undefined, field = 'value'): Result<Value, string> {
  const atom = readAtom(json)
  if (atom !== undefined) return ok(atom)
  if (!isArray(json) || json.length !== 2 || !isArray(json[1])) return refuse(field, 'is no <value>')
  const [kind, members] = json
  if (kind === 'set') {
    if (members.every((one) => readAtom(one) !== undefined)) return ok(json as unknown as OvsSet)
    return refuse(field, 'is a set of something that is no <atom>')
  }
  if (kind === 'map') {
    return members.every(isPair) ? ok(json as unknown as OvsMap) : refuse(field, 'is a map without <pair>s')
  }
  return refuse(field, 'is no <value>')
}

/** A row as a reply carries it. */
export function readRow(json: Json | undefined): Result<Row, string> {
  if (!isObject(json)) return refuse('row', 'is no object')
  for (const [name, value] of Object.entries(json)) {
    const read = readValue(value, name)
    if (!read.ok) return read
  }
  return ok(json as JsonObject as Row)
}

function readAtom(json: Json | undefined): Atom | undefined {
  switch (typeof json) {
    case 'string':
    case 'number':
    case 'bigint':
    case 'boolean':
      return json
    default:
      return isUuidPair(json) ? (json as unknown as Uuid) : undefined
  }
}

function isUuidPair(json: Json | undefined): boolean {
  if (!isArray(json) || json.length !== 2) return false
  const [kind, text] = json
  if (typeof text !== 'string') return false
  return (kind === 'uuid' && UUID.test(text)) || (kind === 'named-uuid' && ID.test(text))
}

function isPair(json: Json): boolean {
  return isArray(json) && json.length === 2 && json.every((side) => readAtom(side) !== undefined)
}

/** The members of a set, whichever way it is written. Undefined for a map. */
export function atomsOf(value: Value): readonly Atom[] | undefined {
  if (!isArray(value as Json)) return [value as Atom]
  const [kind, rest] = value as readonly [string, unknown]
  if (kind === 'set') return rest as readonly Atom[]
  return kind === 'map' ? undefined : [value as Uuid]
}

/** Reads a column: what a typed caller makes of a value, or why not. An absent column is undefined. */
export type Reader<T> = (value: Value | undefined, field: string) => Result<T, string>

export const text: Reader<string> = (value, field) =>
  typeof value === 'string' ? ok(value) : refuse(field, 'is no string')

export const texts: Reader<readonly string[]> = (value, field) => {
  const atoms = value === undefined ? undefined : atomsOf(value)
  if (!atoms?.every((atom) => typeof atom === 'string')) return refuse(field, 'is no set of strings')
  return ok(atoms as readonly string[])
}

export const uuidText: Reader<string> = (value, field) => {
  const [one, ...more] = (value === undefined ? undefined : atomsOf(value)) ?? []
  const found = one === undefined || more.length > 0 ? undefined : uuidIn(one)
  return found === undefined ? refuse(field, 'is no uuid') : ok(found)
}

export const flag: Reader<boolean> = (value, field) =>
  typeof value === 'boolean' ? ok(value) : refuse(field, 'is no boolean')

/** Of a map of strings. A Map, because keys are other people's words. */
export const textMap: Reader<ReadonlyMap<string, string>> = (value, field) => {
  const [kind, pairs] = (isArray(value as Json) ? value : []) as readonly [
    string?,
    (readonly [Atom, Atom])[]?,
  ]
  if (kind !== 'map' || !pairs?.every((pair) => pair.every((side) => typeof side === 'string'))) {
    return refuse(field, 'is no map of strings')
  }
  return ok(new Map(pairs as readonly (readonly [string, string])[]))
}

/** A column with at most one value, or one that this schema may not have: then undefined. */
export function optional<T>(reader: Reader<T>): Reader<T | undefined> {
  return (value, field) => {
    if (value === undefined || atomsOf(value)?.length === 0) return ok(undefined)
    const atoms = atomsOf(value)
    return reader(atoms?.length === 1 ? atoms[0] : value, field)
  }
}

function uuidIn(atom: Atom): string | undefined {
  return isArray(atom as Json) && (atom as Uuid)[0] === 'uuid' ? (atom as Uuid)[1] : undefined
}

/** Some columns of a row, each by its reader. */
export function readColumns<Columns extends Readonly<Record<string, Reader<unknown>>>>(
  columns: Columns,
  row: Row,
): Result<{ readonly [C in keyof Columns]: Columns[C] extends Reader<infer T> ? T : never }, string> {
  const read: Record<string, unknown> = {}
  for (const [name, reader] of Object.entries(columns)) {
    const value = reader(Object.hasOwn(row, name) ? row[name] : undefined, name)
    if (!value.ok) return value
    read[name] = value.value
  }
  return ok(read as never)
}

function refuse(field: string, why: string): Result<never, string> {
  return err(`${field} ${why}`)
}
