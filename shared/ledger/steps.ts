import { type Finding, type Problem, problemOf } from '../problem.ts'
import type { LeaseRow } from './lease.ts'
import type { OpRow } from './op.ts'
import {
  type Call,
  type ItemState,
  inTime,
  issued,
  learn,
  nextCall,
  standing,
  type Timing,
  turnBack,
  waitUntilMs,
} from './operations.ts'
import type { Answer, LeaseView, Next, Report } from './port.ts'
import type { Space } from './space.ts'

/** Calls handed out at once; more wait for the next step. */
const CALLS_PER_STEP = 1_000
/** Epoch of a row that was never held before. */
const FIRST_EPOCH = 1
/** A group that lost one of its promises to a release may ask again this soon. */
const RELEASED_RETRY_MS = 1_000

function timing(space: Space, op: OpRow): Timing {
  return {
    nowMs: space.nowMs,
    issuedMs: op.issuedMs,
    deadlineMs: op.deadlineMs,
    stragglerMs: space.settings.stragglerMs,
    sendMs: space.settings.sendMs,
  }
}

/**
 * Hands out the next calls of an operation, or says how long to wait. The attempt row is written in the same
 * transaction, so it is flushed before the reply that lets the driver send. The caller is in a transaction.
 */
export function issue(space: Space, op: OpRow, write: 'insert' | 'update'): Next {
  const items = [...op.items]
  const calls: Call[] = []
  const at = timing(space, op)
  for (const [index, item] of items.entries()) {
    if (calls.length === CALLS_PER_STEP) break
    const call = nextCall(item, index, space.nowMs)
    if (!call) continue
    calls.push(call)
    items[index] = issued(item, call, at)
  }
  const save = (row: OpRow) => (write === 'insert' ? space.ops.insert(row) : space.ops.update(row))
  if (calls.length === 0) {
    const untilMs = Math.max(waitUntilMs(items) ?? space.nowMs, space.nowMs + 1)
    save({ ...op, items, nextMs: untilMs, updatedAt: space.clock.nowMs() })
    return { kind: 'wait', op: op.id, driver: op.driver, delayMs: untilMs - space.nowMs }
  }
  const attempt = op.attempt + 1
  save({
    ...op,
    items,
    attempt,
    issuedMs: space.nowMs,
    nextMs: space.nowMs + space.settings.driveMs,
    updatedAt: space.clock.nowMs(),
  })
  if (calls.some((call) => call.verb !== 'read')) {
    space.ops.openAttempt(op.id, attempt, op.driver, space.nowMs, calls)
  }
  return { kind: 'send', op: op.id, driver: op.driver, attempt, sendMs: space.settings.sendMs, calls }
}

/** What a driver learnt, and what follows from it, in one transaction. A driver that was superseded changes nothing. */
export function report(space: Space, told: Report): Next {
  return space.transaction(() => {
    const op = space.ops.get(told.op)
    if (op?.state !== 'running' || op.driver !== told.driver || op.attempt !== told.attempt) {
      return { commit: false, value: { kind: 'lost', op: told.op } }
    }
    const items = [...op.items]
    const at = timing(space, op)
    for (const evidence of told.evidence) {
      const item = items[evidence.item]
      if (!item) throw new Error(`operation ${op.id} has no item ${evidence.item}`)
      items[evidence.item] = learn(op.phase, item, evidence, at)
    }
    space.ops.closeAttempt(op.id, told.attempt, told.evidence)
    return { commit: true, value: advance(space, { ...op, items }) }
  })
}

