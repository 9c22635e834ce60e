import type { AuditFilter } from '../../shared/ledger/audit.ts'
import type {
  AdoptRequest,
  Carried,
  HoldRequest,
  IpNews,
  Keyed,
  LeaseFilter,
  LedgerPort,
  PoolChange,
  ReleaseRequest,
  RenewRequest,
  RepairRequest,
  Report,
  SubnetFacts,
  Target,
  TransferRequest,
} from '../../shared/ledger/port.ts'
import type { Deleted } from '../../shared/ledger/wanted.ts'
import type { Problem } from '../../shared/problem.ts'

/** The ledger did not answer; what was asked of it may or may not have happened. Doors say 503. */
export class LedgerUnavailable extends Error {}

/**
 * The LedgerPort of one space, over RPC to its Durable Object. A fresh stub for every call: after an error, be it
 * another request's, the old one may stay broken. Calls the runtime marks retryable are tried once more where repeating
 * them changes nothing.
 */
export function subnetClient(namespace: DurableObjectNamespace, space: string): LedgerPort {
  return new SubnetClient(namespace, space)
}

/** A class, for a client is made for every request. */
class SubnetClient implements LedgerPort {
  private readonly namespace: DurableObjectNamespace
  private readonly space: string

  constructor(namespace: DurableObjectNamespace, space: string) {
    this.namespace = namespace
    this.space = space
  }

  configure(facts: SubnetFacts, token?: string) {
    return this.repeatable((ledger) => ledger.configure(facts, token))
  }

  preview(facts: SubnetFacts) {
    return this.repeatable((ledger) => ledger.preview(facts))
  }

  announce(provider: string) {
    return this.repeatable((ledger) => ledger.announce(provider))
  }

  propose(facts: SubnetFacts, change: PoolChange) {
    return this.repeatable((ledger) => ledger.propose(facts, change))
  }

  retire() {
    return this.repeatable((ledger) => ledger.retire())
  }

  subnetGone(uid: string) {
    return this.repeatable((ledger) => ledger.subnetGone(uid))
  }

  observe(news: IpNews) {
    return this.repeatable((ledger) => ledger.observe(news))
  }

  nudge(owner: { readonly namespace: string; readonly podName: string }) {
    return this.repeatable((ledger) => ledger.nudge(owner))
  }

  // Without a key a repeated hold could find its own row and call it somebody else's.
  hold(request: HoldRequest) {
    return request.key === undefined && !request.dryRun
      ? this.once((ledger) => ledger.hold(request))
      : this.repeatable((ledger) => ledger.hold(request))
  }

  // Asked twice it is refused: the hold has been given another address by then.
  carried(hold: Carried) {
    return this.once((ledger) => ledger.carried(hold))
  }

  adopt(request: AdoptRequest) {
    return this.repeatable((ledger) => ledger.adopt(request))
  }

  release(request: ReleaseRequest) {
    return request.key === undefined && !request.dryRun
      ? this.once((ledger) => ledger.release(request))
      : this.repeatable((ledger) => ledger.release(request))
  }

  renew(request: RenewRequest) {
    return this.repeatable((ledger) => ledger.renew(request))
  }

  transfer(request: TransferRequest) {
    return this.repeatable((ledger) => ledger.transfer(request))
  }

  refuse(keyed: Keyed, why: Problem) {
    return this.repeatable((ledger) => ledger.refuse(keyed, why))
  }

  inspect() {
    return this.once((ledger) => ledger.inspect())
  }

  repair(request: RepairRequest) {
    return this.repeatable((ledger) => ledger.repair(request))
  }

  report(report: Report) {
    return this.repeatable((ledger) => ledger.report(report))
  }

  resume(op: string, driver: number, waitMs?: number) {
    return this.once((ledger) => ledger.resume(op, driver, waitMs))
  }

  want(object: Deleted) {
    return this.repeatable((ledger) => ledger.want(object))
  }

  locate(targets: readonly Target[], keyed: Keyed) {
    return this.repeatable((ledger) => ledger.locate(targets, keyed))
  }

  settled(op: string, waitMs: number) {
    return this.repeatable((ledger) => ledger.settled(op, waitMs))
  }

  find(name: string) {
    return this.repeatable((ledger) => ledger.find(name))
  }

  page(filter: LeaseFilter, after: readonly [string, string], limit: number) {
    return this.repeatable((ledger) => ledger.page(filter, after, limit))
  }

  operation(id: string) {
    return this.repeatable((ledger) => ledger.operation(id))
  }

  audit(filter: AuditFilter, after: number, limit: number) {
    return this.repeatable((ledger) => ledger.audit(filter, after, limit))
  }

  view() {
    return this.repeatable((ledger) => ledger.view())
  }

  suggest(count: number, contiguous: boolean) {
    return this.repeatable((ledger) => ledger.suggest(count, contiguous))
  }

  private async once<T>(call: (ledger: LedgerPort) => Promise<T>): Promise<T> {
    try {
      return await call(this.object())
    } catch (error) {
      throw unavailable(error)
    }
  }

  private async repeatable<T>(call: (ledger: LedgerPort) => Promise<T>): Promise<T> {
    try {
      return await call(this.object())
    } catch (error) {
      if (!isRetryable(error)) throw unavailable(error)
      return this.once(call)
    }
  }

  private object(): LedgerPort {
    return this.namespace.getByName(this.space) as unknown as LedgerPort
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
