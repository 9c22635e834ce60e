import { reservation } from '../../shared/command/find.ts'
import type { CommandPorts } from '../../shared/command/ports.ts'
import type { Ledger } from '../../shared/ledger/ledger.ts'
import type { LedgerPort, Opened } from '../../shared/ledger/port.ts'
import { DEFAULT_SETTINGS, type LedgerSettings } from '../../shared/ledger/settings.ts'
import { silentLog } from '../../shared/log.ts'
import { noOvn } from '../../shared/ovn/none.ts'
import { problem } from '../../shared/problem.ts'
import { err } from '../../shared/result.ts'
import type { Sql } from '../../shared/sql.ts'
import { seededRandom } from '../support/random.ts'
import { ApiServer } from './api-server.ts'
import type { Choices } from './choices.ts'
import { ClusterCore } from './cluster-object.ts'
import type { Counters } from './counters.ts'
import { DurableObject } from './durable-object.ts'
import { Faults } from './faults.ts'
import { pointsOf } from './points.ts'
import { Process } from './process.ts'
import type { Scenario } from './scenario.ts'
import { Schedule } from './schedule.ts'
import { SubnetCore } from './subnet-object.ts'
import { type Answered, command, promises, type Write } from './write.ts'

/** Calls of a ledger after which its object looks at its alarm (functions/objects/subnet.ts). */
const WRITES: ReadonlySet<keyof LedgerPort> = new Set<keyof LedgerPort>([
  ...([
    'configure',
    'announce',
    'propose',
    'retire',
    'subnetGone',
    'observe',
    'nudge',
    'hold',
    'adopt',
  ] as const),
  ...(['release', 'refuse', 'repair', 'report', 'resume', 'want'] as const),
])

/** Berth in production form (its ledgers, its mirror, its commands), an API server, and everything that may befall them. */
export class SimulatedWorld {
  readonly schedule: Schedule
  readonly faults: Faults
  readonly api: ApiServer
  readonly counters: Counters
  readonly settings: LedgerSettings
  readonly cluster: DurableObject<ClusterCore>
  /** Called after a ledger's transaction: a state that others may come to see (steps.ts). */
  flushed: (subnet: string) => void = () => {}
  /** A refusal or a dry run that changed something (22). */
  deniedChanged: (what: string) => void = () => {}
  /** Called when a ledger's storage was flushed, and when a kill took it back to the last flush. */
  kept: (subnet: string) => void = () => {}
  lost: (subnet: string) => void = () => {}
  private readonly random = seededRandom(7)
  private readonly spaces = new Map<string, DurableObject<SubnetCore>>()
  private readonly handlers = new Set<Process>()
  private handled = 0

  constructor(scenario: Scenario, choices: Choices, counters: Counters) {
    this.counters = counters
    this.schedule = new Schedule(choices)
    this.faults = new Faults(choices, counters, scenario.rough)
    this.faults.kill = (what) => this.kill(what)
    this.settings = { ...DEFAULT_SETTINGS, mirrored: true, quarantineMs: scenario.quarantineMs }
    this.api = new ApiServer(this.schedule, this.faults, counters, this.random)
    this.cluster = new DurableObject('cluster', this.schedule, this.faults, (state) => {
      const { process } = state
      return new ClusterCore(state, {
        cluster: this.api.port(process, () => state.gate()),
        ledger: (subnet) => this.ledgerPort(process, subnet, () => state.gate()),
        random: this.random,
        log: silentLog,
        clusterName: 'default',
        inCharge: async () => 'alone',
      })
    })
    for (const { name, spec } of scenario.shapes) {
      const metadata = { name, finalizers: ['kubeovn.io/kube-ovn-controller'] }
      const whole = { vpc: name, provider: 'ovn', protocol: protocolOf(spec), ...spec }
      const made = this.api.apply({
        verb: 'create',
        object: { apiVersion: 'kubeovn.io/v1', kind: 'Subnet', metadata, spec: whole },
      })
      if (!made.ok) throw new Error(made.error.message)
    }
  }

  /** As a World has it, for checkers that watch either (test/support/steps.ts). */
  get clock(): { readonly passedMs: number } {
    return this.schedule
  }

  get calls() {
    return this.api.calls
  }

  subnets(): readonly string[] {
    return [...this.spaces.keys()].sort()
  }

  sql(subnet: string): Sql {
    return this.space(subnet).sql
  }

  space(name: string): DurableObject<SubnetCore> {
    let object = this.spaces.get(name)
    if (!object) {
      object = new DurableObject(name, this.schedule, this.faults, (state) => {
        const cluster = this.api.port(state.process, () => state.gate())
        return new SubnetCore(state, { cluster, ovn: noOvn, random: this.random, settings: this.settings })
      })
      object.committed = () => this.flushed(name)
      object.flushed = () => this.kept(name)
      object.lost = () => this.lost(name)
      this.spaces.set(name, object)
    }
    return object
  }

  ledger(subnet: string): Ledger {
    return this.space(subnet).core.ledger
  }

