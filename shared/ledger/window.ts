/**
 * The window of a Subnet: the ranges inside its excludeIps from which Berth gives addresses beside kube-ovn-controller,
 * which never chooses an excluded address by itself (semantics.md D2, R7; faults.md F9).
 */
import { formatAddress, parseAddress } from '../ipam/address.ts'
import type { FamilyConfig } from '../ipam/types.ts'
import type { Finding } from '../problem.ts'
import { pending } from './announced.ts'
import { rangesOf, windowIn } from './facts.ts'
import type { LeaseRow } from './lease.ts'
import type { HoldRequest, LeaseView, Wish } from './port.ts'
import type { Space } from './space.ts'

/**
 * Why a wish cannot be granted beside the controller; undefined where it can, or where alone. What lies outside the CIDR
 * is left to the allocator to refuse.
 */
export function windowFinding(
  space: Space,
  wish: Wish,
  { pins, dryRun }: Pick<HoldRequest, 'pins' | 'dryRun'>,
): Finding | undefined {
  const facts = space.subnet?.facts
  if (space.mode !== 'beside' || !facts) return undefined
  const { v4, v6 } = space.plain
  const window = rangesOf(facts.window ?? [])
  const isWritten = () => space.nowMs < (pending(space, 'unverified')?.untilMs ?? 0)
  const outside: Outside = {
    subnet: facts.name,
    pins: pins === 'wanted' ? (dryRun ? 'foreseen' : 'none') : pins === 'done' ? 'listed' : 'none',
    isWritten,
  }
  return (
    (v4 && familyFinding(v4, windowIn(v4, window.v4), wish.v4IpAddress, outside)) ??
    (v6 && familyFinding(v6, windowIn(v6, window.v6), wish.v6IpAddress, outside))
  )
}

/**
 * Whether kube-ovn-controller never gives the addresses of a row to anybody by itself: what was adopted outside
 * excludeIps is anybody's once its object has gone.
 */
export function isKept(space: Space, { v4, v6 }: Pick<LeaseRow, 'v4' | 'v6'>): boolean {
  if (space.mode !== 'beside') return true
  const excludes = space.excludes()
  return (v4 === null || excludes.v4(v4)) && (v6 === null || excludes.v6(v6))
}

/** A promise outside excludeIps with what its owner should know: the controller forgets it at a restart (D2). */
export function withKeeping(space: Space, lease: LeaseView, row: Pick<LeaseRow, 'v4' | 'v6'>): LeaseView {
  if (isKept(space, row)) return lease
  const addresses = [lease.v4, lease.v6].filter((address) => address !== '').join(' and ')
  const note = `${addresses} is not in the Subnet's excludeIps: after a restart kube-ovn-controller gives it to others while the owner does not run; POST /v1/subnets/${lease.subnet}/window with it keeps it`
  return { ...lease, notes: [...(lease.notes ?? []), note] }
}

interface Outside {
  readonly subnet: string
  /** Which addresses outside the window will do: none, those that excludeIps list, or any (they are going to be). */
  readonly pins: 'none' | 'listed' | 'foreseen'
  /** Somebody is just taking entries out of excludeIps. */
  readonly isWritten: () => boolean
}

function familyFinding<N extends number | bigint>(
  { family, first, last, gateway, excludes }: FamilyConfig<N>,
  window: { readonly isEmpty: boolean; has(address: N): boolean },
  wished: string | undefined,
  { subnet, pins, isWritten }: Outside,
): Finding | undefined {
  const field = `v${family}IpAddress`
  if (wished === undefined) {
    if (!window.isEmpty) return undefined
    return {
      code: 'outside_window',
      field,
      message: `Subnet ${subnet} has no IPv${family} window that its excludeIps list, and kube-ovn-controller may give every other address away`,
      hint: `POST /v1/subnets/${subnet}/window makes one`,
    }
  }
  const address = parseAddress(wished)
  if (!address.ok || address.value.family !== family) return undefined
  const value = address.value.value as N
  if (value < first || value > last || value === gateway || window.has(value)) return undefined
  if (pins === 'foreseen') return undefined
  if (pins === 'listed' && excludes.has(value)) {
    return isWritten()
      ? { code: 'unavailable', field, message: `excludeIps of Subnet ${subnet} are just being written` }
      : undefined
  }
  return {
    code: 'outside_window',
    field,
    message: `${formatAddress(family, value)} is outside the window of Subnet ${subnet}: kube-ovn-controller may have given it away, or may yet`,
    hint: `choose one inside, or POST /v1/subnets/${subnet}/window with it`,
  }
}
