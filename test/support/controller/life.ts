import type { Clock } from '../../../shared/clock.ts'
import type { Step, Turns } from './turns.ts'

/** Thrown inside a process that was killed: nothing after it happens. */
export class Ended extends Error {
  constructor() {
    super('the process has ended')
  }
}

/** One process of the controller: what it does next waits while it is paused (SIGSTOP) and ends when it is killed. */
export class Life {
  readonly clock: Clock
  private readonly turns: Turns
  private readonly end = new AbortController()
  private resumed: Promise<void> | undefined
  private resume: () => void = () => {}

  constructor(clock: Clock, turns: Turns) {
    this.clock = clock
    this.turns = turns
  }

  /** Aborts when the process ends. */
  get signal(): AbortSignal {
    return this.end.signal
  }

  /** Waits for this step's turn. @throws Ended */
  async turn(step: Step): Promise<void> {
    await this.running()
    await this.turns.next(step)
    await this.running()
  }

  /** Time passes for a paused process too; it notices when it goes on. @throws Ended */
  async sleep(ms: number): Promise<void> {
    await this.clock.sleep(ms, this.signal)
    await this.running()
  }

  /** Goes on unless the process is paused or has ended. @throws Ended */
  async running(): Promise<void> {
    while (this.resumed !== undefined && !this.signal.aborted) await this.resumed
    if (this.signal.aborted) throw new Ended()
  }

  pause(): void {
    this.resumed ??= new Promise((resolve) => {
      this.resume = resolve
    })
  }

  continue(): void {
    this.resumed = undefined
    this.resume()
  }

  kill(): void {
    this.end.abort()
    this.continue()
  }

  /** Runs until it is over; a kill is a way to be over. */
  async run(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (!(error instanceof Ended)) throw error
    }
  }
}
