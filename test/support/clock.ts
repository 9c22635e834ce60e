import type { Clock } from '../../shared/clock.ts'

/** A clock that stands still until told; sleepers wake when it reaches them. */
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
      const sleeper = { atMs: this.wallMs + ms, wake: resolve }
      this.sleepers.add(sleeper)
      signal?.addEventListener('abort', () => {
        this.sleepers.delete(sleeper)
        resolve()
      })
    })
  }

  /** Moves on by `ms` (which may be negative, as a wall clock may) and wakes whom it passes. */
  advance(ms: number): void {
    this.wallMs += ms
    this.passed += Math.max(ms, 0)
    for (const sleeper of [...this.sleepers]) {
      if (sleeper.atMs > this.wallMs) continue
      this.sleepers.delete(sleeper)
      sleeper.wake()
    }
  }

  /** Time that has passed, ms: a wall clock set back does not take it away. */
  get passedMs(): number {
    return this.passed
  }

  /** How many sleep now. */
  get sleeping(): number {
    return this.sleepers.size
  }
}
