/** Time as the core sees it. Everything is in ms; wall time may jump , so nobody subtracts blindly. */
export interface Clock {
  /** Wall clock, ms since the Unix epoch. */
  nowMs(): number
  /** Resolves after `ms`, or at once when `signal` aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** The runtime's clock. Only composition roots name it. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const timer = setTimeout(resolve, ms)
      signal?.addEventListener(
        'abort',
        () => {
          clearTimeout(timer)
          resolve()
        },
        { once: true },
      )
    }),
}

/** RFC 3339 in UTC with ms, as every reply shows a time. */
export function rfc3339(wallMs: number): string {
  return new Date(wallMs).toISOString()
}
