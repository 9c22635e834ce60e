/**
 * A reservation passes to another owner, with its address and MAC. The name of the object is its owner's, so the old one
 * is released as any other, and when it is proven gone the same row is held for the new owner and posted: in between the
 * address is nobody else's to have. Where the new object cannot be had, the row goes back to its old owner, whose object
 * is made again. One operation, killed or not.
 */
import { formatAddress } from '../ipam/address.ts'
import { portName } from '../kube-ovn/names.ts'
import { type Finding, type Problem, problem } from '../problem.ts'
import { leaving } from './cutting.ts'
import { close } from './ending.ts'
import { reassert } from './follow.ts'
import { knownKey } from './hold.ts'
import { issue, opened, rowOf } from './issue.ts'
import type { LeaseRow } from './lease.ts'
import type { OpRow } from './op.ts'
import type { ItemState } from './operations.ts'
import type { Next, Opened, TransferRequest, Wish } from './port.ts'
import { termsFinding } from './quota.ts'
import { isFinal, refusedAnswer } from './refusals.ts'
import type { Space, Verdict } from './space.ts'
import { firstStage } from './vacancy.ts'
import { nameFinding } from './wish.ts'

/** The caller has seen that neither owner lives, or forces it for the old one. */
export function transfer(space: Space, request: TransferRequest): Opened {
  return space.transaction((): Verdict<Opened> => {
    const known = request.dryRun ? undefined : knownKey(space, request)
    if (known) return { commit: false, value: known }
    space.told(request.mode)
    const begun = begin(space, request)
    if (begun.value.kind !== 'answer' || request.dryRun) return begun
    const { answer } = begun.value
    if (request.key === undefined || !isFinal(answer)) return begun
    space.keys.put(request, { answer }, space.keptUntilMs)
    return { commit: true, value: begun.value }
  })
}

function begin(space: Space, request: TransferRequest): Verdict<Opened> {
  const { item, to } = request
  const row = space.leases.get(item.name, item.id)
  const facts = space.subnet?.facts
  if (!row || !facts || row.state === 'quarantined') {
    return refused({ code: 'not_found', field: 'name', message: `there is no reservation ${item.name}` })
  }
  if (row.state === 'foreign') {
    return refused({
      code: 'contested',
      field: 'name',
      message: `${row.nic} was not made here; adopt it first`,
    })
  }
  const open = space.ops.get(row.op)
  if (row.state !== 'bound' || row.epoch !== item.epoch || open?.state === 'running') {
    const isStranded = row.state === 'stranded'
    if (isStranded) {
      const message = `Subnet ${facts.name} does not contain the address of ${row.nic} any more`
      return refused({ code: 'out_of_range', field: 'name', message })
    }
    const why = problem('releasing', `an operation on ${row.nic} is under way`, { retryAfterMs: 1_000 })
    return { commit: false, value: { kind: 'busy', op: row.op, problem: why } }
  }
  const finding = newOwnerFinding(space, row, to)
  if (finding) return refused(finding)
  if (request.dryRun) {
    const lease = space.view({ ...row, ...to, nic: nicOf(space, to) })
    return {
      commit: false,
      value: { kind: 'answer', answer: { kind: 'done', created: false, leases: [lease] } },
    }
  }
  const first: ItemState = {
    nic: row.nic,
    id: row.id,
    ...leaving(space, row, { forced: request.force, beside: space.begun.beside === true }),
    ...space.begun,
    ...(row.uid === null ? {} : { uid: row.uid }),
    ...(row.proofMs === null ? {} : { proofMs: row.proofMs }),
    tries: 0,
    to,
  }
  const op = opened(space, 'transfer', 'delete', [first], request.tenant)
  const after = space.leases.update(row, {
    state: 'releasing',
    epoch: row.epoch + 1,
    op: op.id,
    ...(request.reason === undefined ? {} : { reason: request.reason }),
  })
  const next = issue(space, op, 'insert')
  space.keys.put(request, { op: op.id }, space.keptUntilMs)
  return { commit: true, value: { kind: 'drive', op: op.id, leases: [space.view(after)], next } }
}

const refused = (finding: Finding): Verdict<Opened> => ({
  commit: false,
  value: { kind: 'answer', answer: refusedAnswer([finding]) },
})

