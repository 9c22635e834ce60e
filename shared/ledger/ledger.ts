import { type Problem, problem, problemOf } from '../problem.ts'
import { err, ok, type Result } from '../result.ts'
import type { Settlement, Taken } from '../spaces/port.ts'
import { carried } from './admission.ts'
import { adopt } from './adopt-request.ts'
import { nextAlarmMs, tick } from './alarm.ts'
import type { AuditFilter, AuditPage } from './audit.ts'
import type { FeedEntry } from './feed.ts'
import { nudge } from './follow.ts'
import { hold, rememberRefusal } from './hold.ts'
import { migrate, storedVersion } from './migrations.ts'
import { observe } from './observe.ts'
import type {
  AdoptRequest,
  Answer,
  Carried,
  HoldRequest,
  Inspection,
  IpNews,
  Keyed,
  LeaseFilter,
  LeasePage,
  LeaseView,
  LedgerPort,
  Located,
  Next,
  Opened,
  OpView,
  PoolChange,
  ReleaseRequest,
  RenewRequest,
  RepairRequest,
  Report,
  SpaceView,
  SubnetFacts,
  Target,
  TransferRequest,
} from './port.ts'
import { find, locate, operation, page, spaceView } from './reads.ts'
import { findingOf } from './refusals.ts'
import { refuse, release } from './release.ts'
import { renew } from './renew.ts'
import { inspect, RepairRate, repair } from './repair.ts'
import { type ReportOutcomes, type Reports, reported, reports } from './reports.ts'
import { settled, unsettled } from './shared-marks.ts'
import { Space, type SpacePorts } from './space.ts'
import { report, resume, takeOver } from './steps.ts'
import { announce, configure, preview, previewNew, propose, retire, subnetGone } from './subnet.ts'
import { transfer } from './transfer.ts'
import { type Deleted, want } from './wanted.ts'

/** The storage is of a later version than the code: nothing is read or written (faults.md 53). */
export class StorageTooNew extends Error {}

/**
 * The ledger of one address space. The Durable Object owns one; everything it decides is decided in here. Storage is
 * made when the first Subnet is told, so that asking for a space that does not exist leaves nothing behind.
 */
export class Ledger implements LedgerPort {
  private readonly ports: SpacePorts
  private space: Space | undefined
  private readonly repairs = new RepairRate()
  private readonly listening = new Map<string, Set<() => void>>()
  private readonly waiting = new Map<string, Set<(answer: Answer) => void>>()

  /** Migrates the storage if need be and makes every open operation due: its driver may have died with the last incarnation. */
  constructor(ports: SpacePorts) {
    this.ports = ports
    if (storedVersion(ports.sql) === undefined) return
    const space = this.opened()
    space.ops.allDue()
  }

  /** Wall time (ms) at which `due` should be called next. */
  nextAlarmMs(): number | undefined {
    return this.space && nextAlarmMs(this.space)
  }

  /** Frees what has cooled down; returns the operations that need a driver. */
  due(): readonly string[] {
    return this.space ? tick(this.space) : []
  }

  /** What happened and is yet to be told, oldest first. */
  happened(limit: number): readonly FeedEntry[] {
    return this.space?.feed.waiting(limit) ?? []
  }

  /** Entries up to `seq` are kept elsewhere now. */
  handedOn(seq: number): void {
    this.space?.feed.handedOn(seq)
  }

  /** Rows that the shared space is to be told of. */
  unsettled(limit: number): readonly Settlement[] {
    return this.space ? unsettled(this.space, limit) : []
  }

  /** What it said to that. */
  settledShared(rows: readonly Settlement[], answers: readonly Taken[]): void {
    if (this.space) settled(this.space, rows, answers)
  }

  /** Makes the caller the driver of an operation that fell silent. */
  takeOver(op: string): ReturnType<typeof takeOver> {
    return this.space && takeOver(this.space, op)
  }

  /** What the cluster is to be told after the fact: Events, and the Subnet's counters when they changed. */
  reports(): Reports {
    return this.space ? reports(this.space) : { events: [] }
  }

  /** How that went. */
  reported(outcomes: ReportOutcomes): void {
    if (this.space) reported(this.space, outcomes)
  }

  async configure(
    facts: SubnetFacts,
    token?: string,
  ): Promise<Result<{ readonly stranded: number }, Problem>> {
    return configure(this.opened(), facts, token)
  }

  async preview(facts: SubnetFacts): Promise<Result<SpaceView, Problem>> {
    return this.space ? preview(this.space, facts) : previewNew(facts)
  }

  async announce(provider: string): Promise<Result<string, Problem>> {
    return announce(this.opened(), provider)
  }

  async propose(facts: SubnetFacts, change: PoolChange): Promise<Result<string, Problem>> {
    return propose(this.opened(), facts, change)
  }

  async retire(): Promise<Result<{ readonly view: SpaceView; readonly token: string }, Problem>> {
    return retire(this.opened())
  }

  async subnetGone(uid: string): Promise<void> {
    if (this.space) subnetGone(this.space, uid)
  }

  async observe(news: IpNews): Promise<Result<undefined, Problem>> {
    if (this.space) return observe(this.space, news)
    return err(problem('unknown_subnet', 'the ledger does not know its Subnet'))
  }

  async nudge(owner: { readonly namespace: string; readonly podName: string }): Promise<void> {
    if (this.space) nudge(this.space, owner)
  }

