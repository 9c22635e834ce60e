import type { Random } from '../random.ts'

/** What a caller sends: `berth_<id>_<secret>`. The id names the key in lists; the secret is 256 random bits, base64url. */
const KEY = /^berth_([0-9a-hjkmnp-tv-z]{16})_([A-Za-z0-9_-]{43})$/
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const SECRET_BYTES = 32

export interface KeyText {
  readonly id: string
  readonly secret: Uint8Array
}

/** How every key begins, so that scanners of logs and repositories can find one. */
export const KEY_PREFIX = 'berth_'

export function newKey(random: Random): KeyText {
  const id = Array.from(random.bytes(16), (byte) => ALPHABET.charAt(byte & 31)).join('')
  return { id, secret: random.bytes(SECRET_BYTES) }
}

export function formatKey({ id, secret }: KeyText): string {
  return `${KEY_PREFIX}${id}_${base64url(secret)}`
}

/** undefined for anything but the one spelling of a key. */
export function parseKey(text: string): KeyText | undefined {
  const [, id, encoded] = KEY.exec(text) ?? []
  if (id === undefined || encoded === undefined) return undefined
  const binary = atob(`${encoded.replaceAll('-', '+').replaceAll('_', '/')}=`)
  const secret = Uint8Array.from(binary, (character) => character.charCodeAt(0))
  return base64url(secret) === encoded ? { id, secret } : undefined
}

/** What is kept of a key. 256 random bits need no salt and no slow hash: there is no dictionary of them. */
export async function hashSecret(secret: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', secret as Uint8Array<ArrayBuffer>))
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}
