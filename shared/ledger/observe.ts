/** What news of the cluster's IP objects means to the ledger (faults.md (a), transitions). */
import { type Problem, problem } from '../problem.ts'
import { err, ok, type Result } from '../result.ts'
import { arrived, isStranger } from './arrival.ts'
import { wasAbout } from './ending.ts'
import { awaitOwner, fenceStraggler, isFollowed, reassert } from './follow.ts'
import { claimFor, contest, isPromised, unclaim } from './foreign.ts'
import { hearHeld, hearPromised, mendLabel } from './heard.ts'
import { spaceOfOperation } from './ids.ts'
import type { LeaseRow } from './lease.ts'
import type { IpNews, SeenIp } from './port.ts'
import { agrees } from './said.ts'
import type { Space, Verdict } from './space.ts'
import { isOlder } from './version.ts'
import { wantedBy } from './wanted.ts'
import { isWish, noteWish, tryWishes } from './wishes.ts'

/**
 * Takes one piece of news, whole or not at all. News that was told before changes nothing: what a piece older than the
 * last one says is passed over, and so is an object's older state.
 */
export function observe(space: Space, news: IpNews): Result<undefined, Problem> {
  return space.transaction((): Verdict<Result<undefined, Problem>> => {
    if (!space.subnet) {
      return { commit: false, value: err(problem('unknown_subnet', 'the ledger does not know its Subnet')) }
    }
    space.told(news.mode)
    const told = news.kind === 'list' ? listed(space, news) : changed(space, news)
    if (told) tryWishes(space)
    return { commit: told, value: ok(undefined) }
  })
}

function listed(space: Space, news: Extract<IpNews, { kind: 'list' }>): boolean {
  if (space.meta('listing') !== news.list) {
    space.sightings.begin()
    space.setMeta('listing', news.list)
  }
  space.sightings.add(news.objects.map(({ name }) => name))
  see(space, news.objects)
  if (!news.last) return true
  for (const { nic, id } of space.sightings.missing()) {
    const row = space.leases.get(nic, id)
    // What was written after the list was made is not in it.
    if (!row || (row.rv !== null && isOlder(news.version, row.rv))) continue
    const claim = space.claims.get(nic)
    if (claim?.id === id && isOlder(news.version, claim.rv)) continue
    if (row.uid !== null) gone(space, { name: nic, uid: row.uid })
  }
  space.sightings.begin()
  space.deleteMeta('listing')
  space.setMeta('observed', news.version)
  return true
}

function changed(space: Space, news: Extract<IpNews, { kind: 'changes' }>): boolean {
  const known = space.meta('observed')
  if (known !== undefined && isOlder(news.version, known)) return false
  see(space, news.objects)
  for (const one of news.gone) gone(space, one)
  // Before the first list is complete there is nothing to be newer than.
  if (known !== undefined) space.setMeta('observed', news.version)
  return true
}

function see(space: Space, objects: readonly SeenIp[]): void {
  space.leases.lookUp(objects.map(({ name }) => name))
  for (const seen of objects) seeOne(space, seen)
}

function seeOne(space: Space, seen: SeenIp): void {
  if (space.sightings.isGone(seen.uid)) return
  const row = space.leases.promise(seen.name)
  if (row && isOurs(row, seen) && !isStranger(space, row, seen)) seeOurs(space, row, seen)
  else if (isWish(seen)) noteWish(space, seen)
  else {
    const claim = claimFor(space, seen)
    const isLast = claim.uid === seen.uid
    if (isLast && isStraggler(space, seen)) fenceStraggler(space, claim.name, claim.id, claim.uid)
  }
}

function isOurs(row: LeaseRow, seen: SeenIp): boolean {
  return row.uid === seen.uid || (seen.operation !== '' && seen.operation === row.origin)
}

/**
 * Made by a POST of an operation that is over, and no promise's. An operation nobody remembers proves nothing, nor do
 * marks that somebody copied: to another name, or long after any POST of it could have landed.
 */