  async carried(hold: Carried): Promise<Opened> {
    return this.space ? carried(this.space, hold) : { kind: 'unconfigured' }
  }

  async hold(request: HoldRequest): Promise<Opened> {
    if (!this.space) return { kind: 'unconfigured' }
    const opened = hold(this.space, request)
    rememberRefusal(this.space, request, opened)
    return opened
  }

  async adopt(request: AdoptRequest): Promise<Opened> {
    return this.space ? adopt(this.space, request) : { kind: 'unconfigured' }
  }

  async locate(targets: readonly Target[], keyed: Keyed): Promise<Located> {
    return this.space ? locate(this.space, targets, keyed) : { leases: targets.map(() => null) }
  }

  async release(request: ReleaseRequest): Promise<Opened> {
    return this.space ? release(this.space, request) : { kind: 'unconfigured' }
  }

  async renew(request: RenewRequest): Promise<Opened> {
    return this.space?.subnet ? renew(this.space, request) : { kind: 'unconfigured' }
  }

  async transfer(request: TransferRequest): Promise<Opened> {
    return this.space?.subnet ? transfer(this.space, request) : { kind: 'unconfigured' }
  }

  async refuse(keyed: Keyed, why: Problem): Promise<Opened> {
    if (this.space?.subnet) return refuse(this.space, keyed, why)
    return { kind: 'answer', answer: { kind: 'refused', problem: why } }
  }

  async inspect(): Promise<Result<Inspection, Problem>> {
    return this.space ? inspect(this.space, this.repairs) : ok({ isTelling: false })
  }

  async repair(request: RepairRequest): Promise<Opened> {
    return this.space ? repair(this.space, request) : { kind: 'unconfigured' }
  }

  async report(told: Report): Promise<Next> {
    return this.space ? report(this.space, told) : { kind: 'lost', op: told.op }
  }

  async resume(op: string, driver: number, waitMs = 0): Promise<Next> {
    if (waitMs > 0 && this.space) await this.untilTouched(op, waitMs)
    return this.space ? resume(this.space, op, driver) : { kind: 'lost', op }
  }

  async settled(op: string, waitMs: number): Promise<Answer | undefined> {
    const row = this.space?.ops.get(op)
    if (!row) return undefined
    if (row.state !== 'running') {
      return row.response ?? (row.problem ? { kind: 'refused', problem: row.problem } : undefined)
    }
    return this.untilClosed(op, waitMs)
  }

  async want(object: Deleted): Promise<void> {
    if (this.space?.subnet) want(this.space, object)
  }

  async find(name: string): Promise<LeaseView | undefined> {
    return this.space && find(this.space, name)
  }

  async page(filter: LeaseFilter, after: readonly [string, string], limit: number): Promise<LeasePage> {
    return this.space ? page(this.space, filter, after, limit) : { leases: [] }
  }

  async operation(id: string): Promise<OpView | undefined> {
    return this.space && operation(this.space, id)
  }

  async audit(filter: AuditFilter, after: number, limit: number): Promise<AuditPage> {
    return this.space ? this.space.audit.page(filter, after, limit) : { lines: [] }
  }

  async view(): Promise<SpaceView | undefined> {
    return this.space && spaceView(this.space)
  }

  async suggest(count: number, contiguous: boolean): Promise<Result<readonly string[], Problem> | undefined> {
    if (!this.space?.subnet) return undefined
    const { space } = this
    const family = space.config.v4 ? 4 : 6
    const addresses = space.transaction(() => ({
      commit: false,
      value: space.allocator.suggest(count, { family, contiguous }),
    }))
    if (!addresses.ok) return err(problemOf([findingOf(addresses.error)]))
    return addresses.value.length > 0
      ? ok(addresses.value)
      : err(problem('no_capacity', 'no address is free', { field: 'name' }))
  }

  private opened(): Space {
    if (this.space) return this.space
    const migrated = migrate(this.ports.sql)
    if (!migrated.ok) {
      throw new StorageTooNew(
        `storage has version ${migrated.error.stored}, the code knows ${migrated.error.known}`,
      )
    }
    const space = new Space(this.ports)
    space.onClosed((op, answer) => this.wake(op, answer))
    space.onTouched((op) => {
      for (const goOn of this.listening.get(op) ?? []) goOn()
    })
    this.space = space
    return space
  }

  private async untilClosed(op: string, waitMs: number): Promise<Answer | undefined> {
    const woken = new AbortController()
    let answer: Answer | undefined
    const listener = (told: Answer) => {
      answer = told
      woken.abort()
    }
    const listeners = this.waiting.get(op) ?? new Set()
    this.waiting.set(op, listeners)
    listeners.add(listener)
    await this.ports.clock.sleep(waitMs, woken.signal)
    listeners.delete(listener)
    if (listeners.size === 0) this.waiting.delete(op)
    return answer
  }

  /** Until news comes that the operation waits for, or the time is over. */
  private async untilTouched(op: string, waitMs: number): Promise<void> {
    const woken = new AbortController()
    const goOn = () => woken.abort()
    const listeners = this.listening.get(op) ?? new Set()
    this.listening.set(op, listeners)
    listeners.add(goOn)
    await this.ports.clock.sleep(waitMs, woken.signal)
    listeners.delete(goOn)
    if (listeners.size === 0) this.listening.delete(op)
  }

  private wake(op: string, answer: Answer): void {
    for (const listener of this.waiting.get(op) ?? []) listener(answer)
  }
}
