import { type Finding, type Problem, problem, problemOf } from '../problem.ts'
import { adopting, meet } from './adopt.ts'
import { announce, releasedMessage, reservedMessage } from './announce.ts'
import { anew } from './cutting.ts'
import { close, coolDown, letGo } from './ending.ts'
import { followUp, looking, reasserting, removed, waitForOwner } from './follow.ts'
import { issue, rowOf, timing } from './issue.ts'
import { inTime, learn, standing, turnBack } from './learn.ts'
import type { LeaseRow } from './lease.ts'
import type { OpRow } from './op.ts'
import type { Evidence } from './operations.ts'
import type { LeaseView, Next, Report } from './port.ts'
import { withUse } from './quota.ts'
import { mending } from './repair.ts'
import { brief } from './size.ts'
import type { Space } from './space.ts'
import { handBack, handOver } from './transfer.ts'
import { choosingAgain } from './vacancy.ts'
import { witnessed } from './witness.ts'

/** A group that lost one of its promises to a release may ask again this soon. */
const RELEASED_RETRY_MS = 1_000

/** What a driver learnt, and what follows from it, in one transaction. A driver that was superseded changes nothing. */
export function report(space: Space, told: Report): Next {
  return space.transaction(() => {
    const op = space.ops.get(told.op)
    if (op?.state !== 'running' || op.driver !== told.driver || op.attempt !== told.attempt) {
      return { commit: false, value: { kind: 'lost', op: told.op } }
    }
    const items = [...op.items]
    const at = timing(space, op)
    const learnt = told.evidence.map((evidence) => brief(evidence, items.length))
    for (const evidence of learnt) {
      const item = items[evidence.item]
      if (!item) throw new Error(`operation ${op.id} has no item ${evidence.item}`)
      items[evidence.item] = learn(op.phase, item, evidence, at)
    }
    space.ops.closeAttempt(op.id, told.attempt, learnt.map(withoutOthers))
    return { commit: true, value: advance(space, { ...op, items }) }
  })
}

/** What others have is kept in rows of its own (vacancy.ts). */
function withoutOthers(evidence: Evidence): Evidence {
  if (evidence.result !== 'held') return evidence
  const { others: _, ...rest } = evidence
  return rest
}

/** The next step for a driver that waited; `lost` if somebody else drives by now. */
export function resume(space: Space, id: string, driver: number): Next {
  return space.transaction(() => {
    const op = space.ops.get(id)
    if (op?.state !== 'running' || op.driver !== driver)
      return { commit: false, value: { kind: 'lost', op: id } }
    return { commit: true, value: advance(space, op) }
  })
}

/** The alarm takes an operation whose driver fell silent: new token, same machine. Undefined when it is not due any more. */
export function takeOver(
  space: Space,
  id: string,
): { readonly leases: readonly (LeaseView | undefined)[]; readonly next: Next } | undefined {
  return space.transaction(() => {
    const op = space.ops.get(id)
    if (op?.state !== 'running' || op.nextMs === null || op.nextMs > space.nowMs) {
      return { commit: false, value: undefined }
    }
    const next = advance(space, {
      ...op,
      driver: op.driver + 1,
      items: op.items.map((item) => anew(item, op.phase)),
    })
    return { commit: true, value: { leases: itemLeases(space, op), next } }
  })
}

/** The rows of an operation as they are now, each at its item's index; undefined where the row is gone. */
export function itemLeases(space: Space, op: OpRow): (LeaseView | undefined)[] {
  return op.items.map((item) => {
    const row = space.leases.get(item.nic, item.id)
    return row && space.view(row)
  })
}

/** What follows from where the items of an operation stand. The caller is in a transaction. */
export function advance(space: Space, op: OpRow): Next {
  switch (op.phase) {
    case 'post':
    case 'fence':
    case 'delete':
      return asked(space, op)
    case 'owner':
      return waitForOwner(space, op)
    case 'adopt':
      return adopting(space, op)
    case 'reassert':
      return reasserting(space, op)
    case 'look':
      return looking(space, op)
    case 'mend':
      return mending(space, op)
    default:
      return op.phase satisfies never
  }
}

function asked(space: Space, was: OpRow): Next {
  const at = timing(space, was)
  const chosen = was.phase === 'post' ? choosingAgain(space, was.id, was.items) : was.items
  const items = was.phase === 'post' ? chosen.map((item) => witnessed(space, inTime(item, at))) : chosen
  const op = { ...was, items }
  const stands = standing(op.phase, op.items)
  switch (stands.kind) {
    case 'going':
      noteWaiting(space, op)
      return withRows(space, op, chosen === was.items, issue(space, op, 'update'))
    case 'proven':
      return bind(space, op)
    case 'found': {
      // What it has is not what it was to get.
      const has = problem('already_reserved', `an IP object ${op.items[0]?.nic} of the new owner exists`)
      return op.kind === 'transfer' ? fence(space, op, has) : meet(space, op)
    }
    case 'turn': {
      const first = stands.findings[0]
      const why: Problem = {
        code: first?.code ?? 'unavailable',
        detail: first?.message ?? '',
        ...(first?.field === undefined ? {} : { field: first.field }),
        findings: stands.findings,
        ...(stands.retryAfterMs === undefined ? {} : { retryAfterMs: stands.retryAfterMs }),
      }
      return fence(space, op, why)
    }
    case 'gone':
      if (op.kind === 'transfer' && op.phase === 'delete') return handOver(space, op)
      return op.kind === 'release' ? released(space, op) : failed(space, op)
    default:
      return stands satisfies never
  }
}