/** The next step for a driver that waited; `lost` if somebody else drives by now. */
export function resume(space: Space, id: string, driver: number): Next {
  return space.transaction(() => {
    const op = space.ops.get(id)
    if (op?.state !== 'running' || op.driver !== driver)
      return { commit: false, value: { kind: 'lost', op: id } }
    return { commit: true, value: issue(space, op, 'update') }
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
    const at = timing(space, op)
    const items = op.phase === 'post' ? op.items.map((item) => inTime(item, at)) : op.items
    const next = advance(space, { ...op, items, driver: op.driver + 1 })
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

function advance(space: Space, op: OpRow): Next {
  const stands = standing(op.phase, op.items)
  switch (stands.kind) {
    case 'going':
      return issue(space, op, 'update')
    case 'proven':
      return bind(space, op)
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
    return space.view(
      space.leases.update(row, {
        state: 'bound',
        epoch: row.epoch + 1,
        uid: item.uid ?? null,
        rv: item.rv ?? null,
        objectAt: item.objectAt ?? null,
        proofMs: item.proofMs ?? null,
      }),
    )
  })
  return close(space, op, 'done', { kind: 'done', created: true, leases })
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

/**
 * Turns a reserve back: from here it is never bound. Items nothing was sent for are free at once, the others are
 * looked for and removed first. Also the way of a held address that a live change put outside its CIDR.
 */
export function fence(space: Space, op: OpRow, why: Problem): Next {
  const items = op.items.map((item) => {
    const back = turnBack(item)
    if (item.present) return back
    const row = rowOf(space, item)
    if (back.stage === 'gone') letGo(space, row, back)
    else space.leases.update(row, { state: 'releasing', epoch: row.epoch + 1, op: op.id })
    return back
  })
  const turned: OpRow = { ...op, phase: 'fence', items, problem: why }
  return items.every((item) => item.stage === 'gone') ? failed(space, turned) : issue(space, turned, 'update')
}

function failed(space: Space, op: OpRow): Next {
  for (const item of op.items) {
    const row = item.present ? undefined : space.leases.get(item.nic, item.id)
    if (row?.state === 'releasing' && row.op === op.id) coolDown(space, row, item)
  }
  const why: Problem = op.problem ?? { code: 'unavailable', detail: 'the operation was given up' }
  return close(space, op, 'failed', { kind: 'refused', problem: why })
}

function released(space: Space, op: OpRow): Next {
  const leases = op.items.map((item) => item.seen ?? coolDown(space, rowOf(space, item), item))
  return close(space, op, 'done', { kind: 'done', created: false, leases })
}

/** Nothing was sent for it: free at once, unless it came out of a cool-down, which then begins anew. */
function letGo(space: Space, row: LeaseRow, item: ItemState): void {
  if (row.originEpoch === FIRST_EPOCH) free(space, row)
  else coolDown(space, row, item)
}

/** Confirmed gone: into the cool-down, or free where there is none or the row held no bit. */
function coolDown(space: Space, row: LeaseRow, item: ItemState): LeaseView {
  const gone = { epoch: row.epoch + 1, uid: null, rv: null, proofMs: item.proofMs ?? null }
  if (!row.bit || space.settings.quarantineMs === 0) {
    free(space, row)
    return space.view({ ...row, ...gone }, 'free')
  }
  const freeMs = space.nowMs + space.settings.quarantineMs
  return space.view(space.leases.update(row, { ...gone, state: 'quarantined', freeMs }))
}

/** Takes a row and its bits away. The addresses go back to the allocator's order of re-use. */
export function free(space: Space, row: LeaseRow): void {
  const { leases, allocator } = space
  leases.delete(row)
  // Without its bit a row may still hold one family's address, unless somebody has it by now.
  if (row.v4 !== null && (row.bit || !leases.byV4(row.v4))) allocator.vacate(4, row.v4)
  if (row.v6 !== null && (row.bit || !leases.byV6(row.v6))) allocator.vacate(6, row.v6)
}

function close(space: Space, op: OpRow, state: 'done' | 'failed', answer: Answer): Next {
  space.ops.update({
    ...op,
    state,
    nextMs: null,
    response: answer.kind === 'done' ? answer : null,
    problem: answer.kind === 'refused' ? answer.problem : op.problem,
    updatedAt: space.clock.nowMs(),
  })
  // Attempts whose driver never reported: what became of them was found out by reading.
  if (op.driver > 1) space.ops.abandonAttempts(op.id)
  space.closing(op.id, answer)
  return { kind: 'answer', op: op.id, answer }
}

function rowOf(space: Space, item: ItemState): LeaseRow {
  const row = space.leases.get(item.nic, item.id)
  if (!row) throw new Error(`the row of ${item.nic} is gone while its operation is open`)
  return row
}
