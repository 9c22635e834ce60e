/**
 * The ledger of one address space as the sagas see it: plain values in, plain values out, so that a Durable Object's
 * stub and the object's own alarm fulfil it alike. Each write is one transaction; replies leave after its flush.
 */

import type { SubnetCounters } from '../kube-ovn/subnet-status.ts'
import type { Problem } from '../problem.ts'
import type { Result } from '../result.ts'
import type { AuditFilter, AuditPage } from './audit.ts'
import type { LeaseState } from './lease.ts'
import type { Lasting } from './lifetime.ts'
import type { Call, Evidence, OpKind, Owner } from './operations.ts'

/** Who keeps the addresses beside Berth: nobody, or a kube-ovn-controller that runs (faults.md (a)). */
export type Mode = 'alone' | 'beside'

/** A Subnet as the cluster has it; what the ledger needs to keep its space. */
export interface SubnetFacts {
  readonly cluster: string
  readonly name: string
  readonly uid: string
  readonly resourceVersion: string
  readonly cidrBlock: string
  readonly gateway: string
  readonly excludeIps: readonly string[]
  readonly provider: string
  readonly vpc: string
  readonly default: boolean
  /**
   * The ranges Berth chooses from (contract.md WINDOW), as `a` or `a..b`; absent where there is none. Only what
   * excludeIps list is safe beside kube-ovn-controller, and only that is chosen.
   */
  readonly window?: readonly string[]
  /** Its annotations about quotas and policy as they are written (terms.ts); absent where it has neither. */
  readonly terms?: TermTexts
  /** Its IPPools, in name order. */
  readonly pools: readonly PoolFacts[]
  /** resourceVersion of the list they were read from. */
  readonly poolsVersion: string
}

/** Annotations ANNOTATION_QUOTAS and ANNOTATION_POLICY of a Subnet. */
export interface TermTexts {
  readonly quotas?: string
  readonly policy?: string
}

/** An IPPool as the cluster has it: addresses, `a..b` ranges and CIDRs. */
export interface PoolFacts {
  readonly name: string
  readonly ips: readonly string[]
}

/** A pool that is about to be written (`ips`) or removed (none). */
export interface PoolChange {
  readonly name: string
  readonly ips?: readonly string[]
}

/** One reservation as the ledger knows it, addresses canonical, "" where absent. */
export interface LeaseView {
  readonly id: string
  readonly state: LeaseState | 'free'
  readonly contested: boolean
  readonly cluster: string
  readonly subnet: string
  readonly provider: string
  readonly name: string
  readonly namespace: string
  readonly podName: string
  readonly podType: string
  readonly v4: string
  readonly v6: string
  readonly mac: string
  readonly pool: string
  readonly epoch: number
  /** Last operation on it. */
  readonly operation: string
  /** The operation whose mark the IP object carries. */
  readonly origin: string
  readonly originEpoch: number
  readonly uid?: string
  readonly resourceVersion?: string
  /** creationTimestamp of the IP object. */
  readonly objectAt?: string
  readonly reason?: string
  /** Wall ms at which it ends by itself. */
  readonly expiresAt?: number
  /** That is over, and its owner lives. */
  readonly overdue?: true
  /** What its reader should know beside its state. */
  readonly notes?: readonly string[]
  readonly createdAt: number
}

/** How a write ended; stored under its operation and key, byte for byte. */
export type Answer =
  | { readonly kind: 'done'; readonly created: boolean; readonly leases: readonly LeaseView[] }
  | { readonly kind: 'refused'; readonly problem: Problem }

/** What a driver does next. */
export type Next =
  /** Make these calls, unless the step was received more than `sendMs` ago, and report. */
  | {
      readonly kind: 'send'
      readonly op: string
      readonly driver: number
      readonly attempt: number
      readonly sendMs: number
      readonly calls: readonly Call[]
      /** The operation's rows, where they are others than the driver was given. */
      readonly leases?: readonly LeaseView[]
    }
  /** Nothing to do before `delayMs`; then `resume`, or leave it to the alarm. */
  | {
      readonly kind: 'wait'
      readonly op: string
      readonly driver: number
      readonly delayMs: number
      /** News may come before: `resume` with the delay as its wait. */
      readonly listens?: true
    }
  | { readonly kind: 'answer'; readonly op: string; readonly answer: Answer }
  /** Somebody else drives now. */
  | { readonly kind: 'lost'; readonly op: string }

