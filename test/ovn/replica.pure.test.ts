import { describe, expect, it } from 'vitest'
import type { Json, JsonObject } from '../../shared/ovn/ovsdb/json.ts'
import type { Value } from '../../shared/ovn/ovsdb/notation.ts'
import { changedValue, NO_TRANSACTION, Replica } from '../../shared/ovn/ovsdb/replica.ts'
import { readSchema, type Schema } from '../../shared/ovn/ovsdb/schema.ts'
import { LAST_TRANSACTION, NORTHBOUND_SCHEMA } from '../support/scripted-ovsdb.ts'

const [A, B] = ['aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa', 'bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb']
const TABLE = 'Logical_Switch_Port'

function schema(json: unknown = NORTHBOUND_SCHEMA): Schema {
  const read = readSchema(json as Json)
  if (!read.ok) throw new Error(read.error)
  return read.value
}

/** A replica that has seen `rows`, and a record of what it told. */
function begun(rows: Record<string, JsonObject>) {
  const told: string[] = []
  const replica = new Replica(TABLE, ['name', 'addresses', 'missing'], (uuid, before, after) =>
    told.push(`${uuid[0]} ${before?.name ?? '-'} ${after?.name ?? '-'}`),
  )
  replica.params(schema(), 'm')
  const initial = Object.entries(rows).map(([uuid, row]) => [uuid, { initial: row }])
  const read = replica.begin([false, LAST_TRANSACTION, { [TABLE]: Object.fromEntries(initial) }])
  if (!read.ok) throw new Error(read.error)
  told.length = 0
  return { replica, told }
}

describe('a difference (ovsdb-server(7) update2)', () => {
  it.each<[string, 'scalar' | 'set' | 'map', Value | undefined, Value, Value]>([
    ['replaces a scalar', 'scalar', 'a', 'b', 'b'],
    ['empties an optional', 'scalar', 'a', ['set', []], ['set', []]],
    ['adds to a set', 'set', ['set', ['a']], 'b', ['set', ['a', 'b']]],
    ['takes from a set', 'set', ['set', ['a', 'b']], 'a', ['set', ['b']]],
    ['does both', 'set', 'a', ['set', ['a', 'b']], ['set', ['b']]],
    ['begins a set', 'set', undefined, 'a', ['set', ['a']]],
    [
      'adds to a map',
      'map',
      ['map', [['a', '1']]],
      ['map', [['b', '2']]],
      [
        'map',
        [
          ['a', '1'],
          ['b', '2'],
        ],
      ],
    ],
    ['takes from a map', 'map', ['map', [['a', '1']]], ['map', [['a', '1']]], ['map', []]],
    ['changes in a map', 'map', ['map', [['a', '1']]], ['map', [['a', '2']]], ['map', [['a', '2']]]],
  ])('%s', (_, kind, before, difference, after) => {
    expect(changedValue(kind, before, difference)).toEqual(after)
  })
})

describe('a replica', () => {
  it('asks for the columns this schema has, from where it was', () => {
    const { replica } = begun({})
    expect(replica.params(schema(), 'm')).toEqual([
      'OVN_Northbound',
      'm',
      { [TABLE]: [{ columns: ['name', 'addresses'] }] },
      LAST_TRANSACTION,
    ])
  })

  it('follows inserts, changes and deletions', () => {
    const { replica, told } = begun({ [A]: { name: 'a', addresses: 'x' } })
    const changes = {
      [A]: { modify: { addresses: 'y' } },
      [B]: { insert: { name: 'b' } },
    }
    expect(replica.follow(LAST_TRANSACTION, { [TABLE]: changes }).ok).toBe(true)
    expect(replica.rows.get(A)).toEqual({ name: 'a', addresses: ['set', ['x', 'y']] })
    replica.follow(LAST_TRANSACTION, { [TABLE]: { [A]: { delete: null } } })
    expect([...replica.rows.keys()]).toEqual([B])
    expect(told).toEqual(['a a a', 'b - b', 'a a -'])
  })

  it('takes a whole picture for whole: what is not in it is gone', () => {
    const { replica, told } = begun({ [A]: { name: 'a' } })
    replica.begin([false, LAST_TRANSACTION, { [TABLE]: { [B]: { initial: { name: 'b' } } } }])
    expect([...replica.rows.keys()]).toEqual([B])
    expect(told).toEqual(['b - b', 'a a -'])
  })

  it('goes on from what it has where the server knows its last transaction', () => {
    const { replica } = begun({ [A]: { name: 'a' } })
    replica.begin([true, LAST_TRANSACTION, { [TABLE]: { [B]: { insert: { name: 'b' } } } }])
    expect([...replica.rows.keys()]).toEqual([A, B])
  })

  it.each<[string, Json]>([
    ['a change of a row never seen', { [TABLE]: { [B]: { modify: { name: 'b' } } } }],
    ['a row that is none', { [TABLE]: { [B]: { insert: { name: null } } } }],
    ['no uuid', { [TABLE]: { x: { insert: { name: 'b' } } } }],
    ['no object', []],
  ])('refuses %s, and asks for a whole picture next', (_, updates) => {
    const { replica } = begun({ [A]: { name: 'a' } })
    expect(replica.follow(LAST_TRANSACTION, updates).ok).toBe(false)
    expect(replica.params(schema(), 'm')[3]).toBe(NO_TRANSACTION)
  })

  it('asks for a whole picture when the schema changed under it', () => {
    const { replica } = begun({ [A]: { name: 'a' } })
    const columns = { ...NORTHBOUND_SCHEMA.tables[TABLE].columns, missing: { type: 'string' } }
    const newer = { ...NORTHBOUND_SCHEMA, tables: { [TABLE]: { columns } } }
    expect(replica.params(schema(newer), 'm')[3]).toBe(NO_TRANSACTION)
  })
})
