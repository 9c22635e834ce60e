/**
 * Somebody else's IP objects: which addresses they keep from others, whose promises they meet, and when they are gone
 * (faults.md (a), transitions "observed foreign holder" and "foreign holder gone").
 */
import { formatAddress } from '../ipam/address.ts'
import { problem } from '../problem.ts'
import { withdraw } from './adopt.ts'
import { announce } from './announce.ts'
import type { ClaimRow } from './claims.ts'
import { free } from './ending.ts'
import { reassert } from './follow.ts'
import { reservationId } from './ids.ts'
import { enqueue } from './issue.ts'
import type { LeaseRow } from './lease.ts'
import { holderOf, isInside, settleClaim } from './place.ts'
import type { SeenIp } from './port.ts'
import { type Said, saidBy } from './said.ts'
import type { Space } from './space.ts'
import { loseHold } from './steps.ts'
import { isOlder } from './version.ts'

/** What is known of an object beside what it says: the wish it is, and how that went. */
export type Answered = Pick<ClaimRow, 'wish' | 'refused' | 'retryMs'>

const NO_WISH: Answered = { wish: null, refused: null, retryMs: null }

/** Takes note of an object that is not ours. What was known of its name before, and is no longer so, is let go. */
export function claimFor(space: Space, seen: SeenIp, answered: Answered = NO_WISH): ClaimRow {
  const said = saidBy(seen)
  const known = space.claims.get(seen.name)
  if (known && isOlder(seen.resourceVersion, known.rv)) return known
  const same = known?.uid === seen.uid && known.v4 === said.v4 && known.v6 === said.v6
  if (known && !same) unclaim(space, known)
  const claim: ClaimRow = {
    name: seen.name,
    id: same ? known.id : reservationId(space.clock.nowMs(), space.random),
    uid: seen.uid,
    rv: seen.resourceVersion,
    v4: said.v4,
    v6: said.v6,
    terminating: seen.terminating,
    finalizers: seen.finalizers,
    ...answered,
  }
  if (!same || !isEqual(known, claim)) space.claims.put(claim)
  describe(space, claim, seen, said)
  if (!same) meetPromises(space, claim)
  settleClaim(space, claim)
  return claim
}

/** The row beside the claim says whose it is; it is made anew where that changed. */
function describe(space: Space, claim: ClaimRow, seen: SeenIp, said: Said): void {
  const known = space.leases.get(claim.name, claim.id)
  const { namespace, podName, podType } = seen
  const reason = seen.reason === '' ? null : seen.reason
  if (
    known &&
    known.namespace === namespace &&
    known.podName === podName &&
    known.podType === podType &&
    known.mac === said.mac &&
    known.uid === seen.uid &&
    known.reason === reason
  )
    return
  if (known) space.leases.delete(known)
  space.leases.insert({
    v4: null,
    v6: null,
    bit: false,
    state: 'foreign',
    contested: false,
    pool: '',
    epoch: 1,
    op: '',
    proofMs: null,
    freeMs: null,
    ...known,
    nic: claim.name,
    id: claim.id,
    namespace,
    podName,
    podType,
    mac: said.mac,
    origin: known?.origin ?? seen.operation,
    originEpoch: known?.originEpoch ?? seen.epoch,
    uid: seen.uid,
    rv: seen.resourceVersion,
    objectAt: seen.createdAt,
    reason,
    createdAt: known?.createdAt ?? space.clock.nowMs(),
  })
}

/** A held address is lost to the object, cleanly; a promise stands and is marked. */
function meetPromises(space: Space, claim: ClaimRow): void {
  for (const [family, address] of addressesOf(claim)) {
    if (!isInside(space, family, address)) continue
    const holder = holderOf(space, family, address)
    // An owner's own object under its own name is met by the reserve itself.
    if (holder?.state === 'held' && holder.nic !== claim.name) {
      const taken = `${formatAddress(family, address)} is held by IP object ${claim.name}`
      loseHold(space, holder, problem('address_taken', taken))
      withdraw(space, holder, taken)
    }
    if (holder && isPromised(holder)) contest(space, holder)
  }
  const namesake = space.leases.promise(claim.name)
  if (namesake && isPromised(namesake)) contest(space, namesake)
}

/** The object is gone, or says something else now: whoever was in doubt because of it is looked at again. */
export function unclaim(space: Space, claim: ClaimRow): void {
  space.claims.delete(claim.name)
  const row = space.leases.get(claim.name, claim.id)
  if (row?.state === 'foreign') {
    if (row.bit) leave(space, row, claim.uid)
    else space.leases.delete(row)
  }
  for (const [family, address] of addressesOf(claim)) {
    const holder = holderOf(space, family, address)
    if (holder?.contested && isPromised(holder)) contest(space, holder)
  }
  const namesake = space.leases.promise(claim.name)
  // Its own object may have gone when this one came.
  if (namesake?.contested && isPromised(namesake)) {
    contest(space, namesake)
    reassert(space, namesake)
  }
}

/** The object was a wish and becomes a promise, or is refused anew: its row goes without a trace. */
export function takeBack(space: Space, claim: ClaimRow): void {
  space.claims.delete(claim.name)
  const row = space.leases.get(claim.name, claim.id)
  if (row?.state === 'foreign') free(space, row)
}

/**
 * Nobody has the address until two looks, a straggler's time apart, have found nothing. An object that is being fenced
 * is looked for already.
 */
function leave(space: Space, row: LeaseRow, uid: string): void {
  const open = space.ops.get(row.op)
  if (open?.state === 'running' && open.kind === 'fence') {
    space.leases.update(row, { uid: null, rv: null })
    return
  }
  const op = enqueue(space, 'forget', 'look', [{ nic: row.nic, id: row.id, stage: 'look', uid, tries: 0 }])
  space.leases.update(row, { uid: null, rv: null, op: op.id })
}

/** Whether a promise stands that somebody else may be in the way of. */
export function isPromised({ state }: LeaseRow): boolean {
  return state === 'bound' || state === 'stranded'
}

/** Marks a promise as contested, with the reason, or takes the mark off where there is none any more. */
export function contest(space: Space, row: LeaseRow): LeaseRow {
  const why = reasonToContest(space, row)
  if (why === undefined) space.notes.remove(row.id, 'contested')
  else if (space.notes.set(row.id, 'contested', why)) {
    announce(space, { name: row.nic, uid: row.uid }, 'ReservationContested', why)
  }
  const contested = why !== undefined
  return row.contested === contested ? row : space.leases.update(row, { contested })
}

/** What others say; what the Subnet itself shows is seen there (space.ts). */
function reasonToContest(space: Space, row: LeaseRow): string | undefined {
  const changed = space.notes.get(row.id, 'changed')
  if (changed !== undefined) return changed
  const namesake = space.claims.get(row.nic)
  if (namesake && namesake.id !== row.id) return `the name ${row.nic} belongs to another IP object`
  for (const [family, address] of addressesOf(row)) {
    const other = space.claims.saying(family, address).find(({ id }) => id !== row.id)
    if (other) return `IP object ${other.name} says ${formatAddress(family, address)} too`
  }
  return undefined
}

function* addressesOf(has: {
  readonly v4: number | null
  readonly v6: bigint | null
}): Iterable<[4 | 6, number | bigint]> {
  if (has.v4 !== null) yield [4, has.v4]
  if (has.v6 !== null) yield [6, has.v6]
}

function isEqual(a: ClaimRow, b: ClaimRow): boolean {
  const text = (claim: ClaimRow) => JSON.stringify({ ...claim, v6: String(claim.v6) })
  return text(a) === text(b)
}
