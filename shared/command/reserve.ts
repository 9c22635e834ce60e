import type { HoldRequest, Opened } from '../ledger/port.ts'
import { type Finding, type Problem, problem } from '../problem.ts'
import { drive } from './drive.ts'
import { nameFindings } from './names.ts'
import type { CommandPorts } from './ports.ts'
import { DRY_RUN, outcomeOf } from './render.ts'
import { learnSubnet } from './subnets.ts'
import type { ReserveCommand, WriteOutcome } from './types.ts'

/**
 * Promises addresses: hold in the Subnet's ledger, POST the IP objects, bind on the evidence. All items or none.
 * Answers within WAIT_MS; what takes longer is `pending` and goes on by itself.
 */
export async function reserve(ports: CommandPorts, command: ReserveCommand): Promise<WriteOutcome> {
  const first = command.items[0]
  if (!first) throw new Error('a reserve needs an item')
  const startedMs = ports.clock.nowMs()
  const leftMs = () => Math.max(0, ports.settings.waitMs - (ports.clock.nowMs() - startedMs))
  const ledger = ports.ledger(first.subnet)
  const request: HoldRequest = {
    tenant: command.tenant,
    ...(command.idempotencyKey === undefined ? {} : { key: command.idempotencyKey }),
    bodyHash: command.bodyHash,
    items: command.items,
    dryRun: command.dryRun,
  }
  for (;;) {
    const askedMs = ports.clock.nowMs()
    const opened = await holdIn(ports, first.subnet, request)
    switch (opened.kind) {
      case 'answer': {
        if (!command.dryRun || opened.answer.kind === 'refused') return outcomeOf(opened.answer, ports)
        const taken = await nameFindings(ports, opened.answer.leases)
        if (!taken.ok) return { kind: 'refused', problem: taken.error }
        return taken.value.length > 0
          ? { kind: 'refused', problem: refusalOf(taken.value) }
          : outcomeOf(opened.answer, ports, [DRY_RUN])
      }
      case 'drive': {
        const driven = await drive(
          { ledger, cluster: ports.cluster, clock: ports.clock, authority: ports.settings.authority },
          opened.leases,
          opened.next,
          { budgetMs: leftMs(), askedMs },
        )
        return driven.kind === 'answer'
          ? outcomeOf(driven.answer, ports)
          : { kind: 'pending', operation: opened.op, retryAfterMs: driven.retryAfterMs }
      }
      case 'join': {
        const answer = await ledger.settled(opened.op, leftMs())
        if (!answer) return { kind: 'pending', operation: opened.op, retryAfterMs: 1_000 }
        const told = opened.joined && answer.kind === 'done' ? { ...answer, created: false } : answer
        return outcomeOf(told, ports)
      }
      case 'busy': {
        const waitMs = leftMs()
        if (waitMs === 0) return { kind: 'refused', problem: opened.problem }
        const settled = await ledger.settled(opened.op, waitMs)
        if (!settled) return { kind: 'refused', problem: opened.problem }
        break
      }
      default:
        return opened satisfies never
    }
  }
}

/** Asks the ledger to hold; one that does not know its Subnet for sure is told first. */
export async function holdIn(
  ports: CommandPorts,
  subnet: string,
  request: HoldRequest,
): Promise<Exclude<Opened, { kind: 'unconfigured' }>> {
  const ledger = ports.ledger(subnet)
  const opened = await ledger.hold(request)
  if (opened.kind !== 'unconfigured') return opened
  const learnt = await learnSubnet(ports, subnet)
  if (!learnt.ok) return { kind: 'answer', answer: { kind: 'refused', problem: learnt.error } }
  const again = await ledger.hold({ ...request, verified: true })
  if (again.kind !== 'unconfigured') return again
  const gone = problem('unknown_subnet', `there is no Subnet ${subnet}`, { field: 'subnet' })
  return { kind: 'answer', answer: { kind: 'refused', problem: gone } }
}

function refusalOf(findings: readonly Finding[]): Problem {
  const first = findings[0]
  if (!first) throw new Error('a refusal needs a finding')
  return problem(first.code, first.message, {
    findings,
    ...(first.field === undefined ? {} : { field: first.field }),
  })
}
