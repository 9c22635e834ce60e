/**
 * IP objects that somebody wrote to get an address: no finalizer, no mark of ours (semantics.md §3). Each is a wish like
 * any other and is completed, or refused with the reason.
 */
import { portName } from '../kube-ovn/names.ts'
import { type Finding, isRetryable } from '../problem.ts'
import { completion } from './adopt.ts'
import { announce } from './announce.ts'
import { holdGate } from './announced.ts'
import type { ClaimRow } from './claims.ts'
import { claimFor, takeBack } from './foreign.ts'
import { allocated, returning } from './hold.ts'
import type { LeaseRow } from './lease.ts'
import { lifetimeOf } from './lifetime.ts'
import type { SeenIp, Wish } from './port.ts'
import { termsFinding } from './quota.ts'
import type { Space } from './space.ts'
import { nameFinding } from './wish.ts'

/** How soon a wish that could not be granted for now is tried again. */
const RETRY_MS = 60_000
/** How soon a wish left to kube-ovn-controller is looked at again. */
const BESIDE_MS = 10_000
/** Wishes tried in one transaction. */
const BATCH = 100

/** Names Kube-OVN makes for itself [pkg/controller/ip.go:28-44]. */
const KUBE_OVN_OWN = /^(u2o-interconnection|mcast-querier)\./

/** Whether an object asks for an address. With any finalizer it is somebody's already [pkg/controller/ip.go:143]. */
export function isWish(seen: SeenIp): boolean {
  const isMarked = seen.finalizers.length > 0 || seen.operation !== '' || seen.reserved === 'false'
  return !isMarked && !seen.terminating && !KUBE_OVN_OWN.test(seen.name) && !seen.name.includes('/')
}

/** Takes note of a wish; it is tried once everything told together with it is known. */
export function noteWish(space: Space, seen: SeenIp): void {
  const known = space.claims.get(seen.name)
  const isKnown = known?.uid === seen.uid && known.wish !== null && saidText(known.wish) === saidText(seen)
  const { refused, retryMs } = isKnown ? known : { refused: null, retryMs: space.nowMs }
  claimFor(space, seen, { wish: seen, refused, retryMs })
}

function saidText(seen: SeenIp): string {
  const { namespace, podName, podType, v4IpAddress, v6IpAddress, ipAddress, macAddress } = seen
  return JSON.stringify([namespace, podName, podType, v4IpAddress, v6IpAddress, ipAddress, macAddress])
}

/**
 * Tries the wishes that are due, in name order; the caller is in a transaction. Not in the middle of a list: a part that
 * is still to come may name an address as taken.
 */
export function tryWishes(space: Space): void {
  if (space.meta('observed') === undefined || space.meta('listing') !== undefined) return
  const due = space.claims.due(space.nowMs, BATCH)
  if (space.mode === 'beside') {
    // They are the controller's to complete; should it go, they are wishes again.
    for (const claim of due) space.claims.put({ ...claim, retryMs: space.nowMs + BESIDE_MS })
    return
  }
  for (const claim of [...due].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    // An earlier one may have changed it.
    const now = space.claims.get(claim.name)
    if (now?.wish && now.retryMs !== null && now.retryMs <= space.nowMs) tryWish(space, now, now.wish)
  }
}

function tryWish(space: Space, claim: ClaimRow, seen: SeenIp): void {
  const theirs = space.leases.get(claim.name, claim.id)
  const isAdopted = space.ops.get(theirs?.op ?? '')?.state === 'running'
  if (isAdopted || space.leases.promise(seen.name)) {
    space.claims.put({ ...claim, retryMs: space.nowMs + RETRY_MS })
    return
  }
  takeBack(space, claim)
  const found = judged(space, seen)
  if (found.finding) {
    refusedWish(space, seen, found.finding, claim.refused)
    return
  }
  const { op, row } = found
  space.ops.insert({ ...op, items: op.items.map((item) => ({ ...item, id: row.id })), nextMs: space.nowMs })
  // Its object is known; late news of it is no news.
  space.leases.update(row, { uid: seen.uid })
}

