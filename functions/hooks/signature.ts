import { equalBytes } from '../../shared/access/equal.ts'

/** How far a sender's clock may be off, and how old a signed request may be (Slack's own advice: five minutes). */
export const TOLERANCE_MS = 5 * 60_000

/** HMAC-SHA-256 of the parts, one after the other. */
export async function hmacSha256(
  secret: Uint8Array,
  ...parts: readonly (string | Uint8Array)[]
): Promise<Uint8Array> {
  const key = await crypto.subtle.importKey('raw', bytes(secret), { name: 'HMAC', hash: 'SHA-256' }, false, [
    'sign',
  ])
  return new Uint8Array(await crypto.subtle.sign('HMAC', key, joined(parts)))
}

/** Whether `signature` (64 hex digits, lower case) is the HMAC-SHA-256 of the raw bytes. */
export async function isHmacSha256(
  secret: string,
  signature: string | undefined,
  ...parts: readonly (string | Uint8Array)[]
): Promise<boolean> {
  const given = hexBytes(signature, 32)
  // An empty secret would let everybody sign.
  if (!given || secret === '') return false
  return equalBytes(given, await hmacSha256(new TextEncoder().encode(secret), ...parts))
}

/** Whether `signature` is the Ed25519 signature of the raw bytes under a public key, both as lower-case hex. */
export async function isEd25519(
  publicKey: string,
  signature: string | undefined,
  ...parts: readonly (string | Uint8Array)[]
): Promise<boolean> {
  const given = hexBytes(signature, 64)
  const key = hexBytes(publicKey, 32)
  if (!given || !key) return false
  const imported = await crypto.subtle.importKey('raw', bytes(key), { name: 'Ed25519' }, false, ['verify'])
  return crypto.subtle.verify({ name: 'Ed25519' }, imported, bytes(given), joined(parts))
}

/** Whether a shared token is the one expected, in a time that tells nothing of it but its length. */
export function isToken(expected: string, given: string | null | undefined): boolean {
  const encoder = new TextEncoder()
  return expected !== '' && equalBytes(encoder.encode(given ?? ''), encoder.encode(expected))
}

/** Unix seconds in plain decimal, within the tolerance of now. Two headers arrive joined by a comma, which no digit is. */
export function isTimely(seconds: string | undefined, nowMs: number): boolean {
  if (seconds === undefined || !/^[1-9]\d{0,11}$/.test(seconds)) return false
  return Math.abs(nowMs - Number(seconds) * 1000) <= TOLERANCE_MS
}

/** The bytes of exactly `length` pairs of lower-case hex digits. */
function hexBytes(text: string | undefined, length: number): Uint8Array | undefined {
  if (text === undefined || text.length !== length * 2 || !/^[0-9a-f]+$/.test(text)) return undefined
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}

function joined(parts: readonly (string | Uint8Array)[]): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder()
  const chunks = parts.map((part) => (typeof part === 'string' ? encoder.encode(part) : part))
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0))
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.byteLength
  }
  return whole
}

const bytes = (view: Uint8Array) => view as Uint8Array<ArrayBuffer>
