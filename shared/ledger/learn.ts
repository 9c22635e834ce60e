/** What a reply means to an item of a reserve or a release, and where that leaves the operation. */
import { DEPRECATED_FINALIZER, FINALIZER } from '../kube-ovn/names.ts'
import type { Finding } from '../problem.ts'
import { askedFirst, isCutting, learnCutting } from './cutting.ts'
import { acknowledging, leavingBeside, meetsPod } from './learn-beside.ts'
import { learnMending } from './learn-mending.ts'
import { learnAdopting, learnLooking, learnReasserting, learnWaiting } from './learn-seen.ts'
import {
  delayed,
  type Evidence,
  type ItemState,
  isLate,
  type Phase,
  QUICK_TRIES,
  refused,
  resolved,
  type SeenObject,
  type Stage,
  type Timing,
} from './operations.ts'
import type { SeenIp } from './port.ts'
import { learnVacancy, portWithoutObject } from './vacancy.ts'

/** What an item is after the evidence of the call last issued for it. */
export function learn(phase: Phase, item: ItemState, evidence: Evidence, timing: Timing): ItemState {
  switch (phase) {
    case 'post':
      return learnPosting(item, evidence, timing)
    case 'fence':
      return learnLeaving(item, evidence, timing)
    case 'delete':
      return isCutting(item)
        ? learnCutting(item, evidence, timing)
        : askedFirst(learnLeaving(item, evidence, timing))
    case 'owner':
      return learnWaiting(item, evidence, timing)
    case 'adopt':
      return learnAdopting(item, evidence, timing)
    case 'reassert':
      return learnReasserting(item, evidence, timing)
    case 'look':
      return learnLooking(item, evidence, timing)
    case 'mend':
      return learnMending(item, evidence, timing)
    default:
      return phase satisfies never
  }
}

function learnPosting(item: ItemState, evidence: Evidence, timing: Timing): ItemState {
  if (item.stage === 'vacant') return learnVacancy(item, evidence, timing)
  // A known outcome of this POST takes back what issuing it had to assume; an older POST's doubt stays.
  const settled = item.stage === 'post' && evidence.result !== 'unknown' ? resolved(item) : item
  const late = isLate(timing)
  switch (evidence.result) {
    case 'object':
      return seenWhilePosting(settled, evidence.object, timing)
    case 'taken':
      return { ...settled, stage: 'inspect', tries: item.tries + 1 }
    case 'rejected':
      return { ...settled, stage: 'refused', failure: { code: evidence.code, detail: evidence.detail } }
    case 'unsent':
      return late ? giveUp(settled, timing) : settled
    case 'owner':
      if (settled.stage === 'post' || settled.stage === 'holders') return meetsPod(settled, evidence, timing)
      return late ? giveUp(settled, timing) : delayed(settled, timing)
    case 'later':
    case 'conflict':
    case 'port':
    case 'held':
    case 'spared':
      if (late) return giveUp(settled, timing)
      return delayed(settled, timing, evidence.result === 'later' ? evidence.retryAfterMs : undefined)
    case 'unknown':
      return late ? giveUp(item, timing) : delayed(item, timing)
    case 'absent':
      if (item.port !== undefined) return portWithoutObject(item)
      // A Pod of that name runs, and no object keeps its address: a static wish would take that from it (F7, D7).
      if (item.alive !== undefined) return refused(item, 'pod_alive', item.alive)
      // Taken to whoever posts and absent to whoever reads: ever more slowly.
      if (!late && item.tries < QUICK_TRIES) return { ...item, stage: 'post', tries: item.tries + 1 }
      if (!late) return delayed({ ...item, stage: 'post' }, timing)
      if (item.proofMs === undefined || timing.issuedMs >= item.proofMs) return timedOut(item)
      return { ...item, stage: 'await', notBeforeMs: item.proofMs }
    default:
      return evidence satisfies never
  }
}

