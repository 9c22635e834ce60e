/** What a hold meets of others' objects: by the name of its owner, or by the address it wishes for. */
import { formatAddress, parseAddress } from '../ipam/address.ts'
import { VIP_PREFIX } from '../kube-ovn/names.ts'
import type { Finding } from '../problem.ts'
import type { ClaimRow } from './claims.ts'
import type { LeaseRow } from './lease.ts'
import type { ItemState } from './operations.ts'
import { holderOf } from './place.ts'
import type { Wish } from './port.ts'
import type { Space } from './space.ts'

/** A group cannot be taken back from objects that were there before; each is to be adopted by itself. */
export function foreignFinding(space: Space, nic: string): Finding | undefined {
  const claim = space.leases.promise(nic) ? undefined : space.claims.get(nic)
  if (!claim || awaitsAddress(claim)) return undefined
  return {
    code: 'already_reserved',
    field: 'podName',
    message: `the IP object ${nic} exists and was not made here`,
    hint: 'adopt it first',
  }
}

/** The object is a wish itself, for an address it has not said: a reserve of its owner grants it (adopt.ts). */
export function awaitsAddress({ wish, v4, v6 }: ClaimRow): boolean {
  return wish !== null && v4 === null && v6 === null
}

/** Which of its addresses a caller chose. */
export function fixedBy({ v4IpAddress, v6IpAddress, macAddress }: Wish): ('v4' | 'v6' | 'mac')[] {
  const fixed: ('v4' | 'v6' | 'mac')[] = []
  if (v4IpAddress !== undefined) fixed.push('v4')
  if (v6IpAddress !== undefined) fixed.push('v6')
  if (macAddress !== undefined) fixed.push('mac')
  return fixed
}

/** The wish of an item's caller, as far as he fixed it. */
export function wishOf({ fixed = [] }: ItemState, row: LeaseRow): Wish {
  const { v4, v6, mac, namespace, podName, podType, pool } = row
  return {
    namespace,
    podName,
    podType,
    ...(fixed.includes('v4') && v4 !== null ? { v4IpAddress: formatAddress(4, v4) } : {}),
    ...(fixed.includes('v6') && v6 !== null ? { v6IpAddress: formatAddress(6, v6) } : {}),
    ...(fixed.includes('mac') ? { macAddress: mac } : {}),
    ...(pool === '' ? {} : { ipPool: pool }),
  }
}

/**
 * Who has an address that was wished for, where its holder's name alone would mislead: one that cools down, and until when;
 * a Vip, and what to do in its place (semantics.md §1, "Deprecated").
 */
export function heldBy(space: Space, wish: Wish, finding: Finding): Finding {
  const text =
    finding.field === 'v4IpAddress'
      ? wish.v4IpAddress
      : finding.field === 'v6IpAddress'
        ? wish.v6IpAddress
        : ''
  const address = parseAddress(text ?? '')
  if (finding.code !== 'address_taken' || !address.ok) return finding
  const holder = holderOf(space, address.value.family, address.value.value)
  if (holder?.state === 'quarantined') {
    const until = new Date(space.clock.nowMs() + (holder.freeMs ?? space.nowMs) - space.nowMs).toISOString()
    return {
      ...finding,
      message: `${text} cools down after ${holder.nic} gave it back`,
      hint: `it is free about ${until}; its last owner may have it back before`,
    }
  }
  if (!holder?.nic.startsWith(VIP_PREFIX)) return finding
  const vip = holder.nic.slice(VIP_PREFIX.length)
  return {
    ...finding,
    message: `${text} is held by Vip ${vip}`,
    hint: `a Vip is no way to keep an address for a Pod any more: delete Vip ${vip}, then reserve the address for its owner`,
  }
}
