import type { Claim, HookAnswer } from '../../shared/hooks/deliveries.ts'

/** What the hooks remember, over RPC to their Durable Object. Times are wall ms. */
export interface HookBox {
  claim(source: string, id: string, hash: string): Promise<Claim>
  /** `undefined`: the answer is not worth keeping, the delivery may be tried again. */
  settle(source: string, id: string, answer: HookAnswer | undefined): Promise<void>
  /** Does the job later, also if whoever asked is gone by then. */
  later(id: string, body: string, afterMs: number, forMs: number): Promise<void>
  drop(id: string): Promise<void>
  /** JSON that a job left to be read. */
  document(name: string): Promise<string | undefined>
}
