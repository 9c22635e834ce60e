/** Time as the core sees it. Everything is in ms; wall time may jump, so nobody subtracts blindly. */
export interface Clock {
  /** Wall clock, ms since the Unix epoch. */
  nowMs(): number
  /** Resolves after `ms`, or at once when `signal` aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Calls `wake` once, after `ms`. The function it returns calls that off. */
  after(ms: number, wake: () => void): () => void
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
  after: (ms, wake) => {
    const timer = setTimeout(wake, ms)
    return () => clearTimeout(timer)
  },
}

/** What `within` gives where the time ended first. */
export const LATE = Symbol('late')

/**
 * The outcome of `work`, or LATE once `ms` have passed. `work` is not stopped, and what becomes of it afterwards nobody
 * here learns: it must be safe to abandon.
 */
export function within<T>(
  clock: Pick<Clock, 'after'>,
  ms: number,
  work: Promise<T>,
): Promise<T | typeof LATE> {
  return new Promise((resolve, reject) => {
    const callOff = clock.after(ms, () => resolve(LATE))
    // What comes after the first of the two settles nothing any more, a failure neither.
    work.then(resolve, reject).finally(callOff)
  })
}

/** RFC 3339 in UTC with ms, as every reply shows a time. */
export function rfc3339(wallMs: number): string {
  return `${upToSeconds(wallMs)}.${String(wallMs % 1000).padStart(3, '0')}Z`
}

/** RFC 3339 in UTC with whole seconds, as Kubernetes writes times. */
export function rfc3339Seconds(wallMs: number): string {
  return `${upToSeconds(wallMs)}Z`
}

let second = Number.NaN
let written = ''

/** `2026-01-02T03:04:05`. Remembers the last one, for most times asked for lie within the same second. */
function upToSeconds(wallMs: number): string {
  const asked = Math.floor(wallMs / 1000)
  if (asked !== second) {
    written = new Date(asked * 1000).toISOString().slice(0, 19)
    second = asked
  }
  return written
}
