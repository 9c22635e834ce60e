import type { HookBox } from '../hooks/box.ts'
import type { Hook } from './hook.ts'

/** The HookBox over RPC to its Durable Object. A fresh stub for every call: after an error the old one may stay broken. */
export function hookBox(stub: () => DurableObjectStub<Hook>): HookBox {
  return {
    claim: (source, id, hash) => stub().claim(source, id, hash),
    settle: (source, id, answer) => stub().settle(source, id, answer),
    later: (id, body, afterMs, forMs) => stub().later(id, body, afterMs, forMs),
    drop: (id) => stub().drop(id),
    document: (name) => stub().document(name),
  }
}