function seenWhilePosting(item: ItemState, object: SeenObject, timing: Timing): ItemState {
  if (object.whose === 'ours' && (!object.terminating || item.admitted)) {
    const seen: ItemState = { ...item, uid: object.uid, rv: object.rv, objectAt: object.createdAt }
    return item.beside ? acknowledging(seen, object, timing) : { ...seen, stage: 'proven', tries: 0 }
  }
  if (object.whose === 'ours') return deletedWhilePosting(item, object, timing)
  // The owner's own object has the name: it keeps its address, and is made ours.
  if (object.content && object.sameOwner && !object.terminating) {
    return meets(item, object, object.content, timing)
  }
  if (object.whose === 'older' || object.terminating) {
    return refused(item, 'releasing', `${item.nic} is still being removed`, 1_000)
  }
  return object.sameOwner
    ? refused(
        item,
        'already_reserved',
        `an IP object ${item.nic} of the same owner exists: ${object.description}`,
      )
    : refused(item, 'name_collision', `the name ${item.nic} belongs to ${object.description}`)
}

/**
 * Ours, and somebody is deleting it. Alone, our own finalizer is what holds it, so the reserve turns back and takes that
 * off; where the object goes by itself the promise is posted again.
 */
function deletedWhilePosting(item: ItemState, object: SeenObject, timing: Timing): ItemState {
  if (item.beside || !object.finalizer) return delayed({ ...item, stage: 'inspect' }, timing)
  const seen: ItemState = { ...item, uid: object.uid, rv: object.rv, made: true }
  return refused(seen, 'releasing', `${item.nic} was deleted while it was being reserved`, 1_000)
}

/** While a POST of ours is in doubt the address chosen for it stays held; then the object's own takes its place. */
function meets(item: ItemState, object: SeenObject, found: SeenIp, timing: Timing): ItemState {
  if (item.proofMs !== undefined && timing.issuedMs < item.proofMs) {
    return { ...item, stage: 'inspect', notBeforeMs: item.proofMs }
  }
  const { proofMs: _passed, priorProofMs: _prior, ...rest } = item
  return { ...rest, stage: 'found', found, uid: object.uid, rv: object.rv }
}

function learnLeaving(item: ItemState, evidence: Evidence, timing: Timing): ItemState {
  switch (evidence.result) {
    case 'object':
      return seenWhileLeaving(item, evidence.object, timing)
    case 'absent':
      if (item.stage === 'delete' || item.stage === 'unfinalize' || item.stage === 'finalize')
        return { ...item, stage: 'recheck' }
      return goneIfProven(item, timing)
    case 'taken':
    case 'conflict':
      // Somebody else writes the object too: look again, and ever more slowly.
      return item.tries < QUICK_TRIES
        ? { ...item, stage: 'recheck', tries: item.tries + 1 }
        : delayed({ ...item, stage: 'recheck' }, timing)
    case 'unsent':
      return item
    case 'owner':
    case 'port':
    case 'held':
    case 'spared':
    case 'rejected':
    case 'later':
      return delayed(item, timing, evidence.result === 'later' ? evidence.retryAfterMs : undefined)
    case 'unknown':
      return delayed({ ...item, stage: 'recheck' }, timing)
    default:
      return evidence satisfies never
  }
}

function seenWhileLeaving(item: ItemState, object: SeenObject, timing: Timing): ItemState {
  const ours = object.whose === 'ours' || object.uid === item.uid
  // The name has passed to another object, so ours is gone (L3, L5), unless a POST of ours may still land.
  if (!ours) return goneIfProven(item, timing)
  const keep = object.finalizers.filter((name) => name !== FINALIZER && name !== DEPRECATED_FINALIZER)
  const known: ItemState = { ...item, uid: object.uid, rv: object.rv, keep }
  if (item.beside) return leavingBeside(known, object, timing)
  if (!object.terminating)
    return { ...known, stage: 'delete', tries: item.stage === 'delete' ? item.tries : 0 }
  if (object.finalizer) return { ...known, stage: 'unfinalize' }
  if (object.finalizers.length === 0) return { ...known, stage: 'recheck' }
  return delayed({ ...known, stage: 'recheck' }, timing)
}

