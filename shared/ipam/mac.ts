import type { Random } from '../random.ts'
import { err, ok, type Result } from '../result.ts'
import { quote } from './address.ts'
import type { IpamError } from './types.ts'

/** How often a random MAC is drawn before giving up (faults.md row 63). */
export const MAC_DRAWS = 100

/**
 * Six octets with colons, any case in, lower case out. Multicast (broadcast included) and all-zero addresses are
 * refused; Kube-OVN compares MACs as text and validates none (semantics.md D10).
 * @returns `invalid-mac`
 */
export function parseMac(text: string): Result<string, IpamError> {
  let zero = true
  let upper = false
  let good = text.length === 17
  for (let i = 0; i < 17 && good; i++) {
    const code = text.charCodeAt(i)
    if (i % 3 === 2) good = code === COLON
    else if ((code >= 65 && code <= 70) || (code >= 97 && code <= 102)) {
      zero = false
      upper ||= code < 97
    } else {
      good = code >= 48 && code <= 57
      zero &&= code === 48
    }
  }
  if (!good) return badMac(text, 'is not a MAC address (aa:bb:cc:dd:ee:ff)')
  if (zero) return badMac(text, 'is the zero MAC address')
  if ((Number.parseInt(text[1]!, 16) & 1) === 1) return badMac(text, 'is a multicast MAC address')
  return ok(upper ? text.toLowerCase() : text)
}

const badMac = (text: string, why: string): Result<string, IpamError> =>
  err({ kind: 'invalid-mac', field: 'mac', detail: `${quote(text)} ${why}` })

/** MACs drawn from the source of randomness at a time: a call of it costs more than all the rest of a draw. */
const MACS_A_CALL = 64
const HEX_CODES = Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0))
const COLON = 58

/** Random MACs from a source of bytes that is asked now and then. */
export class MacSource {
  private readonly random: Random
  private bytes: Uint8Array = new Uint8Array()
  private at = 0

  constructor(random: Random) {
    this.random = random
  }

  /** Six random bytes with the local bit set and the multicast bit cleared, as Kube-OVN draws them [pkg/util/net.go:43-61]. */
  next(): string {
    if (this.at + 6 > this.bytes.length) {
      this.bytes = this.random.bytes(6 * MACS_A_CALL)
      this.at = 0
    }
    const b = this.bytes
    const i = this.at
    this.at += 6
    const b0 = (b[i]! | 0x02) & 0xfe
    const b1 = b[i + 1]!
    const b2 = b[i + 2]!
    const b3 = b[i + 3]!
    const b4 = b[i + 4]!
    const b5 = b[i + 5]!
    const h = HEX_CODES
    // one flat string: a template of six parts would be a tree of them, and cost as much as the lease
    // biome-ignore format: a byte a line would hide that it is one number
    return String.fromCharCode(
      h[b0 >> 4]!, h[b0 & 15]!, COLON, h[b1 >> 4]!, h[b1 & 15]!, COLON, h[b2 >> 4]!, h[b2 & 15]!, COLON,
      h[b3 >> 4]!, h[b3 & 15]!, COLON, h[b4 >> 4]!, h[b4 & 15]!, COLON, h[b5 >> 4]!, h[b5 & 15]!,
    )
  }
}

/**
 * A random MAC that nobody has.
 * @returns `no-mac` after `MAC_DRAWS` taken ones
 */
export function randomMac(source: MacSource, isTaken: (mac: string) => boolean): Result<string, IpamError> {
  for (let draw = 0; draw < MAC_DRAWS; draw++) {
    const mac = source.next()
    if (!isTaken(mac)) return ok(mac)
  }
  return err({ kind: 'no-mac', field: 'mac', detail: `${MAC_DRAWS} random MAC addresses were all taken` })
}
