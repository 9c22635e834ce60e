/**
 * A release and the logical switch port that the Pod's flow made: found, its owner asked for once more, cut. Before the
 * object is deleted, so that a Pod that started meanwhile finds its reservation whole (faults.md L4, P17, fault 87).
 */
import { VIP_PREFIX } from '../kube-ovn/names.ts'
import { isOvnProvider } from '../kube-ovn/pod-nets.ts'
import { delayed, type Evidence, type ItemState, type Phase, type Timing } from './operations.ts'
import type { Space } from './space.ts'

/**
 * How a release of this row begins. `forced`: whether the owner lives is not asked. Beside the controller, which cuts the
 * port itself, a DELETE of what has no finalizer releases nothing (D15): the object is looked at first.
 */
export function leaving(
  space: Space,
  { nic, uid }: { readonly nic: string; readonly uid: string | null },
  { forced, beside }: { readonly forced: boolean; readonly beside: boolean },
): Pick<ItemState, 'stage' | 'forced'> {
  const mark = forced ? { forced: true as const } : {}
  if (beside) return { stage: 'recheck', ...mark }
  const provider = space.subnet?.facts.provider
  const hasPort =
    space.settings.ovn && provider !== undefined && isOvnProvider(provider) && !nic.startsWith(VIP_PREFIX)
  if (!hasPort) return { stage: beyond(uid ?? undefined), ...mark }
  return { stage: 'port', ...mark }
}

const beyond = (uid: string | undefined) => (uid === undefined ? 'recheck' : 'delete')

export function isCutting({ stage }: ItemState): boolean {
  return stage === 'port' || stage === 'owner' || stage === 'cut'
}

/**
 * A step nobody reported: what was read of the owner is old by now, so a cut begins anew with a look, and what gives up
 * the object with the question after its owner.
 */
export function anew(item: ItemState, phase: Phase): ItemState {
  if (item.stage === 'cut') return { ...item, stage: 'port' }
  return phase === 'delete' ? askedFirst(item) : item
}

/**
 * An owner may have started since he was last asked for (fault 87): the object is neither deleted nor let go before he is
 * asked for again. One that is being deleted keeps its address until then, by Berth's finalizer.
 */
export function askedFirst(item: ItemState): ItemState {
  const { stage } = item
  if (stage !== 'delete' && stage !== 'unfinalize') return item
  return item.forced || item.nic.startsWith(VIP_PREFIX) ? item : { ...item, stage: 'owner', next: stage }
}

/**
 * What a reply means before the object's turn. A cut of unknown outcome is not repeated before the port is read: gone
 * ends it, the same uuid is cut again after the owner was asked for, anything else is not ours.
 */
export function learnCutting(item: ItemState, evidence: Evidence, timing: Timing): ItemState {
  switch (evidence.result) {
    case 'port': {
      const { alive: _before, ...rest } = item
      return { ...rest, port: evidence.uuid, stage: item.forced ? 'cut' : 'owner' }
    }
    case 'owner': {
      const { alive: _before, next, ...rest } = item
      if (evidence.alive === undefined) return { ...rest, stage: next ?? 'cut' }
      return delayed({ ...item, alive: evidence.alive, stage: next ? 'owner' : 'port' }, timing)
    }
    case 'absent':
      return onward(item)
    case 'spared':
      return onward({ ...item, spared: evidence.why })
    // Handed out too late: the owner may have come since he was asked for.
    case 'unsent':
      return anew(item, 'delete')
    case 'unknown':
    case 'later':
    case 'object':
    case 'taken':
    case 'conflict':
    case 'rejected':
    case 'held':
      return delayed(
        { ...item, stage: item.next ? 'owner' : 'port' },
        timing,
        evidence.result === 'later' ? evidence.retryAfterMs : undefined,
      )
    default:
      return evidence satisfies never
  }
}

/** The object's turn. Before a cut its owner was asked for, before a look that found nothing to cut nobody was. */
function onward(item: ItemState): ItemState {
  const { port: _cut, alive: _before, ...rest } = item
  const next: ItemState = { ...rest, stage: beyond(item.uid), tries: 0 }
  return item.stage === 'cut' ? next : askedFirst(next)
}
