import { DurableObject } from 'cloudflare:workers'
import { systemClock } from '../../shared/clock.ts'
import type { AnswersPort, Claim, KeyedRequest } from '../../shared/cluster/answers.ts'
import { AnswerTable } from '../../shared/cluster/embedded/answers.ts'
import { type EmbeddedCalls, EmbeddedCluster } from '../../shared/cluster/embedded/cluster.ts'
import type { EventPage, EventQuery } from '../../shared/cluster/embedded/event-log.ts'
import { EmbeddedStore } from '../../shared/cluster/embedded/store.ts'
import { openMirrorSchema } from '../../shared/cluster/mirror/schema.ts'
import { MirrorStore } from '../../shared/cluster/mirror/store.ts'
import type {
  ClusterFailure,
  ClusterReply,
  ClusterRequest,
  Kind,
  KubeObject,
  ListOptions,
  ObjectList,
  ObjectRef,
} from '../../shared/cluster/port.ts'
import { SerialTable } from '../../shared/command/dns/serials.ts'
import { Mirror, type MirrorStatus } from '../../shared/command/mirror/mirror.ts'
import { overlapping } from '../../shared/kube-ovn/subnet-rules.ts'
import { consoleLog } from '../../shared/log.ts'
import type {
  OvnEvidence,
  OvnLister,
  OvnPort,
  OvnRequest,
  OvnStatus,
  PortList,
} from '../../shared/ovn/port.ts'
import type { Problem } from '../../shared/problem.ts'
import { systemRandom } from '../../shared/random.ts'
import type { Result } from '../../shared/result.ts'
import { type Env, envOfObject, mirrorPorts, northboundOf, repairAll } from '../env.ts'
import { claimTurn } from './repair-clock.ts'
import { durableObjectSql } from './sql.ts'

/** How long one run of the alarm follows the cluster; the next one goes on. The runtime ends one after 15 minutes. */
const SLICE_MS = 240_000
/** An alarm that could not follow looks again after this. */
const RETRY_MS = 5_000

/**
 * One cluster, by name. On a real cluster it is the mirror: its alarm follows the API server and tells the Subnets'
 * ledgers. Embedded, it is the cluster: its methods are the embedded cluster's calls over RPC, of which
 * `cluster-client.ts` makes a ClusterPort. Either opens at the first call, so an object that is never asked stays empty.
 */
export class Cluster extends DurableObject<Env> implements EmbeddedCalls, AnswersPort {
  #embedded: EmbeddedCluster | undefined
  #answers: AnswerTable | undefined
  #serials: SerialTable | undefined
  #mirror: Mirror | undefined
  #ovn: (OvnPort & OvnLister) | undefined

  /** All requests in one turn: nothing comes between them, and the reply leaves after the flush. */
  send(requests: readonly ClusterRequest[]): Promise<ClusterReply[]> {
    return this.#open().send(requests)
  }

  list(kind: Kind, options?: ListOptions): Promise<Result<ObjectList, ClusterFailure>> {
    return this.#open().list(kind, options)
  }

  eventsSince(query: EventQuery, waitMs: number): Promise<Result<EventPage, ClusterFailure>> {
    return this.#open().eventsSince(query, waitMs)
  }

  async claim(request: KeyedRequest): Promise<Claim> {
    return this.#kept().claim(request)
  }

  async keep(request: KeyedRequest, answer: string | undefined): Promise<string | undefined> {
    return this.#kept().keep(request, answer)
  }

  /** The serial of a DNS zone with this content. */
  serial(key: string, digest: string): number {
    this.#serials ??= new SerialTable(durableObjectSql(this.ctx.storage), systemClock)
    return this.#serials.serial(key, digest)
  }

  /** Sees to it that the mirror runs. */
  async wake(): Promise<void> {
    if (this.#mirrored().isRunning) return
    const nowMs = systemClock.nowMs()
    const alarmMs = await this.ctx.storage.getAlarm()
    // None is ever set further ahead, nor rings later, than that: another was set before the clock was set.
    if (alarmMs !== null && Math.abs(alarmMs - nowMs) <= RETRY_MS) return
    await this.ctx.storage.setAlarm(nowMs)
  }

  /** Until that Subnet's ledger was told of all IP objects (mirror.ts). */
  async learn(subnet: string, waitMs: number): Promise<Result<undefined, Problem>> {
    await this.wake()
    return this.#mirrored().learn(subnet, waitMs)
  }

  /** What OVN's Northbound database has and does, over the connection kept here (ovn-client.ts). */
  ovnSend(requests: readonly OvnRequest[]): Promise<OvnEvidence[]> {
    return this.#northbound().send(requests)
  }

  ovnPorts(subnet: string): Promise<PortList> {
    return this.#northbound().ports(subnet)
  }

  ovnStatus(): Promise<OvnStatus> {
    return this.#northbound().status()
  }

  /** Whether whoever asks is to compare all Subnets now. */
  claimRepair(): Promise<boolean> {
    return claimTurn(this.ctx.storage, systemClock.nowMs())
  }

  /** What the mirror has of these objects just now. */
  peek(refs: readonly ObjectRef[]): (KubeObject | undefined)[] {
    return this.#mirrored().peek(refs)
  }

  async status(): Promise<MirrorStatus> {
    await this.wake()
    return this.#mirrored().status()
  }

  /** One slice of the mirror's life. While it runs the object stays; a kill -9 in the middle makes it run again. */
  override async alarm(): Promise<void> {
    const slice = new AbortController()
    const timer = systemClock.sleep(SLICE_MS, slice.signal).then(() => slice.abort())
    let nextMs = 0
    // Where no cron fires; the mirror does not wait for it, nor the next slice for both.
    const repaired = this.claimRepair().then((isDue) => (isDue ? repairAll(this.#env(), 'alarm') : undefined))
    try {
      await this.#mirrored().run(slice.signal)
    } catch (error) {
      consoleLog.write('error', 'mirror failed', {
        reason: error instanceof Error ? error.message : 'unknown',
      })
      nextMs = RETRY_MS
    }
    slice.abort()
    await timer
    await this.ctx.storage.setAlarm(systemClock.nowMs() + nextMs)
    // It rings when this one is over, not before.
    await repaired
  }

  /** Variables as this cluster has them. */
  #env(): Env {
    return envOfObject(this.env, this.ctx.id.name)
  }

  #mirrored(): Mirror {
    if (this.#mirror) return this.#mirror
    const sql = durableObjectSql(this.ctx.storage)
    const opened = openMirrorSchema(sql)
    if (!opened.ok) throw new Error(`the mirror's storage has version ${opened.error.stored}, a later one`)
    this.#mirror = new Mirror({ ...mirrorPorts(this.#env()), store: new MirrorStore(sql) })
    return this.#mirror
  }

  #northbound(): OvnPort & OvnLister {
    this.#ovn ??= northboundOf(this.#env())
    return this.#ovn
  }

  #kept(): AnswerTable {
    this.#answers ??= new AnswerTable(durableObjectSql(this.ctx.storage), systemClock)
    return this.#answers
  }

  #open(): EmbeddedCluster {
    this.#embedded ??= new EmbeddedCluster(
      new EmbeddedStore({
        sql: durableObjectSql(this.ctx.storage),
        clock: systemClock,
        random: systemRandom,
        log: consoleLog,
        refuseSubnet: overlapping,
      }),
      systemClock,
    )
    return this.#embedded
  }
}
