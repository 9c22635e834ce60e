/** What every door hands down, and what it gets back. Doors parse into these and render these; nothing here knows HTTP. */
import type { KubeObject } from '../cluster/port.ts'
import type { PodType } from '../kube-ovn/names.ts'
import type { Block, QuotaView, RenewRequest } from '../ledger/port.ts'
import type { Finding, Problem } from '../problem.ts'

/** One wish. Strings are trimmed of nothing: the parse at the door has checked type and length, the core checks meaning. */
export interface ReserveItem {
  readonly subnet: string
  readonly namespace: string
  readonly podName: string
  readonly podType: PodType
  /** metadata.name when the caller gave one; must equal the computed port name. */
  readonly name?: string
  /** Absent means automatic. Absent, null and "" are the same at the door. */
  readonly v4IpAddress?: string
  readonly v6IpAddress?: string
  readonly macAddress?: string
  readonly ipPool?: string
  readonly reason?: string
  /** How long it is to last, one of the two; neither: until it is released. */
  readonly ttlSeconds?: number
  /** Wall ms. */
  readonly expiresAt?: number
}

/** Who asks and how; the same for every write. */
export interface WriteContext {
  /** Idempotency keys and operations belong to a tenant. Anonymous on loopback: `anonymous`. */
  readonly tenant: string
  readonly requestId: string
  readonly dryRun: boolean
  readonly idempotencyKey?: string
  /** SHA-256 of the canonical parsed body, hex; two spellings may differ, that is the caller's affair. "" without a key. */
  readonly bodyHash: string
}

export interface ReserveCommand extends WriteContext {
  /** 1 to 1,000 wishes, all of one Subnet; more than one is a group: all bound or none. */
  readonly items: readonly ReserveItem[]
  /** They are to have contiguous addresses, in their order; of them only the first may name one. */
  readonly block?: Block
}

/** One reservation to give back, by object name or by owner and Subnet. */
export type ReleaseTarget =
  | { readonly name: string; readonly subnet?: string }
  | { readonly namespace: string; readonly podName: string; readonly subnet: string }

/** Whether a caller may write a reservation; `unseen`: he may not even know of it. `unknown`: it cannot be told. */
export type Permission = 'granted' | 'refused' | 'unseen' | 'unknown'

export type Permit = (found: {
  /** Of the reservation; "" where it is none yet. */
  readonly id: string
  readonly subnet: string
  readonly namespace: string
  readonly name: string
}) => Promise<Permission>

export interface ReleaseCommand extends WriteContext {
  readonly targets: readonly ReleaseTarget[]
  /** Skip the check that the owner is gone. */
  readonly force: boolean
  readonly reason?: string
  /** Asked of each reservation found, before anything is done to it: a name alone does not tell whose it is. */
  readonly permit?: Permit
}

export interface TransferCommand extends WriteContext {
  readonly target: ReleaseTarget
  readonly to: { readonly namespace: string; readonly podName: string; readonly podType: PodType }
  /** The old owner may live. */
  readonly force: boolean
  readonly reason?: string
  /** Asked of the reservation found. */
  readonly permit?: Permit
  /** Why the caller may not reserve for the new owner in this Subnet. */
  readonly permitTo?: (subnet: string) => Promise<Problem | undefined>
}

export interface RenewCommand extends WriteContext {
  readonly targets: readonly ReleaseTarget[]
  readonly lasting: RenewRequest['lasting']
  readonly permit?: Permit
}

export type ReservationState =
  | 'free'
  | 'held'
  | 'bound'
  | 'releasing'
  | 'quarantined'
  | 'foreign'
  | 'stranded'

/** Which of a Subnet's IP objects to adopt: all, those of one namespace, those of Pods with these labels. */
export interface AdoptSelection {
  readonly subnet: string
  readonly namespace?: string
  /** Labels of Pods, all of which must match. */
  readonly selector?: Readonly<Record<string, string>>
}

export type AdoptCommand = WriteContext &
  (
    | {
        readonly target: ReleaseTarget
        /** Asked of the object found, as for a release. */
        readonly permit?: Permit
      }
    | { readonly selection: AdoptSelection }
  )

