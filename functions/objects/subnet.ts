import { DurableObject } from 'cloudflare:workers'
import { systemClock } from '../../shared/clock.ts'
import { drive } from '../../shared/command/drive.ts'
import { Ledger, StorageTooNew } from '../../shared/ledger/ledger.ts'
import type {
  HoldRequest,
  Keyed,
  LeaseFilter,
  PoolChange,
  ReleaseRequest,
  Report,
  SubnetFacts,
  Target,
} from '../../shared/ledger/port.ts'
import type { SpacePorts } from '../../shared/ledger/space.ts'
import type { Problem } from '../../shared/problem.ts'
import { systemRandom } from '../../shared/random.ts'
import { type Env, objectPorts } from '../env.ts'
import { durableObjectSql } from './sql.ts'

/** How long one run of the alarm drives one operation before it leaves it to the next. */
const ALARM_BUDGET_MS = 20_000
/** Back-off of an alarm that failed, so that the runtime's six retries are never used up. */
const ALARM_RETRY_MS = 5_000
/** Operations driven side by side by one alarm. */
const DRIVEN_AT_ONCE = 16
/** How soon an alarm that met storage newer than the code looks again. */
const TOO_NEW_RETRY_MS = 60_000

/**
 * One address space's ledger, and its alarm, which finishes what a dead handler left. All decisions are in
 * shared/ledger; here are the binding to storage and the alarm clock.
 */
export class Subnet extends DurableObject<Env> {
  readonly #opened: Ledger | StorageTooNew
  #armedMs: number | undefined

  constructor(state: DurableObjectState, env: Env) {
    super(state, env)
    const { settings } = objectPorts(env)
    this.#opened = openLedger({
      sql: durableObjectSql(state.storage),
      clock: systemClock,
      random: systemRandom,
      settings: settings.ledger,
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

  hold(request: HoldRequest) {
    return this.#write(() => this.#ledger.hold(request))
  }

  release(request: ReleaseRequest) {
    return this.#write(() => this.#ledger.release(request))
  }

  refuse(keyed: Keyed, why: Problem) {
    return this.#write(() => this.#ledger.refuse(keyed, why))
  }

  report(report: Report) {
    return this.#write(() => this.#ledger.report(report))
  }

  resume(op: string, driver: number) {
    return this.#write(() => this.#ledger.resume(op, driver))
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
    const { cluster, settings, log } = objectPorts(this.env)
    try {
      const due = [...this.#ledger.due()]
      const worker = async () => {
        for (let op = due.shift(); op !== undefined; op = due.shift()) {
          const askedMs = systemClock.nowMs()
          const taken = this.#ledger.takeOver(op)
          if (!taken) continue
          log.write('info', 'operation taken over', { operation: op })
          await drive(
            { ledger: this.#ledger, cluster, clock: systemClock, authority: settings.authority },
            taken.leases,
            taken.next,
            { budgetMs: ALARM_BUDGET_MS, askedMs },
          )
        }
      }
      await Promise.all(Array.from({ length: DRIVEN_AT_ONCE }, worker))
      await this.#arm()
    } catch (error) {
      log.write('error', 'alarm failed', { reason: error instanceof Error ? error.message : 'unknown' })
      await this.#armAt(systemClock.nowMs() + ALARM_RETRY_MS)
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
