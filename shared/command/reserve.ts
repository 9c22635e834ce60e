import type { Answer, HoldRequest, LedgerPort, Opened } from '../ledger/port.ts'
import { type Problem, problem, problemOf } from '../problem.ts'
import { type Budget, TOO_LATE, withinWait } from './budget.ts'
import { follow } from './follow.ts'
import { previewNames } from './names.ts'
import { heldOf, pin, pinsForeseen, pinsOf } from './pin.ts'
import type { CommandPorts } from './ports.ts'
import { DRY_RUN, outcomeOf, reservationIn } from './render.ts'
import { learnSubnet } from './subnets.ts'
import type { ReserveCommand, WriteOutcome } from './types.ts'

/**
 * Promises addresses: hold in the Subnet's ledger, POST the IP objects, bind on the evidence. All items or none.
 * Answers within WAIT_MS; what takes longer is `pending` and goes on by itself.
 */
export async function reserve(ports: CommandPorts, command: ReserveCommand): Promise<WriteOutcome> {
  return withinWait(ports, (budget) => reserveWithin(ports, command, budget))
}

async function reserveWithin(
  ports: CommandPorts,
  command: ReserveCommand,
  budget: Budget,
): Promise<WriteOutcome> {
  const first = command.items[0]
  if (!first) throw new Error('a reserve needs an item')
  const ledger = ports.ledger(first.subnet)
  const request: HoldRequest = {
    tenant: command.tenant,
    mode: ports.settings.authority,
    ...(command.idempotencyKey === undefined ? {} : { key: command.idempotencyKey }),
    bodyHash: command.bodyHash,
    items: command.items,
    ...(command.block ? { block: command.block } : {}),
    dryRun: command.dryRun,
  }
  let pins = pinsOf(ports)
  for (;;) {
    const askedMs = ports.clock.nowMs()
    let opened = await holdIn(ports, first.subnet, { ...request, ...pins }, budget.isTooLate, ledger)
    if (pins.pins === 'wanted' && !command.dryRun && isOutside(opened)) {
      const instead = await pinned(ports, first.subnet, request, ledger, budget)
      if (!instead) {
        pins = { pins: 'done' }
        continue
      }
      opened = instead
    }
    if (opened.kind === 'answer' && opened.answer.kind === 'done' && command.dryRun) {
      const named = await previewNames(ports, opened.answer.leases, command.items)
      if (!named.ok) return { kind: 'refused', problem: named.error }
      const { findings, leases } = named.value
      if (findings.length > 0) return { kind: 'refused', problem: problemOf(findings) }
      const foreseen = await pinsForeseen(ports, first.subnet, leases)
      const reservations = leases.map((lease, item) =>
        reservationIn(ports, lease, [DRY_RUN, ...(foreseen[item] ?? [])]),
      )
      return { kind: 'done', created: opened.answer.created, reservations }
    }
    const told = (answer: Answer) => outcomeOf(answer, ports)
    const outcome = await follow(ports, ledger, opened, { askedMs, budget, told })
    if (outcome) return outcome
  }
}

/** Of the time to hold in, so much is for the hold itself and for saying why there is none. */
const AFTER_PIN_MS = 500

type Known = Exclude<Opened, { kind: 'unconfigured' }>

/**
 * Pins what lies outside the window. Whether it would be granted then is asked before: refused for anything else, it
 * changes nothing.
 * @returns undefined where it may be held now, else what is to be followed in its place
 */
async function pinned(
  ports: CommandPorts,
  subnet: string,
  request: HoldRequest,
  ledger: LedgerPort,
  budget: Budget,
): Promise<Known | undefined> {
  const foreseen = await holdIn(ports, subnet, { ...request, pins: 'wanted', dryRun: true })
  if (foreseen.kind !== 'answer') return foreseen
  if (foreseen.answer.kind === 'refused') {
    const kept = await ledger.refuse(request, foreseen.answer.problem)
    return kept.kind === 'unconfigured' ? foreseen : kept
  }
  const leftMs = () => budget.holdMs() - AFTER_PIN_MS
  const excluded = await pin(ports, subnet, heldOf(foreseen.answer.leases), leftMs)
  if (!excluded.ok) return refused(excluded.error)
  return budget.isTooLate() ? { kind: 'answer', answer: TOO_LATE } : undefined
}

/** Whether nothing is wrong but that wished addresses lie outside the window. */
function isOutside(opened: Opened): boolean {
  if (opened.kind !== 'answer' || opened.answer.kind !== 'refused') return false
  const { code, findings = [] } = opened.answer.problem
  return code === 'outside_window' && findings.every((finding) => finding.code === 'outside_window')
}

/**
 * Asks the ledger to hold; one that does not know its Subnet for sure is told first.
 * @param isTooLate the caller has been told by now that nothing is held
 */
export async function holdIn(
  ports: CommandPorts,
  subnet: string,
  request: HoldRequest,
  isTooLate: () => boolean = () => false,
  ledger: LedgerPort = ports.ledger(subnet),
): Promise<Known> {
  const opened = await ledger.hold(request)
  if (opened.kind !== 'unconfigured') return opened
  const learnt = await learnSubnet(ports, subnet)
  if (!learnt.ok) return refused(forEach(learnt.error, request.items.length))
  if (isTooLate()) return { kind: 'answer', answer: TOO_LATE }
  const again = await ledger.hold({ ...request, verified: true })
  if (again.kind !== 'unconfigured') return again
  const gone = problem('unknown_subnet', `there is no Subnet ${subnet}`, { field: 'subnet' })
  return refused(forEach(gone, request.items.length))
}

const refused = (why: Problem) => ({ kind: 'answer', answer: { kind: 'refused', problem: why } }) as const

/** What is wrong with the Subnet is wrong with every item of a group. */
function forEach(why: Problem, items: number): Problem {
  const { code, detail: message, field } = why
  if (items === 1 || field === undefined) return why
  return { ...why, findings: Array.from({ length: items }, (_, item) => ({ code, field, message, item })) }
}
