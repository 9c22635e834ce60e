import { DurableObject } from 'cloudflare:workers'
import { LATE, systemClock, within } from '../../shared/clock.ts'
import type { ClusterPort } from '../../shared/cluster/port.ts'
import { drive } from '../../shared/command/drive.ts'
import { tell, tellBeside, untold } from '../../shared/command/reports.ts'
import { QUICK } from '../../shared/elapsed.ts'
import type { AuditFilter } from '../../shared/ledger/audit.ts'
import { Ledger, StorageTooNew } from '../../shared/ledger/ledger.ts'
import type {
  AdoptRequest,
  Carried,
  HoldRequest,
  IpNews,
  Keyed,
  LeaseFilter,
  PoolChange,
  ReleaseRequest,
  RenewRequest,
  RepairRequest,
  Report,
  SubnetFacts,
  Target,
  TransferRequest,
} from '../../shared/ledger/port.ts'
import type { SpacePorts } from '../../shared/ledger/space.ts'
import type { Deleted } from '../../shared/ledger/wanted.ts'
import type { Log } from '../../shared/log.ts'
import type { Problem } from '../../shared/problem.ts'
import { systemRandom } from '../../shared/random.ts'
import { sharedSpaceOf } from '../clusters.ts'
import { clusterOf, type Env, envOfObject, objectPorts } from '../env.ts'
import type { EventBox } from '../events/box.ts'
import { durableObjectSql } from './sql.ts'

/** How long one run of the alarm drives one operation before it leaves it to the next. */
const ALARM_BUDGET_MS = 20_000
/** The longest wait it sits out: those behind it are due now. */
const ALARM_REST_MS = 500
/** Back-off of an alarm that failed, so that the runtime's six retries are never used up. */
const ALARM_RETRY_MS = 5_000
/** Operations driven side by side by one alarm. */
const DRIVEN_AT_ONCE = 16
/** How long the cluster may take to hear what nobody waits for. */
const TELL_MS = 5_000
/** How long that may take before the alarm looks after the rest again. */
const HAND_ON_MS = 10_000
/** Events handed on in one call. */
const HANDED_ON_AT_ONCE = 500
/** Rows told to a shared space in one call; what is left makes the next alarm come at once. */
const SETTLED_AT_ONCE = 500
/** How soon an alarm that met storage newer than the code looks again. */
const TOO_NEW_RETRY_MS = 60_000

/**
 * One address space's ledger, and its alarm, which finishes what a dead handler left. All decisions are in
 * shared/ledger; here are the binding to storage and the alarm clock.
 */
export class Subnet extends DurableObject<Env> {
  readonly #opened: Ledger | StorageTooNew
  /** As the cluster has it whose Subnet this is. */
  readonly #env: Env
  #armedMs: number | undefined

