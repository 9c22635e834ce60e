import type { Random } from '../random.ts'

/** Crockford's base 32, lower case: sorts as it counts, no letters to mistake. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'

/** `op_<10 digits of ms><12 random digits>_<cluster>~<subnet>`: sorts by time, and tells which ledger to ask. */
export function operationId(wallMs: number, random: Random, cluster: string, subnet: string): string {
  return `op_${timeDigits(wallMs)}${randomDigits(random, 12)}_${cluster}~${subnet}`
}

/** `res_<10 digits of ms><12 random digits>`. */
export function reservationId(wallMs: number, random: Random): string {
  return `res_${timeDigits(wallMs)}${randomDigits(random, 12)}`
}

/** `evt_<10 digits of ms><12 random digits>`. */
export function eventId(wallMs: number, random: Random): string {
  return `evt_${timeDigits(wallMs)}${randomDigits(random, 12)}`
}

const OPERATION_ID =
  /^op_[0-9a-hjkmnp-tv-z]{22}_([a-z0-9]([a-z0-9.-]*[a-z0-9])?)~([a-z0-9]([a-z0-9.-]*[a-z0-9])?)$/

/** The space an operation id names, undefined where it is none of ours. */
export function spaceOfOperation(id: string): { cluster: string; subnet: string } | undefined {
  if (id.length > 400) return undefined
  const match = OPERATION_ID.exec(id)
  return match?.[1] !== undefined && match[3] !== undefined
    ? { cluster: match[1], subnet: match[3] }
    : undefined
}

function timeDigits(wallMs: number): string {
  let rest = Math.max(0, Math.floor(wallMs))
  let digits = ''
  for (let position = 0; position < 10; position++) {
    digits = ALPHABET.charAt(rest % 32) + digits
    rest = Math.floor(rest / 32)
  }
  return digits
}

function randomDigits(random: Random, length: number): string {
  let digits = ''
  for (const byte of random.bytes(length)) digits += ALPHABET.charAt(byte & 31)
  return digits
}
