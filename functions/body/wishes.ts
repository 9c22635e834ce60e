import type { ReserveItem } from '../../shared/command/types.ts'
import { formatAddress, parseAddress } from '../../shared/ipam/address.ts'
import { ANNOTATION_REASON } from '../../shared/kube-ovn/names.ts'
import { type Finding, type Problem, problemOf } from '../../shared/problem.ts'
import { err, ok, type Result } from '../../shared/result.ts'
import { check, finding } from '../schema/findings.ts'
import { type IpManifest, ipManifest, type PlainWish, plainWish } from '../schema/ip.ts'
import { type Collection, type Entry, isManifest } from './collect.ts'
import { type Path, spellPath } from './path.ts'
import { manifestWarnings } from './warnings.ts'

/** One wish of a reserve or validate call. */
export interface Wish {
  readonly item: ReserveItem
  /** What was ignored; goes into Reservation.warnings. */
  readonly warnings: readonly string[]
  /** The core's name of a field in the caller's spelling. */
  readonly spell: (field: string) => string
}

/**
 * Every wish of a body, or everything that is wrong with it. All must name one Subnet: a group lives in one ledger.
 * @returns a problem with findings, each naming field and item
 */
export function readWishes({ entries, list }: Collection): Result<readonly Wish[], Problem> {
  const wishes: Wish[] = []
  const findings: Finding[] = []
  for (const [index, entry] of entries.entries()) {
    const item = list ? index : undefined
    const wish = isManifest(entry.value) ? fromManifest(entry, item) : fromPlain(entry, item)
    if (wish.ok) wishes.push(wish.value)
    else findings.push(...wish.error)
  }
  const subnet = wishes[0]?.item.subnet
  if (findings.length === 0)
    for (const [index, wish] of wishes.entries())
      if (wish.item.subnet !== subnet)
        findings.push({
          code: 'invalid_field',
          field: wish.spell('subnet'),
          message: `all items of one call must name one Subnet; the first names ${subnet}`,
          item: index,
        })
  return findings.length > 0 ? err(problemOf(findings)) : ok(wishes)
}

function fromPlain({ value, at }: Entry, item?: number): Result<Wish, readonly Finding[]> {
  const parsed = check(plainWish, value, at, item)
  if (!parsed.ok) return parsed
  return ok({
    item: itemOf(parsed.value, { reason: parsed.value.reason, ipPool: parsed.value.ipPool }),
    warnings: [],
    // The object's name is computed; what the caller can change about it is the owner's.
    spell: (field) => spellPath([...at, field === 'name' ? 'podName' : field]),
  })
}

function fromManifest({ value, at }: Entry, item?: number): Result<Wish, readonly Finding[]> {
  const parsed = check(ipManifest, value, at, item)
  if (!parsed.ok) return parsed
  const { metadata, spec } = parsed.value
  const mismatch = ipAddressComplaint(spec)
  if (mismatch) return err([finding('invalid_field', [...at, 'spec', 'ipAddress'], mismatch, item)])
  return ok({
    item: itemOf(spec, { name: metadata?.name, reason: metadata?.annotations?.[ANNOTATION_REASON] }),
    warnings: manifestWarnings(value, at),
    spell: (field) => spellPath([...at, ...manifestPath(field)]),
  })
}

/** Where a manifest keeps what a command calls `field`. */
export function manifestPath(field: string): Path {
  if (field === 'name') return ['metadata', 'name']
  return field === 'reason' ? ['metadata', 'annotations', ANNOTATION_REASON] : ['spec', field]
}

type ItemText = 'name' | 'ipPool' | 'reason'

/** Empty and null texts are left out, in a fixed order, so that equal wishes have equal hashes. */
function itemOf(
  from: PlainWish | IpManifest['spec'],
  more: { readonly [K in ItemText]?: string | null | undefined },
): ReserveItem {
  return {
    subnet: from.subnet,
    namespace: from.namespace,
    podName: from.podName,
    podType: from.podType ?? '',
    ...(more.name ? { name: more.name } : {}),
    ...(from.v4IpAddress ? { v4IpAddress: from.v4IpAddress } : {}),
    ...(from.v6IpAddress ? { v6IpAddress: from.v6IpAddress } : {}),
    ...(from.macAddress ? { macAddress: from.macAddress } : {}),
    ...(more.ipPool ? { ipPool: more.ipPool } : {}),
    ...(more.reason ? { reason: more.reason } : {}),
  }
}

/** `ipAddress` is written from v4 and v6 (D3), so another value in it is a contradiction that must not pass in silence. */
function ipAddressComplaint(spec: IpManifest['spec']): string | undefined {
  if (!spec.ipAddress) return undefined
  const wanted = [spec.v4IpAddress, spec.v6IpAddress].filter((text) => text).join(',')
  if (canonical(spec.ipAddress) === canonical(wanted)) return undefined
  return wanted === ''
    ? 'is given without v4IpAddress and v6IpAddress; set those'
    : 'does not agree with v4IpAddress and v6IpAddress'
}

function canonical(addresses: string): string {
  return addresses
    .split(',')
    .map((text) => {
      const address = parseAddress(text)
      return address.ok ? formatAddress(address.value.family, address.value.value) : text
    })
    .join(',')
}
