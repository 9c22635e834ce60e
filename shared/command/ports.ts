import type { Clock } from '../clock.ts'
import type { ClusterPort, KubeObject, ObjectRef } from '../cluster/port.ts'
import type { LedgerPort } from '../ledger/port.ts'
import type { Log } from '../log.ts'
import type { OvnPort } from '../ovn/port.ts'
import type { Problem } from '../problem.ts'
import type { Random } from '../random.ts'
import type { Result } from '../result.ts'
import type { Windows } from './facts.ts'
import type { SharedSpaces } from './spaces.ts'

/** What a saga is given. No saga reaches for anything else. */
export interface CommandPorts {
  /** The cluster's name, first half of every space's name. */
  readonly clusterName: string
  readonly cluster: ClusterPort
  readonly ovn: OvnPort
  readonly ledger: (subnet: string) => LedgerPort
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly settings: CommandSettings
  /** Where Subnets of several clusters share one network. */
  readonly spaces?: SharedSpaces
  /** Where a mirror tells the ledgers of the cluster's IP objects. */
  readonly mirror?: MirrorPort
  /** Lets work go on after the answer has left, where the runtime can. Nothing that must happen may rest on it. */
  readonly background: (work: Promise<unknown>) => void
}

export interface MirrorPort {
  /** Resolves once the ledger of that Subnet has been told of every IP object there is; a Problem when that takes too long. */
  learn(subnet: string): Promise<Result<undefined, Problem>>
  /** What the mirror knows of these objects: soon told and sometimes late, so a hint and never evidence. */
  peek(refs: readonly ObjectRef[]): Promise<readonly (KubeObject | undefined)[]>
}

export interface CommandSettings {
  /** WAIT_MS: how long a write may take before it is answered 202. */
  readonly waitMs: number
  /** alone: Berth writes the controller's finalizer; beside it must not. */
  readonly authority: 'alone' | 'beside'
  /** WINDOW: the ranges Berth chooses from. */
  readonly windows?: Windows
  /** Beside the controller: what its restart would do to reservations as they are protected now. */
  readonly exposed?: readonly string[]
  /** OUTSIDE_WINDOW: what becomes of a wish outside the window, beside the controller. */
  readonly outsideWindow?: 'refuse' | 'pin'
  /** Said in every release reply when ports are not looked after (OVN_NB=none). */
  readonly ovn: boolean
  /** KEEP_VM_IP: a virtual machine's Pods go by the machine's name (Kube-OVN's keep-vm-ip). */
  readonly keepVmIp: boolean
  /** The account Berth writes as, by its name at the API server. */
  readonly account: string
}
