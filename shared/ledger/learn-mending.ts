import { DEPRECATED_FINALIZER, FINALIZER } from '../kube-ovn/names.ts'
import {
  delayed,
  type Evidence,
  type ItemState,
  QUICK_TRIES,
  refused,
  type SeenObject,
  type Timing,
} from './operations.ts'

/** An object somebody takes the marks off again and again is left to him: no loop of repair against repair (fault 29). */
const MOST_TRIES = 8

/**
 * An object of ours that lost a label, a mark or the finalizer gets it back by a PATCH with its uid and the
 * resourceVersion just read. Only what is read afterwards counts; whatever else the object is by then is left alone.
 */
export function learnMending(item: ItemState, evidence: Evidence, timing: Timing): ItemState {
  switch (evidence.result) {
    case 'object':
      return seenWhileMending(item, evidence.object, timing)
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
    case 'owner':
    case 'port':
    case 'held':
    case 'spared':
      return delayed(item, timing)
    default:
      return evidence satisfies never
  }
}

function seenWhileMending(item: ItemState, object: SeenObject, timing: Timing): ItemState {
  if (object.uid !== item.uid || !object.agrees) {
    return refused(item, 'contested', `the IP object ${item.nic} is another by now: ${object.description}`)
  }
  if (object.terminating) return refused(item, 'releasing', `the IP object ${item.nic} is being removed`)
  const seen: ItemState = { ...item, rv: object.rv, objectAt: object.createdAt, keep: object.finalizers }
  if (isWhole(object, item)) return { ...seen, stage: 'proven' }
  if (item.tries >= MOST_TRIES) {
    return refused(item, 'contested', `somebody takes from ${item.nic} what is given back`)
  }
  return again({ ...seen, stage: 'patch' }, timing)
}

function isWhole(object: SeenObject, { mends, expires }: ItemState): boolean {
  if (object.whose !== 'ours' || object.labelled !== true) return false
  if (mends === 'expires') return (object.expires ?? '') === expires
  if (mends !== 'all') return true
  return object.finalizers.includes(FINALIZER) && !object.finalizers.includes(DEPRECATED_FINALIZER)
}

function again(item: ItemState, timing: Timing): ItemState {
  return item.tries < QUICK_TRIES ? { ...item, tries: item.tries + 1 } : delayed(item, timing)
}