/** Why the new owner may not have it. */
function newOwnerFinding(space: Space, row: LeaseRow, to: TransferRequest['to']): Finding | undefined {
  const nic = nicOf(space, to)
  const wish = { ...to, ...addressesOf(row) }
  const wrong = nameFinding(wish, nic, space.subnet?.facts.provider ?? '')
  if (wrong) return { ...wrong, field: 'to.podName' }
  if (nic === row.nic) {
    return { code: 'already_reserved', field: 'to.podName', message: `${nic} is its owner already` }
  }
  const present = space.leases.promise(nic)
  if (present) {
    return {
      code: 'already_reserved',
      field: 'to.podName',
      message: `${nic} has a reservation in this Subnet`,
    }
  }
  if (space.claims.get(nic)) {
    return {
      code: 'name_collision',
      field: 'to.podName',
      message: `the IP object ${nic} exists and was not made here`,
    }
  }
  const lifetime = space.lifetimes.of(row.id)
  const against = termsFinding(space, wish, lifetime && Math.max(lifetime.expiresAt - space.clock.nowMs(), 0))
  // Who stays in its namespace takes no further place of a quota.
  if (
    !against ||
    (against.code === 'quota_exceeded' && against.field === 'namespace' && to.namespace === row.namespace)
  ) {
    return undefined
  }
  return { ...against, field: against.field ? `to.${against.field}` : 'to' }
}

const nicOf = (space: Space, { podName, namespace }: TransferRequest['to']) =>
  portName(podName, namespace, space.subnet?.facts.provider ?? '')

/** For a policy's ranges the address counts as wished for. */
function addressesOf({ v4, v6 }: LeaseRow): Pick<Wish, 'v4IpAddress' | 'v6IpAddress'> {
  return {
    ...(v4 === null ? {} : { v4IpAddress: formatAddress(4, v4) }),
    ...(v6 === null ? {} : { v6IpAddress: formatAddress(6, v6) }),
  }
}

/** The old object is gone: the row is the new owner's from here, and held until that one's object is proven. */
export function handOver(space: Space, op: OpRow): Next {
  const [item] = op.items
  if (!item?.to) throw new Error(`transfer ${op.id} does not say to whom`)
  const row = rowOf(space, item)
  const finding = newOwnerFinding(space, row, item.to)
  if (finding)
    return handBack(space, op, problem(finding.code, finding.message, { field: finding.field ?? 'to' }))
  const nic = nicOf(space, item.to)
  const held = moved(space, row, { ...item.to, nic, state: 'held', op: op.id, origin: op.id })
  const next: ItemState = {
    nic,
    id: held.id,
    stage: firstStage(space),
    tries: 0,
    fixed: ['v4', 'v6', 'mac'],
    from: { namespace: row.namespace, podName: row.podName, podType: row.podType },
    ...(item.beside ? { beside: item.beside } : {}),
  }
  return withRow(
    space,
    held,
    issue(
      space,
      { ...op, phase: 'post', items: [next], deadlineMs: space.slowMs + space.settings.ackMs },
      'update',
    ),
  )
}

/** The new owner cannot have it: it is its old owner's again, and that one's object is made once more. */
export function handBack(space: Space, op: OpRow, why: Problem): Next {
  const [item] = op.items
  if (!item) throw new Error(`operation ${op.id} has no item`)
  const row = rowOf(space, item)
  const owner = item.from ?? { namespace: row.namespace, podName: row.podName, podType: row.podType }
  const back = moved(space, row, {
    ...owner,
    nic: nicOf(space, owner),
    state: 'bound',
    op: op.id,
    origin: op.id,
  })
  const ended = close(space, op, 'failed', { kind: 'refused', problem: why })
  reassert(space, back)
  return ended
}

/** The same reservation under another name: a row's name never changes, so it is another row of the same id. */
function moved(
  space: Space,
  row: LeaseRow,
  change: Pick<LeaseRow, 'namespace' | 'podName' | 'podType' | 'nic' | 'state' | 'op' | 'origin'>,
): LeaseRow {
  const next: LeaseRow = {
    ...row,
    ...change,
    epoch: row.epoch + 1,
    originEpoch: row.epoch + 1,
    uid: null,
    rv: null,
    objectAt: null,
    proofMs: null,
    freeMs: null,
  }
  if (row.uid !== null && space.settings.mirrored) space.sightings.gone(row.uid, space.slowMs)
  space.leases.delete(row)
  space.leases.insert(next)
  space.lifetimes.move(row.id, next)
  if (space.settings.sharedSpace !== undefined) space.shared.put(next, space.nowMs)
  return next
}

function withRow(space: Space, row: LeaseRow, next: Next): Next {
  return next.kind === 'send' ? { ...next, leases: [space.view(row)] } : next
}
