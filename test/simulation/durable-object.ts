import type { Sql } from '../../shared/sql.ts'
import type { Faults } from './faults.ts'
import { Process, type Waiting } from './process.ts'
import type { Schedule } from './schedule.ts'
import { Storage } from './storage.ts'

/** What one incarnation of an object is made of. */
export interface Core {
  /** Called once, before anything else is asked of it. */
  load(): void
  alarm(): Promise<void>
  /** After a call that may have changed something. */
  wrote(): void
}

/** What an incarnation is given. */
export interface ObjectState {
  readonly sql: Sql
  readonly process: Process
  /** Resolves when all that was written so far is flushed: nothing leaves the object before. */
  gate(): Promise<void>
  getAlarm(): number | undefined
  setAlarm(atMs: number): void
}

/** The call was cut off: the object was reset under it, or had too much to do. */
export class ObjectReset extends Error {}

/** Calls that begin, advance or end an operation. */
const DECIDES: ReadonlySet<string> = new Set(['hold', 'release', 'adopt', 'report'])

interface Incarnation<C> {
  readonly core: C
  readonly process: Process
  /** Callers whose answer is outstanding. */
  readonly open: Set<(error: Error) => void>
}

/** A runtime tries an alarm that failed so often again, doubling from this. */
const ALARM_RETRIES = 6
const ALARM_RETRY_MS = 2_000

/**
 * A Durable Object as Cloudflare's documentation and workerd have it: one thread; what is written between two awaits is
 * one commit, flushed later; replies and calls wait for the flush; other requests come in while one waits for the network;
 * alarms at least once, given up after six failures; a kill loses what was not flushed.
 */
export class DurableObject<C extends Core> {
  readonly name: string
  /** After a transaction; after a flush; after a kill lost what was not flushed. */
  committed: () => void = () => {}
  flushed: () => void = () => {}
  lost: () => void = () => {}
  private readonly schedule: Schedule
  private readonly faults: Faults
  private readonly storage: Storage
  private readonly open: (state: ObjectState) => C
  private incarnation: Incarnation<C> | undefined
  private alarmMs: number | undefined
  private durableAlarmMs: number | undefined
  private callOffAlarm: () => void = () => {}
  private callOffFlush: (() => void) | undefined
  private gated: (() => void)[] = []
  private ringing: number | undefined
  private failures = 0

  constructor(name: string, schedule: Schedule, faults: Faults, open: (state: ObjectState) => C) {
    this.name = name
    this.schedule = schedule
    this.faults = faults
    this.open = open
    this.storage = new Storage(
      () => this.dirtied(),
      () => this.committed(),
    )
  }

  get sql(): Sql {
    return this.storage.sql
  }

  get process(): Process | undefined {
    return this.incarnation?.process
  }

  get isDirty(): boolean {
    return this.storage.dirty
  }

  get alarm(): number | undefined {
    return this.alarmMs
  }

  get isRinging(): boolean {
    return this.ringing !== undefined
  }

  /** What lives now; begins an incarnation if need be. */
  get core(): C {
    return this.living().core
  }

  /** One request from outside. */
  call<T>(caller: Process, verb: string, isWrite: boolean, run: (core: C) => Promise<T>): Promise<T> {
    const waiting: Waiting = { seam: 'ledger', verb, stage: 'asked' }
    caller.waiting.add(waiting)
    return new Promise<T>((resolve, reject) => {
      const answer = (ms: number, label: string, settle: () => void) =>
        caller.later(ms, `${label} ${verb} of ${this.name}`, () => {
          caller.waiting.delete(waiting)
          settle()
        })
      const fail = (error: Error) => answer(this.faults.delay(), 'is cut off from', () => reject(error))
      this.schedule.at(this.faults.delay(), `${this.name} hears ${verb}`, () => {
        if (this.faults.overloaded(this.name)) {
          fail(new ObjectReset('overloaded'))
          return
        }
        const mayDie = DECIDES.has(verb)
        const before = this.incarnation
        if (mayDie) this.faults.callDies(this.name, caller.name, 'heard')
        if (before !== this.incarnation) {
          fail(new ObjectReset('reset'))
          return
        }
        const incarnation = this.living()
        incarnation.open.add(fail)
        const ended = (settle: () => void) => {
          if (!incarnation.process.alive) return
          if (isWrite) incarnation.core.wrote()
          waiting.stage = 'done'
          if (mayDie) this.faults.callDies(this.name, caller.name, 'done')
          if (!incarnation.process.alive) return
          this.gate(incarnation).then(() => {
            waiting.stage = 'flushed'
            if (mayDie) this.faults.callDies(this.name, caller.name, 'flushed')
            if (!incarnation.process.alive) return
            incarnation.open.delete(fail)
            answer(this.faults.delay(), 'has the answer to', settle)
          })
        }
        run(incarnation.core).then(
          (value) => ended(() => resolve(structuredClone(value))),
          (error) => ended(() => reject(error)),
        )
      })
    })
  }

