import type { Life } from './life.ts'

/** A handler's word: undefined is done, a text is why the key has to come back. */
export type Handled = string | undefined

const RETRY_MIN_MS = 5
const RETRY_MAX_MS = 1_000_000

/**
 * client-go's rate-limited work queue: a key waits once however often it is added, is worked on by one worker at a
 * time, and comes back after a failure in 5 ms, 10 ms, 20 ms … 1,000 s [client-go util/workqueue].
 */
export class WorkQueue {
  readonly name: string
  private readonly life: Life
  private readonly doubling: boolean
  private readonly waiting: string[] = []
  private readonly working = new Set<string>()
  private readonly again = new Set<string>()
  /** When delayed keys are due, wall ms. */
  private readonly due = new Map<string, number>()
  private readonly failures = new Map<string, number>()
  private wake: () => void = () => {}

  constructor(name: string, life: Life, doubling: boolean) {
    this.name = name
    this.life = life
    this.doubling = doubling
    life.signal.addEventListener('abort', () => this.wake())
  }

  /** Whether no key waits or is worked on; one that failed and is to come back later does not count. */
  get isIdle(): boolean {
    return this.waiting.length === 0 && this.working.size === 0
  }

  add(key: string): void {
    if (this.working.has(key)) this.again.add(key)
    else if (!this.waiting.includes(key)) this.waiting.push(key)
    this.wake()
  }

  /** A key waits for one moment only, the earliest it was given [client-go util/workqueue/delaying_queue.go insert]. */
  addAfter(key: string, ms: number): void {
    if (ms <= 0) {
      this.add(key)
      return
    }
    const dueMs = this.life.clock.nowMs() + ms
    const known = this.due.get(key)
    if (known !== undefined && known <= dueMs) return
    this.due.set(key, dueMs)
    void this.life.run(async () => {
      await this.life.sleep(ms)
      if (this.due.get(key) !== dueMs) return
      this.due.delete(key)
      this.add(key)
    })
  }

  addRateLimited(key: string): void {
    const failures = this.failures.get(key) ?? 0
    this.failures.set(key, failures + 1)
    this.addAfter(key, this.doubling ? Math.min(RETRY_MIN_MS * 2 ** failures, RETRY_MAX_MS) : RETRY_MIN_MS)
  }

  /** Works the queue with so many workers until the process ends. `failed` hears why a key has to come back. */
  async work(
    workers: number,
    handle: (key: string) => Promise<Handled>,
    failed: (key: string, why: string) => void,
  ): Promise<void> {
    for (;;) {
      while (this.waiting.length === 0 || this.working.size >= workers) await this.change()
      await this.life.turn({ step: 'take', queue: this.name, key: this.waiting[0]! })
      const key = this.waiting.shift()!
      this.working.add(key)
      void this.life.run(async () => {
        const why = await handle(key)
        if (why === undefined) this.failures.delete(key)
        else {
          failed(key, why)
          this.addRateLimited(key)
        }
        this.working.delete(key)
        if (this.again.delete(key)) this.waiting.push(key)
        this.wake()
      })
    }
  }

  private async change(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.wake = resolve
    })
    await this.life.running()
  }
}
