import type { Clock } from '../../../shared/clock.ts'
import type { ClusterPort, ClusterReply, KubeObject } from '../../../shared/cluster/port.ts'
import type { Random } from '../../../shared/random.ts'
import {
  type Context,
  type ControllerConfig,
  DEFAULT_CONFIG,
  QUEUES,
  type QueueName,
  WATCHED,
  type Watched,
} from './context.ts'
import { updateSubnetStatus } from './counters.ts'
import { Informer, keyOf } from './informer.ts'
import { addOrUpdatePool, deletePool, poolHandlers, updatePoolStatus } from './ip-pools.ts'
import { Ipam } from './ipam.ts'
import { KeyMutex } from './keyed.ts'
import { RENEW_MS, renewLease } from './lease.ts'
import { Life } from './life.ts'
import type { NorthPorts } from './north.ts'
import { deletePod, deleteVm } from './pod-deletion.ts'
import { addOrUpdatePod, podHandlers } from './pods.ts'
import { type Handled, WorkQueue } from './queue.ts'
import { ALL_QUIRKS, type Quirks } from './quirks.ts'
import { addReservedIp, deleteIp, ipHandlers, updateIp } from './reserved.ts'
import { loadIpam, syncFinalizers, syncIps, syncSubnets } from './start.ts'
import { addOrUpdateSubnet, deleteSubnet, subnetHandlers } from './subnets.ts'
import { collectIps, collectPorts, inspect } from './sweeps.ts'
import { atOnce, type Turns } from './turns.ts'
import { type Write, Writes } from './writes.ts'

/** Everything the model takes from outside. Same arguments, same run. */
export interface ControllerParts {
  readonly cluster: ClusterPort
  readonly north: NorthPorts
  readonly clock: Clock
  readonly random: Random
  readonly turns?: Turns
  readonly quirks?: Quirks
  readonly config?: Partial<ControllerConfig>
  /** The order in which a cache is walked where Go's is random; without it the random bytes decide. */
  readonly order?: Context['order']
  /** Hears of every write and what came of it. */
  readonly sent?: (write: Write, reply: ClusterReply) => void
  /** Hears what the real thing logs as an error. */
  readonly log?: Context['log']
}

type Worker = (c: Context, key: string) => Promise<Handled>

/** Who works on which queue, and with how many workers: one, or `--worker-num` [pkg/controller/controller.go:1418-1606]. */
const WORKERS: { readonly [Q in QueueName]: { readonly work: Worker; readonly many: boolean } } = {
  'add ip': { work: addReservedIp, many: false },
  'update ip': { work: updateIp, many: false },
  'delete ip': { work: deleteIp, many: false },
  'add/update subnet': { work: addOrUpdateSubnet, many: true },
  'delete subnet': { work: deleteSubnet, many: true },
  'update status of subnet': { work: updateSubnetStatus, many: true },
  'add/update ippool': { work: addOrUpdatePool, many: false },
  'delete ippool': { work: deletePool, many: true },
  'update status of ippool': { work: updatePoolStatus, many: true },
  'add/update pod': { work: addOrUpdatePod, many: true },
  'delete pod': { work: deletePod, many: true },
  'delete vm': { work: deleteVm, many: false },
}

/** Their workers start before the wait for nodes. */
const EARLY: readonly QueueName[] = ['add/update subnet', 'add/update ippool']

/**
 * A model of kube-ovn-controller v1.17.0 as far as addresses go: IP objects, Subnet counters, IPPools, Pods of the
 * default network, VMs. It works on any API server and forgets everything when it is killed, as the real one does.
 */
export class KubeOvnController {
  private readonly parts: ControllerParts
  private process: Context | undefined

  constructor(parts: ControllerParts) {
    this.parts = parts
  }

  /** Begins a process, in the background; does nothing if one runs. */
  start(): void {
    if (this.process !== undefined) return
    const c = newProcess(this.parts)
    this.process = c
    void c.life.run(() => run(c))
  }

  /** SIGKILL: memory is gone, what was sent stays sent. */
  kill(): void {
    this.process?.life.kill()
    this.process = undefined
  }

  restart(): void {
    this.kill()
    this.start()
  }

  /** SIGSTOP. */
  pause(): void {
    this.process?.life.pause()
  }

  /** SIGCONT. */
  continue(): void {
    this.process?.life.continue()
  }

  /** Whether the live process's caches hold just what the server holds and it has nothing left to do about it; true while none runs. */
  async isSettled(): Promise<boolean> {
    const c = this.process
    if (c === undefined) return true
    for (const kind of WATCHED) {
      const held = await this.parts.cluster.list(kind)
      if (!held.ok || versions(held.value.items) !== versions(c.caches[kind].list())) return false
    }
    return WATCHED.every((kind) => c.caches[kind].hasTold) && QUEUES.every((name) => c.queues[name].isIdle)
  }