function isStraggler(space: Space, { name, operation, createdAt }: SeenIp): boolean {
  if (spaceOfOperation(operation) === undefined) return false
  const op = space.ops.get(operation)
  if (!op || op.state === 'running' || !wasAbout(op, name)) return false
  const { sendMs, stragglerMs } = space.settings
  const madeMs = Date.parse(createdAt)
  // The two clocks may differ by as much again.
  return Number.isNaN(madeMs) || madeMs <= op.updatedAt + 2 * (sendMs + stragglerMs)
}

function seeOurs(space: Space, known: LeaseRow, seen: SeenIp): void {
  const row = arrived(space, known, seen)
  // An operation on its way knows more of its object than news does, but for what the controller did meanwhile.
  if (!isPromised(row)) {
    if (seen.terminating && space.mode === 'alone') space.sightings.leaving(seen.uid, space.slowMs)
    hearHeld(space, row, seen)
    return
  }
  const claim = space.claims.get(seen.name)
  if (claim) unclaim(space, claim)
  if (row.uid !== seen.uid) {
    // Ours by its marks in another body: whoever copied it, a read tells.
    if (!isFollowed(space, row)) reassert(space, row)
    else hearPromised(space, row)
    return
  }
  if (row.rv !== null && isOlder(seen.resourceVersion, row.rv)) return
  const now = space.leases.get(row.nic, row.id) ?? row
  judgeContent(space, now, seen)
  const latest = space.leases.get(row.nic, row.id) ?? now
  if (isFollowed(space, latest)) hearPromised(space, latest)
  else if (seen.terminating) leaving(space, latest, seen)
  else if (space.mode === 'beside') mendLabel(space, latest, seen)
}

/**
 * An object of ours is being deleted. Alone that is a wish for its release. Beside the controller it may be that one's
 * collection (D1, D16, D17): it is a wish where somebody was asked and wanted it, else it is made again when it is gone.
 */
function leaving(space: Space, row: LeaseRow, seen: SeenIp): void {
  const by = wantedBy(space, seen)
  if (space.mode === 'alone' || seen.force || by !== undefined) awaitOwner(space, row, seen.force, by)
  else reassert(space, row)
}

/** An object of ours that says something else than what was promised is marked, and left alone. */
function judgeContent(space: Space, row: LeaseRow, seen: SeenIp): void {
  const { v4, v6, mac, namespace, podName } = space.view(row)
  const same =
    seen.namespace === namespace &&
    seen.podName === podName &&
    agrees(seen, { v4, v6, mac }) &&
    (seen.v4IpAddress !== '') === (v4 !== '') &&
    (seen.v6IpAddress !== '') === (v6 !== '')
  const was = space.notes.get(row.id, 'changed')
  if (same && was === undefined) return
  if (same) space.notes.remove(row.id, 'changed')
  else {
    const says = [seen.v4IpAddress, seen.v6IpAddress, seen.macAddress]
      .filter((text) => text !== '')
      .join(', ')
    space.notes.set(
      row.id,
      'changed',
      `its IP object was changed and says ${seen.namespace}/${seen.podName}: ${says}`,
    )
  }
  contest(space, row)
}

function gone(space: Space, { name, uid }: { readonly name: string; readonly uid: string }): void {
  const claim = space.claims.get(name)
  if (claim?.uid === uid) unclaim(space, claim)
  const row = space.leases.promise(name)
  // Whoever drives may be about to report that it is there: what is bound on that word is followed up (followUp).
  if (row?.state === 'held') space.sightings.gone(uid, space.slowMs)
  if (!row || !isPromised(row)) return
  if (row.uid !== uid || isFollowed(space, row)) hearPromised(space, row)
  if (row.uid !== uid) return
  const op = space.ops.get(row.op)
  // Its release has begun and asks for the owner: that decides, not who was faster.
  if (space.mode === 'beside' && op?.state === 'running' && op.phase === 'owner') return
  const by = space.mode === 'beside' ? wantedBy(space, { name, uid }) : undefined
  if (by !== undefined) {
    if (!isFollowed(space, row)) awaitOwner(space, row, false, by)
  } else reassert(space, row)
}