  constructor(state: DurableObjectState, env: Env) {
    super(state, env)
    this.#env = envOfObject(env, state.id.name?.split('/')[0])
    const { settings } = objectPorts(this.#env)
    const sharedSpace = sharedSpaceOf(this.#env, clusterOf(this.#env), this.#subnetName)
    this.#opened = openLedger({
      sql: durableObjectSql(state.storage),
      clock: systemClock,
      random: systemRandom,
      settings: { ...settings.ledger, ...(sharedSpace === undefined ? {} : { sharedSpace }) },
    })
    if (this.#opened instanceof StorageTooNew) return
    state.blockConcurrencyWhile(async () => {
      this.#armedMs = (await state.storage.getAlarm()) ?? undefined
      await this.#arm()
    })
  }

  configure(facts: SubnetFacts, token?: string) {
    return this.#write(() => this.#ledger.configure(facts, token))
  }

  preview(facts: SubnetFacts) {
    return this.#ledger.preview(facts)
  }

  announce(provider: string) {
    return this.#write(() => this.#ledger.announce(provider))
  }

  propose(facts: SubnetFacts, change: PoolChange) {
    return this.#write(() => this.#ledger.propose(facts, change))
  }

  retire() {
    return this.#write(() => this.#ledger.retire())
  }

  subnetGone(uid: string) {
    return this.#write(() => this.#ledger.subnetGone(uid))
  }

  observe(news: IpNews) {
    return this.#write(() => this.#ledger.observe(news))
  }

  nudge(owner: { readonly namespace: string; readonly podName: string }) {
    return this.#write(() => this.#ledger.nudge(owner))
  }

  carried(hold: Carried) {
    return this.#write(() => this.#ledger.carried(hold))
  }

  hold(request: HoldRequest) {
    return this.#write(() => this.#ledger.hold(request))
  }

  adopt(request: AdoptRequest) {
    return this.#write(() => this.#ledger.adopt(request))
  }

  release(request: ReleaseRequest) {
    return this.#write(() => this.#ledger.release(request))
  }

  renew(request: RenewRequest) {
    return this.#write(() => this.#ledger.renew(request))
  }

  transfer(request: TransferRequest) {
    return this.#write(() => this.#ledger.transfer(request))
  }

  refuse(keyed: Keyed, why: Problem) {
    return this.#write(() => this.#ledger.refuse(keyed, why))
  }

  inspect() {
    return this.#ledger.inspect()
  }

  repair(request: RepairRequest) {
    return this.#write(() => this.#ledger.repair(request))
  }

  report(report: Report) {
    return this.#write(() => this.#ledger.report(report))
  }

  resume(op: string, driver: number, waitMs?: number) {
    return this.#write(() => this.#ledger.resume(op, driver, waitMs))
  }

  want(object: Deleted) {
    return this.#write(() => this.#ledger.want(object))
  }

  locate(targets: readonly Target[], keyed: Keyed) {
    return this.#ledger.locate(targets, keyed)
  }

  settled(op: string, waitMs: number) {
    return this.#ledger.settled(op, waitMs)
  }

  find(name: string) {
    return this.#ledger.find(name)
  }

  page(filter: LeaseFilter, after: readonly [string, string], limit: number) {
    return this.#ledger.page(filter, after, limit)
  }

  operation(id: string) {
    return this.#ledger.operation(id)
  }

  audit(filter: AuditFilter, after: number, limit: number) {
    return this.#ledger.audit(filter, after, limit)
  }

  view() {
    return this.#ledger.view()
  }

  suggest(count: number, contiguous: boolean) {
    return this.#ledger.suggest(count, contiguous)
  }

  /** Storage that a later version wrote is not touched: every call fails until that version is back (faults.md 53). */
  get #ledger(): Ledger {
    if (this.#opened instanceof StorageTooNew) throw this.#opened
    return this.#opened
  }

  /** Runs at least once; may run twice, late, or after a restart. Everything in it is repeatable. */
  override async alarm(): Promise<void> {
    this.#armedMs = undefined
    if (this.#opened instanceof StorageTooNew) return this.#armAt(systemClock.nowMs() + TOO_NEW_RETRY_MS)
    const { cluster, events, log } = objectPorts(this.#env)
    const done = new AbortController()
    try {
      const due = [...this.#ledger.due()]
      let failed = false
      const worker = async () => {
        for (let op = due.shift(); op !== undefined; op = due.shift()) {
          try {
            await this.#finish(op)
          } catch (error) {
            // One operation must not stop the others; it stays due.
            failed = true
            log.write('error', 'operation failed', { operation: op, reason: reasonOf(error) })
          }
        }
      }
      const worked = Promise.all(Array.from({ length: DRIVEN_AT_ONCE }, worker))
        .then(() => this.#tell(cluster, log))
        .then(() => this.#settleShared())
        .then(() => this.#handOnInTime(events))
        .finally(() => done.abort())
      await Promise.all([worked, this.#lookUntil(done.signal)])
      if (failed) await this.#armAt(systemClock.nowMs() + ALARM_RETRY_MS)
      else await this.#arm()
    } catch (error) {
      log.write('error', 'alarm failed', { reason: reasonOf(error) })
      await this.#armAt(systemClock.nowMs() + ALARM_RETRY_MS)
    }
  }

  /** Drives an operation whose driver fell silent, as far as there is time. */
  async #finish(op: string): Promise<void> {
    const { cluster, ovn, settings, spaces, log } = objectPorts(this.#env)
    const askedMs = systemClock.nowMs()
    const taken = this.#ledger.takeOver(op)
    if (!taken) return
    log.write('info', 'operation taken over', { operation: op })
    const calls = { keepVmIp: settings.keepVmIp, ovn: settings.northbound !== undefined }
    // A call that hangs must not keep the alarm from the operations behind it; its driver's token is stale by then.
    const driven = drive(
      { ledger: this.#ledger, cluster, ovn, spaces, clock: systemClock, settings: calls },
      taken.leases,
      taken.next,
      { budgetMs: ALARM_BUDGET_MS, askedMs, restMs: ALARM_REST_MS },
    )
    await within(systemClock, ALARM_BUDGET_MS, driven)
  }

  /** No other alarm rings while one runs, and ledger time passes only when somebody looks (elapsed.ts). */
  async #lookUntil(done: AbortSignal): Promise<void> {
    while (!done.aborted) {
      await systemClock.sleep(QUICK.lookEveryMs, done)
      if (!done.aborted) this.#ledger.due()
    }
  }

  /** Events and counters: after everything else, and never for long. */
  async #tell(cluster: ClusterPort, log: Log): Promise<void> {
    const due = this.#ledger.reports()
    if (due.events.length === 0 && !due.counters) return
    const mode = await objectPorts(this.#env).inCharge()
    if (!mode) return this.#ledger.reported(untold(due))
    // A running kube-ovn-controller keeps the counters.
    const told = await within(
      systemClock,
      TELL_MS,
      (mode === 'beside' ? tellBeside : tell)(cluster, due),
    ).catch((error: unknown): typeof LATE => {
      log.write('warn', 'not told', { reason: reasonOf(error) })
      return LATE
    })
    this.#ledger.reported(told === LATE ? untold(due) : told)
  }

  /** Tells the shared space what other clusters must not have; it is told again until it has answered. */
  async #settleShared(): Promise<void> {
    const { spaces, log } = objectPorts(this.#env)
    const space = spaces(this.#subnetName)
    const rows = space ? this.#ledger.unsettled(SETTLED_AT_ONCE) : []
    if (!space || rows.length === 0) return
    const answers = await within(systemClock, TELL_MS, space.settle(rows)).catch(
      (error: unknown): typeof LATE => {
        log.write('warn', 'shared space not told', { reason: reasonOf(error) })
        return LATE
      },
    )
    if (answers !== LATE) this.#ledger.settledShared(rows, answers)
  }

  get #subnetName(): string {
    return this.ctx.id.name?.split('/')[1] ?? ''
  }

  /** Events that cannot be handed on now stay where they are, for the next alarm. */
  async #handOnInTime(events: EventBox): Promise<void> {
    const handedOn = await within(systemClock, HAND_ON_MS, this.#handOn(events))
    if (handedOn === LATE) throw new Error('events could not be handed on')
  }

  /** Hands on what happened. Handed on but not noted so, it is handed on again, and not taken twice. */
  async #handOn(events: EventBox): Promise<void> {
    for (;;) {
      const happened = this.#ledger.happened(HANDED_ON_AT_ONCE)
      const last = happened.at(-1)
      if (!last) return
      await events.accept(happened)
      this.#ledger.handedOn(last.seq)
    }
  }

  async #write<T>(work: () => Promise<T>): Promise<T> {
    const result = await work()
    await this.#arm()
    return result
  }

  /** Sets the alarm if something waits and nothing earlier is set; a set alarm that finds nothing to do does no harm. */
  async #arm(): Promise<void> {
    const wantedMs = this.#ledger.nextAlarmMs()
    if (wantedMs === undefined) return
    const nowMs = systemClock.nowMs()
    const overdue = this.#armedMs !== undefined && this.#armedMs < nowMs - ALARM_RETRY_MS
    if (this.#armedMs !== undefined && !overdue && this.#armedMs <= wantedMs) return
    await this.#armAt(Math.max(wantedMs, nowMs))
  }

  async #armAt(atMs: number): Promise<void> {
    this.#armedMs = atMs
    await this.ctx.storage.setAlarm(atMs)
  }
}

function openLedger(ports: SpacePorts): Ledger | StorageTooNew {
  try {
    return new Ledger(ports)
  } catch (error) {
    if (error instanceof StorageTooNew) return error
    throw error
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown'
}
