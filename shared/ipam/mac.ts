import type { Random } from '../random.ts'
import { err, ok, type Result } from '../result.ts'
import { quote } from './address.ts'
import type { IpamError } from './types.ts'

/** How often a random MAC is drawn before giving up (faults.md row 63). */
export const MAC_DRAWS = 100

const COLONS = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/
const ZERO = '00:00:00:00:00:00'

/**
 * Six octets with colons, any case in, lower case out. Multicast (broadcast included) and all-zero addresses are
 * refused; Kube-OVN compares MACs as text and validates none (semantics.md D10).
 * @returns `invalid-mac`
 */
export function parseMac(text: string): Result<string, IpamError> {
  const mac = text.toLowerCase()
  const refuse = (why: string): Result<string, IpamError> =>
    err({ kind: 'invalid-mac', field: 'mac', detail: `${quote(text)} ${why}` })
  if (text.length !== 17 || !COLONS.test(mac)) return refuse('is not a MAC address (aa:bb:cc:dd:ee:ff)')
  if (mac === ZERO) return refuse('is the zero MAC address')
  if ((Number.parseInt(mac.slice(0, 2), 16) & 1) === 1) return refuse('is a multicast MAC address')
  return ok(mac)
}

const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'))

/**
 * A random unicast MAC with the locally administered bit, as Kube-OVN draws it [pkg/util/net.go:43-61].
 * @returns `no-mac` after `MAC_DRAWS` taken ones
 */
export function randomMac(random: Random, isTaken: (mac: string) => boolean): Result<string, IpamError> {
  for (let draw = 0; draw < MAC_DRAWS; draw++) {
    const b = random.bytes(6)
    const first = HEX[(b[0]! | 0x02) & 0xfe]!
    const mac = `${first}:${HEX[b[1]!]}:${HEX[b[2]!]}:${HEX[b[3]!]}:${HEX[b[4]!]}:${HEX[b[5]!]}`
    if (!isTaken(mac)) return ok(mac)
  }
  return err({ kind: 'no-mac', field: 'mac', detail: `${MAC_DRAWS} random MAC addresses were all taken` })
}
