import type { Happening } from '../../shared/events/cloud-event.ts'
import type { Kept } from '../../shared/events/store.ts'

/** The events that are kept, over RPC to their Durable Object. */
export interface EventBox {
  /** Takes over what a space hands on; what it has already it does not take twice. */
  accept(happenings: readonly Happening[]): Promise<void>
  /** Events after number `n`; waits up to `waitMs` for the first. */
  after(n: number, limit: number, waitMs: number): Promise<readonly Kept[]>
  /** Numbers of the first and the last event that are kept, 0 where there are none. */
  range(): Promise<{ readonly first: number; readonly last: number }>
  deadLetters(limit: number): Promise<readonly { subscriber: string; id: string; why: string; at: number }[]>
}