  objects(): readonly DurableObject<SubnetCore | ClusterCore>[] {
    return [this.cluster, ...this.subnets().map((name) => this.space(name))] as never
  }

  /** The cron trigger: the mirror runs. */
  wake(): void {
    const cron = new Process(this.schedule, 'cron', 'cron')
    this.cluster.call(cron, 'wake', true, (core) => core.wake()).catch(() => {})
  }

  /** One call by a client, handled by a process of its own. `answer` hears of it once. */
  handle(write: Write, tenant: string, answer: (answered: Answered) => void): void {
    const process = this.process(write.do)
    const ports = this.ports(process)
    process.onDeath(() =>
      this.schedule.at(1, `${process.name} is cut off`, () => answer({ kind: 'cut off' })),
    )
    const done = (answered: Answered) => {
      this.handlers.delete(process)
      answer(answered)
    }
    command(ports, write, tenant, process.name).then(
      (outcome) => {
        if (process.alive) done(structuredClone(outcome))
      },
      () => {
        // The door's 503: what became of it is not known.
        if (process.alive) done({ kind: 'cut off' })
      },
    )
  }

  /** A read by a client. */
  find(name: string, subnet: string, answer: (found: Awaited<ReturnType<typeof reservation>>) => void): void {
    const process = this.process('find')
    reservation(this.ports(process), name, subnet).then(
      (found) => {
        this.handlers.delete(process)
        if (process.alive) answer(found)
      },
      () => this.handlers.delete(process),
    )
  }

  /** An object by name, a handler by name, or everything. */
  kill(what: string): void {
    const objects = this.objects().filter(({ name }) => what === 'everything' || name === what)
    const handlers = [...this.handlers].filter(({ name }) => what === 'everything' || name === what)
    for (const point of pointsOf(this, objects, handlers)) this.counters.hit(point)
    this.schedule.note(`kill ${what}`)
    for (const object of objects) object.kill()
    for (const handler of handlers) {
      this.handlers.delete(handler)
      handler.kill()
    }
  }

  get handling(): number {
    return this.handlers.size
  }

  handlersNow(): readonly Process[] {
    return [...this.handlers]
  }

  private process(at: string): Process {
    const process = new Process(this.schedule, `${at}-${this.handled++}`, at)
    this.handlers.add(process)
    return process
  }

  private ports(process: Process): CommandPorts {
    return {
      clusterName: 'default',
      cluster: this.api.port(process),
      ovn: noOvn,
      ledger: (subnet) => this.ledgerPort(process, subnet),
      clock: process.clock,
      random: this.random,
      log: silentLog,
      settings: { waitMs: 5_000, authority: 'alone', ovn: false, keepVmIp: true, account: 'berth' },
      background: () => {},
      mirror: {
        learn: (subnet) =>
          this.cluster
            .call(process, 'learn', false, async (core) => {
              await core.wake()
              return core.mirror.learn(subnet, 5_000)
            })
            .catch(() => err(problem('unavailable', 'the mirror does not answer', { retryAfterMs: 1_000 }))),
        peek: (refs) =>
          this.cluster
            .call(process, 'peek', false, async (core) => core.mirror.peek(refs))
            .catch(() => refs.map(() => undefined)),
      },
    }
  }

  /** Each of these calls is one transaction, done when it returns: what it refused it has not touched. */
  private async judged(
    subnet: string,
    verb: keyof LedgerPort,
    parameters: readonly unknown[],
    call: () => Promise<unknown>,
  ): Promise<unknown> {
    if (verb !== 'hold' && verb !== 'release' && verb !== 'adopt') return call()
    const before = promises(this.sql(subnet))
    const answer = call()
    const after = promises(this.sql(subnet))
    const opened = (await answer) as Opened
    const isDry = (parameters[0] as { readonly dryRun?: boolean }).dryRun === true
    const isRefused = opened.kind === 'answer' && opened.answer.kind === 'refused'
    if ((isDry || isRefused) && before !== after) {
      this.deniedChanged(`${verb} in ${subnet}, ${isDry ? 'a dry run' : 'refused'}, changed something`)
    }
    return opened
  }

  /** A ledger over the wire. */
  private ledgerPort(
    process: Process,
    subnet: string,
    gate: () => Promise<void> = async () => {},
  ): LedgerPort {
    return new Proxy({} as LedgerPort, {
      get: (_, verb: keyof LedgerPort) => {
        return async (...given: unknown[]) => {
          const parameters = structuredClone(given)
          await gate()
          return this.space(subnet).call(process, verb, WRITES.has(verb), (core): Promise<unknown> => {
            const call = core.ledger[verb] as (...parameters: unknown[]) => Promise<unknown>
            return this.judged(subnet, verb, parameters, () => call.apply(core.ledger, parameters))
          })
        }
      },
    })
  }
}

function protocolOf(spec: object): string {
  const { cidrBlock = '' } = spec as { cidrBlock?: string }
  return cidrBlock.includes(',') ? 'Dual' : cidrBlock.includes(':') ? 'IPv6' : 'IPv4'
}
