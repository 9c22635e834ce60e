import type { SubnetCounters } from '../../kube-ovn/subnet-status.ts'
import type { LeaseView, SeenIp } from '../../ledger/port.ts'
import type { ListedPort } from '../../ovn/port.ts'
import type { Problem } from '../../problem.ts'

/**
 * How ledger and cluster may differ, in the order they are told.
 *
 *                     ledger      IP object        others
 *   missing_object    promise     none
 *   foreign_holder    promise     another's name   a Pod or port with its address; or nobody's address, and a Pod's
 *   shared_address    any         several say one address
 *   changed_object    promise     ours, says something else
 *   owner_elsewhere   promise     any              its Pod runs with another address
 *   stranded          outside the CIDR
 *   label_lost        promise     ours, a label or mark of a reservation is missing
 *   finalizer         promise     ours, without Kube-OVN's finalizer or with its old name
 *   port_without_object           none             a Pod's logical switch port
 *   object_without_lease  none    a reservation's, or one the ledger was not told of
 *   counter_drift     the Subnet's status says other counters
 *   window_drift      the Subnet's excludeIps do not cover Berth's window, or list what Berth put there for nobody any more
 */
export const DRIFT_KINDS = [
  'missing_object',
  'foreign_holder',
  'shared_address',
  'changed_object',
  'owner_elsewhere',
  'stranded',
  'label_lost',
  'finalizer',
  'port_without_object',
  'object_without_lease',
  'counter_drift',
  'window_drift',
] as const
export type DriftKind = (typeof DRIFT_KINDS)[number]

/** An IP object as a comparison reads it. */
export interface FreshIp extends SeenIp {
  /** spec.subnet. */
  readonly subnet: string
  /** Label …/subnet; "" where it has none. */
  readonly subnetLabel: string
}

/** A Pod that is alive and runs in the Subnet. */
export interface FreshPod {
  readonly namespace: string
  readonly name: string
  /** Name of its port there, and so of its IP object. */
  readonly port: string
  /** As Kube-OVN noted them. */
  readonly addresses: readonly string[]
}

/** Ledger and cluster of one Subnet, read at one time. All that a comparison goes by. */
export interface Picture {
  readonly subnet: string
  /** resourceVersion of the list of IP objects; rows that are newer are not judged by it. */
  readonly version: string
  /** Whether the CIDR of the Subnet as it is now contains an address. */
  readonly isInside: (address: string) => boolean
  /** All rows. */
  readonly leases: readonly LeaseView[]
  /** All IP objects of the cluster, for one that moved away is known by its name. */
  readonly objects: readonly FreshIp[]
  readonly pods: readonly FreshPod[]
  /** Pods' ports on the Subnet's switch; undefined where nobody looked. */
  readonly ports?: readonly ListedPort[]
  readonly counters?: {
    readonly should: SubnetCounters
    /** The Subnet's status. */
    readonly says: unknown
    /** They are about to be told. */
    readonly isTelling: boolean
  }
  readonly excludeIps: readonly string[]
  /** Entries of excludeIps that Berth put there for single reservations. */
  readonly pinned?: readonly string[]
  /** Ranges Berth gives addresses from beside kube-ovn-controller; undefined where it has none. */
  readonly window?: readonly string[]
  /** Who writes finalizers and counters (contract.md "Who writes what"). */
  readonly authority: 'alone' | 'beside'
  /** A mirror tells the ledger of IP objects. */
  readonly mirrored: boolean
}

/** What mends a finding; each is an operation the ledger has anyway. */
export type Mend =
  | { readonly act: 'reassert' | 'mend'; readonly lease: LeaseView }
  | { readonly act: 'adopt'; readonly object: FreshIp }
  /** The mirror tells the ledger what it has not heard yet. */
  | { readonly act: 'learn' }
  /** The ledger is told of the Subnet as it is now. */
  | { readonly act: 'configure' }
  | { readonly act: 'counters' }
  /** What Berth put into excludeIps for reservations that are over is taken out. */
  | { readonly act: 'unpin' }

/** One difference. */
export interface Drift {
  readonly kind: DriftKind
  /** IP objects, reservations and ports; Pods as `namespace/name`. */
  readonly names: readonly string[]
  readonly addresses: readonly string[]
  /** In words: what is and what should be. */
  readonly differs: string
  /** In words: what repair does, or why it does nothing. */
  readonly repair: string
  readonly mend?: Mend
  /** The row it is about, where there is one. */
  readonly lease?: LeaseView
}

/**
 * would_repair: a dry run would not. not_repaired: `repair` says why. repaired: seen to be. under_way: its operation
 * goes on. failed: `problem` says why. left: not in the time there was; ask again.
 */
export type RepairResult = 'would_repair' | 'not_repaired' | 'repaired' | 'under_way' | 'failed' | 'left'

export interface RepairFinding extends Omit<Drift, 'mend' | 'lease'> {
  readonly subnet: string
  readonly outcome: RepairResult
  readonly operation?: string
  readonly problem?: Problem
}

/** What became of one Subnet. */
export interface SubnetRepair {
  readonly subnet: string
  /** The list of IP objects that it was compared with; absent where it was not compared. */
  readonly resourceVersion?: string
  /** Whether logical switch ports were compared, and why not. */
  readonly ports?: string
  readonly findings: readonly RepairFinding[]
  /** Findings there were, where not all are told. */
  readonly total: number
  /** Why it could not be compared. */
  readonly problem?: Problem
}

export interface RepairCommand {
  readonly tenant: string
  readonly requestId: string
  readonly dryRun: boolean
  /** All where absent. */
  readonly subnet?: string
  /** How long it may begin new operations, ms; WAIT_MS where nobody says. */
  readonly budgetMs?: number
}

export type RepairOutcome =
  | { readonly kind: 'compared'; readonly dryRun: boolean; readonly subnets: readonly SubnetRepair[] }
  | { readonly kind: 'refused'; readonly problem: Problem }
