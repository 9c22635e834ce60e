/** Who calls, and what he may. Every door ends in a Caller; every right is asked of his `Rights`, by one question. */

/** What a caller may be allowed. `keys`, making and revoking keys, amounts to every right. */
export const VERBS = [
  'reserve',
  'release',
  'read',
  'adopt',
  'transfer',
  'force',
  'configure',
  'keys',
] as const
export type Verb = (typeof VERBS)[number]

/**
 * One question. A member left out means all of them: `{verb: 'read'}` asks for every reservation there is.
 * `look` is to see a Subnet and its counts, not whose addresses they are.
 */
export interface Ask {
  readonly verb: Verb | 'look'
  readonly subnet?: string
  readonly namespace?: string
  /** Port name, the name of the IP object. */
  readonly name?: string
}

/** `unknown`: whoever decides did not answer properly. Only `granted` lets anybody do anything. */
export type Verdict = 'granted' | 'denied' | 'unknown'

export interface Rights {
  may(ask: Ask): Promise<Verdict>
  /** Whether a list may be cut to what the caller may see, item by item; otherwise it is refused as a whole. */
  readonly narrows: boolean
  /** Whether the name makes a difference; where it does not, nobody need find it out. */
  readonly names: boolean
}

export interface Caller {
  /** Idempotency keys and operations belong to it. Its first part tells the kind, so that no two kinds can meet. */
  readonly tenant: string
  readonly rights: Rights
}

/** For whoever comes over loopback where that is allowed. */
export const EVERY_RIGHT: Rights = { may: async () => 'granted', narrows: false, names: false }
