/**
 * The saga as a pure machine: what to call next, and what a reply means. Effects (rows, calls, time) are elsewhere.
 * Source: faults.md (a) "Reserve alone", "Release" L3-L5, the straggler rule, crash points P4-P20.
 */
import { DEPRECATED_FINALIZER, FINALIZER } from '../kube-ovn/names.ts'
import type { Finding, ProblemCode } from '../problem.ts'
import type { LeaseView } from './port.ts'

/** `post`: driving towards bound. `fence`: a reserve on its way back, never to be bound. `delete`: a release. */
export type Phase = 'post' | 'fence' | 'delete'
export type OpKind = 'reserve' | 'release'

/**
 * Where one item of an operation stands.
 * post: POST it. inspect: read who has the name. await: past the deadline, read until absence is proven.
 * proven: ours, seen. delete: DELETE by uid. unfinalize: take our finalizer off. recheck: read until gone.
 */
export type Stage =
  | 'post'
  | 'inspect'
  | 'await'
  | 'proven'
  | 'delete'
  | 'unfinalize'
  | 'recheck'
  | 'gone'
  | 'refused'

export interface ItemState {
  readonly nic: string
  readonly id: string
  readonly stage: Stage
  readonly uid?: string
  readonly rv?: string
  readonly objectAt?: string
  /** Finalizers that are not Kube-OVN's: left alone. */
  readonly keep?: readonly string[]
  /** Ledger time before which a 404 proves nothing: some POST of ours may still land (straggler rule). */
  readonly proofMs?: number
  /** proofMs without the POST under way: comes back when that one's outcome is known. */
  readonly priorProofMs?: number
  /** Do not call before this ledger time. */
  readonly notBeforeMs?: number
  readonly tries: number
  /** Was bound (or cooling down) before this operation: part of its answer, not of its work. */
  readonly present?: true
  /** How a release found it, for the answer: the row may cool down to its end, or return to its owner, meanwhile. */
  readonly seen?: LeaseView
  readonly failure?: { readonly code: ProblemCode; readonly detail: string; readonly retryAfterMs?: number }
}

/** One call a driver is asked to make. The driver knows what the object looks like; the ledger knows which and when. */
export type Call =
  | { readonly item: number; readonly verb: 'create' }
  | { readonly item: number; readonly verb: 'read' }
  | { readonly item: number; readonly verb: 'delete'; readonly uid: string }
  /** Take Kube-OVN's finalizers off; `keep` are the others. */
  | {
      readonly item: number
      readonly verb: 'unfinalize'
      readonly rv: string
      readonly keep: readonly string[]
    }

/** A reply, reduced by the driver to what decisions rest on (command/evidence.ts). */
export type Evidence =
  | { readonly item: number; readonly result: 'object'; readonly object: SeenObject }
  | { readonly item: number; readonly result: 'absent' }
  /** The name is taken (POST), or a precondition failed. Certainly not carried out. */
  | { readonly item: number; readonly result: 'taken' | 'conflict' }
  /** The cluster will never take this. */
  | {
      readonly item: number
      readonly result: 'rejected'
      readonly code: ProblemCode
      readonly detail: string
    }
  /** Not carried out, worth trying again. `unsent`: the driver was too late and kept it back. */
  | { readonly item: number; readonly result: 'later' | 'unsent'; readonly retryAfterMs?: number }
  /** May have been carried out, may be still. */
  | { readonly item: number; readonly result: 'unknown' }

export interface SeenObject {
  /** Whose: `ours` carries the operation that made our row and our content; `older` another operation of Berth's. */
  readonly whose: 'ours' | 'older' | 'other'
  readonly uid: string
  readonly rv: string
  readonly createdAt: string
  readonly terminating: boolean
  /** Carries one of Kube-OVN's finalizers. */
  readonly finalizer: boolean
  /** All finalizers; a deleted object without any is gone. */
  readonly finalizers: readonly string[]
  /** Same namespace and Pod or VM name as our row. */
  readonly sameOwner: boolean
  /** Who has it, for the problem's detail. */
  readonly description: string
}

