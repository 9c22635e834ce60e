/**
 * What Berth asks of OVN's Northbound database: who has a port name, who has an address, and to cut a port that a
 * released Pod left. Answers are evidence: what is not known is never guessed. All of it is plain data and crosses
 * isolates.
 */

/** Whose port a name would be: Kube-OVN's, of that Pod or VM, on that Subnet's switch (semantics.md §7). */
export interface PortOwner {
  /** Port name, the same as the IP object's. */
  readonly name: string
  /** The Subnet, which is the logical switch and the port's `ls`. */
  readonly subnet: string
  /** `namespace/name` of the Pod or VM: the port's `pod`. */
  readonly pod: string
}

export type OvnRequest =
  /** Who has this port name. */
  | { readonly verb: 'name'; readonly owner: PortOwner }
  /** Which ports on the Subnet's switch carry one of these addresses (any spelling); `except` that port name. */
  | {
      readonly verb: 'address'
      readonly subnet: string
      readonly addresses: readonly string[]
      readonly except?: string
    }
  /** Cut the port `uuid` if it still is the owner's. One transaction; sent once. */
  | { readonly verb: 'cut'; readonly owner: PortOwner; readonly uuid: string }

/** A port as it was read. */
export interface PortView {
  readonly name: string
  readonly uuid: string
  /** '' for a Pod's; router, localnet and others are never a Pod's. */
  readonly type: string
  /** Names of the logical switches that hold it. */
  readonly switches: readonly string[]
  /** As the column has them: `MAC v4 v6`. */
  readonly addresses: readonly string[]
  readonly externalIds: Readonly<Record<string, string>>
  /** Whether a chassis has bound it; undefined when nobody has said. */
  readonly up?: boolean
  /** Where it is asked to be bound, when that is asked. */
  readonly requestedChassis?: string
}

export type OvnEvidence =
  /** name: there, and the owner's. */
  | { readonly result: 'found'; readonly port: PortView }
  /** name, cut: somebody else's, or no Pod's; `why` in words. Not cut. */
  | { readonly result: 'not_ours'; readonly port: PortView; readonly why: string }
  /** address: these ports carry it. */
  | { readonly result: 'held'; readonly ports: readonly PortView[] }
  /**
   * name: no such port. address: nobody has it. cut: the port is gone, by this call or before it. Read from the server
   * that led, no older than the call.
   */
  | { readonly result: 'absent' }
  /** cut: gone by this call; the commit was acknowledged. */
  | { readonly result: 'cut' }
  /** Certainly nothing was changed; worth asking again. */
  | { readonly result: 'later'; readonly detail: string; readonly reason: LaterReason }
  /**
   * cut only: may have been carried out, and may be still, as long as a request may be under way. Read by name:
   * absent ends it, the same uuid is cut again, another port is not ours.
   */
  | { readonly result: 'unknown'; readonly detail: string }
  /** OVN_NB is none: nobody looked. */
  | { readonly result: 'unasked' }

/** `no_leader`: the servers answer and none leads. `unreachable`: none answers. `refused`: the database would not. */
export type LaterReason = 'no_leader' | 'unreachable' | 'refused'

/** A Pod's port as the monitor has it: who says he has it, and its addresses without the MAC. */
export interface ListedPort {
  readonly name: string
  readonly uuid: string
  /** `namespace/name`. */
  readonly pod: string
  readonly addresses: readonly string[]
}

export type PortList =
  /** All there were when the database last answered, which was after the call. */
  | { readonly result: 'listed'; readonly ports: readonly ListedPort[] }
  | Extract<OvnEvidence, { result: 'later' | 'unasked' }>

/** For comparisons: what is listed is shown, and never acted upon. */
export interface OvnLister {
  /** Kube-OVN's ports of Pods in that Subnet. */
  ports(subnet: string): Promise<PortList>
}

export interface OvnStatus {
  readonly ready: boolean
  /** For people: which server is asked, or what keeps it from being asked. */
  readonly detail: string
}

export interface OvnPort {
  /** Answers in order, each on its own. Never throws for an expected failure. */
  send(requests: readonly OvnRequest[]): Promise<OvnEvidence[]>
  /** Asks a server, connecting if need be. */
  status(): Promise<OvnStatus>
}
