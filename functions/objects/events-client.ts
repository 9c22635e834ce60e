import type { EventBox } from '../events/box.ts'
import type { Events } from './events.ts'

/** The EventBox over RPC to its Durable Object. A fresh stub for every call: after an error the old one may stay broken. */
export function eventBox(stub: () => DurableObjectStub<Events>): EventBox {
  return {
    accept: (happenings) => stub().accept(happenings),
    after: (n, limit, waitMs) => stub().after(n, limit, waitMs),
    range: () => stub().range(),
    deadLetters: (limit) => stub().deadLetters(limit),
  }
}