/** contract.md "Reservation". Addresses are canonical, "" where the family is absent; times RFC 3339 UTC. */
export interface Reservation {
  readonly id: string
  readonly state: ReservationState
  readonly contested?: true
  readonly name: string
  readonly subnet: string
  readonly cluster: string
  readonly owner: {
    readonly namespace: string
    readonly name: string
    readonly kind: string
    readonly provider: string
  }
  readonly v4IpAddress: string
  readonly v6IpAddress: string
  readonly macAddress: string
  readonly createdAt: string
  readonly expiresAt?: string
  /** That is over, and its owner lives. */
  readonly overdue?: true
  readonly reason?: string
  /** Id of the last operation on it. */
  readonly operation: string
  readonly warnings: readonly string[]
  /** The owner's logical switch port, where one reservation was asked for and OVN is looked after. */
  readonly port?: {
    readonly uuid: string
    /** As OVN has them: `MAC v4 v6`. */
    readonly addresses: readonly string[]
    /** Whether a chassis has bound it; absent when nobody has said. */
    readonly up?: boolean
    readonly requestedChassis?: string
  }
  /** The IP object as the cluster has it (or, while held, as it will be). */
  readonly object: KubeObject
}

/** How a write ended. `pending` becomes 202 with the operation's address. */
export type WriteOutcome =
  | { readonly kind: 'done'; readonly created: boolean; readonly reservations: readonly Reservation[] }
  | { readonly kind: 'pending'; readonly operation: string; readonly retryAfterMs: number }
  | { readonly kind: 'refused'; readonly problem: Problem }

export type AdoptOutcome =
  | WriteOutcome
  /** Each object of a selection by itself: those that are reservations now, and why the others are not. */
  | {
      readonly kind: 'several'
      readonly reservations: readonly Reservation[]
      readonly findings: readonly Finding[]
    }

export interface Validation {
  readonly allowed: boolean
  readonly findings: readonly Finding[]
  /** What reserve would give now; promises nothing. One entry a wish. */
  readonly preview?: readonly Reservation[]
}

export interface OperationView {
  readonly id: string
  /** Whose it is; not shown. */
  readonly tenant: string
  readonly kind: string
  readonly state: 'running' | 'done' | 'failed'
  readonly phase: string
  readonly reservations: readonly Reservation[]
  readonly problem?: Problem
  readonly createdAt: string
  readonly updatedAt: string
}

export interface ReservationFilter {
  readonly subnet?: string
  readonly namespace?: string
  readonly podName?: string
  readonly state?: ReservationState | 'contested'
  /** Any accepted spelling, checked by the core. */
  readonly address?: string
  readonly mac?: string
  /** Whether its time is over and its owner lives. */
  readonly overdue?: boolean
}

export interface ReservationPage {
  readonly items: readonly Reservation[]
  /** Opaque; hand it back to go on. */
  readonly continue?: string
}

/** Exact ledger counts of one family. */
export interface FamilyCount {
  readonly usable: bigint
  readonly bound: bigint
  readonly held: bigint
  readonly releasing: bigint
  readonly quarantined: bigint
  readonly foreign: bigint
  readonly stranded: bigint
  readonly excluded: bigint
  readonly free: bigint
}

/** contract.md "Subnets". All counts are exact integers of any size. */
export interface SubnetView {
  readonly name: string
  readonly cidrBlock: string
  readonly gateway: string
  readonly excludeIps: readonly string[]
  readonly protocol: 'IPv4' | 'IPv6' | 'Dual'
  readonly provider: string
  readonly vpc: string
  readonly default: boolean
  readonly orphaned?: true
  readonly v4usingIPs: bigint
  readonly v4availableIPs: bigint
  readonly v6usingIPs: bigint
  readonly v6availableIPs: bigint
  readonly ledger: { readonly v4?: FamilyCount; readonly v6?: FamilyCount }
  /** What each namespace that a quota of the Subnet is about has, and may have. */
  readonly quotas?: readonly QuotaView[]
  /** What is not in force, or should be known. */
  readonly warnings?: readonly string[]
}

/** A Subnet in a list whose counts are not to be had, and why. */
export interface UncountedSubnet
  extends Pick<SubnetView, 'name' | 'cidrBlock' | 'gateway' | 'excludeIps' | 'provider' | 'vpc' | 'default'> {
  readonly problem: Problem
}
