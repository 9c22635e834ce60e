import type { ClusterPort } from '../cluster/port.ts'
import { LABEL_SUBNET } from '../kube-ovn/names.ts'
import type { LedgerPort } from '../ledger/port.ts'
import { previewNew } from '../ledger/subnet.ts'
import { ok } from '../result.ts'

/**
 * Whether a Subnet of this name may have a ledger: its object is there, or IP objects are that were made for it. Of
 * those that outlived their Subnet, a ledger without any IP object left is not found so.
 */
export async function mayHaveLedger(cluster: ClusterPort, name: string): Promise<boolean> {
  const [reply] = await cluster.send([{ verb: 'get', ref: { kind: 'Subnet', name } }])
  if (!reply) throw new Error('no reply to one request')
  if (reply.ok || reply.error.reason !== 'NotFound') return true
  const left = await cluster.list('IP', { labelSelector: { [LABEL_SUBNET]: name }, limit: 1 })
  return !left.ok || left.value.items.length > 0
}

/**
 * A ledger that is only asked where there may be one. To ask a Durable Object is to make it: workerd keeps a database
 * file for each that ever ran, whatever it does, so names that anybody may think of must not reach it. The answers in
 * its stead are those of a ledger that nobody told of a Subnet. What follows from such an answer, or begins with a
 * Subnet in hand, passes.
 */
export function spared(ledger: LedgerPort, isThere: () => Promise<boolean>): LedgerPort {
  const ask = async <T>(asked: () => Promise<T>, otherwise: () => T): Promise<T> =>
    (await isThere()) ? asked() : otherwise()
  return {
    configure: (facts, token) => ledger.configure(facts, token),
    announce: (provider) => ledger.announce(provider),
    propose: (facts, change) => ledger.propose(facts, change),
    retire: () => ledger.retire(),
    subnetGone: (uid) => ledger.subnetGone(uid),
    observe: (news) => ledger.observe(news),
    nudge: (owner) => ledger.nudge(owner),
    carried: (hold) => ledger.carried(hold),
    adopt: (request) => ledger.adopt(request),
    repair: (request) => ledger.repair(request),
    report: (report) => ledger.report(report),
    resume: (op, driver, waitMs) => ledger.resume(op, driver, waitMs),
    want: (object) =>
      ask(
        () => ledger.want(object),
        () => undefined,
      ),
    settled: (op, waitMs) => ledger.settled(op, waitMs),
    preview: (facts) =>
      ask(
        () => ledger.preview(facts),
        () => previewNew(facts),
      ),
    hold: (request) =>
      ask(
        () => ledger.hold(request),
        () => ({ kind: 'unconfigured' }),
      ),
    release: (request) =>
      ask(
        () => ledger.release(request),
        () => ({ kind: 'unconfigured' }),
      ),
    renew: (request) =>
      ask(
        () => ledger.renew(request),
        () => ({ kind: 'unconfigured' }),
      ),
    transfer: (request) =>
      ask(
        () => ledger.transfer(request),
        () => ({ kind: 'unconfigured' }),
      ),
    refuse: (keyed, why) =>
      ask(
        () => ledger.refuse(keyed, why),
        () => ({ kind: 'answer', answer: { kind: 'refused', problem: why } }),
      ),
    inspect: () =>
      ask(
        () => ledger.inspect(),
        () => ok({ isTelling: false }),
      ),
    locate: (targets, keyed) =>
      ask(
        () => ledger.locate(targets, keyed),
        () => ({ leases: targets.map(() => null) }),
      ),
    find: (name) =>
      ask(
        () => ledger.find(name),
        () => undefined,
      ),
    page: (filter, after, limit) =>
      ask(
        () => ledger.page(filter, after, limit),
        () => ({ leases: [] }),
      ),
    operation: (id) =>
      ask(
        () => ledger.operation(id),
        () => undefined,
      ),
    audit: (filter, after, limit) =>
      ask(
        () => ledger.audit(filter, after, limit),
        () => ({ lines: [] }),
      ),
    view: () =>
      ask(
        () => ledger.view(),
        () => undefined,
      ),
    suggest: (count, contiguous) =>
      ask(
        () => ledger.suggest(count, contiguous),
        () => undefined,
      ),
  }
}
