import { EmbeddedCluster } from '../../shared/cluster/embedded/cluster.ts'
import { embeddedPort } from '../../shared/cluster/embedded/port.ts'
import { EmbeddedStore } from '../../shared/cluster/embedded/store.ts'
import type {
  ClusterPort,
  ClusterReply,
  ClusterRequest,
  KubeObject,
  ObjectRef,
} from '../../shared/cluster/port.ts'
import { drive } from '../../shared/command/drive.ts'
import type { CommandPorts } from '../../shared/command/ports.ts'
import { tell } from '../../shared/command/reports.ts'
import type { ReleaseCommand, ReserveCommand, ReserveItem, WriteOutcome } from '../../shared/command/types.ts'
import { Ledger } from '../../shared/ledger/ledger.ts'
import type { LedgerPort } from '../../shared/ledger/port.ts'
import { DEFAULT_SETTINGS, type LedgerSettings } from '../../shared/ledger/settings.ts'
import { silentLog } from '../../shared/log.ts'
import { noOvn } from '../../shared/ovn/none.ts'
import type { OvnPort } from '../../shared/ovn/port.ts'
import { err } from '../../shared/result.ts'
import type { SharedSpacePort } from '../../shared/spaces/port.ts'
import type { Sql } from '../../shared/sql.ts'
import { ManualClock } from './clock.ts'
import { Mirror } from './mirror.ts'
import { type GatedSql, gatedSql, nodeSql } from './node-sqlite.ts'
import { seededRandom } from './random.ts'

/** What happens to a batch on its way to the cluster: pass it on, answer for it, or never answer. */
export type Intercept = (
  requests: readonly ClusterRequest[],
  pass: (requests: readonly ClusterRequest[]) => Promise<ClusterReply[]>,
) => Promise<ClusterReply[]>

interface Entry {
  readonly storage: GatedSql
  ledger: Ledger
  /** Wall time the alarm is set to; like the object's own it is only ever set earlier, until it rings. */
  armedMs?: number | undefined
}

/** One call to the cluster. */
export interface Call {
  readonly request: ClusterRequest
  /** Time that had passed. */
  readonly sentMs: number
  reply?: ClusterReply | undefined
}

/** The production core with its real ledger and the embedded cluster, in one process, on a clock that is driven by hand. */
export class World {
  readonly clock = new ManualClock()
  readonly random = seededRandom(1)
  readonly store: EmbeddedStore
  readonly settings: LedgerSettings
  readonly ports: CommandPorts
  /** The cluster as everybody else has it: nothing is noted, and watchers hear of it. */
  readonly direct: ClusterPort
  /** Every request that left for the cluster, in order. */
  readonly sent: ClusterRequest[] = []
  /** The same with what came back; a reply that never came is undefined. */
  readonly calls: Call[] = []
  intercept: Intercept = (requests, pass) => pass(requests)
  /** Looked after where the setting `ovn` is on. */
  ovn: OvnPort = noOvn
  /** Called after each flush: a state somebody may rely on. */
  flushed: (subnet: string) => void = () => {}
  /** The shared space that its Subnets are a member of, with the setting `sharedSpace`. */
  space: SharedSpacePort | undefined
  /** What tells the ledgers of IP objects, when told to. */
  readonly mirror: Mirror
  private readonly ledgers = new Map<string, Entry>()
  /** Called at every point where a process may die; throws `Killed` to make it die there. */
  point: (name: string) => void = () => {}
  /** Whether the alarm tells the cluster of Events and counters, too. */
  tells = false
  /** An alarm is running. */
  alarming = false
  private keys = 0
  private firstStorage: GatedSql | undefined

