/** `quota` requests in each window of `windowMs`. */
export interface RatePolicy {
  readonly quota: number
  readonly windowMs: number
}

/** What is left of the present window after this request, ms until the next one, and whether the request is let in. */
export interface RateState {
  readonly allowed: boolean
  readonly remaining: number
  readonly resetMs: number
}

/** Tenants whose window is remembered; past that, ended windows are forgotten, then the oldest. */
const REMEMBERED = 10_000

/**
 * Fixed windows, so that the numbers in the RateLimit field are a promise. Kept in memory: an object that restarts
 * begins new windows, which lets in at most one quota more.
 */
export class RateWindows {
  readonly #windows = new Map<string, { startMs: number; used: number }>()

  take(tenant: string, policy: RatePolicy, nowMs: number): RateState {
    let window = this.#windows.get(tenant)
    // A clock set back begins a new window too: nobody waits for a time that was.
    if (!window || nowMs >= window.startMs + policy.windowMs || nowMs < window.startMs) {
      window = { startMs: nowMs, used: 0 }
      this.#windows.delete(tenant)
      this.#windows.set(tenant, window)
      this.#forget(policy, nowMs)
    }
    const allowed = window.used < policy.quota
    if (allowed) window.used++
    return {
      allowed,
      remaining: Math.max(0, policy.quota - window.used),
      resetMs: window.startMs + policy.windowMs - nowMs,
    }
  }

  #forget(policy: RatePolicy, nowMs: number): void {
    if (this.#windows.size <= REMEMBERED) return
    for (const [tenant, { startMs }] of this.#windows) {
      if (this.#windows.size <= REMEMBERED && startMs + policy.windowMs > nowMs) return
      this.#windows.delete(tenant)
    }
  }
}
