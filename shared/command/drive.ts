import type { Clock } from '../clock.ts'
import type { ClusterPort } from '../cluster/port.ts'
import type { Evidence } from '../ledger/operations.ts'
import type { Answer, LeaseView, LedgerPort, Next } from '../ledger/port.ts'
import type { OvnPort } from '../ovn/port.ts'
import { type CallSettings, evidenceOf, requestsOf } from './evidence.ts'
import { holdersEvidence } from './holders.ts'
import { isPortCall, portEvidence, portRequests } from './port-evidence.ts'
import { runningEvidence } from './running.ts'
import { asksOvn, type SharedSpaces, takeVacant } from './spaces.ts'

/** How a drive ended: with the operation's answer, or still open (the alarm goes on). */
export type Driven =
  | { readonly kind: 'answer'; readonly answer: Answer }
  | { readonly kind: 'open'; readonly retryAfterMs: number }

export interface DrivePorts {
  readonly ledger: LedgerPort
  readonly cluster: ClusterPort
  readonly ovn: OvnPort
  readonly clock: Clock
  readonly settings: CallSettings
  readonly spaces?: SharedSpaces
}

/**
 * Drives one operation: makes the calls the ledger hands out, reports what came back, until there is an answer or
 * `budgetMs` is spent. The same function serves the handler and, when the handler died, the ledger's alarm.
 */
export async function drive(
  ports: DrivePorts,
  given: readonly (LeaseView | undefined)[],
  first: Next,
  limits: {
    readonly budgetMs: number
    /** When the caller asked for `first`: its age counts from there. */
    readonly askedMs: number
    /** The longest wait that is sat out; what has to wait longer is left open. Default: the budget. */
    readonly restMs?: number
  },
): Promise<Driven> {
  const { ledger, clock } = ports
  const startedMs = clock.nowMs()
  const leftMs = () => limits.budgetMs - (clock.nowMs() - startedMs)
  let leases = given
  let next = first
  let askedMs = limits.askedMs
  for (;;) {
    switch (next.kind) {
      case 'answer':
        return { kind: 'answer', answer: next.answer }
      case 'lost': {
        const answer = await ledger.settled(next.op, Math.max(leftMs(), 0))
        return answer ? { kind: 'answer', answer } : { kind: 'open', retryAfterMs: 1_000 }
      }
      case 'wait':
        if (next.delayMs > Math.min(leftMs(), limits.restMs ?? Number.POSITIVE_INFINITY))
          return { kind: 'open', retryAfterMs: next.delayMs }
        if (!next.listens) await clock.sleep(next.delayMs)
        askedMs = clock.nowMs()
        next = await ledger.resume(next.op, next.driver, next.listens ? next.delayMs : 0)
        break
      case 'send': {
        leases = next.leases ?? leases
        const evidence = await send(ports, leases, next, askedMs)
        const { op, driver, attempt } = next
        askedMs = clock.nowMs()
        next = await ledger.report({ op, driver, attempt, evidence })
        break
      }
      default:
        return next satisfies never
    }
  }
}

/** One step: all its calls at once, but for what is asked before a POST. A step asked for too long ago is kept back: its attempt may count as settled by now. */
async function send(
  ports: DrivePorts,
  leases: readonly (LeaseView | undefined)[],
  step: Extract<Next, { kind: 'send' }>,
  askedMs: number,
): Promise<Evidence[]> {
  const all = step.calls.map((call) => {
    const lease = leases[call.item]
    if (!lease) throw new Error(`operation ${step.op} has a call for item ${call.item}, which has no lease`)
    return { call, lease }
  })
  const isOld = () => {
    const ageMs = ports.clock.nowMs() - askedMs
    return ageMs < 0 || ageMs > step.sendMs
  }
  const unsent = () => all.map(({ call }): Evidence => ({ item: call.item, result: 'unsent' }))
  if (isOld()) return unsent()
  const kept = await runningEvidence(ports.cluster, all, ports.settings)
  if (isOld()) return unsent()
  const pairs = all.filter(({ call }) => !kept.has(call))
  const asked = pairs.map(({ call, lease }) => requestsOf(call, lease, ports.settings))
  const requests = asked.flat()
  // What another cluster has is not looked for any further.
  const elsewhere = await takeVacant(
    ports.spaces,
    pairs.filter(({ call }) => call.verb === 'vacancy'),
  )
  const looked = pairs.map(({ call, lease }) => {
    const asks = call.verb !== 'vacancy' || (!elsewhere.has(call) && asksOvn(lease, ports.settings))
    return isPortCall(call) && asks ? portRequests(call, lease) : []
  })
  const lookups = looked.flat()
  const [replies, said, holders] = await Promise.all([
    requests.length > 0 ? ports.cluster.send(requests) : [],
    lookups.length > 0 ? ports.ovn.send(lookups) : [],
    holdersEvidence(
      ports.cluster,
      pairs.filter(({ call }) => call.verb === 'holders'),
      ports.settings,
    ),
  ])
  let from = 0
  let heard = 0
  const told = pairs.map(({ call, lease }, index): Evidence => {
    const met = elsewhere.get(call)
    if (met) return met
    if (isPortCall(call)) {
      if (looked[index]?.length === 0) return { item: call.item, result: 'absent' }
      const answers = said.slice(heard, heard + (looked[index]?.length ?? 0))
      heard += answers.length
      return portEvidence(call, answers)
    }
    const to = from + (asked[index]?.length ?? 0)
    const answers = replies.slice(from, to)
    if (answers.length < to - from) throw new Error('fewer replies than requests')
    from = to
    const held = holders.get(call)
    if (held) return held
    return evidenceOf(call, lease, answers)
  })
  return [...kept.values(), ...told]
}
