/** A database's schema (RFC 7047 §3.2), as far as rows are read by it. */
import { err, ok, type Result } from '../../result.ts'
import { isObject, type Json, member } from './json.ts'

/** `scalar`: at most one value. `set` and `map`: may hold several, and their changes come as differences. */
export type ColumnKind = 'scalar' | 'set' | 'map'

export interface Schema {
  readonly name: string
  readonly version: string
  readonly tables: ReadonlyMap<string, ReadonlyMap<string, ColumnKind>>
}

/** The reply to get_schema (§4.1.2). */
export function readSchema(json: Json): Result<Schema, string> {
  if (!isObject(json)) return err('the schema is no object')
  const [name, version, tables] = [member(json, 'name'), member(json, 'version'), member(json, 'tables')]
  if (typeof name !== 'string' || typeof version !== 'string' || !isObject(tables)) {
    return err('the schema lacks name, version or tables')
  }
  const read = new Map<string, ReadonlyMap<string, ColumnKind>>()
  for (const [table, body] of Object.entries(tables)) {
    const columns = isObject(body) ? member(body, 'columns') : undefined
    if (!isObject(columns)) return err(`table ${table} has no columns`)
    const kinds = new Map<string, ColumnKind>()
    for (const [column, definition] of Object.entries(columns)) {
      const type = isObject(definition) ? member(definition, 'type') : undefined
      if (type === undefined) return err(`column ${table}.${column} has no type`)
      kinds.set(column, kindOf(type))
    }
    read.set(table, kinds)
  }
  return ok({ name, version, tables: read })
}

/** §3.2 <type>: `max` is 1 unless given. */
function kindOf(type: Json): ColumnKind {
  if (!isObject(type)) return 'scalar'
  const max = member(type, 'max')
  if (max === undefined || max === 1) return 'scalar'
  return member(type, 'value') === undefined ? 'set' : 'map'
}

/** Those of `wanted` that this schema has: older and newer ones lack some. */
export function knownColumns(schema: Schema, table: string, wanted: readonly string[]): string[] {
  const columns = schema.tables.get(table)
  return wanted.filter((column) => column === '_uuid' || columns?.has(column) === true)
}
