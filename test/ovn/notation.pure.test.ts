import { describe, expect, it } from 'vitest'
import type { Json } from '../../shared/ovn/ovsdb/json.ts'
import {
  optional,
  readColumns,
  readValue,
  text,
  textMap,
  texts,
  uuidText,
} from '../../shared/ovn/ovsdb/notation.ts'

const ID = '550e8400-e29b-41d4-a716-446655440000'

describe('a value (RFC 7047 §5.1)', () => {
  it.each<[string, Json]>([
    ['string', 'x'],
    ['integer', 7],
    ['integer of 64 bits', 2n ** 62n],
    ['real', 0.5],
    ['boolean', false],
    ['uuid', ['uuid', ID]],
    ['named uuid', ['named-uuid', 'row_1']],
    ['empty set', ['set', []]],
    ['set', ['set', ['a', 'b']]],
    ['set of uuids', ['set', [['uuid', ID]]]],
    ['map', ['map', [['a', 'b']]]],
    ['map to uuids', ['map', [['a', ['uuid', ID]]]]],
  ])('is a %s', (_, json) => expect(readValue(json)).toEqual({ ok: true, value: json }))

  it.each<[string, Json | undefined]>([
    ['nothing', undefined],
    ['null', null],
    ['an object', { a: 1 }],
    ['an empty array', []],
    ['a bare array', ['a', 'b', 'c']],
    ['an unknown kind', ['bag', []]],
    ['a uuid of another form', ['uuid', 'x']],
    ['a named uuid that is no id', ['named-uuid', '1-a']],
    ['a set in a set', ['set', [['set', []]]]],
    ['a set that is none', ['set', 'a']],
    ['a map of odd pairs', ['map', [['a']]]],
    ['a map of sets', ['map', [['a', ['set', []]]]]],
  ])('is not %s', (_, json) => expect(readValue(json).ok).toBe(false))
})

describe('columns', () => {
  const COLUMNS = { id: uuidText, name: text, words: texts, map: textMap, maybe: optional(text) }
  const ROW = { id: ['uuid', ID], name: 'n', words: 'one', map: ['map', [['k', 'v']]] } as const

  it('are read by their type; a set of one is its atom too; an optional one may be missing', () => {
    expect(readColumns(COLUMNS, ROW)).toEqual({
      ok: true,
      value: { id: ID, name: 'n', words: ['one'], map: new Map([['k', 'v']]), maybe: undefined },
    })
  })

  it.each([
    ['name', 7],
    ['id', 'x'],
    ['words', ['set', [1]]],
    ['map', ['map', [['k', 1]]]],
    ['maybe', ['set', ['a', 'b']]],
  ] as const)('are refused where %s has another type', (column, value) => {
    const read = readColumns(COLUMNS, { ...ROW, [column]: value })
    expect(read).toEqual({ ok: false, error: expect.stringContaining(column) })
  })

  it('never are what JavaScript brings along', () => {
    expect(readColumns({ constructor: optional(text) }, {})).toEqual({
      ok: true,
      value: { constructor: undefined },
    })
  })
})
