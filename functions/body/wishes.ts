import type { z } from '@hono/zod-openapi'
import type { ReserveCommand, ReserveItem } from '../../shared/command/types.ts'
import { formatAddress, parseAddress } from '../../shared/ipam/address.ts'
import { ANNOTATION_EXPIRES, ANNOTATION_REASON, ANNOTATION_TTL } from '../../shared/kube-ovn/names.ts'
import { ttlOf } from '../../shared/ledger/lifetime.ts'
import { type Finding, type Problem, problemOf } from '../../shared/problem.ts'
import { err, ok, type Result } from '../../shared/result.ts'
import { check, finding } from '../schema/findings.ts'
import {
  blockWish,
  type IpManifest,
  ipManifest,
  type owners,
  type PlainWish,
  plainWish,
} from '../schema/ip.ts'
import { timeOf } from '../schema/lasting.ts'
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

/** The wishes of one call. */
export interface Wishes {
  readonly wishes: readonly Wish[]
  /** They were asked for as a block: contiguous addresses, and a list for an answer. */
  readonly block?: { readonly aligned: boolean }
}

/** What the core is asked for. */
export function commandOf({ wishes, block }: Wishes): Pick<ReserveCommand, 'items' | 'block'> {
  return { items: wishes.map(({ item }) => item), ...(block ? { block } : {}) }
}

/** Every wish of a body that may ask for a block. @returns as `readWishes` */
export function readGroup(collection: Collection): Result<Wishes, Problem> {
  const [entry] = collection.entries
  if (entry && !collection.list && !isManifest(entry.value) && Object.hasOwn(entry.value, 'block')) {
    const read = fromBlock(entry)
    return read.ok ? read : err(problemOf(read.error))
  }
  const wishes = readWishes(collection)
  return wishes.ok ? ok({ wishes: wishes.value }) : wishes
}

function fromBlock({ value, at }: Entry): Result<Wishes, readonly Finding[]> {
  const parsed = check(blockWish, value, at)
  if (!parsed.ok) return parsed
  const { block, v4IpAddress, v6IpAddress, ...rest } = parsed.value
  const both = bothComplaint(rest, at)
  if (both) return err([both])
  const wishes = blockNames(block).map((podName, index): Wish => {
    const first = index === 0 ? { v4IpAddress, v6IpAddress } : {}
    return {
      item: itemOf({ ...rest, ...first, podName }, rest),
      warnings: [],
      spell: (field) => spellPath([...at, ...blockPath(field)]),
    }
  })
  return ok({ wishes, block: { aligned: block.aligned ?? false } })
}

/** Names of a block's owners, in order: `web-0`, `web-1`. */
export function blockNames({ prefix, count, start }: z.output<typeof owners>): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}-${(start ?? 0) + index}`)
}

/** Where a block keeps what a command calls `field`. */
export function blockPath(field: string): Path {
  if (field === 'name' || field === 'podName') return ['block', 'prefix']
  return field === 'count' ? ['block', 'count'] : [field]
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
    const wish = readWish(entry, item)
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

/** One wish by itself, a manifest or in plain form. */
export function readWish(entry: Entry, item?: number): Result<Wish, readonly Finding[]> {
  return isManifest(entry.value) ? fromManifest(entry, item) : fromPlain(entry, item)
}

function fromPlain({ value, at }: Entry, item?: number): Result<Wish, readonly Finding[]> {
  const parsed = check(plainWish, value, at, item)
  if (!parsed.ok) return parsed
  const both = bothComplaint(parsed.value, at, item)
  if (both) return err([both])
  return ok({
    item: itemOf(parsed.value, parsed.value),
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
    item: itemOf(spec, {
      name: metadata?.name,
      reason: metadata?.annotations?.[ANNOTATION_REASON],
      ...lastingIn(metadata?.annotations ?? {}),
    }),
    warnings: manifestWarnings(value, at),
    spell: (field) => spellPath([...at, ...manifestPath(field)]),
  })
}

/** Where a manifest keeps what a command calls `field`. */
export function manifestPath(field: string): Path {
  if (field === 'name') return ['metadata', 'name']
  const annotation = ANNOTATIONS[field]
  return annotation ? ['metadata', 'annotations', annotation] : ['spec', field]
}

const ANNOTATIONS: Readonly<Record<string, string>> = {
  reason: ANNOTATION_REASON,
  ttlSeconds: ANNOTATION_TTL,
  expiresAt: ANNOTATION_EXPIRES,
}

/** What the annotations say of its lifetime. An object that was printed has both: its end counts. */
function lastingIn(annotations: Readonly<Record<string, string | null>>): Lasting {
  const [ttl, expires] = [annotations[ANNOTATION_TTL], annotations[ANNOTATION_EXPIRES]]
  if (expires) return { expiresAt: timeOf(expires) }
  return ttl ? { ttlSeconds: ttlOf(ttl) } : {}
}

function bothComplaint({ ttlSeconds, expiresAt }: Lasting, at: Path, item?: number): Finding | undefined {
  if (ttlSeconds == null || expiresAt == null) return undefined
  return finding('invalid_field', [...at, 'expiresAt'], 'must not stand next to ttlSeconds', item)
}

interface Lasting {
  readonly ttlSeconds?: number | null | undefined
  readonly expiresAt?: number | null | undefined
}

type ItemText = 'name' | 'ipPool' | 'reason'

/** Empty and null texts are left out, in a fixed order, so that equal wishes have equal hashes. */
function itemOf(
  from: PlainWish | IpManifest['spec'],
  more: Lasting & { readonly [K in ItemText]?: string | null | undefined },
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
    ...(more.ttlSeconds ? { ttlSeconds: more.ttlSeconds } : {}),
    ...(more.expiresAt ? { expiresAt: more.expiresAt } : {}),
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