/**
 * All proven: the promise is made, in one transaction for the whole group. A promise that was found at the start and
 * was released meanwhile takes the whole group back: all of it or nothing.
 */
function bind(space: Space, op: OpRow): Next {
  const lost = releasedMeanwhile(space, op)
  if (lost) return fence(space, op, lost)
  const leases = op.items.map((item) => {
    const row = rowOf(space, item)
    if (item.present) return space.view(row)
    const bound = space.view(
      space.leases.update(row, {
        state: 'bound',
        epoch: row.epoch + 1,
        uid: item.uid ?? null,
        rv: item.rv ?? null,
        objectAt: item.objectAt ?? null,
        proofMs: item.proofMs ?? null,
      }),
    )
    announce(space, { name: row.nic, uid: item.uid ?? null }, 'Reserved', reservedMessage(bound))
    return bound
  })
  const created = op.kind !== 'transfer'
  const ended = close(space, op, 'done', { kind: 'done', created, leases: withUse(space, leases) })
  followUp(
    space,
    op.items.filter(({ present }) => !present),
  )
  return ended
}

function releasedMeanwhile(space: Space, op: OpRow): Problem | undefined {
  const findings: Finding[] = []
  for (const [index, item] of op.items.entries()) {
    const state = item.present && (space.leases.get(item.nic, item.id)?.state ?? 'free')
    if (state === undefined || state === 'bound' || state === 'stranded') continue
    const message = `${item.nic} was released while the others were being reserved`
    findings.push({ code: 'releasing', field: 'podName', message, item: index })
  }
  return findings.length > 0 ? { ...problemOf(findings), retryAfterMs: RELEASED_RETRY_MS } : undefined
}

/** A held row loses its address to somebody or something else: its reserve turns back, at once and by itself. */
export function loseHold(space: Space, row: LeaseRow, why: Problem): void {
  const op = space.ops.get(row.op)
  if (op?.state !== 'running' || op.phase !== 'post') return
  fence(space, { ...op, driver: op.driver + 1 }, why)
  // Nobody holds the step just handed out: let the alarm take over at once.
  const turned = space.ops.get(op.id)
  if (turned?.state === 'running') space.ops.update({ ...turned, nextMs: space.nowMs })
}

/**
 * Turns a reserve back: from here it is never bound. Items nothing was sent for are free at once, the others are
 * looked for and removed first. Also the way of a held address that a live change put outside its CIDR.
 */
export function fence(space: Space, op: OpRow, why: Problem): Next {
  const items = op.items.map((item) => {
    const back = turnBack(item)
    // One that was given up to a port has no row any more (vacancy.ts).
    if (item.present || (item.taken !== undefined && back.stage === 'gone')) return back
    const row = rowOf(space, item)
    // A transfer goes back to its old owner.
    if (back.stage === 'gone' && op.kind !== 'transfer') letGo(space, row, back)
    else if (back.stage === 'gone') return back
    else space.leases.update(row, { state: 'releasing', epoch: row.epoch + 1, op: op.id })
    return back
  })
  const turned: OpRow = { ...op, phase: 'fence', items, problem: why }
  return items.every((item) => item.stage === 'gone') ? failed(space, turned) : issue(space, turned, 'update')
}

/** The rows, where they are others than the driver was given. */
function withRows(space: Space, op: OpRow, same: boolean, next: Next): Next {
  return same || next.kind !== 'send'
    ? next
    : { ...next, leases: op.items.map((item) => space.view(rowOf(space, item))) }
}

/** An owner that came after the release had begun: his port is not cut, and the release waits for him to go (fault 87). */
function noteWaiting(space: Space, op: OpRow): void {
  for (const { nic, id, alive } of op.items) {
    if (op.phase !== 'delete' || alive === undefined) continue
    space.notes.set(id, 'waiting', `the release of ${nic} waits: ${alive}`)
  }
}

const GIVEN_UP: Problem = { code: 'unavailable', detail: 'the operation was given up' }

function failed(space: Space, op: OpRow): Next {
  if (op.kind === 'fence') return removed(space, op)
  if (op.kind === 'transfer') return handBack(space, op, op.problem ?? GIVEN_UP)
  for (const item of op.items) {
    const row = item.present ? undefined : space.leases.get(item.nic, item.id)
    if (row?.state === 'releasing' && row.op === op.id) coolDown(space, row, item)
  }
  const why: Problem = op.problem ?? GIVEN_UP
  return close(space, op, 'failed', { kind: 'refused', problem: why })
}

function released(space: Space, op: OpRow): Next {
  const leases = op.items.map((item) => {
    if (item.seen) return item.seen
    const row = rowOf(space, item)
    const given = coolDown(space, row, item)
    announce(space, { name: row.nic, uid: row.uid ?? item.uid ?? null }, 'Released', releasedMessage(given))
    return item.spared === undefined ? given : { ...given, notes: [...(given.notes ?? []), item.spared] }
  })
  return close(space, op, 'done', { kind: 'done', created: false, leases })
}