export interface Timing {
  /** Ledger time now. */
  readonly nowMs: number
  /** Ledger time at which the calls being answered were issued: nothing was sent before it. */
  readonly issuedMs: number
  readonly deadlineMs: number
  readonly stragglerMs: number
  readonly sendMs: number
}

const RETRY_FLOOR_MS = 200
const RETRY_CAP_MS = 60_000

/** Back-off before try number `tries`, doubling from 200 ms to 60 s; a server's Retry-After wins within the cap. */
export function backoffMs(tries: number, retryAfterMs?: number): number {
  const own = Math.min(RETRY_FLOOR_MS * 2 ** Math.min(tries, 20), RETRY_CAP_MS)
  if (retryAfterMs === undefined || !Number.isFinite(retryAfterMs) || retryAfterMs < 0) return own
  return Math.min(Math.max(retryAfterMs, own), RETRY_CAP_MS)
}

/** The call an item needs now; undefined when it is finished or has to wait. */
export function nextCall(item: ItemState, index: number, nowMs: number): Call | undefined {
  if (item.notBeforeMs !== undefined && nowMs < item.notBeforeMs) return undefined
  switch (item.stage) {
    case 'post':
      return { item: index, verb: 'create' }
    case 'inspect':
    case 'await':
    case 'recheck':
      return { item: index, verb: 'read' }
    case 'delete':
      return item.uid === undefined
        ? { item: index, verb: 'read' }
        : { item: index, verb: 'delete', uid: item.uid }
    case 'unfinalize':
      return item.rv === undefined
        ? { item: index, verb: 'read' }
        : { item: index, verb: 'unfinalize', rv: item.rv, keep: item.keep ?? [] }
    case 'proven':
    case 'gone':
    case 'refused':
      return undefined
    default:
      return item.stage satisfies never
  }
}

/** An item after its call was handed to a driver: a POST may land as late as sendMs + stragglerMs from now. */
export function issued(item: ItemState, call: Call, timing: Timing): ItemState {
  const { priorProofMs: _resolved, ...rest } = item
  if (call.verb !== 'create') return rest
  return {
    ...rest,
    ...(item.proofMs === undefined ? {} : { priorProofMs: item.proofMs }),
    proofMs: Math.max(item.proofMs ?? 0, timing.nowMs + timing.sendMs + timing.stragglerMs),
  }
}

/** What an item is after the evidence of the call last issued for it. */
export function learn(phase: Phase, item: ItemState, evidence: Evidence, timing: Timing): ItemState {
  return phase === 'post' ? learnPosting(item, evidence, timing) : learnLeaving(item, evidence, timing)
}

function learnPosting(item: ItemState, evidence: Evidence, timing: Timing): ItemState {
  // A known outcome of this POST takes back what issuing it had to assume; an older POST's doubt stays.
  const settled = item.stage === 'post' && evidence.result !== 'unknown' ? resolved(item) : item
  const late = timing.nowMs >= timing.deadlineMs
  switch (evidence.result) {
    case 'object':
      return seenWhilePosting(settled, evidence.object, timing)
    case 'taken':
      return { ...settled, stage: 'inspect', tries: item.tries + 1 }
    case 'rejected':
      return { ...settled, stage: 'refused', failure: { code: evidence.code, detail: evidence.detail } }
    case 'unsent':
      return late ? giveUp(settled, timing) : settled
    case 'later':
    case 'conflict':
      if (late) return giveUp(settled, timing)
      return delayed(settled, timing, evidence.result === 'later' ? evidence.retryAfterMs : undefined)
    case 'unknown':
      return late ? giveUp(item, timing) : delayed(item, timing)
    case 'absent':
      if (!late) return { ...item, stage: 'post', tries: item.tries + 1 }
      if (item.proofMs === undefined || timing.issuedMs >= item.proofMs) return timedOut(item)
      return { ...item, stage: 'await', notBeforeMs: item.proofMs }
    default:
      return evidence satisfies never
  }
}

