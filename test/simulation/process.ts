import type { Clock } from '../../shared/clock.ts'
import type { Schedule } from './schedule.ts'

/** Where a process is: which call it waits for, and how far that one has come. */
export interface Waiting {
  readonly seam: 'ledger' | 'cluster'
  readonly verb: string
  stage: 'asked' | 'done' | 'flushed'
}

/**
 * Something that may die: a request's handler, or one incarnation of an object. What it waits for goes on only while it
 * lives; when it is killed, nothing of it ever goes on again.
 */
export class Process {
  readonly name: string
  alive = true
  /** Calls under way. */
  readonly waiting = new Set<Waiting>()
  /** What it is at: `reserve`, `release`, `alarm`. */
  readonly at: string
  readonly clock: Clock
  private readonly schedule: Schedule
  private readonly deaths: (() => void)[] = []

  constructor(schedule: Schedule, name: string, at: string) {
    this.schedule = schedule
    this.name = name
    this.at = at
    this.clock = {
      nowMs: () => schedule.nowMs(),
      sleep: (ms, signal) =>
        new Promise((resolve) => {
          if (signal?.aborted) return resolve()
          const callOff = this.later(ms, 'wakes', () => {
            signal?.removeEventListener('abort', wake)
            resolve()
          })
          const wake = () => {
            callOff()
            resolve()
          }
          signal?.addEventListener('abort', wake, { once: true })
        }),
      after: (ms, wake) => this.later(ms, 'timer', wake),
    }
  }

  /** `work`, after `ms`, if it lives then. */
  later(ms: number, label: string, work: () => void): () => void {
    return this.schedule.at(ms, `${this.name} ${label}`, () => {
      if (this.alive) work()
    })
  }

  /** Settles after `ms`; never, once dead. */
  pause(ms: number, label: string): Promise<void> {
    return new Promise((resolve) => this.later(ms, label, resolve))
  }

  onDeath(work: () => void): void {
    this.deaths.push(work)
  }

  kill(): void {
    if (!this.alive) return
    this.alive = false
    for (const work of this.deaths) work()
  }
}
