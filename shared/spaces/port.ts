/**
 * A shared space: Subnets of several clusters on one layer-2 network (an underlay VLAN), in which nobody may have what
 * another has. Each Subnet keeps a ledger of its own, which decides who of its cluster has what; the shared space knows
 * no more than which addresses and MACs belong to which member, so that a cluster that is away keeps nobody waiting.
 *
 * A ledger takes what it chose here before anything leaves for its cluster, and what it has in another way (somebody
 * else's object, an adoption) it tells afterwards.
 */

/** What one row of a member's ledger has. */
export interface Holding {
  /** The row's id, never used again. */
  readonly id: string
  /** Port name, for those who are told who is in the way. */
  readonly name: string
  /** In canonical form. */
  readonly addresses: readonly string[]
  /** "" where it has none. */
  readonly mac: string
}

/** Another member's. */
export interface Elsewhere {
  /** cluster/subnet */
  readonly member: string
  readonly name: string
  readonly what: 'address' | 'mac'
  readonly value: string
}

export type Taken =
  | { readonly result: 'taken' }
  | {
      readonly result: 'held'
      readonly by: Elsewhere
      /** Further addresses of other members, in order, so that the next choice need not be asked for one by one. */
      readonly others?: readonly string[]
    }

/** One row as it is by now; without a holding it is over, for good. */
export interface Settlement {
  readonly id: string
  readonly holding?: Holding
}

export interface SharedSpacePort {
  /** Each by itself: all that it names, or nothing. What the member has already it may take again, for another row. */
  take(holdings: readonly Holding[]): Promise<readonly Taken[]>
  /** The same without taking anything. */
  look(holdings: readonly Holding[]): Promise<readonly Taken[]>
  /**
   * Makes what the space knows of these rows what they are. What another member has is left out, and told. A row that is
   * over takes nothing any more, however late it asks.
   */
  settle(rows: readonly Settlement[]): Promise<readonly Taken[]>
}

/** A port name and the cluster it is in, as a reader is told. */
export function inWords({ member, name }: Elsewhere): string {
  return `${name} of cluster ${member.slice(0, member.indexOf('/'))}`
}