type Judged =
  | { readonly finding: Finding }
  | { readonly finding?: undefined; readonly op: ReturnType<typeof completion>; readonly row: LeaseRow }

function judged(space: Space, seen: SeenIp): Judged {
  const provider = space.subnet?.facts.provider ?? ''
  const nic = portName(seen.podName, seen.namespace, provider)
  if (holdGate(space, true)) {
    return { finding: { code: 'unavailable', message: 'the Subnet takes no reservations now' } }
  }
  const wish = wishOf(seen)
  const wrong = missing(seen) ?? podTypeFinding(seen) ?? nameFinding(wish, nic, provider)
  const lifetimeMs = lifetimeOf(wish, space.clock.nowMs())
  const against =
    wrong ?? (typeof lifetimeMs === 'object' ? lifetimeMs : termsFinding(space, wish, lifetimeMs))
  if (against) return { finding: against }
  const op = completion(space, seen, wish)
  let finding: Finding | undefined
  const row =
    returning(space, wish, nic, op.id) ??
    allocated(space, wish, nic, op.id, space.clock.nowMs(), (found) => {
      finding = found
    })
  if (row && typeof lifetimeMs === 'number') {
    space.lifetimes.put(row, lifetimeMs, space.clock.nowMs(), space.slowMs)
  }
  return row ? { op, row } : { finding: finding ?? { code: 'unavailable', message: 'not to be had' } }
}

/** Steps 3 to 8 of Kube-OVN's own handler [pkg/controller/ip.go:130-230]. */
function missing({ namespace, podName }: SeenIp): Finding | undefined {
  if (namespace === '') return { code: 'invalid_field', field: 'namespace', message: 'namespace is required' }
  return podName === ''
    ? { code: 'invalid_field', field: 'podName', message: 'podName is required' }
    : undefined
}

function podTypeFinding({ podType }: SeenIp): Finding | undefined {
  if (['', 'StatefulSet', 'VirtualMachine'].includes(podType)) return undefined
  return { code: 'invalid_field', field: 'podType', message: `podType ${podType} is not supported` }
}

function wishOf(seen: SeenIp): Wish {
  const { namespace, podName, podType, name, v4IpAddress, v6IpAddress, macAddress, reason } = seen
  const { ttlSeconds, expiresAt } = seen
  return {
    namespace,
    podName,
    podType,
    name,
    ...(v4IpAddress === '' ? {} : { v4IpAddress }),
    ...(v6IpAddress === '' ? {} : { v6IpAddress }),
    ...(macAddress === '' ? {} : { macAddress }),
    ...(reason === '' ? {} : { reason }),
    ...(ttlSeconds === undefined ? {} : { ttlSeconds }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  }
}

/** A completion failed. Where the object says something else by now, that is another wish, or none. */
export function turnedDownWish(space: Space, seen: SeenIp, finding: Finding): void {
  if (!isWish(seen)) claimFor(space, seen)
  else if (finding.code === 'contested') noteWish(space, seen)
  else refusedWish(space, seen, finding)
}

/** The object is left as it is; what it says is kept from others. Said once for each reason. */
export function refusedWish(space: Space, seen: SeenIp, finding: Finding, before?: string | null): void {
  if (finding.message !== before) {
    announce(space, seen, 'ReservationRefused', finding.message)
  }
  const retryMs = isRetryable(finding.code) || TAKEN.has(finding.code) ? space.nowMs + RETRY_MS : null
  claimFor(space, seen, { wish: seen, refused: finding.message, retryMs })
}

/** Reasons that may pass by themselves. */
const TAKEN: ReadonlySet<string> = new Set(['address_taken', 'mac_taken', 'outside_policy', 'port_exists'])
