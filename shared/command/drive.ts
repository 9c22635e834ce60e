import type { Clock } from '../clock.ts'
import type { ClusterPort } from '../cluster/port.ts'
import type { Evidence } from '../ledger/operations.ts'
import type { Answer, LeaseView, LedgerPort, Next } from '../ledger/port.ts'
import { evidenceOf, requestOf } from './evidence.ts'

/** How a drive ended: with the operation's answer, or still open (the alarm goes on). */
export type Driven =
  | { readonly kind: 'answer'; readonly answer: Answer }
  | { readonly kind: 'open'; readonly retryAfterMs: number }

export interface DrivePorts {
  readonly ledger: LedgerPort
  readonly cluster: ClusterPort
  readonly clock: Clock
  readonly authority: 'alone' | 'beside'
}

/**
 * Drives one operation: makes the calls the ledger hands out, reports what came back, until there is an answer or
 * `budgetMs` is spent. The same function serves the handler and, when the handler died, the ledger's alarm.
 */
export async function drive(
  ports: DrivePorts,
  leases: readonly (LeaseView | undefined)[],
  first: Next,
  limits: {
    readonly budgetMs: number
    /** When the caller asked for `first`: its age counts from there. */
    readonly askedMs: number
  },
): Promise<Driven> {
  const { ledger, clock } = ports
  const startedMs = clock.nowMs()
  const leftMs = () => limits.budgetMs - (clock.nowMs() - startedMs)
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
        if (next.delayMs > leftMs()) return { kind: 'open', retryAfterMs: next.delayMs }
        await clock.sleep(next.delayMs)
        askedMs = clock.nowMs()
        next = await ledger.resume(next.op, next.driver)
        break
      case 'send': {
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

/** One step: all its calls at once. A step asked for too long ago is kept back: its attempt may count as settled by now. */
async function send(
  ports: DrivePorts,
  leases: readonly (LeaseView | undefined)[],
  step: Extract<Next, { kind: 'send' }>,
  askedMs: number,
): Promise<Evidence[]> {
  const pairs = step.calls.map((call) => {
    const lease = leases[call.item]
    if (!lease) throw new Error(`operation ${step.op} has a call for item ${call.item}, which has no lease`)
    return { call, lease }
  })
  const ageMs = ports.clock.nowMs() - askedMs
  if (ageMs < 0 || ageMs > step.sendMs) {
    return pairs.map(({ call }) => ({ item: call.item, result: 'unsent' }))
  }
  const replies = await ports.cluster.send(
    pairs.map(({ call, lease }) => requestOf(call, lease, ports.authority)),
  )
  return pairs.map(({ call, lease }, index) => {
    const reply = replies[index]
    if (!reply) throw new Error('fewer replies than requests')
    return evidenceOf(call, lease, reply)
  })
}
