import { type Finding, type Problem, problem } from '../problem.ts'
import { leaving } from './cutting.ts'
import { knownKey } from './hold.ts'
import { operationId } from './ids.ts'
import { issue } from './issue.ts'
import type { LeaseRow } from './lease.ts'
import type { ItemState } from './operations.ts'
import type { Answer, Keyed, LeaseView, Opened, ReleaseRequest } from './port.ts'
import { isFinal, refusedAnswer } from './refusals.ts'
import { tooLarge } from './size.ts'
import type { Space, Verdict } from './space.ts'

/**
 * The transaction that begins a release (L2): the rows are RELEASING from here and there is only one way, forward.
 * The caller has seen that no owner is alive (L1), or forces.
 */
export function release(space: Space, request: ReleaseRequest): Opened {
  return space.transaction((): Verdict<Opened> => {
    const known = request.dryRun ? undefined : knownKey(space, request)
    if (known) return { commit: false, value: known }
    space.told(request.mode)
    const opened = open(space, request)
    const answer = opened.value.kind === 'answer' ? opened.value.answer : undefined
    if (!answer || request.dryRun || request.key === undefined || !isFinal(answer)) return opened
    space.keys.put(request, { answer }, space.keptUntilMs)
    return { commit: true, value: opened.value }
  })
}

/**
 * The caller found out why a release is out of the question (its owner lives, there is no such reservation): kept under
 * its key like any final refusal. The key may have been answered, or be under way, since the caller looked.
 */
export function refuse(space: Space, request: Keyed, why: Problem): Opened {
  return space.transaction((): Verdict<Opened> => {
    const known = knownKey(space, request)
    if (known) return { commit: false, value: known }
    const answer: Answer = { kind: 'refused', problem: why }
    const kept = request.key !== undefined && isFinal(answer)
    if (kept) space.keys.put(request, { answer }, space.keptUntilMs)
    return { commit: kept, value: { kind: 'answer', answer } }
  })
}

function open(space: Space, request: ReleaseRequest): Verdict<Opened> {
  const findings: Finding[] = []
  const rows: LeaseRow[] = []
  const single = request.items.length === 1
  for (const [index, target] of request.items.entries()) {
    const row = space.leases.get(target.name, target.id)
    const note = (finding: Finding) => findings.push(single ? finding : { ...finding, item: index })
    if (!row) {
      note({ code: 'not_found', field: 'name', message: `there is no reservation ${target.name}` })
      continue
    }
    switch (row.state) {
      case 'quarantined':
        rows.push(row)
        break
      case 'held':
      case 'releasing': {
        const op = space.ops.get(row.op)
        const same = single && row.state === 'releasing' && op?.kind === 'release' && op.items.length === 1
        if (same && request.dryRun) {
          rows.push(row)
          break
        }
        if (same) {
          space.keys.put(request, { op: op.id, joined: true }, space.keptUntilMs)
          return { commit: request.key !== undefined, value: { kind: 'join', op: op.id, joined: true } }
        }
        const waiting = problem('releasing', `an operation on ${row.nic} is under way`, {
          retryAfterMs: 1_000,
        })
        return { commit: false, value: { kind: 'busy', op: row.op, problem: waiting } }
      }
      case 'foreign':
        if (request.force) rows.push(row)
        else
          note({
            code: 'contested',
            field: 'name',
            message: `${row.nic} was not made here; force to remove it`,
          })
        break
      case 'bound':
      case 'stranded':
        if (row.epoch === target.epoch) rows.push(row)
        else {
          // It was bound, or moved, since the caller looked: look again.
          const moved = problem('releasing', `${row.nic} changed while it was being released`, {
            retryAfterMs: 1_000,
          })
          return { commit: false, value: { kind: 'busy', op: row.op, problem: moved } }
        }
        break
      default:
        return row.state satisfies never
    }
  }
  if (findings.length > 0)
    return { commit: false, value: { kind: 'answer', answer: refusedAnswer(findings) } }
  const cooling = rows.filter((row) => row.state === 'quarantined').map((row) => space.view(row))
  const large = tooLarge(
    rows.map((row) => withReason(space.view(row), request.reason)),
    cooling,
  )
  if (large) return { commit: false, value: { kind: 'answer', answer: { kind: 'refused', problem: large } } }
  if (request.dryRun || rows.every((row) => row.state === 'quarantined')) {
    const cools = (row: LeaseRow) => row.bit && space.settings.quarantineMs > 0
    const leases = rows.map((row) =>
      space.view(row, row.state === 'quarantined' || cools(row) ? 'quarantined' : 'free'),
    )
    return { commit: false, value: { kind: 'answer', answer: { kind: 'done', created: false, leases } } }
  }
  return begin(space, request, rows)
}

/** What cools down already keeps its own; it is counted as if it did not. */
function withReason(lease: LeaseView, reason: string | undefined): LeaseView {
  return reason === undefined ? lease : { ...lease, reason }
}

function begin(space: Space, request: ReleaseRequest, rows: readonly LeaseRow[]): Verdict<Opened> {
  const wallMs = space.clock.nowMs()
  const facts = space.subnet?.facts
  if (!facts) throw new Error('rows without a Subnet')
  const op = operationId(wallMs, space.random, facts.cluster, facts.name)
  const items: ItemState[] = []
  const leases: LeaseView[] = []
  for (const row of rows) {
    if (row.state === 'quarantined') {
      const seen = space.view(row)
      leases.push(seen)
      items.push({ nic: row.nic, id: row.id, stage: 'gone', present: true, seen, tries: 0 })
      continue
    }
    // By force, somebody else's: from here its object is this operation's.
    if (space.claims.get(row.nic)?.id === row.id) space.claims.delete(row.nic)
    const after = space.leases.update(row, {
      state: 'releasing',
      epoch: row.epoch + 1,
      op,
      ...(request.reason === undefined ? {} : { reason: request.reason }),
    })
    leases.push(space.view(after))
    items.push({
      nic: row.nic,
      id: row.id,
      ...leaving(space, row, { forced: request.force, beside: space.begun.beside === true }),
      ...space.begun,
      ...(row.uid === null ? {} : { uid: row.uid }),
      ...(row.proofMs === null ? {} : { proofMs: row.proofMs }),
      tries: 0,
    })
  }
  const next = issue(
    space,
    {
      id: op,
      tenant: request.tenant,
      kind: 'release',
      phase: 'delete',
      state: 'running',
      driver: 1,
      attempt: 0,
      issuedMs: space.nowMs,
      deadlineMs: space.slowMs + space.settings.ackMs,
      nextMs: null,
      items,
      problem: null,
      response: null,
      createdAt: wallMs,
      updatedAt: wallMs,
    },
    'insert',
  )
  space.keys.put(request, { op }, space.keptUntilMs)
  return { commit: true, value: { kind: 'drive', op, leases, next } }
}
