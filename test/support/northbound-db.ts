import type { Json, JsonObject } from '../../shared/ovn/ovsdb/json.ts'
import { jsonText } from '../../shared/ovn/ovsdb/json.ts'
import type { Operation } from '../../shared/ovn/ovsdb/messages.ts'
import { atomsOf, type Row, set, uuid, type Value } from '../../shared/ovn/ovsdb/notation.ts'
import { type ScriptedOvsdb, type ScriptedServer, update } from './scripted-ovsdb.ts'

const PORT = 'Logical_Switch_Port'

type Tables = Map<string, Map<string, Row>>

/** As much of a Northbound database as the port uses: conditions ==, includes; wait, mutate, delete; collection of ports. */
export class NorthboundDb {
  #tables: Tables = new Map()
  #made = 0
  readonly #servers: () => ScriptedOvsdb
  /** Every transaction that was committed, as its operations' names. */
  readonly commits: string[][] = []

  constructor(servers: () => ScriptedOvsdb) {
    this.#servers = servers
  }

  /** A server that answers from here. */
  server(more: ScriptedServer = {}): ScriptedServer {
    return {
      rows: () => Object.fromEntries(this.#rows(PORT)) as Readonly<Record<string, JsonObject>>,
      transact: (operations) => this.transact(operations as unknown as Operation[]),
      ...more,
    }
  }

  insert(table: string, row: Row): string {
    this.#made++
    const id = `00000000-0000-4000-8000-${String(this.#made).padStart(12, '0')}`
    this.#rows(table).set(id, row)
    if (table === PORT) this.#tell(id, { insert: row as JsonObject })
    return id
  }

  /** A port as Kube-OVN writes it, on the switch of that name, which is made if need be. */
  addPort(switchName: string, row: Row): string {
    const id = this.insert(PORT, row)
    const holder =
      this.#named('Logical_Switch', switchName) ?? this.insert('Logical_Switch', { name: switchName })
    const ports = this.#rows('Logical_Switch').get(holder)?.ports
    this.set('Logical_Switch', holder, { ports: set([...atoms(ports), uuid(id)]) })
    return id
  }

  set(table: string, id: string, change: Row): void {
    const row = this.#rows(table).get(id)
    if (!row) throw new Error(`no ${table} ${id}`)
    this.#rows(table).set(id, { ...row, ...change })
    if (table !== PORT) return
    this.#tell(id, { delete: null })
    this.#tell(id, { insert: { ...row, ...change } as JsonObject })
  }

  drop(id: string): void {
    this.transact([
      { op: 'mutate', table: 'Logical_Switch', where: [], mutations: [['ports', 'delete', uuid(id)]] },
    ])
  }

  get(table: string, id: string): Row | undefined {
    return this.#rows(table).get(id)
  }

  names(table: string): Value[] {
    return [...this.#rows(table).values()].map((row) => row.name ?? '')
  }

  /** RFC 7047 §4.1.3. */
  transact(operations: readonly Operation[]): Json {
    const before: Tables = new Map([...this.#tables].map(([name, rows]) => [name, new Map(rows)]))
    const results: Json[] = []
    for (const operation of operations) {
      const result = this.#execute(operation)
      results.push(result)
      if (!('error' in result)) continue
      this.#tables = before
      return [...results, ...operations.slice(results.length).map(() => null)]
    }
    this.#collect()
    if (operations.some(({ op }) => op !== 'select')) this.commits.push(operations.map(({ op }) => op))
    return results
  }

  #execute(operation: Operation): JsonObject {
    switch (operation.op) {
      case 'select': {
        const { table, where, columns } = operation
        const rows = this.#matching(table, where).map(([id, row]) => {
          const whole: Row = { _uuid: uuid(id), ...row }
          const names = columns ?? Object.keys(whole)
          return Object.fromEntries(names.map((name) => [name, whole[name] ?? set([])])) as JsonObject
        })
        return { rows }
      }
      case 'wait': {
        const { table, where, columns, rows } = operation
        const found = this.#matching(table, where).map(([id, row]) =>
          projected({ _uuid: uuid(id), ...row }, columns),
        )
        const wanted = rows.map((row) => projected(row, columns))
        return found.sort().join() === wanted.sort().join() ? {} : { error: 'timed out', details: 'wait' }
      }
      case 'mutate': {
        const found = this.#matching(operation.table, operation.where)
        for (const [id] of found) {
          for (const [column, mutator, value] of operation.mutations) {
            const before = this.get(operation.table, id)?.[column]
            const now = new Map(atoms(before).map((atom) => [jsonText(atom as Json), atom]))
            for (const atom of atoms(value)) {
              if (mutator === 'delete') now.delete(jsonText(atom as Json))
              else now.set(jsonText(atom as Json), atom)
            }
            this.#rows(operation.table).set(id, {
              ...this.get(operation.table, id),
              [column]: set([...now.values()]),
            })
          }
        }
        return { count: found.length }
      }
      case 'delete': {
        const found = this.#matching(operation.table, operation.where)
        for (const [id] of found) this.#rows(operation.table).delete(id)
        return { count: found.length }
      }
      case 'comment':
      case 'commit':
        return {}
      default:
        return { error: 'not supported', details: operation.op }
    }
  }

  #matching(table: string, where: Extract<Operation, { op: 'select' }>['where']): [string, Row][] {
    return [...this.#rows(table)].filter(([id, row]) =>
      where.every(([column, test, value]) => {
        const has = column === '_uuid' ? uuid(id) : (row[column] ?? set([]))
        if (test === '==') return jsonText(has as Json) === jsonText(value as Json)
        const parts = membersOf(has)
        return membersOf(value).every((part) => parts.includes(part))
      }),
    )
  }

  /** Ports that no switch holds are gone. */
  #collect(): void {
    const held = new Set(
      [...this.#rows('Logical_Switch').values()].flatMap((row) => atoms(row.ports).map(String)),
    )
    for (const id of [...this.#rows(PORT).keys()]) {
      if (held.has(String(uuid(id)))) continue
      this.#rows(PORT).delete(id)
      this.#tell(id, { delete: null })
    }
  }

  #rows(table: string): Map<string, Row> {
    const rows = this.#tables.get(table) ?? new Map<string, Row>()
    this.#tables.set(table, rows)
    return rows
  }

  #named(table: string, name: string): string | undefined {
    return [...this.#rows(table)].find(([, row]) => row.name === name)?.[0]
  }

  #tell(id: string, change: JsonObject): void {
    for (const link of this.#servers().links) if (!link.closed) update(link, PORT, id, change)
  }
}

const atoms = (value: Value | undefined) => (value === undefined ? [] : (atomsOf(value) ?? []))

/** Members of a set, or pairs of a map, as text. */
function membersOf(value: Value): string[] {
  const pairs = Array.isArray(value) && value[0] === 'map' ? (value[1] as Json[]) : undefined
  return (pairs ?? (atoms(value) as Json[])).map(jsonText)
}

function projected(row: Row, columns: readonly string[]): string {
  return columns
    .map(
      (column) =>
        `${column}=${membersOf(row[column] ?? set([]))
          .sort()
          .join('+')}`,
    )
    .join(';')
}
