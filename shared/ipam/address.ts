import ipaddr from 'ipaddr.js'
import { err, ok, type Result } from '../result.ts'
import type { Family, IpamError } from './types.ts'

/** A parsed address: family and value (uint32 as number, uint128 as bigint). */
export type Address =
  | { readonly family: 4; readonly value: number }
  | { readonly family: 6; readonly value: bigint }

/** A parsed CIDR, host bits masked. `top` is its highest address. */
export type Cidr =
  | { readonly family: 4; readonly network: number; readonly top: number; readonly prefix: number }
  | { readonly family: 6; readonly network: bigint; readonly top: bigint; readonly prefix: number }

const DECIMAL_QUAD = /^(?:0|[1-9]\d{0,2})(?:\.(?:0|[1-9]\d{0,2})){3}$/
const HEX_GROUPS = /^[0-9A-Fa-f:]{2,39}$/
const EMBEDDED_QUAD = /^[0-9A-Fa-f:]+:(?:0|[1-9]\d{0,2})(?:\.(?:0|[1-9]\d{0,2})){3}$/
const MAPPED = 0xffffn

/**
 * Dotted quad without leading zeros, or any RFC 4291 spelling of an IPv6 address. Refused: hex, octal and short IPv4,
 * zones, prefixes, surrounding space, and IPv4-mapped IPv6 (Kube-OVN takes it and loses count, D-table `v4-mapped`).
 * @returns `invalid-ip`
 */
export function parseAddress(text: string, field?: string): Result<Address, IpamError> {
  if (DECIMAL_QUAD.test(text)) {
    const value = parseQuad(text)
    if (value !== undefined) return ok({ family: 4, value })
  } else if ((HEX_GROUPS.test(text) || EMBEDDED_QUAD.test(text)) && ipaddr.IPv6.isValid(text)) {
    let value = 0n
    for (const group of ipaddr.IPv6.parse(text).parts) value = (value << 16n) | BigInt(group)
    if (value >> 32n !== MAPPED) return ok({ family: 6, value })
    return refuse(`${quote(text)} is an IPv4-mapped IPv6 address; write the IPv4 address`, field)
  }
  return refuse(`${quote(text)} is not an IP address`, field)
}

function refuse(detail: string, field: string | undefined): Result<never, IpamError> {
  return err({ kind: 'invalid-ip', detail, ...(field === undefined ? {} : { field }) })
}

function parseQuad(text: string): number | undefined {
  let value = 0
  for (const part of text.split('.')) {
    const octet = Number(part)
    if (octet > 255) return undefined
    value = value * 256 + octet
  }
  return value
}

/** Canonical text: dotted quad, or RFC 5952 (lower case, longest run of zero groups shortened, no embedded quad). */
export function formatAddress(family: Family, address: number | bigint): string {
  if (family === 4) {
    const value = Number(address)
    return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`
  }
  const groups: number[] = []
  let rest = BigInt(address)
  for (let i = 0; i < 8; i++) {
    groups.unshift(Number(rest & 0xffffn))
    rest >>= 16n
  }
  return formatGroups(groups)
}

function formatGroups(groups: readonly number[]): string {
  let best = -1
  let bestLength = 1
  for (let i = 0; i < 8; i++) {
    let length = 0
    while (i + length < 8 && groups[i + length] === 0) length++
    if (length > bestLength) {
      best = i
      bestLength = length
    }
  }
  const hex = (part: readonly number[]) => part.map((group) => group.toString(16)).join(':')
  return best < 0 ? hex(groups) : `${hex(groups.slice(0, best))}::${hex(groups.slice(best + bestLength))}`
}

/**
 * `address/prefix`, host bits masked away as Kube-OVN's controller does (semantics.md §2).
 * @returns `invalid-cidr`
 */
export function parseCidr(text: string, field?: string): Result<Cidr, IpamError> {
  const bad: Result<never, IpamError> = err({
    kind: 'invalid-cidr',
    detail: `${quote(text)} is not a CIDR`,
    ...(field === undefined ? {} : { field }),
  })
  const match = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text)
  if (match === null) return bad
  const address = parseAddress(match[1]!)
  if (!address.ok) return bad
  const prefix = Number(match[2])
  if (address.value.family === 4) {
    if (prefix > 32) return bad
    const size = 2 ** (32 - prefix)
    const network = address.value.value - (address.value.value % size)
    return ok({ family: 4, network, top: network + size - 1, prefix })
  }
  if (prefix > 128) return bad
  const host = 128n - BigInt(prefix)
  const network = (address.value.value >> host) << host
  return ok({ family: 6, network, top: network + (1n << host) - 1n, prefix })
}

/** Text for an error message: control characters made visible, cut short. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
}
