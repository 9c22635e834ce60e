const SECONDS = /^\d+$/
/** IMF-fixdate, and the two older forms a recipient must accept (RFC 9110 §5.6.7). */
const HTTP_DATE = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? .*\d\d:\d\d:\d\d.*$/

/**
 * The header Retry-After (RFC 9110 §10.2.3) in ms from now, at most `capMs`; undefined when absent or neither seconds
 * nor a date. A date in the past is 0.
 */
export function retryAfterMs(value: string | undefined, nowMs: number, capMs: number): number | undefined {
  const text = value?.trim() ?? ''
  if (SECONDS.test(text)) return Math.min(Number(text) * 1_000, capMs)
  if (!HTTP_DATE.test(text)) return undefined
  const dateMs = Date.parse(/GMT$/.test(text) ? text : `${text} GMT`)
  return Number.isNaN(dateMs) ? undefined : Math.min(Math.max(dateMs - nowMs, 0), capMs)
}