function seenWhilePosting(item: ItemState, object: SeenObject, timing: Timing): ItemState {
  if (object.whose === 'ours' && !object.terminating) {
    return {
      ...item,
      stage: 'proven',
      uid: object.uid,
      rv: object.rv,
      objectAt: object.createdAt,
      tries: 0,
    }
  }
  // Ours, and somebody is deleting it: once it is gone the promise is posted again.
  if (object.whose === 'ours') return delayed({ ...item, stage: 'inspect' }, timing)
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

function learnLeaving(item: ItemState, evidence: Evidence, timing: Timing): ItemState {
  switch (evidence.result) {
    case 'object':
      return seenWhileLeaving(item, evidence.object, timing)
    case 'absent':
      if (item.stage === 'delete' || item.stage === 'unfinalize') return { ...item, stage: 'recheck' }
      return goneIfProven(item, timing)
    case 'taken':
    case 'conflict':
      // Somebody else writes the object too: look again, and ever more slowly.
      return item.tries < 3
        ? { ...item, stage: 'recheck', tries: item.tries + 1 }
        : delayed({ ...item, stage: 'recheck' }, timing)
    case 'unsent':
      return item
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

/** An item about to be called again: past the deadline nothing new is posted (P2), what was posted is looked for. */
export function inTime(item: ItemState, timing: Timing): ItemState {
  if (item.stage !== 'post' || timing.nowMs < timing.deadlineMs) return item
  return item.proofMs === undefined ? timedOut(item) : { ...item, stage: 'await' }
}

function timedOut(item: ItemState): ItemState {
  const { proofMs: _proven, priorProofMs: _prior, ...rest } = item
  return refused(rest, 'unavailable', `the cluster did not take ${item.nic} in time`, 1_000)
}

function refused(item: ItemState, code: ProblemCode, detail: string, retryAfterMs?: number): ItemState {
  return {
    ...item,
    stage: 'refused',
    failure: { code, detail, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
  }
}

function delayed(item: ItemState, timing: Timing, retryAfterMs?: number): ItemState {
  return {
    ...item,
    tries: item.tries + 1,
    notBeforeMs: timing.nowMs + backoffMs(item.tries, retryAfterMs),
  }
}

function resolved(item: ItemState): ItemState {
  const { proofMs: _assumed, priorProofMs, ...rest } = item
  return priorProofMs === undefined ? rest : { ...rest, proofMs: priorProofMs }
}

/** Where an operation stands as a whole. */
export type Standing =
  | { readonly kind: 'proven' }
  | { readonly kind: 'gone' }
  | { readonly kind: 'turn'; readonly findings: readonly Finding[]; readonly retryAfterMs?: number }
  | { readonly kind: 'going' }

/** All proven: bind. Any refused: turn back as a whole. All gone: finished. */
export function standing(phase: Phase, items: readonly ItemState[]): Standing {
  if (phase !== 'post') {
    return items.every((item) => item.stage === 'gone') ? { kind: 'gone' } : { kind: 'going' }
  }
  const findings: Finding[] = []
  let retryAfterMs: number | undefined
  for (const [index, item] of items.entries()) {
    if (item.stage !== 'refused' || !item.failure) continue
    retryAfterMs ??= item.failure.retryAfterMs
    findings.push({
      code: item.failure.code,
      field: 'name',
      message: item.failure.detail,
      ...(items.length > 1 ? { item: index } : {}),
    })
  }
  if (findings.length > 0)
    return { kind: 'turn', findings, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
  return items.every((item) => item.stage === 'proven') ? { kind: 'proven' } : { kind: 'going' }
}

/** An item of a reserve that turns back: nothing ever sent is gone at once, anything else is looked for and removed. */
export function turnBack(item: ItemState): ItemState {
  const { notBeforeMs: _later, failure: _why, priorProofMs: _prior, ...rest } = item
  if (item.present) return { ...rest, stage: 'gone' }
  if (item.stage === 'proven') return { ...rest, stage: 'delete', tries: 0 }
  return item.proofMs === undefined ? { ...rest, stage: 'gone' } : { ...rest, stage: 'recheck', tries: 0 }
}

/** When the earliest waiting item may go on; undefined when none waits. */
export function waitUntilMs(items: readonly ItemState[]): number | undefined {
  let earliest: number | undefined
  for (const item of items) {
    if (item.stage === 'proven' || item.stage === 'gone' || item.stage === 'refused') continue
    const at = item.notBeforeMs ?? 0
    if (earliest === undefined || at < earliest) earliest = at
  }
  return earliest
}
