import type { Clock } from '../../../shared/clock.ts'
import type { Kind } from '../../../shared/cluster/port.ts'
import type { Random } from '../../../shared/random.ts'
import type { Write } from './writes.ts'

/** What the controller is about to do next; between two steps it runs without a break. */
export type Step =
  /** An informer takes one event into its cache. */
  | { readonly step: 'arrive'; readonly kind: Kind; readonly name: string; readonly change: Change }
  /** Its handlers are told: that may be later. */
  | { readonly step: 'hear'; readonly kind: Kind; readonly name: string; readonly change: Change }
  /** A worker takes a key from its queue. */
  | { readonly step: 'take'; readonly queue: string; readonly key: string }
  /** A write leaves for the API server. */
  | { readonly step: 'send'; readonly write: Write }
  /** A timed sweep begins: inspection, port collection, a phase of the start. */
  | { readonly step: 'sweep'; readonly what: string }

export type Change = 'added' | 'updated' | 'removed'

/** Who may go on when: the scheduling as an argument. Resolves when the step's turn has come. */
export interface Turns {
  next(step: Step): Promise<void>
}

/** Everybody goes on at once. */
export const atOnce: Turns = { next: async () => {} }

/** Each step waits a random while of at most `maxMs[step]`; the same bytes give the same whiles. */
export function lagging(
  clock: Clock,
  random: Random,
  maxMs: { readonly [S in Step['step']]: number },
): Turns {
  return {
    next: ({ step }) => {
      const [high, low] = random.bytes(2) as unknown as [number, number]
      return clock.sleep(((high * 256 + low) / 65_536) * maxMs[step])
    },
  }
}
