/**
 * The saga as a pure machine: what to call next, and what a reply means. Effects (rows, calls, time) are elsewhere.
 * Source: faults.md (a) "Reserve alone", "Release" L3-L5, the straggler rule, crash points P4-P20.
 */

import { QUICK } from '../elapsed.ts'
import type { ProblemCode } from '../problem.ts'
import type { LeaseView, SeenIp } from './port.ts'

/**
 * `post`: driving towards bound. `fence`: a reserve on its way back, never to be bound. `delete`: a release.
 * `owner`: a release that waits for its owner to go. `adopt`: an object that is there is made ours.
 * `reassert`: an object of ours that is gone is made again. `look`: whether somebody else's object is really gone.
 * `mend`: an object of ours gets back the labels, marks or finalizer it lost.
 */
export type Phase = 'post' | 'fence' | 'delete' | 'owner' | 'adopt' | 'reassert' | 'look' | 'mend'
/**
 * reserve, release, adopt and transfer are asked for; the others follow from what was seen: `complete` a wish somebody wrote as
 * an object, `fence` an object that a POST of ours made after its operation ended, `forget` somebody else's that went.
 * `admission` is a reserve whose object somebody else writes. `repair` mends what a comparison found.
 */
export type OpKind =
  | 'reserve'
  | 'release'
  | 'adopt'
  | 'admission'
  | 'transfer'
  | 'complete'
  | 'reassert'
  | 'fence'
  | 'forget'
  | 'repair'

/**
 * Where one item of an operation stands.
 * post: POST it. inspect: read who has the name. await: past the deadline, read until absence is proven.
 * proven: ours, seen. delete: DELETE by uid. unfinalize: take our finalizer off. recheck: read until gone.
 * owner: ask whether the owner lives. found: somebody else's object of the same owner has the name. patch: make the
 * object that is there ours. look: read whether it is gone. kept: it is not. port: who has the port name. cut: cut it.
 * vacant: whether port name and address are.
 *
 * Beside kube-ovn-controller (faults.md (a), R2-R5): ack: posted, the controller's
 * finalizer awaited. holders: acknowledged; does a Pod that is starting say the address? witness: until the mirror is as
 * new as the acknowledgement, which the ledger sees by itself. finalize: give it the finalizer without which a DELETE
 * releases nothing (D15).
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
  | 'owner'
  | 'found'
  | 'patch'
  | 'look'
  | 'kept'
  | 'port'
  | 'cut'
  | 'vacant'
  | 'ack'
  | 'holders'
  | 'witness'
  | 'finalize'

/** Whose a reservation is. */
export interface Owner {
  readonly namespace: string
  readonly podName: string
  readonly podType: string
}

/** labels: and marks; all: the finalizer as well; expires: when it ends. */
export type Mends = 'labels' | 'all' | 'expires'

/** Why an item ends in a refusal. `field`: what of the wish, where it is not its name. */
export interface Failure {
  readonly code: ProblemCode
  readonly detail: string
  readonly field?: string
  readonly retryAfterMs?: number
}

export interface ItemState {
  readonly nic: string
  readonly id: string
  readonly stage: Stage
  readonly uid?: string
  readonly rv?: string
  readonly objectAt?: string
  /** Finalizers that are to stay: those that are not Kube-OVN's; while adopting, all there are. */
  readonly keep?: readonly string[]
  /** Ledger time before which a 404 proves nothing: some POST of ours may still land (straggler rule). */
  readonly proofMs?: number
  /** proofMs without the POST under way: comes back when that one's outcome is known. */
  readonly priorProofMs?: number
  /** Do not call before this ledger time. */
  readonly notBeforeMs?: number
  readonly tries: number
  /**
   * How often somebody else was let go on to write its object: it is never posted by Berth, and bound even where it is
   * being deleted already.
   */
  readonly admitted?: number
  /** Was bound (or cooling down) before this operation: part of its answer, not of its work. */
  readonly present?: true
  /** How a release found it, for the answer: the row may cool down to its end, or return to its owner, meanwhile. */
  readonly seen?: LeaseView
  /** What its caller chose: an object that has another of these is not what was asked for. */
  readonly fixed?: readonly ('v4' | 'v6' | 'mac')[]
  /** The object that has the name. */
  readonly found?: SeenIp
  /** The object is a wish that has nothing yet: all of it is to be written, not the marks alone. */
  readonly complete?: true
  /** What a mend gives back: labels and marks, or the finalizer as well. */
  readonly mends?: Mends
  /** With mends: expires, what the annotation is to say; '' nothing. */
  readonly expires?: string
  /** Why the owner counts as alive, as last read. */
  readonly alive?: string
  /** It was begun beside kube-ovn-controller, and ends so whatever AUTHORITY says by then (fault 85). */
  readonly beside?: true
  /** Not posted where its owner runs by now: that one's address would be taken away (F7). */
  readonly unlessRunning?: true
  /** An object of this operation's has been seen: turning back removes it, whatever else is known. */
  readonly made?: true
  /** On its way back: a finalizer is Berth's own mark from here, never an acknowledgement. */
  readonly fenced?: true
  /** Ledger time at which the first look that found nothing was sent. */
  readonly absentMs?: number
  /**
   * A release that does not ask whether the owner lives. Beside the controller: once that one has had its time, Berth
   * takes the finalizer off by itself.
   */
  readonly forced?: true
  /** What follows where the owner, asked for once more, does not live; without it its port is cut. */
  readonly next?: 'delete' | 'unfinalize'
  /** uuid of the owner's logical switch port, as last read. */
  readonly port?: string
  /** The logical switch port that carries the address chosen; with `away`, the port name in that cluster. */
  readonly taken?: string
  /** The cluster of a shared space that has what was chosen, and what of it. */
  readonly away?: string
  readonly what?: 'v4' | 'v6' | 'mac'
  /** Further addresses that others of the shared space have, just told. */
  readonly others?: readonly string[]
  /** Of a transfer: who gets it, and, once it is held for him, who had it. */
  readonly to?: Owner
  readonly from?: Owner
  /** Nobody asked for its release: its time is over, which ended then (wall ms). */
  readonly lapsed?: number
  /** Its object is deleted with kubectl, and who does it was asked about at admission. */
  readonly door?: 'admission'
  /** Why its port was left alone. */
  readonly spared?: string
  readonly failure?: Failure
}

