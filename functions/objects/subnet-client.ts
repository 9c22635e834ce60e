import type { LedgerPort } from '../../shared/ledger/port.ts'

/** The ledger did not answer; what was asked of it may or may not have happened. Doors say 503. */
export class LedgerUnavailable extends Error {}

/**
 * The LedgerPort of one space, over RPC to its Durable Object. A fresh stub for every call: after an error the old one
 * may stay broken. Calls the runtime marks retryable are tried once more where repeating them changes nothing.
 */
export function subnetClient(namespace: DurableObjectNamespace, space: string): LedgerPort {
  const stub = () => namespace.getByName(space) as unknown as LedgerPort
  const once = async <T>(call: (ledger: LedgerPort) => Promise<T>): Promise<T> => {
    try {
      return await call(stub())
    } catch (error) {
      throw unavailable(error)
    }
  }
  const repeatable = async <T>(call: (ledger: LedgerPort) => Promise<T>): Promise<T> => {
    try {
      return await call(stub())
    } catch (error) {
      if (!isRetryable(error)) throw unavailable(error)
      return once(call)
    }
  }
  return {
    configure: (facts, token) => repeatable((ledger) => ledger.configure(facts, token)),
    preview: (facts) => repeatable((ledger) => ledger.preview(facts)),
    announce: (provider) => repeatable((ledger) => ledger.announce(provider)),
    propose: (facts, change) => repeatable((ledger) => ledger.propose(facts, change)),
    retire: () => repeatable((ledger) => ledger.retire()),
    subnetGone: (uid) => repeatable((ledger) => ledger.subnetGone(uid)),
    // Without a key a repeated hold could find its own row and call it somebody else's.
    hold: (request) =>
      request.key === undefined && !request.dryRun
        ? once((ledger) => ledger.hold(request))
        : repeatable((ledger) => ledger.hold(request)),
    release: (request) =>
      request.key === undefined && !request.dryRun
        ? once((ledger) => ledger.release(request))
        : repeatable((ledger) => ledger.release(request)),
    refuse: (keyed, why) => repeatable((ledger) => ledger.refuse(keyed, why)),
    report: (report) => repeatable((ledger) => ledger.report(report)),
    resume: (op, driver) => once((ledger) => ledger.resume(op, driver)),
    locate: (targets, keyed) => repeatable((ledger) => ledger.locate(targets, keyed)),
    settled: (op, waitMs) => repeatable((ledger) => ledger.settled(op, waitMs)),
    find: (name) => repeatable((ledger) => ledger.find(name)),
    page: (filter, after, limit) => repeatable((ledger) => ledger.page(filter, after, limit)),
    operation: (id) => repeatable((ledger) => ledger.operation(id)),
    view: () => repeatable((ledger) => ledger.view()),
    suggest: (count, contiguous) => repeatable((ledger) => ledger.suggest(count, contiguous)),
  }
}

/** `.overloaded` is never retried, `.retryable` only with a new stub. */
function isRetryable(error: unknown): boolean {
  const marks = error as { retryable?: boolean; overloaded?: boolean } | null
  return marks?.retryable === true && marks.overloaded !== true
}

function unavailable(cause: unknown): LedgerUnavailable {
  return new LedgerUnavailable('the ledger does not answer', { cause })
}
