import { QUICK } from '../elapsed.ts'
import { LABEL_RESERVED } from '../kube-ovn/names.ts'
import { type Finding, problem } from '../problem.ts'
import { close } from './ending.ts'
import { issue } from './issue.ts'
import type { LeaseRow } from './lease.ts'
import type { ItemState } from './operations.ts'
import type { Carried, Opened } from './port.ts'
import { withUse } from './quota.ts'
import type { Space, Verdict } from './space.ts'
import { choosingAgain, holder } from './vacancy.ts'

/**
 * A hold whose object somebody else writes (admission). There is no call to make: the object is seen (observe), or it is
 * looked for once, when the API server can no longer write it, and then its absence frees the address (P22).
 */
export function admitted(
  space: Space,
  row: LeaseRow,
  { id: op, tenant, wallMs }: { readonly id: string; readonly tenant: string; readonly wallMs: number },
  fixed: NonNullable<ItemState['fixed']>,
): Verdict<Opened> {
  issue(
    space,
    {
      id: op,
      kind: 'admission',
      tenant,
      phase: 'post',
      state: 'running',
      driver: 1,
      attempt: 0,
      issuedMs: space.nowMs,
      // Nothing is ever posted, so every look is one past the deadline.
      deadlineMs: space.slowMs,
      nextMs: null,
      items: [waiting(space, { nic: row.nic, id: row.id, stage: 'await', tries: 0, fixed, ...space.begun })],
      problem: null,
      response: null,
      createdAt: wallMs,
      updatedAt: wallMs,
    },
    'insert',
  )
  return answer(space, row, true)
}

/**
 * The same wish again: a second try, or the API server asking once more. The same address, held as long anew, for this
 * answer too may be followed by an object. One that an operation of Berth's own is making has to wait.
 */
export function admittedAgain(space: Space, row: LeaseRow): Verdict<Opened> {
  const op = space.ops.get(row.op)
  if (op?.kind !== 'admission') {
    const why = problem('unavailable', `a reservation of ${row.nic} is under way; try again`, {
      retryAfterMs: 1_000,
    })
    return { commit: false, value: { kind: 'busy', op: row.op, problem: why } }
  }
  issue(space, { ...op, items: op.items.map((item) => waiting(space, item)) }, 'update')
  return answer(space, row, true)
}

/**
 * A logical switch port carries the address just held, and nobody was told of the hold yet: another address takes its
 * place, or there is none. Once an answer may have left, its object may come: that hold stays what it is.
 */
export function carried(space: Space, { name, operation, port, away, what, others }: Carried): Opened {
  return space.transaction((): Verdict<Opened> => {
    const op = space.ops.get(operation)
    const [item] = op?.items ?? []
    if (op?.state !== 'running' || op.kind !== 'admission' || item?.nic !== name || item.admitted !== 1) {
      const why = problem('unavailable', `${holder(port, away)} has the address; try again`, {
        retryAfterMs: 1_000,
      })
      return { commit: false, value: { kind: 'busy', op: operation, problem: why } }
    }
    const { admitted: _untold, ...untold } = item
    const items = choosingAgain(space, op.id, [
      {
        ...untold,
        taken: port,
        ...(away === undefined ? {} : { away }),
        ...(what ? { what } : {}),
        ...(others ? { others } : {}),
      },
    ])
    const [other] = items
    const row = other && space.leases.get(other.nic, other.id)
    if (!other || !row || row.state !== 'held') {
      const why = problem(other?.failure?.code ?? 'unavailable', other?.failure?.detail ?? '')
      const refused = { kind: 'refused', problem: why } as const
      close(space, { ...op, items }, 'failed', refused)
      return { commit: true, value: { kind: 'answer', answer: refused } }
    }
    issue(space, { ...op, items: [waiting(space, other)] }, 'update')
    return answer(space, row, true)
  })
}

/** An object that is there cannot be created; what it holds is its owner's, and a label keeps it (D21). */
export function existsFinding(space: Space, nic: string): Finding | undefined {
  if (space.leases.promise(nic) || !space.claims.get(nic)) return undefined
  return {
    code: 'already_reserved',
    field: 'name',
    message: `the IP object ${nic} exists and was not made here`,
    hint: `kubectl label --overwrite ips ${nic} ${LABEL_RESERVED}=true keeps its address`,
  }
}

function waiting(space: Space, item: ItemState): ItemState {
  const untilMs = space.nowMs + space.settings.stragglerMs + QUICK.leewayMs
  return { ...item, admitted: (item.admitted ?? 0) + 1, proofMs: untilMs, notBeforeMs: untilMs }
}

function answer(space: Space, row: LeaseRow, created: boolean): Verdict<Opened> {
  const done = { kind: 'done', created, leases: withUse(space, [space.view(row)]) } as const
  return { commit: true, value: { kind: 'answer', answer: done } }
}
