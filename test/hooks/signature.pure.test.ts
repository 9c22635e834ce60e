import { describe, expect, it } from 'vitest'
import { hmacSha256, isEd25519, isHmacSha256, isTimely, isToken } from '../../functions/hooks/signature.ts'

const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
const ascii = (text: string) => new TextEncoder().encode(text)

describe('HMAC-SHA-256', () => {
  // RFC 4231 section 4.3, test case 2.
  const SIGNATURE = '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'
  it('is that of RFC 4231', async () => {
    expect(hex(await hmacSha256(ascii('Jefe'), 'what do ya want ', ascii('for nothing?')))).toBe(SIGNATURE)
    expect(await isHmacSha256('Jefe', SIGNATURE, 'what do ya want for nothing?')).toBe(true)
  })

  it.each<[string, string, string | undefined, string]>([
    ['another secret', 'jefe', SIGNATURE, 'what do ya want for nothing?'],
    ['another body', 'Jefe', SIGNATURE, 'what do ya want for nothing'],
    ['missing', 'Jefe', undefined, 'what do ya want for nothing?'],
    ['empty', 'Jefe', '', 'what do ya want for nothing?'],
    ['cut short', 'Jefe', SIGNATURE.slice(0, -2), 'what do ya want for nothing?'],
    ['half a byte short', 'Jefe', SIGNATURE.slice(0, -1), 'what do ya want for nothing?'],
    ['upper-case', 'Jefe', SIGNATURE.toUpperCase(), 'what do ya want for nothing?'],
    ['twice', 'Jefe', `${SIGNATURE}, ${SIGNATURE}`, 'what do ya want for nothing?'],
    ['of SHA-1', 'Jefe', 'effcdf6ae5eb2fa2d27416d5f184df9c259a7c79', 'what do ya want for nothing?'],
    ['with a newline', 'Jefe', `${SIGNATURE}\n`, 'what do ya want for nothing?'],
  ])('is refused: %s', async (_, secret, signature, body) => {
    expect(await isHmacSha256(secret, signature, body)).toBe(false)
  })

  it('under an empty secret is refused, whoever made it', async () => {
    expect(await isHmacSha256('', hex(await hmacSha256(ascii('x'), 'a')), 'a')).toBe(false)
  })
})

describe('Ed25519', () => {
  // RFC 8032 section 7.1, test 2.
  const KEY = '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c'
  const SIGNATURE =
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00'
  it('is that of RFC 8032', async () => expect(await isEd25519(KEY, SIGNATURE, 'r')).toBe(true))

  it.each<[string, string, string | undefined, string]>([
    ['another key', `00${KEY.slice(2)}`, SIGNATURE, 'r'],
    ['another body', KEY, SIGNATURE, 's'],
    ['missing', KEY, undefined, 'r'],
    ['cut short', KEY, SIGNATURE.slice(0, -2), 'r'],
    ['upper-case', KEY, SIGNATURE.toUpperCase(), 'r'],
    ['all zero', KEY, '0'.repeat(128), 'r'],
    ['no key', '', SIGNATURE, 'r'],
  ])('is refused: %s', async (_, key, signature, body) => {
    // Not every string is a point on the curve; then the import refuses.
    expect(await isEd25519(key, signature, body).catch(() => false)).toBe(false)
  })
})

it.each<[string, string, string | null | undefined, boolean]>([
  ['the same', 'secret', 'secret', true],
  ['another', 'secret', 'Secret', false],
  ['a part', 'secret', 'secre', false],
  ['nothing', 'secret', undefined, false],
  ['null', 'secret', null, false],
  ['nothing where nothing is expected', '', '', false],
])('a shared token: %s', (_, expected, given, good) => expect(isToken(expected, given)).toBe(good))

it.each<[string, string | undefined, boolean]>([
  ['now', '1000000', true],
  ['five minutes ago', '999700', true],
  ['a second more', '999699', false],
  ['five minutes ahead', '1000300', true],
  ['a second more ahead', '1000301', false],
  ['missing', undefined, false],
  ['empty', '', false],
  ['two', '1000000, 1000000', false],
  ['a fraction', '1000000.5', false],
  ['an exponent', '1e6', false],
  ['hex', '0xf4240', false],
  ['ms', '1000000000', false],
  ['negative', '-1', false],
  ['with a space', ' 1000000', false],
])('a timestamp: %s', (_, seconds, timely) => expect(isTimely(seconds, 1_000_000_000)).toBe(timely))
