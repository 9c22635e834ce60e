/** What a comparison of ledger and cluster (command/repair) asks of a ledger: what to compare with, and what to mend. */
import { problem } from '../problem.ts'
import { err, ok, type Result } from '../result.ts'
import { countersReport } from './counters.ts'
import { close } from './ending.ts'
import { only, reassertItem, superseded } from './follow.ts'
import { isPromised } from './foreign.ts'
import { issue, opened } from './issue.ts'
import type { OpRow } from './op.ts'
import type { ItemState } from './operations.ts'
import type { Inspection, Next, Opened, RepairRequest } from './port.ts'
import { spaceView } from './reads.ts'
import type { Space, Verdict } from './space.ts'

/** Comparisons in a row that one Subnet bears; each reads all IP objects and Pods of the cluster. */
const BURST = 10
/** One more is allowed after this, ms. */
const EVERY_MS = 6_000

/** How many comparisons a Subnet bears. In memory: a restart forgets it, and costs one burst at most. */
export class RepairRate {
  private tokens = BURST
  private atMs: number | undefined

  /** ms to wait; undefined where it may be done now. A clock that jumps back gives and takes nothing. */
  take(nowMs: number): number | undefined {
    const passedMs = Math.max(0, nowMs - (this.atMs ?? nowMs))
    this.tokens = Math.min(BURST, this.tokens + passedMs / EVERY_MS)
    this.atMs = nowMs
    if (this.tokens < 1) return Math.ceil((1 - this.tokens) * EVERY_MS)
    this.tokens -= 1
    return undefined
  }
}

/** The space as a comparison needs it. @returns `rate_limited` */
export function inspect(space: Space, rate: RepairRate) {
  const waitMs = rate.take(space.clock.nowMs())
  if (waitMs !== undefined) {
    const detail = `Subnet ${space.subnet?.facts.name ?? ''} was compared often just now`
    return err(problem('rate_limited', detail, { retryAfterMs: waitMs }))
  }
  return space.transaction((): Verdict<Result<Inspection, never>> => {
    const view = spaceView(space)
    const report = view && countersReport(space)
    return {
      commit: false,
      value: ok({
        ...(view ? { view } : {}),
        ...(report ? { counters: report.counters } : {}),
        isTelling: space.counters.dueMs !== undefined,
      }),
    }
  })
}

/**
 * Begins what mends one promise, or joins what is under way for it. It goes by the row as it was compared: one that
 * changed since (another epoch, no promise any more) is left alone.
 */
export function repair(space: Space, request: RepairRequest): Opened {
  return space.transaction((): Verdict<Opened> => {
    if (!space.subnet) return { commit: false, value: { kind: 'unconfigured' } }
    if (request.act === 'counters') {
      space.counters.changed(space.nowMs)
      const told = { kind: 'answer', answer: { kind: 'done', created: false, leases: [] } } as const
      return { commit: true, value: told }
    }
    const { act, name, id, epoch, tenant } = request
    const row = space.leases.get(name, id)
    if (!row || !isPromised(row) || row.epoch !== epoch) {
      const why = problem('releasing', `${name} changed since it was compared`, { retryAfterMs: 1_000 })
      return { commit: false, value: { kind: 'answer', answer: { kind: 'refused', problem: why } } }
    }
    const open = space.ops.get(row.op)
    if (open?.state === 'running') {
      return { commit: false, value: { kind: 'join', op: open.id, joined: true } }
    }
    const op =
      act === 'reassert'
        ? opened(space, 'reassert', 'reassert', [{ ...reassertItem(row), ...space.begun }], tenant)
        : opened(space, 'repair', 'mend', [mendItem(request, row.uid)], tenant)
    const leases = [space.view(space.leases.update(row, { op: op.id }))]
    const next = issue(space, op, 'insert')
    return { commit: true, value: { kind: 'drive', op: op.id, leases, next } }
  })
}

function mendItem(
  { name, id, finalizer }: Extract<RepairRequest, { act: 'mend' }>,
  uid: string | null,
): ItemState {
  const mends = finalizer ? 'all' : 'labels'
  return { nic: name, id, stage: 'inspect', tries: 0, mends, ...(uid === null ? {} : { uid }) }
}

/** What follows from what a mend has learnt. */
export function mending(space: Space, op: OpRow): Next {
  const { item, row } = only(space, op)
  if (!row || !isPromised(row) || row.op !== op.id) return superseded(space, op, item)
  if (item.stage === 'proven') {
    const mended = space.leases.update(row, {
      rv: item.rv ?? row.rv,
      objectAt: item.objectAt ?? row.objectAt,
    })
    return close(space, op, 'done', { kind: 'done', created: false, leases: [space.view(mended)] })
  }
  if (item.stage !== 'refused') return issue(space, op, 'update')
  const { code = 'unavailable', detail = '', retryAfterMs } = item.failure ?? {}
  const why = problem(code, detail, retryAfterMs === undefined ? {} : { retryAfterMs })
  return close(space, op, 'failed', { kind: 'refused', problem: why })
}
