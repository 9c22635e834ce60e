/** Durations of faults.md (a), in ms. contract.md "Variables" names the ones a user may set. */
export interface LedgerSettings {
  /** ACK_MS: how long a reserve keeps trying. */
  readonly ackMs: number
  /** STRAGGLER_MS: how long a call whose reply was lost may still take effect. */
  readonly stragglerMs: number
  /** CONTROLLER_MS: how long kube-ovn-controller may take to come back to an object: its longest back-off and a margin. */
  readonly controllerMs: number
  /** QUARANTINE_MS: cool-down of a released address; 0 frees at once. */
  readonly quarantineMs: number
  /** A driver that received its step longer ago than this must not send it any more. */
  readonly sendMs: number
  /** Silence after which the alarm takes an operation over. More than sendMs plus the longest call. */
  readonly driveMs: number
  /** How long answers are kept under their key. */
  readonly keyMs: number
  /** How long audit lines are kept. */
  readonly auditMs: number
  /** A mirror of the cluster tells this ledger of IP objects (`observe`): nothing is promised before it told all of them. */
  readonly mirrored: boolean
  /** What happens to reservations is told to the outside. */
  readonly feed: boolean
  /** Logical switch ports are looked after (OVN_NB): no object is deleted before its port is cut. */
  readonly ovn: boolean
  /** Which shared space the Subnet is a member of (shared/spaces). */
  readonly sharedSpace?: string
}

export const DEFAULT_SETTINGS: LedgerSettings = {
  ackMs: 30_000,
  stragglerMs: 75_000,
  controllerMs: 1_020_000,
  quarantineMs: 300_000,
  sendMs: 5_000,
  driveMs: 15_000,
  keyMs: 86_400_000,
  auditMs: 400 * 86_400_000,
  mirrored: false,
  feed: false,
  ovn: false,
}
