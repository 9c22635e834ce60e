/** Every bound of the adapter. */
export interface KubernetesLimits {
  /** One call from sending to the last byte of its reply; then it is aborted. */
  readonly callMs: number
  /** The same for one page of a list. */
  readonly pageMs: number
  /** Reply bodies (and lines of a watch) longer than this are refused. */
  readonly bodyBytes: number
  /** Objects asked for in one page of a list; halved when a page is too long. */
  readonly pageItems: number
  /** How often a read is tried in all. Writes are sent once. */
  readonly readAttempts: number
  /** All waits between the tries of one read together. */
  readonly readWaitMs: number
  /** The first wait where the server names none; doubled each time. */
  readonly backoffMs: number
  /** A longer Retry-After counts as this. */
  readonly retryAfterMs: number
  /** A watch without a line for this long is half open. Twice the interval of bookmarks, which is about a minute. */
  readonly idleMs: number
  /** The server ends a watch after this; the reader goes on where it was. */
  readonly watchSeconds: number
  /** Watches in a row that broke without one event before the reader gives up. */
  readonly barrenWatches: number
  /** Calls of one send() that run at a time. A Worker may wait for six heads of replies. */
  readonly callsInFlight: number
}

export const KUBERNETES_LIMITS: KubernetesLimits = {
  callMs: 10_000,
  pageMs: 30_000,
  bodyBytes: 16 * 1024 * 1024,
  pageItems: 250,
  readAttempts: 3,
  readWaitMs: 3_000,
  backoffMs: 200,
  retryAfterMs: 60_000,
  idleMs: 120_000,
  watchSeconds: 300,
  barrenWatches: 5,
  callsInFlight: 6,
}
