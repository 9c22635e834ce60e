import { formatAddress } from '../ipam/address.ts'
import { RangeSet } from '../ipam/range.ts'
import type { SubnetCounters } from '../kube-ovn/subnet-status.ts'
import { spaceView } from './reads.ts'
import type { Space } from './space.ts'

/** What the status of a Subnet should say. `revision`: of the rows it was made from. */
export interface CountersReport {
  readonly subnet: string
  readonly uid: string
  readonly revision: number
  readonly counters: SubnetCounters
}

/**
 * The Subnet's counters by Kube-OVN's formula; undefined where there is no Subnet any more. The ranges are what the
 * ledger keeps and has left, so an address that cools down is in the one and not in the other.
 */
export function countersReport(space: Space): CountersReport | undefined {
  const view = spaceView(space)
  if (!view || view.orphaned) return undefined
  const { v4, v6 } = space.plain
  const ranges = (family: 4 | 6) => {
    const part = space.allocator.space(family)
    const excludes = family === 4 ? v4?.excludes : v6?.excludes
    const used = part?.used().minus(excludes ?? RangeSet.empty())
    return {
      using: used?.format(family, formatAddress) ?? '',
      available: space.allocator.availableRanges(family),
    }
  }
  const [r4, r6] = [ranges(4), ranges(6)]
  return {
    subnet: view.facts.name,
    uid: view.facts.uid,
    revision: space.counters.revision,
    counters: {
      v4availableIPs: view.v4Available,
      v4usingIPs: v4 ? view.using : 0n,
      v6availableIPs: view.v6Available,
      v6usingIPs: v6 ? view.using : 0n,
      v4availableIPrange: r4.available,
      v4usingIPrange: r4.using,
      v6availableIPrange: r6.available,
      v6usingIPrange: r6.using,
    },
  }
}
