/** Operations that follow from what was seen: how each begins, and what follows from what it learnt. */
import { portName } from '../kube-ovn/names.ts'
import { type Problem, problem } from '../problem.ts'
import { announce, reservedMessage } from './announce.ts'
import { leaving } from './cutting.ts'
import { close, coolDown, free } from './ending.ts'
import { contest, isPromised } from './foreign.ts'
import { enqueue, issue } from './issue.ts'
import type { LeaseRow } from './lease.ts'
import { LEASE_EXPIRED, outlived } from './lifetime.ts'
import type { OpRow } from './op.ts'
import type { ItemState } from './operations.ts'
import type { Answer, Next } from './port.ts'
import type { Space, Verdict } from './space.ts'

const DONE = { kind: 'done', created: false, leases: [] } as const satisfies Answer

/** Whether an operation on this promise, begun by what was seen of its object, is under way. */
export function isFollowed(space: Space, row: LeaseRow): boolean {
  const op = space.ops.get(row.op)
  return op?.state === 'running' && (op.phase === 'owner' || op.phase === 'reassert')
}

/** An object of ours went without our doing: it is made again, once a read has proven it gone. */
export function reassert(space: Space, row: LeaseRow): void {
  const open = space.ops.get(row.op)
  if (open?.state === 'running' && open.phase === 'reassert') return
  const op = enqueue(space, 'reassert', 'reassert', [{ ...reassertItem(row), ...space.begun }])
  space.notes.remove(row.id, 'waiting')
  space.leases.update(row, { op: op.id })
}

/** Begins with a read: what is there is not made again. */
export function reassertItem({ nic, id, proofMs }: LeaseRow): ItemState {
  return { nic, id, stage: 'inspect', tries: 0, ...(proofMs === null ? {} : { proofMs }) }
}

export function reasserting(space: Space, op: OpRow): Next {
  const { item, row } = only(space, op)
  if (!row || !isPromised(row) || row.op !== op.id) return superseded(space, op, item)
  const proofMs = item.proofMs ?? null
  switch (item.stage) {
    case 'proven': {
      const { uid = null, rv = null, objectAt = null } = item
      if (row.uid !== null && row.uid !== uid) space.sightings.gone(row.uid, space.slowMs)
      const made = contest(space, space.leases.update(row, { uid, rv, objectAt, proofMs }))
      if (row.uid !== uid) {
        announce(space, { name: row.nic, uid }, 'Reserved', reservedMessage(space.view(made)))
      }
      return close(space, op, 'done', { ...DONE, leases: [space.view(made)] })
    }
    // It is there, and somebody deletes it.
    case 'gone': {
      const { uid = null, rv = null } = item
      const seen = space.leases.update(row, { uid, rv, proofMs })
      const ended = close(space, op, 'done', DONE)
      awaitOwner(space, seen, false)
      return ended
    }
    case 'kept': {
      const why: Problem = problem('contested', item.failure?.detail ?? '')
      if (space.notes.set(row.id, 'contested', why.detail)) {
        announce(space, { name: row.nic, uid: row.uid }, 'ReservationContested', why.detail)
      }
      space.leases.update(row, { contested: true, proofMs })
      return close(space, op, 'failed', { kind: 'refused', problem: why })
    }
    default: {
      const next = issue(space, op, 'update')
      // A release that comes in between must know how long this POST may still land.
      const issuedMs = space.ops.get(op.id)?.items[0]?.proofMs ?? null
      if (issuedMs !== row.proofMs) space.leases.update(row, { proofMs: issuedMs })
      return next
    }
  }
}

/** Promises were made on the word of a driver, and news of their objects came before that: it is acted upon now. */
export function followUp(space: Space, items: readonly ItemState[]): void {
  const news = space.sightings.newsOf(items.flatMap(({ uid }) => uid ?? []))
  if (news.size === 0) return
  for (const { nic, id, uid } of items) {
    const heard = uid === undefined ? undefined : news.get(uid)
    if (heard === undefined) continue
    const row = space.leases.get(nic, id)
    if (row?.state !== 'bound' || row.uid !== uid) continue
    if (heard === 'gone') reassert(space, row)
    else awaitOwner(space, row, false)
  }
}

/** Somebody (`by`, where known) deletes an object of ours: a wish for its release, which waits until the owner is gone unless forced. */
export function awaitOwner(space: Space, row: LeaseRow, force: boolean, by = ''): void {
  const item: ItemState = {
    nic: row.nic,
    id: row.id,
    tries: 0,
    ...space.begun,
    ...(by === '' ? {} : { door: 'admission' }),
    ...(force ? { stage: 'recheck', forced: true } : { stage: 'owner' }),
  }
  const op = enqueue(space, 'release', 'owner', [item], by)
  space.leases.update(row, { op: op.id })
}