/** The answer to hold and release. */
export type Opened =
  | {
      readonly kind: 'drive'
      readonly op: string
      readonly leases: readonly LeaseView[]
      readonly next: Next
    }
  | { readonly kind: 'answer'; readonly answer: Answer }
  /** The same is under way: wait for that operation's answer. `joined`: tell it as 200. */
  | { readonly kind: 'join'; readonly op: string; readonly joined: boolean }
  /** Another operation is in the way: wait for it, then ask again. */
  | { readonly kind: 'busy'; readonly op: string; readonly problem: Problem }
  /** The ledger does not know its Subnet (any more, or not for sure): configure it, then ask again. */
  | { readonly kind: 'unconfigured' }

/** One wish: addresses and MAC as the caller wrote them, absent where the ledger may choose. */
export interface Wish {
  readonly namespace: string
  readonly podName: string
  readonly podType: string
  /** The object's name where the caller gave one. */
  readonly name?: string
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

export interface Keyed {
  readonly tenant: string
  /** How what begins now is to be done; absent: as before. */
  readonly mode?: Mode
  readonly key?: string
  readonly bodyHash: string
}

/** The wishes of one hold are to have contiguous addresses, in their order. */
export interface Block {
  /** The first is a multiple of their number, a power of two. */
  readonly aligned: boolean
}

export interface HoldRequest extends Keyed {
  readonly items: readonly Wish[]
  /** Of the items only the first may name addresses then: where the block begins. */
  readonly block?: Block
  /** Decide and answer, change nothing. */
  readonly dryRun: boolean
  /** The caller has just configured the space from the Subnet object: an announced write need not be waited for. */
  readonly verified?: boolean
  /**
   * OUTSIDE_WINDOW=pin, of wished addresses outside the window. wanted: the caller pins them and asks again; a dry run
   * takes them for pinned. done: he has just done so (command/pin.ts), so they will do where excludeIps list them.
   */
  readonly pins?: 'wanted' | 'done'
  /**
   * The object is being written by somebody else, whom this answer lets go on: one wish is held without a call, and the
   * answer is always `answer` or `busy`. Seeing the object binds it; no object within the straggler time frees it (P22).
   */
  readonly admission?: boolean
}

/** An IP object that is there, to be made a reservation as it is. */
export interface AdoptRequest extends Keyed {
  readonly seen: SeenIp
  readonly dryRun: boolean
  /** As in HoldRequest. */
  readonly verified?: boolean
}

/** One reservation, by the name of its object or by its owner. */
export type Target = { readonly name: string } | { readonly namespace: string; readonly podName: string }

export interface ReleaseRequest extends Keyed {
  /** Rows to give back, as located: state and epoch must still be those. */
  readonly items: readonly { readonly name: string; readonly id: string; readonly epoch: number }[]
  readonly dryRun: boolean
  readonly force: boolean
  readonly reason?: string
}

/** One reservation for another owner, with its address and MAC. */
export interface TransferRequest extends Keyed {
  /** As located: state and epoch must still be those. */
  readonly item: { readonly name: string; readonly id: string; readonly epoch: number }
  readonly to: Owner
  readonly dryRun: boolean
  /** The old owner may live. */
  readonly force: boolean
  readonly reason?: string
}

/** Another lifetime for reservations, counted from now. */
export interface RenewRequest extends Keyed {
  /** As located: state and epoch must still be those. */
  readonly items: readonly { readonly name: string; readonly id: string; readonly epoch: number }[]
  readonly dryRun: boolean
  /** `again`: as long as it was given last. `always`: until it is released. */
  readonly lasting: Lasting | 'again' | 'always'
}

export interface Located {
  readonly leases: readonly (LeaseView | null)[]
  /** The answer stored under the caller's key, if this very request was answered before. */
  readonly stored?: Answer
  /** The operation running under the caller's key. */
  readonly running?: string
  /** The key belongs to another request. */
  readonly mismatch?: boolean
}

/** What a comparison needs to know of a space; `view` and `counters` absent where nobody told it of a Subnet. */
export interface Inspection {
  readonly view?: SpaceView
  /** What the Subnet's status should say. */
  readonly counters?: SubnetCounters
  /** The counters are about to be told. */
  readonly isTelling: boolean
}

/**
 * One thing to mend. reassert: make a promise's object again, once a read has proven it gone. mend: give an object of
 * ours back its labels and marks, and with `finalizer` Kube-OVN's finalizer. counters: tell them again.
 */
export type RepairRequest =
  | { readonly act: 'counters' }
  | ({
      readonly tenant: string
      /** The row as it was compared. */
      readonly name: string
      readonly id: string
      readonly epoch: number
    } & ({ readonly act: 'reassert' } | { readonly act: 'mend'; readonly finalizer: boolean }))

export interface Report {
  readonly op: string
  readonly driver: number
  readonly attempt: number
  readonly evidence: readonly Evidence[]
}

export interface OpView {
  readonly id: string
  readonly tenant: string
  readonly kind: OpKind
  readonly state: 'running' | 'done' | 'failed'
  readonly phase: string
  readonly leases: readonly LeaseView[]
  readonly problem?: Problem
  readonly createdAt: number
  readonly updatedAt: number
}

export interface LeaseFilter {
  readonly namespace?: string
  readonly podName?: string
  readonly state?: string
  readonly v4?: string
  readonly v6?: string
  readonly mac?: string
  readonly overdue?: boolean
}

export interface LeasePage {
  readonly leases: readonly LeaseView[]
  /** Name and id of the last row looked at, where more may follow. */
  readonly after?: readonly [string, string]
}

export interface FamilyView {
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

/** What one namespace has of a Subnet, and may have by its quota. */
export interface QuotaView {
  readonly namespace: string
  readonly used: number
  readonly limit?: number
  readonly maxTtlSeconds?: number
}

export interface SpaceView {
  readonly facts: SubnetFacts
  readonly protocol: 'IPv4' | 'IPv6' | 'Dual'
  readonly cidrBlock: string
  readonly gateway: string
  readonly excludeIps: readonly string[]
  readonly orphaned: boolean
  /** What of the pools is not in force: unreadable, outside the CIDR, or another pool's. */
  readonly poolsLeftOut: readonly PoolFacts[]
  /** IP objects as Kube-OVN counts them. */
  readonly using: bigint
  readonly v4Available: bigint
  readonly v6Available: bigint
  readonly v4?: FamilyView
  readonly v6?: FamilyView
  readonly quotas?: readonly QuotaView[]
}

/**
 * An IP object as the mirror saw it, reduced to what the ledger decides on; addresses and MAC as written there. A Vip is
 * told of in the same form, its name with VIP_PREFIX before it.
 */
export interface SeenIp {
  readonly name: string
  readonly uid: string
  readonly resourceVersion: string
  /** creationTimestamp, RFC 3339. */
  readonly createdAt: string
  readonly namespace: string
  readonly podName: string
  readonly podType: string
  readonly v4IpAddress: string
  readonly v6IpAddress: string
  readonly ipAddress: string
  readonly macAddress: string
  /** Label ip_reserved; "" where it has none. */
  readonly reserved: string
  readonly finalizers: readonly string[]
  readonly terminating: boolean
  /** Annotation berth/force: wants to go although its owner lives. */
  readonly force: boolean
  /** Annotations berth/op and berth/epoch; "" and 0 where it has none. */
  readonly operation: string
  readonly epoch: number
  /** Annotation berth/reason. */
  readonly reason: string
  /** Annotations berth/ttl and berth/expires of an object that is a wish; absent where they say nothing that can be read. */
  readonly ttlSeconds?: number
  readonly expiresAt?: number
}

/** News of the IP objects (and Vips) whose spec names this Subnet, in the order of the watch. */
export type IpNews =
  /**
   * One part of all of them, as they were at `version`. After the `last` part of a list, what no part named is gone.
   * A new `list` id begins anew.
   */
  | {
      readonly kind: 'list'
      readonly list: string
      readonly last: boolean
      readonly version: string
      readonly objects: readonly SeenIp[]
      /** How what follows from it is to be done. */
      readonly mode?: Mode
    }
  /** What changed since the news before; an object that moved to another Subnet is `gone` here. */
  | {
      readonly kind: 'changes'
      readonly version: string
      readonly objects: readonly SeenIp[]
      readonly gone: readonly { readonly name: string; readonly uid: string }[]
      readonly mode?: Mode
    }

/** A hold made at admission, by its name and operation, and who has its address: a logical switch port, or a name in another cluster. */
export interface Carried {
  readonly name: string
  readonly operation: string
  readonly port: string
  readonly away?: string
  readonly what?: 'v4' | 'v6' | 'mac'
  readonly others?: readonly string[]
}

export interface LedgerPort {
  /** Takes a Subnet as seen in the cluster; older news than known is ignored. `token`: from announce. */
  configure(facts: SubnetFacts, token?: string): Promise<Result<{ readonly stranded: number }, Problem>>
  /** The Subnet and its counts as `configure` would leave them; changes nothing. */
  preview(facts: SubnetFacts): Promise<Result<SpaceView, Problem>>
  /** Says that a write to the Subnet object is about to leave: until configured with the token, holds ask for fresh facts. */
  announce(provider: string): Promise<Result<string, Problem>>
  /**
   * Takes a pool that is about to be written (or lets one go) and announces that: until configured with the token,
   * holds ask for fresh facts. Refuses a pool that does not fit whole, changing nothing. `facts`: as the cluster is.
   */
  propose(facts: SubnetFacts, change: PoolChange): Promise<Result<string, Problem>>
  /** Refuses further holds if there is no row left, so that the Subnet object may be deleted. The token takes it back. */
  retire(): Promise<Result<{ readonly view: SpaceView; readonly token: string }, Problem>>
  /** The Subnet object is gone. Rows, if any, are kept as orphans. */
  subnetGone(uid: string): Promise<void>
  /**
   * Takes what the mirror saw of this Subnet's IP objects (faults.md (a), transitions): addresses of others become
   * foreign, an object of ours that is being deleted is released or put back. Once this returns, the news is kept; the
   * mirror may forget it. Repeated news changes nothing.
   */
  observe(news: IpNews): Promise<Result<undefined, Problem>>
  /** An owner went away (or ended): whatever waits for that is looked at now. */
  nudge(owner: { readonly namespace: string; readonly podName: string }): Promise<void>
  hold(request: HoldRequest): Promise<Opened>
  /** Gives a hold made at admission, of which nobody was told yet, another address. */
  carried(hold: Carried): Promise<Opened>
  /** Makes an IP object that is not ours a reservation, with its address and MAC. */
  adopt(request: AdoptRequest): Promise<Opened>
  locate(targets: readonly Target[], keyed: Keyed): Promise<Located>
  release(request: ReleaseRequest): Promise<Opened>
  renew(request: RenewRequest): Promise<Opened>
  transfer(request: TransferRequest): Promise<Opened>
  /** Keeps a final refusal the caller came to by itself under the key; answers what the key says by now. */
  refuse(keyed: Keyed, why: Problem): Promise<Opened>
  /** What a comparison begins with; changes nothing. @returns `rate_limited` */
  inspect(): Promise<Result<Inspection, Problem>>
  /** Begins what mends one thing. Never frees anything; asked again, it joins what is under way. */
  repair(request: RepairRequest): Promise<Opened>
  report(report: Report): Promise<Next>
  /** `waitMs`: comes back when news that it waits for has come, or that time is over. */
  resume(op: string, driver: number, waitMs?: number): Promise<Next>
  /** Somebody who was asked wants this object deleted: beside the controller that tells a release from a collection. */
  want(object: { readonly name: string; readonly uid: string; readonly by?: string }): Promise<void>
  /** The operation's answer, or undefined when `waitMs` ended first or there is no such operation. */
  settled(op: string, waitMs: number): Promise<Answer | undefined>
  find(name: string): Promise<LeaseView | undefined>
  page(filter: LeaseFilter, after: readonly [string, string], limit: number): Promise<LeasePage>
  operation(id: string): Promise<OpView | undefined>
  /** Lines of the audit after the `after`th (0: from the beginning). */
  audit(filter: AuditFilter, after: number, limit: number): Promise<AuditPage>
  view(): Promise<SpaceView | undefined>
  suggest(count: number, contiguous: boolean): Promise<Result<readonly string[], Problem> | undefined>
}
