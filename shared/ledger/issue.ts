import { operationId } from './ids.ts'
import type { LeaseRow } from './lease.ts'
import type { OpRow } from './op.ts'
import {
  type Call,
  type ItemState,
  issued,
  nextCall,
  type OpKind,
  type Phase,
  type Timing,
  waitUntilMs,
} from './operations.ts'
import type { Next } from './port.ts'
import type { Space } from './space.ts'

/** Calls that change nothing and are given no row. */
const READS: ReadonlySet<Call['verb']> = new Set(['read', 'port', 'vacancy'])

/** Calls handed out at once; more wait for the next step. */
const CALLS_PER_STEP = 1_000
/** The longest wait beside the controller that a driver sits out undisturbed. */
const GRACE_MS = 2_000

/** The times a machine decides by. */
export function timing(space: Space, op: OpRow): Timing {
  return {
    nowMs: space.nowMs,
    issuedMs: op.issuedMs,
    slowMs: space.slowMs,
    deadlineMs: op.deadlineMs,
    stragglerMs: space.settings.stragglerMs,
    sendMs: space.settings.sendMs,
    controllerMs: op.deadlineMs - space.settings.ackMs + space.settings.controllerMs,
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
    // Whoever sits out a short wait goes on himself; the alarm comes if he does not.
    const graceMs = items.some(({ beside }) => beside) && untilMs - space.nowMs <= GRACE_MS ? GRACE_MS : 0
    save({ ...op, items, nextMs: untilMs + graceMs, updatedAt: space.clock.nowMs() })
    return { kind: 'wait', op: op.id, driver: op.driver, delayMs: untilMs - space.nowMs, ...listening(items) }
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
  if (calls.some(({ verb }) => !READS.has(verb) || (verb === 'vacancy' && isTaking(space)))) {
    space.ops.openAttempt(op.id, attempt, op.driver, space.nowMs, calls)
  }
  return { kind: 'send', op: op.id, driver: op.driver, attempt, sendMs: space.settings.sendMs, calls }
}

/** In a shared space to look whether an address is vacant is to take it. */
const isTaking = ({ settings }: Space) => settings.sharedSpace !== undefined

/** Whether news of the controller's doings lets it go on. */
function listening(items: readonly ItemState[]): { readonly listens?: true } {
  const listens = items.some(({ beside, stage }) => beside && (stage === 'ack' || stage === 'witness'))
  return listens ? { listens } : {}
}

/** The row an item is about; the operation that keeps it is open. */
export function rowOf(space: Space, item: ItemState): LeaseRow {
  const row = space.leases.get(item.nic, item.id)
  if (!row) throw new Error(`the row of ${item.nic} is gone while its operation is open`)
  return row
}

/** An operation that nobody waits for: the alarm drives it, at once. */
export function enqueue(
  space: Space,
  kind: OpKind,
  phase: Phase,
  items: readonly ItemState[],
  tenant = '',
): OpRow {
  const op = opened(space, kind, phase, items, tenant)
  const queued = { ...op, nextMs: space.nowMs }
  space.ops.insert(queued)
  return queued
}

/** A new operation, not yet written. Without a tenant it is Berth's own, which no caller asked for. */
export function opened(
  space: Space,
  kind: OpKind,
  phase: Phase,
  items: readonly ItemState[],
  tenant = '',
): OpRow {
  const facts = space.subnet?.facts
  if (!facts) throw new Error('an operation without a Subnet')
  const wallMs = space.clock.nowMs()
  return {
    id: operationId(wallMs, space.random, facts.cluster, facts.name),
    tenant,
    kind,
    phase,
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
  }
}