/** One call a driver is asked to make. The driver knows what the object looks like; the ledger knows which and when. */
export type Call =
  /** unlessRunning: the driver asks for the owner's Pod first, and posts nothing where it runs (R2). */
  | {
      readonly item: number
      readonly verb: 'create'
      readonly beside?: true
      readonly unlessRunning?: true
    }
  | { readonly item: number; readonly verb: 'read' }
  | { readonly item: number; readonly verb: 'delete'; readonly uid: string }
  /** Take Kube-OVN's finalizers off; `keep` are the others. */
  | {
      readonly item: number
      readonly verb: 'unfinalize'
      readonly rv: string
      readonly keep: readonly string[]
    }
  /** Does a Pod that is starting say one of the addresses? */
  | { readonly item: number; readonly verb: 'holders' }
  /** Put Kube-OVN's finalizer on, and the fence's mark. */
  | {
      readonly item: number
      readonly verb: 'finalize'
      readonly uid: string
      readonly rv: string
      readonly finalizers: readonly string[]
      readonly fenced: boolean
    }
  /** Does the owner live, and with which addresses? */
  | { readonly item: number; readonly verb: 'owner' }
  /** Who has its logical switch port. */
  | { readonly item: number; readonly verb: 'port' }
  /** Who has its port name, and who its addresses; in a shared space, takes them. */
  | { readonly item: number; readonly verb: 'vacancy' }
  /** Cut the port of that uuid, if it still is the owner's. */
  | { readonly item: number; readonly verb: 'cut'; readonly uuid: string }
  /** Put our marks on an object that is there; `complete`: and all that a reservation says. */
  | {
      readonly item: number
      readonly verb: 'adopt'
      readonly uid: string
      readonly rv: string
      readonly finalizers: readonly string[]
      readonly complete: boolean
      /** Kube-OVN's finalizer is the controller's to write. */
      readonly beside?: true
      /** It is ours, and lost some of them; `all`: the finalizer too, in its present name alone. */
      readonly mends?: Mends
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
  /** Why the owner lives, if it does, and the address it runs with where that is not the reservation's. */
  | {
      readonly item: number
      readonly result: 'owner'
      readonly alive?: string
      readonly elsewhere?: string
    }
  /** The owner's logical switch port is there. */
  | { readonly item: number; readonly result: 'port'; readonly uuid: string }
  /** Another port carries an address; `by`: its name. `away`: the cluster, where another one has `what`. */
  | {
      readonly item: number
      readonly result: 'held'
      readonly by: string
      readonly away?: string
      readonly what?: 'v4' | 'v6' | 'mac'
      readonly others?: readonly string[]
    }
  /** There is a port, and it is to be left alone; or nobody looks after ports. */
  | { readonly item: number; readonly result: 'spared'; readonly why: string }
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
  /** What it says of its end. */
  readonly expires?: string
  /** Same namespace and Pod or VM name as our row. */
  readonly sameOwner: boolean
  /** Nothing it says contradicts our row: owner, Subnet, and every address and MAC it names. */
  readonly agrees: boolean
  /** It says an address of our row. */
  readonly holds: boolean
  /** It has the labels of a reservation. */
  readonly labelled?: true
  /** Who has it, for the problem's detail. */
  readonly description: string
  /** All of it, where it is another's in the same Subnet. */
  readonly content?: SeenIp
}

