/** How often ledger and cluster are compared without anybody asking, ms of wall time. */
export const REPAIR_EVERY_MS = 3_600_000

const KEY = 'repairedAt'

/** As much of a Durable Object's storage as is needed. */
export interface Notes {
  get(key: string): Promise<unknown>
  put(key: string, value: number): Promise<void>
}

/**
 * Whose turn it is to compare: of a cron trigger and an object's alarm whoever comes first after the hour is told so,
 * once. It is noted before it is done, so a comparison that dies is due again an hour later, not at once. The first is
 * due an hour after the first question: a fresh start has other things to do. A clock that jumped back begins anew.
 */
export async function claimTurn(notes: Notes, nowMs: number): Promise<boolean> {
  const at = await notes.get(KEY)
  const isKnown = typeof at === 'number' && at <= nowMs
  if (isKnown && nowMs - at < REPAIR_EVERY_MS) return false
  await notes.put(KEY, nowMs)
  return isKnown
}