export function waitForOwner(space: Space, op: OpRow): Next {
  const { item, row } = only(space, op)
  if (!row || !isPromised(row) || row.op !== op.id) return superseded(space, op, item)
  const isRenewed = item.lapsed !== undefined && space.lifetimes.of(row.id)?.expiresAt !== item.lapsed
  if (item.lapsed !== undefined && (item.alive !== undefined || isRenewed)) {
    if (!isRenewed) space.lifetimes.putOff(row.id, space.slowMs)
    const why = outlived(item.nic, item.alive ?? 'it was renewed')
    return close(space, op, 'failed', { kind: 'refused', problem: why })
  }
  if (item.stage !== 'recheck') {
    if (item.alive !== undefined && item.beside) {
      // The owner came back (fault 87): its object is kept, or made again.
      const why = problem('pod_alive', `${item.nic} is kept: ${item.alive}`)
      const ended = close(space, op, 'failed', { kind: 'refused', problem: why })
      reassert(space, row)
      return ended
    }
    if (item.alive !== undefined) {
      const why = `its IP object is being deleted, and it is kept, for ${item.alive}`
      if (space.notes.set(row.id, 'waiting', why)) {
        announce(space, { name: row.nic, uid: row.uid }, 'ReservationContested', why)
      }
    }
    return issue(space, op, 'update')
  }
  // L2, in the transaction that learnt that the owner is gone: from here there is one way.
  space.notes.drop(row.id)
  space.leases.update(row, {
    state: 'releasing',
    epoch: row.epoch + 1,
    ...(item.lapsed === undefined ? {} : { reason: LEASE_EXPIRED }),
  })
  // What is being deleted already is looked at before it is touched.
  const beside = item.beside === true
  const begun = leaving(
    space,
    { nic: item.nic, uid: item.lapsed === undefined ? null : row.uid },
    { forced: item.forced === true && !beside, beside },
  )
  const gone: ItemState = {
    nic: item.nic,
    id: item.id,
    ...begun,
    tries: 0,
    ...(item.beside ? { beside: item.beside } : {}),
    ...(item.door ? { door: item.door } : {}),
    ...(row.uid === null ? {} : { uid: row.uid }),
    ...(row.proofMs === null ? {} : { proofMs: row.proofMs }),
  }
  return issue(space, { ...op, phase: 'delete', items: [gone] }, 'update')
}

/** Whoever waits for this owner to go is looked at now. */
export function nudge(space: Space, owner: { readonly namespace: string; readonly podName: string }): void {
  space.transaction((): Verdict<undefined> => {
    const provider = space.subnet?.facts.provider
    const row =
      provider === undefined
        ? undefined
        : space.leases.promise(portName(owner.podName, owner.namespace, provider))
    const op = row && space.ops.get(row.op)
    const isOverdue = row !== undefined && space.lifetimes.lookNow(row.id, space.slowMs)
    // A release waits from the start, or for one who started under it (fault 87).
    const isWaited = ({ nic, alive }: ItemState) =>
      nic === row?.nic && (op?.phase === 'owner' || (op?.phase === 'delete' && alive !== undefined))
    if (op?.state !== 'running' || !op.items.some(isWaited)) return { commit: isOverdue, value: undefined }
    const items = op.items.map((item) => {
      const { notBeforeMs: _later, ...now } = item
      return isWaited(item) ? now : item
    })
    space.ops.update({ ...op, items, nextMs: space.nowMs })
    return { commit: true, value: undefined }
  })
}

/** A POST of ours landed after its operation ended: what it made is removed by uid; its address is taken till then. */
export function fenceStraggler(space: Space, nic: string, id: string, uid: string): void {
  const row = space.leases.get(nic, id)
  if (row?.state !== 'foreign') return
  const open = space.ops.get(row.op)
  if (open?.state === 'running') return
  const op = enqueue(space, 'fence', 'fence', [
    { nic, id, stage: space.begun.beside ? 'recheck' : 'delete', uid, tries: 0, ...space.begun },
  ])
  space.leases.update(row, { op: op.id })
}

/** The end of that: absence is proven. */
export function removed(space: Space, op: OpRow): Next {
  const { item, row } = only(space, op)
  if (row?.state === 'foreign' && row.op === op.id) {
    const claim = space.claims.get(row.nic)
    if (claim?.id === row.id) space.claims.delete(row.nic)
    coolDown(space, row, item)
  }
  return close(space, op, 'done', DONE)
}

/**
 * Each of somebody else's addresses whose object went cools down when two looks have found nothing. One that is there
 * still is looked for again, or has a claim by now, which takes the address over.
 */
export function looking(space: Space, op: OpRow): Next {
  const items = op.items.map((item): ItemState => {
    if (item.stage === 'gone' && item.present) return item
    const row = space.leases.get(item.nic, item.id)
    if (row?.state !== 'foreign' || row.uid !== null || row.op !== op.id) return ended(item)
    if (item.stage === 'gone') {
      coolDown(space, row, item)
      return ended(item)
    }
    if (item.stage !== 'kept') return item
    if (space.claims.get(item.nic)?.uid === item.uid) {
      free(space, row)
      return ended(item)
    }
    const { absentMs: _found, ...rest } = item
    return { ...rest, stage: 'look', notBeforeMs: space.nowMs + space.settings.stragglerMs }
  })
  if (items.every(({ stage }) => stage === 'gone')) return close(space, { ...op, items }, 'done', DONE)
  return issue(space, { ...op, items }, 'update')
}

/** Dealt with, whatever becomes of the others. */
function ended(item: ItemState): ItemState {
  return { ...item, stage: 'gone', present: true }
}

/** The row went another way since: nothing is left to do here. */
export function superseded(space: Space, op: OpRow, item: ItemState): Next {
  const why = problem('releasing', `${item.nic} changed meanwhile`, { retryAfterMs: 1_000 })
  return close(space, op, 'failed', { kind: 'refused', problem: why })
}

/** The one item of an operation, and its row if it is still there. */
export function only(
  space: Space,
  op: OpRow,
): { readonly item: ItemState; readonly row: LeaseRow | undefined } {
  const [item] = op.items
  if (!item) throw new Error(`operation ${op.id} has no item`)
  return { item, row: space.leases.get(item.nic, item.id) }
}
