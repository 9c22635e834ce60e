import { describe, expect, it } from 'vitest'
import { Framing } from '../../shared/ovn/ovsdb/framing.ts'

const LIMITS = { messageBytes: 1024, depth: 8 }
const bytes = (text: string) => new TextEncoder().encode(text)

/** Everything that comes out when the bytes arrive in these pieces. */
function framed(pieces: readonly Uint8Array[], limits = LIMITS) {
  const framing = new Framing(limits)
  const messages: unknown[] = []
  let fault: string | undefined
  for (const piece of pieces) {
    const got = framing.push(piece)
    messages.push(...got.messages)
    fault = got.fault
  }
  return { messages, fault }
}

const TEXT = '{"id":1,"result":["ä€𝄞","}\\"{"],"error":null} \n{"id":null,"method":"echo","params":[]}'
const MESSAGES = [
  { id: 1, result: ['ä€𝄞', '}"{'], error: null },
  { id: null, method: 'echo', params: [] },
]

describe('messages out of bytes', () => {
  it('come out of one segment', () => expect(framed([bytes(TEXT)]).messages).toEqual(MESSAGES))

  it('come out whole wherever the stream is cut in two, inside characters too', () => {
    const all = bytes(TEXT)
    for (let cut = 0; cut <= all.length; cut++) {
      expect(framed([all.subarray(0, cut), all.subarray(cut)])).toEqual({
        messages: MESSAGES,
        fault: undefined,
      })
    }
  })

  it('come out one byte at a time', () => {
    const single = [...bytes(TEXT)].map((byte) => Uint8Array.of(byte))
    expect(framed(single).messages).toEqual(MESSAGES)
  })

  it.each([
    [
      'integers a double cannot hold',
      '{"a":9223372036854775807,"b":-9223372036854775808,"c":7}',
      { a: 2n ** 63n - 1n, b: -(2n ** 63n), c: 7 },
    ],
    ['reals with many digits', '{"a":0.1234567890123456789}', { a: 0.12345678901234568 }],
    ['digits in strings', '{"a":"12345678901234567890"}', { a: '12345678901234567890' }],
  ])('keep %s', (_, text, message) => expect(framed([bytes(text)]).messages).toEqual([message]))

  it('do not let a name reach the prototype', () => {
    const [message] = framed([bytes('{"__proto__":{"polluted":true}}')]).messages
    expect(Object.getPrototypeOf(message)).toBe(Object.prototype)
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })
})

describe('what is no message ends the reading', () => {
  it.each([
    ['an array', '[1]', /not an object/],
    ['a number', '7', /number where a message/],
    ['a word', 'true', /not an object/],
    ['a closing brace', '}', /not an object/],
    ['a byte order mark', '\ufeff{}', /not an object/],
    ['the wrong bracket', '{"a":[}', /bracket/],
    ['broken JSON', '{"a":}', /not JSON/],
    ['a line break in a string', '{"a":"\n"}', /control character/],
    ['deep nesting', '{"a":'.repeat(9), /deeper than 8/],
    ['a message that is too long', `{"a":"${'x'.repeat(2000)}"}`, /longer than 1024/],
    ['a message that grows too long', `{"a":"${'x'.repeat(2000)}`, /longer than 1024/],
  ])('%s', (_, text, fault) => expect(framed([bytes(text)]).fault).toMatch(fault))

  it('bad UTF-8', () => {
    expect(framed([bytes('{"a":"'), Uint8Array.of(0xc3, 0x28), bytes('"}')]).fault).toMatch(/UTF-8/)
  })

  it('after the messages before it', () => {
    expect(framed([bytes('{"id":1} x')])).toEqual({ messages: [{ id: 1 }], fault: expect.any(String) })
  })

  it('for good', () => expect(framed([bytes('x'), bytes('{"id":1}')]).messages).toEqual([]))
})

describe('cost', () => {
  // Reading again what was read would take minutes here.
  it('is one look at each byte', () => {
    const long = bytes(`{"a":"${'x'.repeat(4_000_000)}"}`)
    const pieces: Uint8Array[] = []
    for (let at = 0; at < long.length; at += 16) pieces.push(long.subarray(at, at + 16))
    expect(framed(pieces, { messageBytes: 5_000_000, depth: 8 }).messages).toHaveLength(1)
  })

  it('is no memory past the limit: 64 MiB of one string end at the limit', () => {
    const framing = new Framing({ messageBytes: 1 << 20, depth: 8 })
    framing.push(bytes('{"a":"'))
    const piece = new Uint8Array(1 << 16).fill(0x78)
    let taken = 0
    while (framing.push(piece).fault === undefined) taken += piece.length
    expect(taken).toBeLessThan(1 << 20)
  })
})
