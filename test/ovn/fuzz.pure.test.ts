import { describe, expect, it } from 'vitest'
import { Framing } from '../../shared/ovn/ovsdb/framing.ts'
import { type Json, type JsonObject, jsonText } from '../../shared/ovn/ovsdb/json.ts'
import { incoming, type Operation, readTransacted } from '../../shared/ovn/ovsdb/messages.ts'
import { readColumns, readRow, readValue, text, textMap, texts } from '../../shared/ovn/ovsdb/notation.ts'
import { Replica } from '../../shared/ovn/ovsdb/replica.ts'
import { readSchema } from '../../shared/ovn/ovsdb/schema.ts'
import { NORTHBOUND_SCHEMA } from '../support/scripted-ovsdb.ts'

const MESSAGES = 100_000
const LIMITS = { messageBytes: 2_048, depth: 16 }
const ID = '550e8400-e29b-41d4-a716-446655440000'

/** mulberry32 in whole numbers below a bound. */
function chance(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

const WORDS = [
  'uuid',
  'named-uuid',
  'set',
  'map',
  'rows',
  'count',
  'error',
  ID,
  'ä€𝄞',
  '__proto__',
  '}"',
  '\\',
  '',
]
const WORTHY: readonly Json[] = [
  {
    id: 1,
    result: [{ rows: [{ name: 'a', external_ids: ['map', [['k', 'v']]] }] }, { count: 1 }],
    error: null,
  },
  { id: 2, result: null, error: { error: 'timed out', details: '' } },
  {
    id: null,
    method: 'update3',
    params: ['m', ID, { Logical_Switch_Port: { [ID]: { modify: { addresses: 'x' } } } }],
  },
  { id: 'echo', method: 'echo', params: [2n ** 60n] },
]
const OPERATIONS: Operation[] = [
  { op: 'select', table: 'T', where: [] },
  { op: 'mutate', table: 'T', where: [], mutations: [] },
]

function randomJson(next: (below: number) => number, depth: number): Json {
  switch (next(depth > 0 ? 9 : 6)) {
    case 0:
      return next(1_000) - 500
    case 1:
      return 2n ** 62n + BigInt(next(100))
    case 2:
      return next(2) === 0
    case 3:
      return null
    case 4:
    case 5:
      return WORDS[next(WORDS.length)] ?? ''
    case 6:
      return Object.fromEntries(
        Array.from({ length: next(4) }, () => [WORDS[next(WORDS.length)] ?? '', randomJson(next, depth - 1)]),
      )
    case 7:
      return [WORDS[next(4)] ?? '', randomJson(next, depth - 1)]
    default:
      return Array.from({ length: next(4) }, () => randomJson(next, depth - 1))
  }
}

/** One of the good messages, or a random one, as bytes; two in three then get a few bytes changed, lost or added. */
function randomMessage(next: (below: number) => number): {
  readonly bytes: Uint8Array
  readonly intact: boolean
} {
  const message =
    next(2) === 0 ? WORTHY[next(WORTHY.length)] : { result: randomJson(next, 5), id: 1, error: null }
  const bytes = new TextEncoder().encode(jsonText(message ?? null))
  if (next(3) === 0) return { bytes, intact: bytes.length <= LIMITS.messageBytes }
  const mutated = [...bytes]
  for (let edits = 1 + next(4); edits > 0 && mutated.length > 0; edits--) {
    const at = next(mutated.length)
    const kind = next(4)
    if (kind === 0) mutated[at] = next(256)
    else if (kind === 1) mutated.splice(at, 1 + next(8))
    else if (kind === 2) mutated.splice(at, 0, ...mutated.slice(at, at + 1 + next(8)))
    else mutated[at] = '{}[]",:\\0'.charCodeAt(next(9))
  }
  return { bytes: Uint8Array.from(mutated), intact: false }
}

describe('framing and notation', () => {
  it(`parse or refuse ${MESSAGES} random and mutated messages, and never hold more than the limit`, () => {
    const next = chance(20_260_102)
    const schema = readSchema(NORTHBOUND_SCHEMA as unknown as Json)
    if (!schema.ok) throw new Error(schema.error)
    const replica = new Replica('Logical_Switch_Port', ['name', 'addresses', 'external_ids'])
    replica.params(schema.value, 'm')
    const seen = { parsed: 0, refused: 0, replies: 0, values: 0 }
    let framing = new Framing(LIMITS)
    for (let n = 0; n < MESSAGES; n++) {
      const { bytes, intact } = randomMessage(next)
      const cut = next(bytes.length + 1)
      const fresh = framing.isBetween
      const pieces = [framing.push(bytes.subarray(0, cut)), framing.push(bytes.subarray(cut))]
      const messages = pieces.flatMap((piece) => piece.messages)
      const faulty = pieces[1]?.fault !== undefined
      if (intact && fresh) expect(faulty || messages.length !== 1).toBe(false)
      for (const message of messages) {
        seen.parsed++
        read(message, replica, seen)
      }
      expect(framing.heldBytes).toBeLessThanOrEqual(LIMITS.messageBytes)
      if (!faulty) continue
      seen.refused++
      framing = new Framing(LIMITS)
    }
    expect(Object.getOwnPropertyNames(Object.prototype)).not.toContain('polluted')
    expect(replica.rows.size).toBeLessThanOrEqual(1)
    // Each way was gone many times, or this proves nothing.
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(MESSAGES / 100)
  })
})

/** Everything that reads what a server sent; nothing of it throws. */
function read(message: JsonObject, replica: Replica, seen: { replies: number; values: number }): void {
  const what = incoming(message)
  if (!what.ok) return
  if (what.value.kind === 'reply') {
    seen.replies++
    readTransacted(OPERATIONS, what.value.result)
    readSchema(what.value.result)
    if (readValue(what.value.result).ok) seen.values++
    const row = readRow(what.value.result)
    if (row.ok) readColumns({ name: text, addresses: texts, external_ids: textMap }, row.value)
    replica.begin(what.value.result)
    return
  }
  const [, last, updates] = what.value.params
  replica.follow(last, updates)
}
