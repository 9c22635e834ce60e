/**
 * The window of a Subnet: the ranges inside its excludeIps from which Berth gives addresses beside kube-ovn-controller,
 * which never chooses an excluded address by itself (semantics.md D2, R7; faults.md F9).
 */
import { formatAddress, parseAddress } from '../ipam/address.ts'
import type { FamilyConfig } from '../ipam/types.ts'
import type { Finding } from '../problem.ts'
import { rangesOf, windowIn } from './facts.ts'
import type { Wish } from './port.ts'
import type { Space } from './space.ts'

/**
 * Why a wish cannot be granted beside the controller; undefined where it can, or where alone. What lies outside the CIDR
 * is left to the allocator to refuse.
 */
export function windowFinding(space: Space, wish: Wish, pins: boolean): Finding | undefined {
  const facts = space.subnet?.facts
  if (space.mode !== 'beside' || !facts) return undefined
  const { v4, v6 } = space.plain
  const window = rangesOf(facts.window ?? [])
  return (
    (v4 && familyFinding(v4, windowIn(v4, window.v4), wish.v4IpAddress, { subnet: facts.name, pins })) ??
    (v6 && familyFinding(v6, windowIn(v6, window.v6), wish.v6IpAddress, { subnet: facts.name, pins }))
  )
}

function familyFinding<N extends number | bigint>(
  { family, first, last, gateway, excludes }: FamilyConfig<N>,
  window: { readonly isEmpty: boolean; has(address: N): boolean },
  wished: string | undefined,
  { subnet, pins }: { readonly subnet: string; readonly pins: boolean },
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
  if (pins && excludes.has(value)) return undefined
  return {
    code: 'outside_window',
    field,
    message: `${formatAddress(family, value)} is outside the window of Subnet ${subnet}: kube-ovn-controller may have given it away, or may yet`,
    hint: `choose one inside, or POST /v1/subnets/${subnet}/window with it`,
  }
}
