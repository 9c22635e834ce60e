import type { Clock } from '../../shared/clock.ts'

/** A clock that stands still until told; sleepers wake when it reaches them, at a whole ms. */
export class ManualClock implements Clock {
  private wallMs: number
  private passed = 0
  private readonly sleepers = new Set<{ atMs: number; wake: () => void }>()

  constructor(wallMs: number = Date.UTC(2026, 0, 2, 3, 4, 5, 678)) {
    this.wallMs = wallMs
  }

  nowMs(): number {
    return this.wallMs
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted || ms <= 0) return resolve()
      const wake = () => {
        this.sleepers.delete(sleeper)
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      const sleeper = { atMs: this.passed + Math.ceil(ms), wake }
      this.sleepers.add(sleeper)
      signal?.addEventListener('abort', wake)
    })
  }

  after(ms: number, wake: () => void): () => void {
    const sleeper = {
      atMs: this.passed + Math.ceil(ms),
      wake: () => {
        this.sleepers.delete(sleeper)
        wake()
      },
    }
    this.sleepers.add(sleeper)
    if (ms <= 0) queueMicrotask(() => this.advance(0))
    return () => this.sleepers.delete(sleeper)
  }

  /** Time passes, `ms` of it, and wakes whom it passes. */
  advance(ms: number): void {
    this.wallMs += ms
    this.passed += ms
    for (const sleeper of [...this.sleepers]) {
      if (sleeper.atMs > this.passed) continue
      sleeper.wake()
    }
  }

  /** The wall clock is set on, or back, by `ms`; no time passes. */
  jump(ms: number): void {
    this.wallMs += ms
  }

  /** Time that has passed, ms, whatever the wall clock was set to. */
  get passedMs(): number {
    return this.passed
  }

  /** Runs `work` as if it were `ms` later; nobody wakes. */
  at<T>(ms: number, work: () => T): T {
    this.wallMs += ms
    this.passed += ms
    try {
      return work()
    } finally {
      this.wallMs -= ms
      this.passed -= ms
    }
  }

  /** When the next sleeper wakes, by the wall clock. */
  get nextWakeMs(): number | undefined {
    let next: number | undefined
    for (const { atMs } of this.sleepers) if (next === undefined || atMs < next) next = atMs
    return next === undefined ? undefined : this.wallMs + next - this.passed
  }

  /** How many sleep now. */
  get sleeping(): number {
    return this.sleepers.size
  }
}
