import { equalBytes } from '../../shared/access/equal.ts'
import { hashSecret, parseKey } from '../../shared/access/key-text.ts'

/**
 * The first key, which makes the others: variable ADMIN_KEY_SHA256 holds the hash of its secret, and nothing else does.
 * `npm run keys -- admin` makes the two.
 */
export async function isAdminKey(text: string, hashHex: string | undefined): Promise<boolean> {
  const given = hashHex === undefined ? undefined : parseKey(text)
  if (!given || hashHex === undefined) return false
  return equalBytes(await hashSecret(given.secret), bytesOf(hashHex))
}

function bytesOf(hexDigits: string): Uint8Array {
  return Uint8Array.from(hexDigits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}
