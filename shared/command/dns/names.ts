import { type Address, parseAddress } from '../../ipam/address.ts'
import { portName } from '../../kube-ovn/names.ts'
import type { Reservation } from '../types.ts'

/** Octets of one label, and characters of a name without its last dot [RFC 1035 sections 2.3.4 and 3.1]. */
const LABEL_LIMIT = 63
export const NAME_LIMIT = 253
/** Leaves room below a zone for `hostmaster` and the shortest owners. */
export const ZONE_LIMIT = 240

/** Letter-digit-hyphen labels in lower case [RFC 1123 section 2.1]. Nothing else gets into a zone, so nothing can break a line. */
const LABEL = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/

/** Whether this is a host name of whole labels, without a dot at its end. */
export function isHostName(text: string, limit = NAME_LIMIT): boolean {
  return text.length <= limit && text.split('.').every(isLabel)
}

function isLabel(text: string): boolean {
  return text.length <= LABEL_LIMIT && LABEL.test(text)
}

/** Why a reservation has no record. `shared`: another owner has a claim to the same name. */
export type NoName = 'label' | 'length' | 'shared'

/**
 * The name of an owner below `domain`: its port name, so `pod.namespace`, or `pod.namespace.provider` unless that is
 * `ovn`. Nothing is mapped: what is no DNS name has none, for two owners mapped alike would share one.
 */
export function ownerName({ owner }: Reservation, domain: string): string | { readonly without: NoName } {
  const { name, namespace, provider } = owner
  const below = portName(name, namespace, provider)
  if (!isLabel(namespace) || !below.split('.').every(isLabel)) return { without: 'label' }
  const full = `${below}.${domain}`
  return full.length > NAME_LIMIT ? { without: 'length' } : full
}

/** Who an owner is; two of them never share a name. */
export function ownerOf({ cluster, owner }: Reservation): string {
  return JSON.stringify([cluster, owner.namespace, owner.name, owner.kind, owner.provider])
}

/** `3.0.16.10.in-addr.arpa` [RFC 1035 section 3.5] or 32 nibbles in ip6.arpa [RFC 3596 section 2.5]. */
export function reverseName(address: Address): string {
  if (address.family === 4) {
    const octets = [0, 8, 16, 24].map((shift) => (address.value >>> shift) & 255)
    return `${octets.join('.')}.in-addr.arpa`
  }
  const nibbles = [...address.value.toString(16).padStart(32, '0')].reverse()
  return `${nibbles.join('.')}.ip6.arpa`
}

/** The reverse name of an address as text; undefined if it is none. */
export function reverseNameOf(text: string): string | undefined {
  const address = parseAddress(text)
  return address.ok ? reverseName(address.value) : undefined
}

/** A zone of addresses, whole octets or nibbles; `malformed` if it ends like one and is none. */
export function zoneKind(zone: string): 'forward' | 'reverse' | 'malformed' {
  const labels = zone.split('.')
  const suffix = labels.slice(-2).join('.')
  const above = labels.slice(0, -2)
  if (suffix === 'in-addr.arpa') {
    const isOctet = (label: string) => /^(?:0|[1-9]\d{0,2})$/.test(label) && Number(label) <= 255
    return above.length <= 4 && above.every(isOctet) ? 'reverse' : 'malformed'
  }
  if (suffix !== 'ip6.arpa') return 'forward'
  return above.length <= 32 && above.every((label) => /^[0-9a-f]$/.test(label)) ? 'reverse' : 'malformed'
}

/** Whether a name lies in a zone, its apex included. */
export function isInZone(name: string, zone: string): boolean {
  return name === zone || name.endsWith(`.${zone}`)
}