export interface Timing {
  /** Ledger time now. */
  readonly nowMs: number
  /** Ledger time at which the calls being answered were issued: nothing was sent before it. */
  readonly issuedMs: number
  /** Slow ledger time now, and when a reserve gives up. */
  readonly slowMs: number
  readonly deadlineMs: number
  readonly stragglerMs: number
  readonly sendMs: number
  /** Slow ledger time after which kube-ovn-controller has had its time with this operation's objects (T_ctl). */
  readonly controllerMs: number
}

const RETRY_FLOOR_MS = 200
const RETRY_CAP_MS = 60_000
/** So many looks follow one another without back-off: what two readers saw differently may just have changed. */
export const QUICK_TRIES = 3

/** Back-off before try number `tries`, doubling from 200 ms to 60 s; a server's Retry-After wins within the cap. */
export function backoffMs(tries: number, retryAfterMs?: number): number {
  const own = Math.min(RETRY_FLOOR_MS * 2 ** Math.min(tries, 20), RETRY_CAP_MS)
  if (retryAfterMs === undefined || !Number.isFinite(retryAfterMs) || retryAfterMs < 0) return own
  return Math.min(Math.max(retryAfterMs, own), RETRY_CAP_MS)
}

/** An item that ends in a refusal. */
export function refused(
  item: ItemState,
  code: ProblemCode,
  detail: string,
  retryAfterMs?: number,
): ItemState {
  return {
    ...item,
    stage: 'refused',
    failure: { code, detail, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
  }
}

/** An item that waits before its next call. */
export function delayed(item: ItemState, timing: Timing, retryAfterMs?: number): ItemState {
  return {
    ...item,
    tries: item.tries + 1,
    notBeforeMs: timing.nowMs + backoffMs(item.tries, retryAfterMs),
  }
}

/** A POST whose outcome is known: what issuing it had to assume is taken back. */
export function resolved(item: ItemState): ItemState {
  const { proofMs: _assumed, priorProofMs, ...rest } = item
  return priorProofMs === undefined ? rest : { ...rest, proofMs: priorProofMs }
}

/** Past its deadline a reserve posts nothing new. */
export const isLate = ({ slowMs, deadlineMs }: Timing): boolean => slowMs >= deadlineMs

/** The call an item needs now; undefined when it is finished or has to wait. */
export function nextCall(item: ItemState, index: number, nowMs: number): Call | undefined {
  if (item.notBeforeMs !== undefined && nowMs < item.notBeforeMs) return undefined
  switch (item.stage) {
    case 'post':
      return {
        item: index,
        verb: 'create',
        ...besideOf(item),
        ...(item.unlessRunning ? { unlessRunning: true as const } : {}),
      }
    case 'holders':
      return { item: index, verb: 'holders' }
    case 'finalize':
      return item.uid === undefined || item.rv === undefined
        ? { item: index, verb: 'read' }
        : {
            item: index,
            verb: 'finalize',
            uid: item.uid,
            rv: item.rv,
            finalizers: item.keep ?? [],
            fenced: item.fenced === true,
          }
    case 'inspect':
    case 'await':
    case 'ack':
    case 'recheck':
    case 'look':
      return { item: index, verb: 'read' }
    case 'owner':
      return { item: index, verb: 'owner' }
    case 'port':
      return { item: index, verb: 'port' }
    case 'vacant':
      return { item: index, verb: 'vacancy' }
    case 'cut':
      return item.port === undefined
        ? { item: index, verb: 'port' }
        : { item: index, verb: 'cut', uuid: item.port }
    case 'patch':
      return item.uid === undefined || item.rv === undefined
        ? { item: index, verb: 'read' }
        : {
            item: index,
            verb: 'adopt',
            uid: item.uid,
            rv: item.rv,
            finalizers: item.keep ?? [],
            complete: item.complete === true,
            ...besideOf(item),
            ...(item.mends === undefined ? {} : { mends: item.mends }),
          }
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
    case 'found':
    case 'kept':
    case 'witness':
      return undefined
    default:
      return item.stage satisfies never
  }
}

const besideOf = ({ beside }: ItemState) => (beside ? { beside } : {})

/** An item after its call was handed to a driver: a POST may land as late as sendMs + stragglerMs from now. */
export function issued(item: ItemState, call: Call, timing: Timing): ItemState {
  const { priorProofMs: _resolved, ...rest } = item
  if (call.verb !== 'create') return rest
  return {
    ...rest,
    ...(item.proofMs === undefined ? {} : { priorProofMs: item.proofMs }),
    proofMs: Math.max(item.proofMs ?? 0, timing.nowMs + timing.sendMs + timing.stragglerMs + QUICK.leewayMs),
  }
}

/** Stages that no call follows. */
const ENDED: ReadonlySet<Stage> = new Set(['proven', 'gone', 'refused', 'found', 'kept'])

/** When the earliest waiting item may go on; undefined when none waits. */
export function waitUntilMs(items: readonly ItemState[]): number | undefined {
  let earliest: number | undefined
  for (const item of items) {
    if (ENDED.has(item.stage)) continue
    const at = item.notBeforeMs ?? 0
    if (earliest === undefined || at < earliest) earliest = at
  }
  return earliest
}
