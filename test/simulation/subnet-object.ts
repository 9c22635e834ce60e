import { LATE, within } from '../../shared/clock.ts'
import type { ClusterPort } from '../../shared/cluster/port.ts'
import { drive } from '../../shared/command/drive.ts'
import { tell, untold } from '../../shared/command/reports.ts'
import { QUICK } from '../../shared/elapsed.ts'
import { Ledger } from '../../shared/ledger/ledger.ts'
import type { LedgerSettings } from '../../shared/ledger/settings.ts'
import type { OvnPort } from '../../shared/ovn/port.ts'
import type { Random } from '../../shared/random.ts'
import type { Core, ObjectState } from './durable-object.ts'

const ALARM_BUDGET_MS = 20_000
const ALARM_REST_MS = 500
const ALARM_RETRY_MS = 5_000
const DRIVEN_AT_ONCE = 16
const TELL_MS = 5_000

export interface SubnetPorts {
  readonly cluster: ClusterPort
  readonly ovn: OvnPort
  readonly random: Random
  readonly settings: LedgerSettings
}

/** functions/objects/subnet.ts without the runtime: the production ledger, and the same alarm around it. */
export class SubnetCore implements Core {
  readonly ledger: Ledger
  private readonly state: ObjectState
  private readonly ports: SubnetPorts
  private armedMs: number | undefined

  constructor(state: ObjectState, ports: SubnetPorts) {
    this.state = state
    this.ports = ports
    const { sql, process } = state
    this.ledger = new Ledger({ sql, clock: process.clock, random: ports.random, settings: ports.settings })
  }

  load(): void {
    this.armedMs = this.state.getAlarm()
    this.arm()
  }

  wrote(): void {
    this.arm()
  }

  async alarm(): Promise<void> {
    const { process } = this.state
    this.armedMs = undefined
    const done = new AbortController()
    const due = [...this.ledger.due()]
    let failed = false
    const worker = async () => {
      for (let op = due.shift(); op !== undefined; op = due.shift()) {
        try {
          await this.finish(op)
        } catch {
          failed = true
        }
      }
    }
    const worked = Promise.all(Array.from({ length: DRIVEN_AT_ONCE }, worker))
      .then(() => this.tell())
      .finally(() => done.abort())
    await Promise.all([worked, this.lookUntil(done.signal)])
    if (failed) this.armAt(process.clock.nowMs() + ALARM_RETRY_MS)
    else this.arm()
  }

  private async finish(op: string): Promise<void> {
    const { clock } = this.state.process
    const askedMs = clock.nowMs()
    const taken = this.ledger.takeOver(op)
    if (!taken) return
    const { ledger, ports } = this
    const driven = drive(
      { ledger, cluster: ports.cluster, ovn: ports.ovn, clock, settings: { keepVmIp: true, ovn: false } },
      taken.leases,
      taken.next,
      { budgetMs: ALARM_BUDGET_MS, askedMs, restMs: ALARM_REST_MS },
    )
    await within(clock, ALARM_BUDGET_MS, driven)
  }

  private async lookUntil(done: AbortSignal): Promise<void> {
    while (!done.aborted) {
      await this.state.process.clock.sleep(QUICK.lookEveryMs, done)
      if (!done.aborted) this.ledger.due()
    }
  }

  private async tell(): Promise<void> {
    const due = this.ledger.reports()
    if (due.events.length === 0 && !due.counters) return
    const told = await within(this.state.process.clock, TELL_MS, tell(this.ports.cluster, due)).catch(
      (): typeof LATE => LATE,
    )
    this.ledger.reported(told === LATE ? untold(due) : told)
  }

  private arm(): void {
    const wantedMs = this.ledger.nextAlarmMs()
    if (wantedMs === undefined) return
    const nowMs = this.state.process.clock.nowMs()
    const overdue = this.armedMs !== undefined && this.armedMs < nowMs - ALARM_RETRY_MS
    if (this.armedMs !== undefined && !overdue && this.armedMs <= wantedMs) return
    this.armAt(Math.max(wantedMs, nowMs))
  }

  private armAt(atMs: number): void {
    this.armedMs = atMs
    this.state.setAlarm(atMs)
  }
}
