/**
 * A block: contiguous ascending addresses for the wishes of one hold, in each family of the Subnet. Here each wish gets
 * its place; from there on the group is as any other.
 */
import { formatAddress, parseAddress } from '../ipam/address.ts'
import { step } from '../ipam/request.ts'
import type { Family } from '../ipam/types.ts'
import { portName } from '../kube-ovn/names.ts'
import type { Finding } from '../problem.ts'
import { err, ok, type Result } from '../result.ts'
import type { LeaseRow } from './lease.ts'
import type { Block, Wish } from './port.ts'
import { findingOf } from './refusals.ts'
import type { Space } from './space.ts'
import { windowFinding } from './window.ts'

type Address = number | bigint
type Field = 'v4IpAddress' | 'v6IpAddress'

/**
 * The wishes with the addresses their block gives them. It begins, in this order: where the first wish says; where those
 * of its owners that have addresses put it, so that a block grows in place; where all of it was before, within the
 * cool-down; at the lowest place there is. Changes nothing.
 * @returns findings with `item`: `already_reserved` where its owners' addresses are no block, `no_capacity`
 */
export function placed(
  space: Space,
  wishes: readonly Wish[],
  block: Block,
): Result<readonly Wish[], readonly Finding[]> {
  const provider = space.subnet?.facts.provider ?? ''
  const nics = wishes.map(({ podName, namespace }) => portName(podName, namespace, provider))
  space.leases.lookUp(nics)
  const starts: { readonly family: Family; readonly field: Field; readonly start: Address }[] = []
  for (const family of [4, 6] as const) {
    const field: Field = family === 4 ? 'v4IpAddress' : 'v6IpAddress'
    const wished = wishes[0]?.[field]
    // A Subnet without this family refuses an address of it by itself.
    if (!space.allocator.space(family)) continue
    const start =
      wished === undefined ? startOf(space, wishes, nics, family, block) : writtenStart(wished, family)
    // What cannot be read is refused with its own reason as the wish of the first.
    if (start === undefined) continue
    if (typeof start === 'object') return err(start)
    if (block.aligned && BigInt(start) % BigInt(wishes.length) !== 0n) {
      const message = `${formatAddress(family, start)} is no multiple of ${wishes.length}`
      return err([{ code: 'invalid_range', field, message, item: 0 }])
    }
    starts.push({ family, field, start })
  }
  return ok(
    wishes.map((wish, index) => ({
      ...wish,
      ...Object.fromEntries(
        starts.map(({ family, field, start }) => [field, textOf(family, step(start, index))] as const),
      ),
    })),
  )
}

function writtenStart(text: string, family: Family): Address | undefined {
  const address = parseAddress(text)
  return address.ok && address.value.family === family ? address.value.value : undefined
}

/** Beyond the last address there is none to name; whatever it is called, it is out of range. */
function textOf(family: Family, address: Address): string {
  const top = family === 4 ? 0xffffffffn : (1n << 128n) - 1n
  return formatAddress(family, BigInt(address) > top ? (family === 4 ? 0xffffffff : top) : address)
}

function startOf(
  space: Space,
  wishes: readonly Wish[],
  nics: readonly string[],
  family: Family,
  block: Block,
): Address | readonly Finding[] {
  const rows = nics.map((nic) => space.leases.promise(nic))
  const kept = startBy(rows, family)
  if (kept !== undefined) return grown(space, wishes, rows, family, kept)
  const cooling = nics.map((nic) => space.leases.quarantined(nic))
  const before = startBy(cooling, family)
  const fits = (start: Address) =>
    (!block.aligned || BigInt(start) % BigInt(wishes.length) === 0n) && isOpen(space, nics, family, start)
  if (before !== undefined && fits(before)) return before
  return lowest(space, wishes, family, block)
}

/** Where the first of these that has an address puts the block; others that do not fit there are refused as wishes. */
function startBy(rows: readonly (LeaseRow | undefined)[], family: Family): Address | undefined {
  for (const [index, row] of rows.entries()) {
    const address = family === 4 ? row?.v4 : row?.v6
    if (address === null || address === undefined) continue
    const start = step(address, -index)
    return start < 0 ? undefined : start
  }
  return undefined
}

/** A block that is there in part, as long as nothing it would grow into is left out of automatic choice. */
function grown(
  space: Space,
  wishes: readonly Wish[],
  rows: readonly (LeaseRow | undefined)[],
  family: Family,
  start: Address,
): Address | readonly Finding[] {
  for (const [index, row] of rows.entries()) {
    if (row || isChoosable(space, wishes[index], family, step(start, index))) continue
    const text = textOf(family, step(start, index))
    const message = `the block cannot grow in place: ${text} is left out of automatic choice`
    return [{ code: 'no_capacity', field: 'subnet', message, item: index }]
  }
  return start
}

/** Whether the allocator might give the address to such a wish by itself, were it free. */
function isChoosable(space: Space, wish: Wish | undefined, family: Family, address: Address): boolean {
  const addresses = space.allocator.space(family)
  const state = addresses?.state(address)
  if (state === 'excluded') return false
  // Out of range or somebody's: the allocator says so.
  if (!addresses || state === 'outside' || state === 'held') return true
  return addresses.poolOf(address) === addresses.pools.get(wish?.ipPool ?? '')
}

/** Whether each owner could have his place in a block that begins there: free, or his own from before. */
function isOpen(space: Space, nics: readonly string[], family: Family, start: Address): boolean {
  return nics.every((nic, index) => {
    const address = step(start, index)
    const state = space.allocator.space(family)?.state(address)
    if (state !== 'held') return state === 'free' || state === 'released'
    const row = space.leases.quarantined(nic)
    return row?.bit === true && (family === 4 ? row.v4 : row.v6) === address
  })
}

function lowest(
  space: Space,
  wishes: readonly Wish[],
  family: Family,
  { aligned }: Block,
): Address | readonly Finding[] {
  const [first] = wishes
  const pool = first?.ipPool
  const found = space.allocator.suggest(wishes.length, {
    family,
    contiguous: true,
    aligned,
    ...(pool === undefined ? {} : { pool }),
  })
  const start = found.ok ? writtenStart(found.value[0] ?? '', family) : undefined
  if (start !== undefined) return start
  const outside = first && windowFinding(space, first, { dryRun: false })
  if (outside) return [outside]
  if (found.ok) throw new Error('a block without an address')
  return [findingOf(found.error)]
}
