/**
 * An IP object that is there becomes ours: a reservation for a Pod that exists already keeps its address and MAC, and a
 * wish written as an object is completed (faults.md (a), transition "adopt").
 */
import { formatAddress } from '../ipam/address.ts'
import { type Finding, problem, problemOf } from '../problem.ts'
import { announce, reservedMessage } from './announce.ts'
import type { ClaimRow } from './claims.ts'
import { close, letGo } from './ending.ts'
import { followUp, only, superseded } from './follow.ts'
import { claimFor, contest, takeBack } from './foreign.ts'
import { issue, opened } from './issue.ts'
import type { LeaseRow } from './lease.ts'
import { fixedBy, wishOf } from './met.ts'
import type { OpRow } from './op.ts'
import type { ItemState } from './operations.ts'
import type { Answer, Keyed, Next, Opened, SeenIp, Wish } from './port.ts'
import { saidBy } from './said.ts'
import type { Space, Verdict } from './space.ts'
import { choosingAgain, firstStage } from './vacancy.ts'
import { withKeeping } from './window.ts'
import { presentFinding } from './wish.ts'
import { turnedDownWish } from './wishes.ts'

/** Why somebody else's object cannot be made ours as this wish would have it; without a wish, as it is. */
export function adoptionFinding(
  space: Space,
  row: LeaseRow,
  claim: ClaimRow,
  wish?: Wish,
): Finding | undefined {
  const { nic } = row
  if (wish && (wish.namespace !== row.namespace || wish.podName !== row.podName)) {
    const message = `the name ${nic} belongs to ${row.namespace}/${row.podName}`
    return { code: 'name_collision', field: 'podName', message }
  }
  if (claim.terminating) return { code: 'releasing', field: 'podName', message: `${nic} is being removed` }
  const { v4, v6 } = space.config
  const lacks = (v4 && row.v4 === null) || (v6 && row.v6 === null)
  if (lacks || claim.v4 !== row.v4 || claim.v6 !== row.v6) {
    const message = `the IP object ${nic} exists and says ${spelled(claim) || 'no address'}, which it cannot have alone`
    return { code: 'contested', field: 'podName', message }
  }
  const finding = wish && presentFinding(wish, { ...row, state: 'bound' })
  if (finding?.code !== 'already_reserved') return finding
  return { ...finding, message: `${nic} exists already and has ${spelled(row)}, MAC ${row.mac}` }
}

function spelled({ v4, v6 }: Pick<LeaseRow, 'v4' | 'v6'>): string {
  const texts = [v4 === null ? '' : formatAddress(4, v4), v6 === null ? '' : formatAddress(6, v6)]
  return texts.filter((text) => text !== '').join(' and ')
}

/**
 * Begins to make an object ours, or joins whoever does; the caller has seen that nothing is against it. Its row stays
 * foreign until the object has our marks.
 */
export function adopted(
  space: Space,
  request: Keyed & { readonly dryRun: boolean },
  row: LeaseRow,
  claim: ClaimRow,
): Verdict<Opened> {
  if (request.dryRun) {
    const answer: Answer = { kind: 'done', created: false, leases: [space.view(row, 'bound')] }
    return { commit: false, value: { kind: 'answer', answer } }
  }
  const untilMs = space.keptUntilMs
  const open = space.ops.get(row.op)
  if (open?.state === 'running') {
    space.keys.put(request, { op: open.id, joined: true }, untilMs)
    return { commit: request.key !== undefined, value: { kind: 'join', op: open.id, joined: true } }
  }
  const op = opened(space, 'adopt', 'adopt', [{ ...patching(claim), ...space.begun }], request.tenant)
  const marked = mark(space, row, op)
  space.keys.put(request, { op: op.id }, untilMs)
  const next = issue(space, op, 'insert')
  return { commit: true, value: { kind: 'drive', op: op.id, leases: [space.view(marked)], next } }
}

function patching({ name, id, uid, rv, finalizers }: ClaimRow): ItemState {
  return { nic: name, id, stage: 'patch', uid, rv, keep: finalizers, tries: 0 }
}

/** The marks the object will have are this operation's. */
function mark(space: Space, row: LeaseRow, op: OpRow): LeaseRow {
  return space.leases.update(row, { op: op.id, origin: op.id, originEpoch: row.epoch + 1 })
}

/**
 * A reserve whose POST met its owner's own object. A bare one is completed with the address chosen; one that has an
 * address keeps it, unless the caller asked for another.
 */
