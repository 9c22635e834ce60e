/**
 * What a reply means to an item of an operation that began with something seen in the cluster (faults.md (a)): an object
 * that is made ours, one of ours that went, somebody else's that went, an owner that is waited for.
 */
import { QUICK } from '../elapsed.ts'
import { waiting } from './learn-beside.ts'
import {
  delayed,
  type Evidence,
  type ItemState,
  QUICK_TRIES,
  refused,
  resolved,
  type SeenObject,
  type Timing,
} from './operations.ts'
import { learnVacancy, portWithoutOwner } from './vacancy.ts'

/**
 * An object that is there is made ours by one PATCH with its uid and resourceVersion. An unknown outcome is rolled
 * forward: the object tells, and a PATCH that is late meets a resourceVersion that has passed.
 */
export function learnAdopting(item: ItemState, evidence: Evidence, timing: Timing): ItemState {
  if (item.stage === 'vacant') return learnVacancy(item, evidence, timing)
  switch (evidence.result) {
    case 'owner':
      if (evidence.elsewhere === undefined)
        return item.port !== undefined && evidence.alive === undefined
          ? portWithoutOwner(item)
          : { ...item, stage: 'patch', tries: 0 }
      return refused(
        item,
        'already_reserved',
        `${item.nic} runs with ${evidence.elsewhere}: adopt the IP object of what runs, a running Pod's name is given no other address`,
      )
    case 'object':
      return seenWhileAdopting(item, evidence.object, timing)
    case 'absent':
      return refused(item, 'releasing', `the IP object ${item.nic} is gone`, 1_000)
    case 'conflict':
    case 'taken':
      return again({ ...item, stage: 'inspect' }, timing)
    case 'unknown':
      return delayed({ ...item, stage: 'inspect' }, timing)
    case 'rejected':
      return refused(item, evidence.code, evidence.detail)
    case 'later':
      return delayed(item, timing, evidence.retryAfterMs)
    case 'unsent':
      return item
    case 'port':
    case 'held':
    case 'spared':
      return delayed(item, timing)
    default:
      return evidence satisfies never
  }
}

function seenWhileAdopting(item: ItemState, object: SeenObject, timing: Timing): ItemState {
  if (object.uid !== item.uid || object.terminating) {
    return refused(item, 'releasing', `the IP object ${item.nic} is being removed`, 1_000)
  }
  const seen: ItemState = { ...item, rv: object.rv, objectAt: object.createdAt }
  if (object.whose === 'ours') return { ...seen, stage: 'proven', tries: 0 }
  if (!object.agrees) {
    const { found: _before, ...rest } = item
    const now = object.content === undefined ? rest : { ...rest, found: object.content }
    return refused(now, 'contested', `the IP object ${item.nic} changed: ${object.description}`)
  }
  return again({ ...seen, stage: 'patch', keep: object.finalizers }, timing)
}

/** At once, and ever more slowly where others go on writing. */
function again(item: ItemState, timing: Timing): ItemState {
  return item.tries < QUICK_TRIES ? { ...item, tries: item.tries + 1 } : delayed(item, timing)
}

/**
 * An object of ours that went without our doing is posted again, once a read has proven that it is gone. The name is
 * the lock; there is no deadline, for the promise stands.
 */
export function learnReasserting(item: ItemState, evidence: Evidence, timing: Timing): ItemState {
  const settled = item.stage === 'post' && evidence.result !== 'unknown' ? resolved(item) : item
  switch (evidence.result) {
    case 'object': {
      const { object } = evidence
      if (object.whose !== 'ours') return { ...settled, stage: 'kept', failure: takenBy(item, object) }
      const seen: ItemState = { ...settled, uid: object.uid, rv: object.rv, objectAt: object.createdAt }
      if (item.beside) return reassertedBeside(seen, object, timing)
      // Somebody deletes it, and our finalizer holds it: that is a wish for a release, and another operation's.
      if (object.terminating && object.finalizer) return { ...seen, stage: 'gone' }
      return object.terminating
        ? delayed({ ...seen, stage: 'inspect' }, timing)
        : { ...seen, stage: 'proven', tries: 0 }
    }
    case 'absent':
      return { ...settled, stage: 'post' }
    case 'taken':
      return again({ ...settled, stage: 'inspect' }, timing)
    case 'unsent':
      return settled
    case 'later':
      return delayed(settled, timing, evidence.retryAfterMs)
    case 'conflict':
    case 'rejected':
    case 'unknown':
    case 'owner':
    case 'port':
    case 'held':
    case 'spared':
      return delayed(settled, timing)
    default:
      return evidence satisfies never
  }
}

/**
 * Beside the controller a deletion is its collection, or somebody's who was not asked whether he meant it (D1, D16): when
 * it is over the object is made again. The promise stands all the while; it is whole again with the finalizer.
 */
function reassertedBeside(item: ItemState, object: SeenObject, timing: Timing): ItemState {
  if (object.terminating) return waiting({ ...item, stage: 'inspect' }, timing)
  return object.finalizer
    ? { ...item, stage: 'proven', tries: 0 }
    : waiting({ ...item, stage: 'ack' }, timing)
}

function takenBy(item: ItemState, object: SeenObject): NonNullable<ItemState['failure']> {
  return { code: 'contested', detail: `the name ${item.nic} belongs to ${object.description} by now` }
}

/**
 * Somebody else's object is gone when two looks found nothing of it, so far apart that no write given up on can bring
 * it back in between. One that says another address is as good as gone for this one.
 */
export function learnLooking(item: ItemState, evidence: Evidence, timing: Timing): ItemState {
  switch (evidence.result) {
    case 'object':
      if (evidence.object.uid === item.uid && evidence.object.holds) return { ...item, stage: 'kept' }
      return absent(item, timing)
    case 'absent':
      return absent(item, timing)
    case 'later':
      return delayed(item, timing, evidence.retryAfterMs)
    case 'unsent':
      return item
    case 'taken':
    case 'conflict':
    case 'rejected':
    case 'unknown':
    case 'owner':
    case 'port':
    case 'held':
    case 'spared':
      return delayed(item, timing)
    default:
      return evidence satisfies never
  }
}

function absent(item: ItemState, timing: Timing): ItemState {
  const firstMs = item.absentMs ?? timing.issuedMs
  const provenMs = firstMs + timing.stragglerMs + QUICK.leewayMs
  if (timing.issuedMs >= provenMs) return { ...item, stage: 'gone' }
  return { ...item, absentMs: firstMs, notBeforeMs: provenMs, tries: 0 }
}

/** A release that began with a DELETE of somebody's waits until the owner is gone; then it goes on as any other. */
export function learnWaiting(item: ItemState, evidence: Evidence, timing: Timing): ItemState {
  if (evidence.result === 'unsent') return item
  if (evidence.result !== 'owner') {
    return delayed(item, timing, evidence.result === 'later' ? evidence.retryAfterMs : undefined)
  }
  const { alive: _before, ...rest } = item
  if (evidence.alive === undefined) return { ...rest, stage: 'recheck', tries: 0 }
  return delayed({ ...rest, alive: evidence.alive }, timing)
}
