/**
 * What a reply means beside a running kube-ovn-controller (faults.md (a), R2-R5 and L3-L5). There a POST is a request
 * that the controller answers with its finalizer, and that answer is not exclusivity (N1): whoever else says the address
 * is looked for before anything is promised.
 */
import { DEPRECATED_FINALIZER, FINALIZER } from '../kube-ovn/names.ts'
import {
  delayed,
  type Evidence,
  type ItemState,
  refused,
  type SeenObject,
  type Timing,
} from './operations.ts'

/**
 * The controller takes about 20 ms for an object, one object at a time, and news of it comes by the mirror; whoever waits
 * looks by himself soon, and then ever more slowly.
 */
const FIRST_LOOK_MS = 25
const SLOWEST_LOOK_MS = 2_000

/** An item that waits for something the controller does. */
export function waiting(item: ItemState, { nowMs }: Timing): ItemState {
  const waitMs = Math.min(FIRST_LOOK_MS * 3 ** Math.min(item.tries, 10), SLOWEST_LOOK_MS)
  return { ...item, tries: item.tries + 1, notBeforeMs: nowMs + waitMs }
}

export const isKubeOvnFinalizer = (name: string): boolean =>
  name === FINALIZER || name === DEPRECATED_FINALIZER

/** Our object, as posted or as read: acknowledged by either finalizer, under the content we wrote (R4, fault 55). */
export function acknowledging(item: ItemState, object: SeenObject, timing: Timing): ItemState {
  // A look that was made before the news of it is older.
  if (item.stage === 'holders' || item.stage === 'witness') return item
  const isSame = item.stage === 'ack' && item.made === true
  const made: ItemState = { ...item, made: true, tries: isSame ? item.tries : 0 }
  return object.finalizer
    ? { ...made, stage: 'holders', tries: 0 }
    : waiting({ ...made, stage: 'ack' }, timing)
}

/**
 * R2: a Pod of the owner's name is there; its own object is looked for, and without one it is not touched (F7). R4: a Pod
 * that is starting says our address, which the controller gave to both (N1).
 */
export function meetsPod(
  item: ItemState,
  { alive }: Extract<Evidence, { result: 'owner' }>,
  timing: Timing,
): ItemState {
  if (item.stage === 'holders') {
    return alive === undefined
      ? { ...item, stage: 'witness', tries: 0 }
      : refused(
          item,
          'address_taken',
          `${alive}: kube-ovn-controller shares the address between the two (N1)`,
        )
  }
  return alive === undefined ? delayed(item, timing) : { ...item, stage: 'inspect', alive }
}

/**
 * Release and fence: the controller frees the address and takes the finalizer off; Berth waits. Without a finalizer a
 * DELETE would release nothing (D15), so it is put on first; nothing else is edited (D20). Only by force, and only when
 * the controller has had its time, Berth takes the finalizer off itself.
 */
export function leavingBeside(item: ItemState, object: SeenObject, timing: Timing): ItemState {
  if (!object.terminating) {
    if (!object.finalizer) return { ...item, stage: 'finalize', keep: object.finalizers }
    return { ...item, stage: 'delete', tries: item.stage === 'delete' ? item.tries : 0 }
  }
  const isForced = item.forced === true && timing.slowMs >= timing.controllerMs
  if (object.finalizer && isForced) return { ...item, stage: 'unfinalize' }
  return waiting({ ...item, stage: 'recheck' }, timing)
}
