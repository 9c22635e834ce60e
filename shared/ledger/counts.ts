import type { SubnetConfig } from '../ipam/types.ts'
import { LEASE_STATES, type LeaseRow, type LeaseState } from './lease.ts'

type ByState = Record<LeaseState, number>

/** Rows counted by state, per family and as objects; kept in the `state` row and equal to a recount at any time. */
export interface Counts {
  readonly v4: ByState
  readonly v6: ByState
  /** Rows, whichever families they have: what Kube-OVN's formula counts. */
  readonly rows: ByState
  /** Rows holding an excluded address, per family. */
  readonly excludedV4: number
  readonly excludedV6: number
  /** Rows with an IP object, an address of which lies in excludeIps (gateways aside): Kube-OVN leaves them out. */
  readonly excludedObjects: number
}

const zero = (): ByState => Object.fromEntries(LEASE_STATES.map((state) => [state, 0])) as ByState

export const noCounts = (): Counts => ({
  v4: zero(),
  v6: zero(),
  rows: zero(),
  excludedV4: 0,
  excludedV6: 0,
  excludedObjects: 0,
})

/** What counting must know of the Subnet. */
export interface ExcludeTest {
  v4(address: number): boolean
  v6(address: bigint): boolean
  /** Whether the CIDR contains the address as a usable one. */
  in4(address: number): boolean
  in6(address: bigint): boolean
  isGateway(row: LeaseRow): boolean
}

/** Those of a Subnet as it is configured. */
export function excludesOf(config: SubnetConfig): ExcludeTest & { readonly config: SubnetConfig } {
  const { v4, v6 } = config
  return {
    config,
    v4: (address) => v4?.excludes.has(address) ?? false,
    v6: (address) => v6?.excludes.has(address) ?? false,
    in4: (address) => v4 !== undefined && address >= v4.first && address <= v4.last,
    in6: (address) => v6 !== undefined && address >= v6.first && address <= v6.last,
    isGateway: (row) =>
      (row.v4 !== null && row.v4 === v4?.gateway) || (row.v6 !== null && row.v6 === v6?.gateway),
  }
}

/** A row in one of these states has an IP object in the cluster. */
const WITH_OBJECT: ReadonlySet<LeaseState> = new Set(['bound', 'releasing', 'stranded', 'foreign'])

/**
 * What a row counts as in one family: outside the CIDR it takes no capacity, whatever its state; inside it does, even
 * where its other family fell out and stranded it.
 */
function stateIn(row: LeaseRow, holds: boolean): LeaseState {
  if (!holds) return 'stranded'
  return row.state === 'stranded' ? 'bound' : row.state
}

/** Somebody else's, whose object went; its address is kept until that is certain. */
function isLeaving({ state, uid }: LeaseRow): boolean {
  return state === 'foreign' && uid === null
}

/** Counts after adding (`sign` 1) or removing (-1) one row. */
export function count(counts: Counts, row: LeaseRow, sign: 1 | -1, excludes: ExcludeTest): Counts {
  const bump = (by: ByState, state: LeaseState): ByState => {
    const bumped = { ...by }
    bumped[state] += sign
    return bumped
  }
  const holds4 = row.v4 !== null && excludes.in4(row.v4)
  const holds6 = row.v6 !== null && excludes.in6(row.v6)
  const in4 = row.v4 !== null && excludes.v4(row.v4)
  const in6 = row.v6 !== null && excludes.v6(row.v6)
  const object = WITH_OBJECT.has(row.state) && !isLeaving(row) && (in4 || in6) && !excludes.isGateway(row)
  return {
    v4: row.v4 === null ? counts.v4 : bump(counts.v4, stateIn(row, holds4)),
    v6: row.v6 === null ? counts.v6 : bump(counts.v6, stateIn(row, holds6)),
    rows: bump(counts.rows, isLeaving(row) ? 'quarantined' : row.state),
    excludedV4: counts.excludedV4 + (holds4 && in4 ? sign : 0),
    excludedV6: counts.excludedV6 + (holds6 && in6 ? sign : 0),
    excludedObjects: counts.excludedObjects + (object ? sign : 0),
  }
}

export function recount(rows: Iterable<LeaseRow>, excludes: ExcludeTest): Counts {
  let counts = noCounts()
  for (const row of rows) counts = count(counts, row, 1, excludes)
  return counts
}

/** Kube-OVN's `using`: IP objects less those inside excludeIps [pkg/controller/subnet_status.go:134-193]. */
export function usingObjects(counts: Counts): number {
  let objects = 0
  for (const state of WITH_OBJECT) objects += counts.rows[state]
  return objects - counts.excludedObjects
}