  /** The process is gone, and with it what was not flushed. */
  kill(): void {
    const { incarnation } = this
    this.callOffFlush?.()
    this.callOffFlush = undefined
    this.gated = []
    this.storage.lose()
    this.lost()
    this.incarnation = undefined
    this.alarmMs = this.durableAlarmMs
    if (this.ringing !== undefined) this.alarmFailed(this.ringing)
    this.reschedule()
    if (!incarnation) return
    incarnation.process.kill()
    for (const fail of incarnation.open) fail(new ObjectReset('reset'))
  }

  /** Thrown out of memory while idle: what was written is kept. */
  evict(): boolean {
    const { incarnation } = this
    if (!incarnation || incarnation.open.size > 0 || this.ringing !== undefined || this.storage.dirty)
      return false
    incarnation.process.kill()
    this.incarnation = undefined
    return true
  }

  /** A timer is set by the wall clock, and runs by elapsed time: a clock that is set matters when a process begins. */
  private reschedule(): void {
    this.callOffAlarm()
    this.callOffAlarm = () => {}
    if (this.alarmMs === undefined) return
    this.callOffAlarm = this.schedule.at(
      this.alarmMs - this.schedule.nowMs(),
      `${this.name} alarm is due`,
      () => this.ring(),
    )
  }

  private living(): Incarnation<C> {
    if (this.incarnation) return this.incarnation
    const process = new Process(this.schedule, this.name, 'object')
    const state: ObjectState = {
      sql: this.storage.sql,
      process,
      gate: () => (process.alive ? this.gate(incarnation) : never()),
      getAlarm: () => this.alarmMs,
      setAlarm: (atMs) => {
        if (process.alive) this.setAlarm(atMs)
      },
    }
    const incarnation: Incarnation<C> = { core: this.open(state), process, open: new Set() }
    this.incarnation = incarnation
    incarnation.core.load()
    return incarnation
  }

  private setAlarm(atMs: number): void {
    this.alarmMs = atMs
    this.dirtied()
    this.storage.dirty = true
    this.reschedule()
  }

  private ring(): void {
    // One at a time: it rings when this one is over.
    if (this.ringing !== undefined || this.alarmMs === undefined) return
    if (this.faults.alarmDies(this.name)) return
    this.ringing = this.alarmMs
    this.alarmMs = undefined
    const { core, process } = this.living()
    this.schedule.note(`${this.name} alarm rings`)
    core.alarm().then(
      () => {
        if (!process.alive) return
        this.ringing = undefined
        this.failures = 0
        if (this.faults.ringsTwice(this.name)) this.alarmMs = this.schedule.nowMs()
        this.dirtied()
        this.storage.dirty = true
        this.reschedule()
      },
      () => {
        if (!process.alive) return
        this.alarmFailed(this.ringing ?? 0)
        this.reschedule()
      },
    )
  }

  private alarmFailed(atMs: number): void {
    this.ringing = undefined
    this.failures++
    if (this.failures > ALARM_RETRIES) {
      this.failures = 0
      return
    }
    const againMs = Math.max(atMs, this.schedule.nowMs() + ALARM_RETRY_MS * 2 ** (this.failures - 1))
    this.alarmMs = Math.min(this.alarmMs ?? againMs, againMs)
    this.durableAlarmMs = this.alarmMs
  }

  /** Something was written, and is flushed a little later. */
  private dirtied(): void {
    this.callOffFlush ??= this.schedule.at(this.faults.flushDelay(), `${this.name} flushes`, () => {
      this.callOffFlush = undefined
      if (this.faults.flushDies(this.name)) return
      this.storage.flush()
      this.durableAlarmMs = this.alarmMs
      const waiters = this.gated
      this.gated = []
      this.flushed()
      for (const go of waiters) go()
    })
  }

  private gate(incarnation: Incarnation<C>): Promise<void> {
    if (!this.storage.dirty) return Promise.resolve()
    return new Promise((resolve) =>
      this.gated.push(() => {
        if (incarnation.process.alive) resolve()
      }),
    )
  }
}

const never = () => new Promise<never>(() => {})
