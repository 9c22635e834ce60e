import type { Clock } from '../clock.ts'
import type { ClusterPort } from '../cluster/port.ts'
import type { LedgerPort } from '../ledger/port.ts'
import type { Log } from '../log.ts'
import type { Random } from '../random.ts'

/** What a saga is given. No saga reaches for anything else. */
export interface CommandPorts {
  /** The cluster's name, first half of every space's name. */
  readonly clusterName: string
  readonly cluster: ClusterPort
  readonly ledger: (subnet: string) => LedgerPort
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly settings: CommandSettings
}

export interface CommandSettings {
  /** WAIT_MS: how long a write may take before it is answered 202. */
  readonly waitMs: number
  /** alone: Berth writes the controller's finalizer; beside it must not. */
  readonly authority: 'alone' | 'beside'
  /** Said in every release reply when ports are not looked after (OVN_NB=none). */
  readonly ovn: boolean
}
