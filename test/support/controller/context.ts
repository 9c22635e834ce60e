import type { Kind, KubeObject } from '../../../shared/cluster/port.ts'
import type { Random } from '../../../shared/random.ts'
import type { Informer } from './informer.ts'
import type { Ipam } from './ipam.ts'
import type { KeyMutex } from './keyed.ts'
import type { Life } from './life.ts'
import type { NorthPorts } from './north.ts'
import type { WorkQueue } from './queue.ts'
import type { Quirks } from './quirks.ts'
import type { Writes } from './writes.ts'

/** Command-line flags and what else the controller takes from its surroundings. */
export interface ControllerConfig {
  /** `--gc-interval`, ms; 0 switches every collection off. */
  readonly gcIntervalMs: number
  /** `--inspect-interval`, ms. */
  readonly inspectIntervalMs: number
  /** `--worker-num`. */
  readonly workers: number
  /** `--keep-vm-ip`. */
  readonly keepVmIp: boolean
  /** `--cluster-router`: the default VPC. */
  readonly clusterRouter: string
  /** The wait for nodes before most workers start, ms [pkg/controller/controller.go:1463-1480]. */
  readonly nodeWaitMs: number
  /** Subnets bound to a namespace, in its annotation's order. */
  readonly namespaceSubnets: (namespace: string) => readonly string[]
  /** InternalIPs of the nodes. */
  readonly nodeAddresses: readonly string[]
  /** Holds its Lease in kube-system while it runs. */
  readonly lease: boolean
}

export const DEFAULT_CONFIG: ControllerConfig = {
  gcIntervalMs: 360_000,
  inspectIntervalMs: 20_000,
  workers: 3,
  keepVmIp: true,
  clusterRouter: 'ovn-cluster',
  nodeWaitMs: 3_000,
  namespaceSubnets: () => ['ovn-default'],
  nodeAddresses: [],
  lease: false,
}

/** The kinds the controller keeps a cache of. */
export const WATCHED = ['IP', 'Subnet', 'IPPool', 'Vip', 'Pod', 'VirtualMachine'] as const satisfies Kind[]
export type Watched = (typeof WATCHED)[number]

export const QUEUES = [
  'add ip',
  'update ip',
  'delete ip',
  'add/update subnet',
  'delete subnet',
  'update status of subnet',
  'add/update ippool',
  'delete ippool',
  'update status of ippool',
  'add/update pod',
  'delete pod',
  'delete vm',
] as const
export type QueueName = (typeof QUEUES)[number]

/** One process of the controller, as its handlers see it. */
export interface Context {
  readonly config: ControllerConfig
  readonly quirks: Quirks
  readonly life: Life
  readonly random: Random
  /** The order in which Go walks a cache: any. */
  readonly order: <T extends { readonly name: string }>(what: string, items: readonly T[]) => T[]
  readonly ipam: Ipam
  readonly north: NorthPorts
  readonly writes: Writes
  readonly caches: { readonly [K in Watched]: Informer }
  readonly queues: { readonly [Q in QueueName]: WorkQueue }
  readonly subnetKeys: KeyMutex
  readonly podKeys: KeyMutex
  readonly poolKeys: KeyMutex
  /** Objects whose removal waits in a queue, by key: the queues of the real thing hold the objects themselves. */
  readonly leaving: {
    readonly ip: Map<string, KubeObject>
    readonly pod: Map<string, KubeObject>
    readonly pool: Map<string, KubeObject>
    readonly subnet: Map<string, KubeObject>
  }
  /** Uids released already: remembered only where Q8 is off. */
  readonly releasedUids: Set<string>
  /** Ports without owner at the last collection. */
  orphans: ReadonlySet<string>
  readonly log: (event: string, why: string) => void
}
