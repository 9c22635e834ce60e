/**
 * The ledger of one address space as the sagas see it: plain values in, plain values out, so that a Durable Object's
 * stub and the object's own alarm fulfil it alike. Each write is one transaction; replies leave after its flush.
 */
import type { Problem } from '../problem.ts'
import type { Result } from '../result.ts'
import type { LeaseState } from './lease.ts'
import type { Call, Evidence, OpKind } from './operations.ts'

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
  /** Its IPPools, in name order. */
  readonly pools: readonly PoolFacts[]
  /** resourceVersion of the list they were read from. */
  readonly poolsVersion: string
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
    }
  /** Nothing to do before `delayMs`; then `resume`, or leave it to the alarm. */
  | { readonly kind: 'wait'; readonly op: string; readonly driver: number; readonly delayMs: number }
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
}

export interface Keyed {
  readonly tenant: string
  readonly key?: string
  readonly bodyHash: string
}

export interface HoldRequest extends Keyed {
  readonly items: readonly Wish[]
  /** Decide and answer, change nothing. */
  readonly dryRun: boolean
  /** The caller has just configured the space from the Subnet object: an announced write need not be waited for. */
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

export interface Located {
  readonly leases: readonly (LeaseView | null)[]
  /** The answer stored under the caller's key, if this very request was answered before. */
  readonly stored?: Answer
  /** The operation running under the caller's key. */
  readonly running?: string
  /** The key belongs to another request. */
  readonly mismatch?: boolean
}

export interface Report {
  readonly op: string
  readonly driver: number
  readonly attempt: number
  readonly evidence: readonly Evidence[]
}

export interface OpView {
  readonly id: string
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
  hold(request: HoldRequest): Promise<Opened>
  locate(targets: readonly Target[], keyed: Keyed): Promise<Located>
  release(request: ReleaseRequest): Promise<Opened>
  /** Keeps a final refusal the caller came to by itself under the key; answers what the key says by now. */
  refuse(keyed: Keyed, why: Problem): Promise<Opened>
  report(report: Report): Promise<Next>
  resume(op: string, driver: number): Promise<Next>
  /** The operation's answer, or undefined when `waitMs` ended first or there is no such operation. */
  settled(op: string, waitMs: number): Promise<Answer | undefined>
  find(name: string): Promise<LeaseView | undefined>
  page(filter: LeaseFilter, after: readonly [string, string], limit: number): Promise<LeasePage>
  operation(id: string): Promise<OpView | undefined>
  view(): Promise<SpaceView | undefined>
  suggest(count: number, contiguous: boolean): Promise<Result<readonly string[], Problem> | undefined>
}
