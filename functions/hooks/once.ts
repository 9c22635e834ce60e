import type { Clock } from '../../shared/clock.ts'
import type { HookAnswer } from '../../shared/hooks/deliveries.ts'
import { problem } from '../../shared/problem.ts'
import type { DoorContext } from '../door.ts'
import { hex } from '../reply/hex.ts'
import { refuse } from '../reply/problem.ts'
import type { HookBox } from './box.ts'

/** How long a second delivery waits for the first one's answer, and how often it looks. */
const WAIT_MS = 2_000
const LOOK_MS = 200

export interface Delivery {
  readonly source: string
  readonly id: string
  /** The bytes that were signed. */
  readonly raw: Uint8Array
}

/** What work on a delivery gives: the answer, and whether a repetition is to be answered so, too. */
export interface Worked {
  readonly answer: HookAnswer
  readonly keep: boolean
}

/** One effect for each delivery: a repetition gets the first answer, a twin waits for it (faults.md 41). */
export async function once(
  c: DoorContext,
  parts: { readonly box: HookBox; readonly clock: Clock },
  { source, id, raw }: Delivery,
  work: () => Promise<Worked>,
): Promise<Response> {
  const { box, clock } = parts
  const hash = hex(new Uint8Array(await crypto.subtle.digest('SHA-256', raw as Uint8Array<ArrayBuffer>)))
  for (let waitedMs = 0; ; waitedMs += LOOK_MS) {
    const claim = await box.claim(source, id, hash)
    switch (claim.kind) {
      case 'first': {
        const { answer, keep } = await work().catch(async (error: unknown) => {
          await box.settle(source, id, undefined)
          throw error
        })
        await box.settle(source, id, keep ? answer : undefined)
        return respond(c, answer)
      }
      case 'again':
        return respond(c, claim.answer)
      case 'mismatch':
        return refuse(c, problem('idempotency_mismatch', 'this delivery id was used for another body'))
      case 'busy':
        if (waitedMs >= WAIT_MS)
          return refuse(
            c,
            problem('unavailable', 'this delivery is being worked on', { retryAfterMs: 1_000 }),
          )
        await clock.sleep(LOOK_MS)
        break
      default:
        return claim satisfies never
    }
  }
}

function respond(c: DoorContext, { status, body, type, retryAfter }: HookAnswer): Response {
  if (body === '') return c.body(null, status as 200)
  const later = retryAfter === undefined ? {} : { 'Retry-After': retryAfter }
  return c.body(body, status as 200, { 'Content-Type': type, ...later })
}

export function jsonAnswer(body: unknown, status = 200): HookAnswer {
  return { status, body: JSON.stringify(body), type: 'application/json' }
}

export const EMPTY: HookAnswer = { status: 200, body: '', type: '' }