/** Gone counts only when it was asked for after the last POST of ours could have landed (straggler rule). */
function goneIfProven(item: ItemState, timing: Timing): ItemState {
  if (item.proofMs === undefined || timing.issuedMs >= item.proofMs) return { ...item, stage: 'gone' }
  return { ...item, stage: 'recheck', notBeforeMs: item.proofMs }
}

/** Out of time: with no POST in doubt it is over, else only reading on tells. */
function giveUp(item: ItemState, timing: Timing): ItemState {
  return item.proofMs === undefined ? timedOut(item) : delayed({ ...item, stage: 'await' }, timing)
}

const IN_R4: ReadonlySet<Stage> = new Set(['ack', 'holders', 'witness'])

/** An item about to be called again: past the deadline nothing new is posted (P2), what was posted is looked for. */
export function inTime(item: ItemState, timing: Timing): ItemState {
  if (item.beside && IN_R4.has(item.stage) && isLate(timing)) return unheard(item)
  if (item.stage !== 'post' || !isLate(timing)) return item
  return item.proofMs === undefined ? timedOut(item) : { ...item, stage: 'await' }
}

/** Out of time beside the controller: what was made is taken back (R5), what is in doubt is looked for. */
function unheard(item: ItemState): ItemState {
  if (!item.made) return item.proofMs === undefined ? timedOut(item) : { ...item, stage: 'await' }
  const detail = `kube-ovn-controller has not acknowledged ${item.nic} in time`
  return refused(item, 'unavailable', detail, 1_000)
}

function timedOut(item: ItemState): ItemState {
  const { proofMs: _proven, priorProofMs: _prior, ...rest } = item
  return refused(rest, 'unavailable', `the cluster did not take ${item.nic} in time`, 1_000)
}

/** Where an operation stands as a whole. */
export type Standing =
  | { readonly kind: 'proven' }
  | { readonly kind: 'gone' }
  | { readonly kind: 'turn'; readonly findings: readonly Finding[]; readonly retryAfterMs?: number }
  /** The one wish meets its owner's own object. */
  | { readonly kind: 'found' }
  | { readonly kind: 'going' }

/** All proven: bind. Any refused: turn back as a whole. All gone: finished. */
export function standing(phase: Phase, items: readonly ItemState[]): Standing {
  if (phase !== 'post') {
    return items.every((item) => item.stage === 'gone') ? { kind: 'gone' } : { kind: 'going' }
  }
  const findings: Finding[] = []
  let retryAfterMs: number | undefined
  for (const [index, item] of items.entries()) {
    const failure = item.stage === 'refused' ? item.failure : inGroup(item, items)
    if (!failure) continue
    retryAfterMs ??= failure.retryAfterMs
    findings.push({
      code: failure.code,
      field: failure.field ?? 'name',
      message: failure.detail,
      ...(items.length > 1 ? { item: index } : {}),
    })
  }
  if (findings.length > 0)
    return { kind: 'turn', findings, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
  if (items.every((item) => item.stage === 'found')) return { kind: 'found' }
  return items.every((item) => item.stage === 'proven') ? { kind: 'proven' } : { kind: 'going' }
}

/** An object that is there cannot be given back its former marks, so that a group could be taken back whole. */
function inGroup({ stage, nic }: ItemState, items: readonly ItemState[]): ItemState['failure'] {
  if (stage !== 'found' || items.length === 1) return undefined
  return { code: 'already_reserved', detail: `an IP object ${nic} of the same owner exists: adopt it first` }
}

/** An item of a reserve that turns back: nothing ever sent is gone at once, anything else is looked for and removed. */
export function turnBack(item: ItemState): ItemState {
  const { notBeforeMs: _later, failure: _why, priorProofMs: _prior, ...rest } = item
  if (item.present) return { ...rest, stage: 'gone' }
  if (item.made) return { ...rest, stage: 'recheck', fenced: true, tries: 0 }
  if (item.beside && item.proofMs !== undefined) return { ...rest, stage: 'recheck', fenced: true, tries: 0 }
  if (item.stage === 'proven') return { ...rest, stage: 'delete', tries: 0 }
  return item.proofMs === undefined ? { ...rest, stage: 'gone' } : { ...rest, stage: 'recheck', tries: 0 }
}