export function meet(space: Space, op: OpRow): Next {
  const { item, row } = only(space, op)
  const { found } = item
  if (!found || !row) throw new Error(`operation ${op.id} has met nothing`)
  const said = saidBy(found)
  const isBare = said.v4 === null && said.v6 === null && found.finalizers.length === 0
  if (isBare && item.beside) {
    letGo(space, row, item)
    const detail = `the IP object ${found.name} is there, and kube-ovn-controller is to complete it: adopt it then`
    const why = problem('unavailable', detail, { retryAfterMs: 1_000 })
    return close(space, op, 'failed', { kind: 'refused', problem: why })
  }
  if (isBare && item.port !== undefined) {
    // Its owner runs with an address that the object does not say, or has left the port behind.
    letGo(space, row, item)
    const detail = `logical switch port ${found.name} is there, and its IP object says no address: remove the Pod, or what is left of it`
    return close(space, op, 'failed', { kind: 'refused', problem: problem('port_exists', detail) })
  }
  if (isBare) {
    const filling: ItemState = { ...item, stage: 'patch', complete: true, keep: [], tries: 0 }
    return issue(space, { ...op, phase: 'adopt', items: [filling] }, 'update')
  }
  const wish = wishOf(item, row)
  letGo(space, row, item)
  const claim = claimFor(space, found)
  const foreign = space.leases.get(claim.name, claim.id)
  if (!foreign) throw new Error(`the claim of ${claim.name} has no row`)
  const finding = adoptionFinding(space, foreign, claim, wish)
  if (!finding) {
    const leases = [space.view(mark(space, foreign, op))]
    const next = issue(
      space,
      { ...op, phase: 'adopt', items: [{ ...patching(claim), ...space.begun }] },
      'update',
    )
    return next.kind === 'send' ? { ...next, leases } : next
  }
  // Where nobody tells of objects, nobody would tell that this one is gone.
  if (!space.settings.mirrored) takeBack(space, claim)
  const ended: OpRow = { ...op, phase: 'adopt', items: [{ ...item, stage: 'refused' }] }
  return close(space, ended, 'failed', { kind: 'refused', problem: problemOf([finding]) })
}

/** What follows from what an adoption has learnt. */
export function adopting(space: Space, was: OpRow): Next {
  const op = { ...was, items: choosingAgain(space, was.id, was.items) }
  const { item, row } = only(space, op)
  // Its address was given up to a port, and there is no other.
  if (item.taken !== undefined && item.stage === 'refused') return withoutRow(space, op, item)
  const stands = row?.op === op.id && (row.state === 'held' || (row.state === 'foreign' && row.uid !== null))
  if (!stands) return superseded(space, op, item)
  if (item.stage === 'proven') return bindSeen(space, op, item, row)
  if (item.stage === 'refused') return turnedDown(space, op, item, row)
  const next = issue(space, op, 'update')
  if (op.items === was.items || next.kind !== 'send') return next
  // Its object is known; late news of it is no news.
  const other = space.leases.update(row, { uid: item.uid ?? null })
  return { ...next, leases: [space.view(other)] }
}

function withoutRow(space: Space, op: OpRow, item: ItemState): Next {
  const { code = 'unavailable', detail = '' } = item.failure ?? {}
  if (item.found) turnedDownWish(space, item.found, { code, message: detail })
  return close(space, op, 'failed', { kind: 'refused', problem: problem(code, detail) })
}

/** The object has our marks: the promise is made. */
function bindSeen(space: Space, op: OpRow, item: ItemState, row: LeaseRow): Next {
  const claim = space.claims.get(row.nic)
  const mine = claim?.id === row.id ? claim : undefined
  if (mine) space.claims.delete(row.nic)
  else if (claim && claim.uid === item.uid) takeBack(space, claim)
  let held = row
  if (mine && (row.v4 !== mine.v4 || row.v6 !== mine.v6)) {
    // The CIDR changed under it: what it has is a promise outside of it.
    space.leases.delete(row)
    held = { ...row, v4: mine.v4, v6: mine.v6, bit: false }
    space.leases.insert(held)
  }
  const bound = space.leases.update(held, {
    state: held.bit ? 'bound' : 'stranded',
    epoch: row.epoch + 1,
    uid: item.uid ?? null,
    rv: item.rv ?? null,
    objectAt: item.objectAt ?? row.objectAt,
  })
  const view = space.view(contest(space, bound))
  announce(space, { name: row.nic, uid: bound.uid }, 'Reserved', reservedMessage(view))
  const leases = [withKeeping(space, view, bound)]
  const ended = close(space, op, 'done', { kind: 'done', created: item.complete === true, leases })
  followUp(space, [item])
  return ended
}

function turnedDown(space: Space, op: OpRow, item: ItemState, row: LeaseRow): Next {
  const { code = 'unavailable', detail = '', retryAfterMs } = item.failure ?? {}
  const why = problem(code, detail, retryAfterMs === undefined ? {} : { retryAfterMs })
  if (row.state === 'held') {
    // The object is no proof of ours: the row goes as if nothing had been sent (a late PATCH meets another version).
    letGo(space, space.leases.update(row, { uid: null }), { ...item, stage: 'gone' })
    const seen = item.found
    if (seen && code !== 'releasing') turnedDownWish(space, seen, { code, message: detail })
  } else if (!space.settings.mirrored) {
    const claim = space.claims.get(row.nic)
    if (claim?.id === row.id) takeBack(space, claim)
  }
  return close(space, op, 'failed', { kind: 'refused', problem: why })
}

/** A completion whose PATCH has not left loses its address to somebody else. */
export function withdraw(space: Space, row: LeaseRow, why: string): void {
  const op = space.ops.get(row.op)
  const item = op?.items[0]
  if (op?.state !== 'running' || op.kind !== 'complete') return
  if (item?.stage !== 'owner' && item?.stage !== 'vacant') return
  turnedDown(space, op, { ...item, failure: { code: 'address_taken', detail: why } }, row)
}

/** A wish written as an object has its row: the object is completed. */
export function completion(space: Space, seen: SeenIp, wish: Wish): OpRow {
  const fixed = fixedBy(wish)
  return opened(space, 'complete', 'adopt', [
    {
      nic: seen.name,
      id: '',
      stage: firstStage(space) === 'vacant' ? 'vacant' : 'owner',
      ...(fixed.length > 0 ? { fixed } : {}),
      uid: seen.uid,
      rv: seen.resourceVersion,
      keep: seen.finalizers,
      complete: true,
      found: seen,
      tries: 0,
    },
  ])
}
