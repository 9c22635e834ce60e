import { describe, expect, it } from 'vitest'
import type { Json, JsonObject } from '../../shared/ovn/ovsdb/json.ts'
import { incoming, isNothingDone, type Operation, readTransacted } from '../../shared/ovn/ovsdb/messages.ts'

const ID = '550e8400-e29b-41d4-a716-446655440000'
const OPERATIONS: Operation[] = [
  { op: 'select', table: 'T', where: [] },
  { op: 'mutate', table: 'T', where: [], mutations: [] },
  { op: 'insert', table: 'T', row: {} },
]
const RESULTS: Json[] = [{ rows: [{ name: 'a' }] }, { count: 2 }, { uuid: ['uuid', ID] }]
const ERROR = { error: 'constraint violation', details: 'because' }

describe('the result of a transaction (RFC 7047 §4.1.3)', () => {
  it('is one result an operation', () => {
    expect(readTransacted(OPERATIONS, RESULTS)).toEqual({
      ok: true,
      value: { kind: 'done', results: [{ rows: [{ name: 'a' }] }, { count: 2 }, { uuid: ['uuid', ID] }] },
    })
  })

  it.each<[string, Json[], number | 'commit']>([
    ['an operation failed', [RESULTS[0]!, ERROR, null], 1],
    ['the first failed', [ERROR, null, null], 0],
    ['the server stopped counting after the error', [RESULTS[0]!, ERROR], 1],
    ['only the commit failed: one error more than operations', [...RESULTS, ERROR], 'commit'],
  ])('is a failure of all when %s', (_, result, at) => {
    const failed = { kind: 'failed', at, error: 'constraint violation', details: 'because' }
    expect(readTransacted(OPERATIONS, result)).toEqual({ ok: true, value: failed })
  })

  it.each<[string, Json]>([
    ['no array', {}],
    ['too short without an error', [RESULTS[0]!]],
    ['nothing where a result is due', [RESULTS[0]!, null, RESULTS[2]!]],
    ['a select without rows', [{}, RESULTS[1]!, RESULTS[2]!]],
    ['a row that is none', [{ rows: [{ name: null }] }, RESULTS[1]!, RESULTS[2]!]],
    ['a mutate without count', [RESULTS[0]!, {}, RESULTS[2]!]],
    ['a negative count', [RESULTS[0]!, { count: -1 }, RESULTS[2]!]],
    ['an insert without uuid', [RESULTS[0]!, RESULTS[1]!, {}]],
    ['a success too many', [...RESULTS, {}]],
    ['two errors too many', [...RESULTS, ERROR, ERROR]],
  ])('is not believed: %s', (_, result) => expect(readTransacted(OPERATIONS, result).ok).toBe(false))

  it.each([
    [0, 'timed out', true],
    [1, 'something new', true],
    ['commit', 'constraint violation', true],
    ['commit', 'referential integrity violation', true],
    ['commit', 'cluster error', false],
    ['commit', 'I/O error', false],
    ['commit', 'something new', false],
  ] as const)('failing at %s with %s: nothing was done is %s', (at, error, proven) => {
    expect(isNothingDone({ kind: 'failed', at, error, details: '' })).toBe(proven)
  })
})

describe('a message (JSON-RPC 1.0)', () => {
  it.each<[string, JsonObject, string]>([
    ['with a method and an id', { id: 1, method: 'echo', params: [] }, 'request'],
    ['with a text for its id', { id: 'echo', method: 'echo', params: [] }, 'request'],
    ['with a method alone', { id: null, method: 'update', params: [] }, 'notification'],
    ['without the id', { method: 'update', params: [] }, 'notification'],
    ['with a result', { id: 1, result: {}, error: null }, 'reply'],
    ['with an error', { id: 1, result: null, error: 'no' }, 'reply'],
  ])('%s is one', (_, message, kind) =>
    expect(incoming(message)).toMatchObject({ ok: true, value: { kind } }),
  )

  it.each<[string, JsonObject]>([
    ['nothing', {}],
    ['a method that is no text', { id: 1, method: 7, params: [] }],
    ['params that are no array', { id: 1, method: 'echo', params: {} }],
    ['a reply to nobody', { id: null, result: {}, error: null }],
    ['half a reply', { id: 1, result: {} }],
  ])('%s is none', (_, message) => expect(incoming(message).ok).toBe(false))
})