  /** `storage`: what the first Subnet asked for is kept in, where that matters. */
  constructor(settings: Partial<LedgerSettings> = {}, storage?: GatedSql) {
    this.firstStorage = storage
    this.settings = { ...DEFAULT_SETTINGS, quarantineMs: 0, ...settings }
    this.store = new EmbeddedStore({ sql: nodeSql(), clock: this.clock, random: this.random })
    const cluster = new EmbeddedCluster(this.store, this.clock)
    const direct = embeddedPort(() => cluster)
    this.direct = direct
    const port: ClusterPort = {
      ...direct,
      send: (requests) => {
        const verbs = [...new Set(requests.map(({ verb }) => verb))].join()
        this.point(`before ${verbs} is sent`)
        this.sent.push(...requests)
        const calls = requests.map((request): Call => ({ request, sentMs: this.clock.passedMs }))
        this.calls.push(...calls)
        const answer = this.intercept(requests, async (passed) => {
          const replies = await direct.send(passed)
          this.point(`after ${verbs} took effect`)
          return replies
        })
        return answer.then((replies) => {
          for (const [index, call] of calls.entries()) call.reply = replies[index]
          return replies
        })
      },
    }
    this.ports = {
      clusterName: 'default',
      cluster: port,
      ovn: {
        send: async (requests) => {
          const verbs = [...new Set(requests.map(({ verb }) => `port ${verb}`))].join()
          this.point(`before ${verbs} is sent`)
          const answers = await this.ovn.send(requests)
          this.point(`after ${verbs} took effect`)
          return answers
        },
        status: () => this.ovn.status(),
      },
      ledger: (subnet) => this.port(subnet),
      spaces: () => this.space && this.pointed(this.space),
      clock: this.clock,
      random: this.random,
      log: silentLog,
      settings: {
        waitMs: 5_000,
        authority: 'alone',
        ovn: this.settings.ovn,
        keepVmIp: true,
        account: 'berth',
      },
      background: () => {},
      ...(this.settings.mirrored
        ? {
            mirror: {
              learn: (subnet: string) => this.mirror.list(subnet),
              peek: async (refs) => refs.map((ref) => this.peek(ref)),
            },
          }
        : {}),
    }
    this.mirror = new Mirror(this.store, (subnet) => this.port(subnet))
  }

  /** An object as it is, without a call that is noted. */
  private peek(ref: ObjectRef): KubeObject | undefined {
    const [reply] = this.store.send([{ verb: 'get', ref }])
    return reply?.ok ? reply.value : undefined
  }

  /** The live ledger of a Subnet. */
  ledger(subnet = 'ovn-default'): Ledger {
    return this.entry(subnet).ledger
  }

  /** Subnets somebody asked for so far. */
  subnets(): readonly string[] {
    return [...this.ledgers.keys()].sort()
  }

  sql(subnet = 'ovn-default'): Sql {
    return this.entry(subnet).storage.sql
  }

  /** Changes the storage under the live incarnation, durably. */
  damage(statement: string, subnet = 'ovn-default'): void {
    const { storage } = this.entry(subnet)
    if (storage.sql.run(statement) === 0) throw new Error(`nothing damaged by ${statement}`)
    storage.flush()
  }

  /** Throws the incarnation away, as an eviction or a kill does: what is not in storage is gone. */
  restart(subnet = 'ovn-default'): Ledger {
    const entry = this.entry(subnet)
    entry.storage.lose()
    entry.ledger = this.open(entry.storage.sql)
    this.flush(subnet)
    return entry.ledger
  }

  /** Runs the alarm until nothing is due at the present time. */
  async alarm(subnet = 'ovn-default'): Promise<void> {
    this.alarming = true
    this.entry(subnet).armedMs = undefined
    try {
      await this.ring(subnet)
    } finally {
      this.alarming = false
      this.arm(subnet)
    }
  }

  /** When the alarm of a Subnet's ledger rings next. */
  alarmAtMs(subnet = 'ovn-default'): number | undefined {
    this.arm(subnet)
    return this.entry(subnet).armedMs
  }

  private arm(subnet: string): void {
    const entry = this.entry(subnet)
    const wantedMs = entry.ledger.nextAlarmMs()
    if (wantedMs !== undefined) entry.armedMs = Math.min(entry.armedMs ?? wantedMs, wantedMs)
  }

  private async ring(subnet: string): Promise<void> {
    const ledger = this.ledger(subnet)
    const due = ledger.due()
    this.flush(subnet)
    for (const op of due) {
      const taken = ledger.takeOver(op)
      this.flush(subnet)
      if (!taken) continue
      await drive({ ...this.ports, ledger: this.port(subnet) }, taken.leases, taken.next, {
        budgetMs: 0,
        askedMs: this.clock.nowMs(),
      })
    }
    await this.settleShared(subnet)
    const news = this.ledger(subnet).reports()
    if (news.events.length === 0 && !news.counters) return
    const cluster = this.tells ? this.ports.cluster : DEAF
    this.ledger(subnet).reported(await tell(cluster, news))
    this.flush(subnet)
  }

