/**
 * Rows of one table, kept by `monitor_cond_since` (ovsdb-server(7) §4.1.14-15): a first picture, then what changed. After
 * a reconnect the server sends only what changed since, where it still knows.
 */
import { err, ok, type Result } from '../../result.ts'
import { isArray, isObject, type Json, type JsonObject, jsonText, member } from './json.ts'
import { type Atom, atomsOf, isUuidText, type Row, readRow, type Value } from './notation.ts'
import { type ColumnKind, knownColumns, type Schema } from './schema.ts'

/** Nothing was seen yet. */
export const NO_TRANSACTION = '00000000-0000-0000-0000-000000000000'

/** A row as it was and is; undefined: was not, is not. */
export type RowChange = (uuid: string, before: Row | undefined, after: Row | undefined) => void

export class Replica {
  readonly table: string
  readonly rows = new Map<string, Row>()
  readonly #wanted: readonly string[]
  readonly #changed: RowChange
  #kinds: ReadonlyMap<string, ColumnKind> = new Map()
  #columns: readonly string[] = []
  #lastTransaction = NO_TRANSACTION

  /** `wanted` columns that a schema lacks are left out. `changed` hears of every row, in order. */
  constructor(table: string, wanted: readonly string[], changed: RowChange = () => {}) {
    this.table = table
    this.#wanted = wanted
    this.#changed = changed
  }

  /** The parameters of monitor_cond_since for `id`. */
  params(schema: Schema, id: string): readonly Json[] {
    const kinds = schema.tables.get(this.table) ?? new Map<string, ColumnKind>()
    const columns = knownColumns(schema, this.table, this.#wanted)
    // Rows kept under another schema cannot be brought up to date by differences.
    if (columns.join() !== this.#columns.join()) this.#lastTransaction = NO_TRANSACTION
    this.#kinds = kinds
    this.#columns = columns
    return [schema.name, id, { [this.table]: [{ columns }] }, this.#lastTransaction]
  }

  /** Its reply: [whether the last transaction is known, the new one, updates]. */
  begin(result: Json): Result<void, string> {
    if (!isArray(result) || typeof result[0] !== 'boolean' || typeof result[1] !== 'string') {
      return err('the reply to monitor_cond_since has another form')
    }
    const [known, last, updates = null] = result
    if (known) return this.#apply(updates, last as string)
    // A whole picture: what is not in it is gone.
    const gone = new Map(this.rows)
    this.rows.clear()
    const applied = this.#apply(updates, last as string, gone)
    for (const [uuid, row] of gone) this.#changed(uuid, row, undefined)
    return applied
  }

  /** The parameters of update3 behind the monitor's id. */
  follow(last: Json | undefined, updates: Json | undefined): Result<void, string> {
    if (typeof last !== 'string') return err('an update3 without its transaction')
    return this.#apply(updates ?? null, last)
  }

  #apply(updates: Json, last: string, before?: Map<string, Row>): Result<void, string> {
    // Should an update be bad, the next picture is a whole one.
    this.#lastTransaction = NO_TRANSACTION
    if (!isObject(updates)) return err('updates are no object')
    const table = member(updates, this.table)
    if (table !== undefined && !isObject(table)) return err(`updates of ${this.table} are no object`)
    for (const [uuid, update] of Object.entries(table ?? {})) {
      if (!isUuidText(uuid) || !isObject(update)) return err('an update of no row')
      const applied = this.#applyRow(uuid, update, before?.get(uuid))
      before?.delete(uuid)
      if (!applied.ok) return applied
    }
    this.#lastTransaction = isUuidText(last) ? last : NO_TRANSACTION
    return ok(undefined)
  }

  #applyRow(uuid: string, update: JsonObject, former: Row | undefined): Result<void, string> {
    const before = this.rows.get(uuid) ?? former
    if (member(update, 'delete') !== undefined) {
      this.rows.delete(uuid)
      this.#changed(uuid, before, undefined)
      return ok(undefined)
    }
    const difference = member(update, 'modify')
    const whole = member(update, 'initial') ?? member(update, 'insert')
    const read = readRow(difference ?? whole)
    if (!read.ok) return read
    if (difference !== undefined && before === undefined) return err('a change of a row never seen')
    const after = difference === undefined ? read.value : changedRow(this.#kinds, before ?? {}, read.value)
    this.rows.set(uuid, after)
    this.#changed(uuid, before, after)
    return ok(undefined)
  }
}

function changedRow(kinds: ReadonlyMap<string, ColumnKind>, before: Row, difference: Row): Row {
  const after = new Map(Object.entries(before))
  for (const [column, value] of Object.entries(difference)) {
    after.set(column, changedValue(kinds.get(column) ?? 'scalar', after.get(column), value))
  }
  return Object.fromEntries(after)
}

/** ovsdb-server(7) §4.1.14 <row-update2>: what a difference makes of a column. Columns left out were at their default. */
export function changedValue(kind: ColumnKind, before: Value | undefined, difference: Value): Value {
  switch (kind) {
    case 'scalar':
      return difference
    case 'set': {
      const atoms = keyed(before === undefined ? [] : (atomsOf(before) ?? []))
      for (const [key, atom] of keyed(atomsOf(difference) ?? [])) {
        if (!atoms.delete(key)) atoms.set(key, atom)
      }
      return ['set', [...atoms.values()]]
    }
    case 'map': {
      const pairs = new Map(pairsOf(before).map((pair) => [jsonText(pair[0]), pair]))
      for (const pair of pairsOf(difference)) {
        const key = jsonText(pair[0])
        const old = pairs.get(key)
        if (old && jsonText(old[1]) === jsonText(pair[1])) pairs.delete(key)
        else pairs.set(key, pair)
      }
      return ['map', [...pairs.values()]]
    }
    default:
      return kind satisfies never
  }
}

const keyed = (atoms: readonly Atom[]): Map<string, Atom> =>
  new Map(atoms.map((atom) => [jsonText(atom), atom]))

function pairsOf(value: Value | undefined): readonly (readonly [Atom, Atom])[] {
  const [kind, pairs] = isArray(value as Json) ? (value as readonly [string, unknown]) : []
  return kind === 'map' ? (pairs as readonly (readonly [Atom, Atom])[]) : []
}