  /** The live process's IPAM, for checkers; undefined while none runs. */
  get ipam(): Ipam | undefined {
    return this.process?.ipam
  }
}

const versions = (objects: readonly KubeObject[]) =>
  objects
    .map((object) => `${keyOf(object)} ${object.metadata.resourceVersion}`)
    .sort()
    .join()

function newProcess(parts: ControllerParts): Context {
  const quirks = parts.quirks ?? ALL_QUIRKS
  const life = new Life(parts.clock, parts.turns ?? atOnce)
  const all = <K extends string, V>(keys: readonly K[], make: (key: K) => V) =>
    Object.fromEntries(keys.map((key) => [key, make(key)])) as { readonly [P in K]: V }
  return {
    config: { ...DEFAULT_CONFIG, ...parts.config },
    quirks,
    life,
    random: parts.random,
    order: parts.order ?? ((_what, items) => shuffled(items, parts.random)),
    ipam: new Ipam(parts.random, quirks),
    north: parts.north,
    writes: new Writes(parts.cluster, life, parts.sent ?? (() => {})),
    caches: all<Watched, Informer>(
      WATCHED,
      (kind) => new Informer(kind, parts.cluster, life, quirks.has('Q2')),
    ),
    queues: all(QUEUES, (name) => new WorkQueue(name, life, quirks.has('Q7'))),
    subnetKeys: new KeyMutex(),
    podKeys: new KeyMutex(),
    poolKeys: new KeyMutex(),
    leaving: { ip: new Map(), pod: new Map(), pool: new Map(), subnet: new Map() },
    releasedUids: new Set(),
    orphans: new Set(),
    log: parts.log ?? (() => {}),
  }
}

/** Run [pkg/controller/controller.go:1189-1229]. */
async function run(c: Context): Promise<void> {
  if (c.config.lease) void c.life.run(() => holdLease(c))
  for (const kind of WATCHED) {
    const from = await c.caches[kind].sync()
    void c.life.run(() => c.caches[kind].follow(from))
  }
  c.caches.IP.handle(ipHandlers(c))
  c.caches.Subnet.handle(subnetHandlers(c))
  c.caches.IPPool.handle(poolHandlers(c))
  c.caches.Pod.handle(podHandlers(c))
  c.caches.VirtualMachine.handle({ removed: (vm) => c.queues['delete vm'].add(keyOf(vm)) })
  const fatal = (await syncIps(c)) ?? (await syncFinalizers(c)) ?? (await afterIpam(c))
  if (fatal !== undefined) {
    c.log('fatal', fatal)
    c.life.kill()
    return
  }
  startWorkers(c, EARLY)
  await c.life.sleep(c.config.nodeWaitMs)
  startWorkers(
    c,
    QUEUES.filter((name) => !EARLY.includes(name)),
  )
  const { gcIntervalMs, inspectIntervalMs } = c.config
  if (gcIntervalMs > 0) sweep(c, 'ports', gcIntervalMs, collectPorts)
  sweep(c, 'inspection', inspectIntervalMs, inspect)
  if (gcIntervalMs === 0) return
  await c.life.turn({ step: 'sweep', what: 'ips' })
  await collectIps(c)
}

async function afterIpam(c: Context): Promise<string | undefined> {
  await loadIpam(c)
  return syncSubnets(c)
}

function startWorkers(c: Context, names: readonly QueueName[]): void {
  for (const name of names) {
    const { work, many } = WORKERS[name]
    const failed = (key: string, why: string) => c.log(name, `${key}: ${why}`)
    void c.life.run(() => c.queues[name].work(many ? c.config.workers : 1, (key) => work(c, key), failed))
  }
}

/** Until the process ends; then the Lease runs out. */
async function holdLease(c: Context): Promise<void> {
  for (;;) {
    await renewLease(c.writes, c.life.clock.nowMs())
    await c.life.sleep(RENEW_MS)
  }
}

/** At once, then every interval. */
function sweep(c: Context, what: string, intervalMs: number, work: (c: Context) => Promise<void>): void {
  void c.life.run(async () => {
    for (;;) {
      await c.life.turn({ step: 'sweep', what })
      await work(c)
      await c.life.sleep(intervalMs)
    }
  })
}

/** Fisher and Yates, by random bytes. */
function shuffled<T>(items: readonly T[], random: Random): T[] {
  const result = [...items]
  for (let last = result.length - 1; last > 0; last--) {
    const [high, low] = random.bytes(2) as unknown as [number, number]
    const pick = (high * 256 + low) % (last + 1)
    ;[result[last], result[pick]] = [result[pick]!, result[last]!]
  }
  return result
}