  /** As functions/objects/subnet.ts does. */
  private async settleShared(subnet: string): Promise<void> {
    const space = this.ports.spaces?.(subnet)
    const rows = space ? this.ledger(subnet).unsettled(500) : []
    if (!space || rows.length === 0) return
    const answers = await space.settle(rows).catch(() => undefined)
    if (!answers) return
    this.ledger(subnet).settledShared(rows, answers)
    this.flush(subnet)
  }

  private pointed(space: SharedSpacePort): SharedSpacePort {
    return {
      look: space.look,
      take: async (holdings) => {
        this.point('before take is sent')
        const answers = await space.take(holdings)
        this.point('after take took effect')
        return answers
      },
      settle: async (rows) => {
        this.point('before settle is sent')
        const answers = await space.settle(rows)
        this.point('after settle took effect')
        return answers
      },
    }
  }

  /** Lets the alarm run on time, again and again, until `ms` have passed. */
  async pass(ms: number, subnet = 'ovn-default'): Promise<void> {
    const untilMs = this.clock.nowMs() + ms
    for (;;) {
      const nextMs = this.alarmAtMs(subnet)
      if (nextMs === undefined || Math.max(nextMs, this.clock.nowMs() + 1) > untilMs) break
      this.clock.advance(Math.max(nextMs - this.clock.nowMs(), 1))
      await this.alarm(subnet)
    }
    this.clock.advance(Math.max(0, untilMs - this.clock.nowMs()))
  }

  reserveCommand(items: readonly Partial<ReserveItem>[], more: Partial<ReserveCommand> = {}): ReserveCommand {
    return {
      tenant: 'anonymous',
      requestId: 'test',
      dryRun: false,
      bodyHash: JSON.stringify(items),
      items: items.map((item) => ({
        subnet: 'ovn-default',
        namespace: 'default',
        podName: 'pod-a',
        podType: '',
        ...item,
      })),
      ...more,
    }
  }

  releaseCommand(name: string, more: Partial<ReleaseCommand> = {}): ReleaseCommand {
    return {
      tenant: 'anonymous',
      requestId: 'test',
      dryRun: false,
      bodyHash: name,
      targets: [{ name }],
      force: false,
      ...more,
    }
  }

  key(): string {
    return `key-${this.keys++}`
  }

  private port(subnet: string): LedgerPort {
    // Late binding, so that a call after a restart meets the new incarnation.
    return new Proxy({} as LedgerPort, {
      get: (_, verb: keyof LedgerPort) => {
        const ledger = this.ledger(subnet)
        return async (...parameters: unknown[]) => {
          const call = ledger[verb] as (...parameters: unknown[]) => Promise<unknown>
          // What is awaited inside a call (settled) is a point where the storage may flush.
          const reply = call.apply(ledger, structuredClone(parameters))
          if (verb === 'settled') this.flush(subnet)
          const value = await reply
          this.point(`before ${verb} is flushed`)
          this.flush(subnet)
          this.point(`before the reply of ${verb}`)
          return structuredClone(value)
        }
      },
    })
  }

  private flush(subnet: string): void {
    this.entry(subnet).storage.flush()
    this.arm(subnet)
    this.flushed(subnet)
  }

  private entry(subnet: string) {
    let entry = this.ledgers.get(subnet)
    if (!entry) {
      const storage = this.firstStorage ?? gatedSql()
      this.firstStorage = undefined
      entry = { storage, ledger: this.open(storage.sql) }
      this.ledgers.set(subnet, entry)
    }
    return entry
  }

  private open(sql: Sql): Ledger {
    return new Ledger({ sql, clock: this.clock, random: this.random, settings: this.settings })
  }
}

/** Has no ear for what nobody waits for: it is done with at once. */
const DEAF: Pick<ClusterPort, 'send'> = {
  send: async (requests) =>
    requests.map(() => err({ reason: 'NotFound', outcome: 'refused', message: 'nobody listens' })),
}

/** The process is gone. */
export class Killed extends Error {}

/** The reservations of an outcome that succeeded. */
export function reserved(outcome: WriteOutcome) {
  if (outcome.kind !== 'done') throw new Error(`expected success, got ${JSON.stringify(outcome)}`)
  return outcome.reservations
}

/** The problem of an outcome that was refused. */
export function refusal(outcome: WriteOutcome) {
  if (outcome.kind !== 'refused') throw new Error(`expected a refusal, got ${JSON.stringify(outcome)}`)
  return outcome.problem
}
