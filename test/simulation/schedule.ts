import { createHash, type Hash } from 'node:crypto'
import type { Choices } from './choices.ts'

interface Event {
  readonly atMs: number
  readonly choice: number
  readonly seq: number
  readonly label: string
  work: (() => void) | undefined
}

/** How often an event waits behind others of the same ms. */
const TURNS = [12, 2, 1]
const LAST = 40

/** What has happened, as a line of the failure report. */
export interface Happened {
  readonly atMs: number
  readonly label: string
}

/**
 * Virtual time: one heap of events in the order (ms, choice, sequence). Whatever a program of the simulation waits for is
 * an event here; after each, everything that can go on without another event does, so the same choices make the same run.
 */
export class Schedule {
  /** ms since the run began. */
  passedMs = 0
  readonly last: Happened[] = []
  private readonly choices: Choices
  private readonly heap: Event[] = []
  private readonly digest: Hash = createHash('sha256')
  private wallMs = Date.UTC(2026, 0, 2, 3, 4, 5, 678)
  private seq = 0
  count = 0
  /** Called after each event, when all that could go on has. */
  after: (label: string) => Promise<void> | void = () => {}

  constructor(choices: Choices) {
    this.choices = choices
  }

  /** The wall clock, which may be set. */
  nowMs(): number {
    return Math.floor(this.wallMs + this.passedMs)
  }

  /** Sets the wall clock on, or back; no time passes. */
  jump(ms: number): void {
    this.wallMs += ms
  }

  /** `work` happens after `ms`. @returns what calls it off */
  at(ms: number, label: string, work: () => void): () => void {
    const atMs = this.passedMs + Math.max(0, Math.ceil(ms))
    const event: Event = { atMs, choice: this.choices.weighted(TURNS), seq: this.seq++, label, work }
    this.push(event)
    return () => {
      event.work = undefined
    }
  }

  /** Lets events happen until none is left before `untilMs`, or `done` says so. */
  async run(untilMs: number, done: () => boolean = () => false): Promise<void> {
    await drained()
    while (!done()) {
      const first = this.heap[0]
      if (!first || first.atMs > untilMs) break
      this.pop()
      if (!first.work) continue
      this.passedMs = first.atMs
      this.note(first.label)
      this.count++
      first.work()
      await drained()
      await this.after(first.label)
    }
    if (!done()) this.passedMs = Math.max(this.passedMs, untilMs)
  }

  /** Goes into the event hash and the last lines of a report. */
  note(label: string): void {
    this.digest.update(`${this.passedMs} ${label}\n`)
    this.last.push({ atMs: this.passedMs, label })
    if (this.last.length > LAST) this.last.shift()
  }

  /** Of everything that happened so far; ends the run. */
  hash(): string {
    return this.digest.digest('hex').slice(0, 16)
  }

  private push(event: Event): void {
    const { heap } = this
    let at = heap.push(event) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!before(event, heap[parent] as Event)) break
      heap[at] = heap[parent] as Event
      at = parent
    }
    heap[at] = event
  }

  private pop(): void {
    const { heap } = this
    const last = heap.pop()
    if (!last || heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event)) child++
      if (!before(heap[child] as Event, last)) break
      heap[at] = heap[child] as Event
      at = child
    }
    heap[at] = last
  }
}

function before(one: Event, other: Event): boolean {
  if (one.atMs !== other.atMs) return one.atMs < other.atMs
  return one.choice === other.choice ? one.seq < other.seq : one.choice < other.choice
}

/** All promises that can go on have: the queue of microtasks is empty before the next turn of the event loop. */
const drained = () => new Promise<void>((resolve) => setImmediate(resolve))
