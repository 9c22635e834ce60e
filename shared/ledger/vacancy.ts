/**
 * A reserve looks whether the port name and the address are vacant in OVN before it posts anything (faults.md R2), and
 * a completion before it writes anything into the object. A port of the name belongs to a Pod that runs: its object is adopted, or the reserve is refused. An address that
 * another port carries is given up: for another one where the ledger chose it, else the reserve is refused.
 */
import { QUICK } from '../elapsed.ts'
import { formatAddress } from '../ipam/address.ts'
import { PORT_PREFIX } from '../kube-ovn/names.ts'
import { isOvnProvider } from '../kube-ovn/pod-nets.ts'
import type { Finding } from '../problem.ts'
import { allocated } from './hold.ts'
import { reservationId } from './ids.ts'
import type { LeaseRow } from './lease.ts'
import { wishOf } from './met.ts'
import { delayed, type Evidence, type ItemState, isLate, refused, type Timing } from './operations.ts'
import type { Space } from './space.ts'

/** How long an address that a port was seen with is kept from others before it may be tried again, at least. */
const LEAST_REST_MS = 60_000

/** The first stage of what is to be posted. */
export function firstStage(space: Space): 'vacant' | 'post' {
  return space.settings.ovn && isOvnProvider(space.subnet?.facts.provider ?? '') ? 'vacant' : 'post'
}

export function learnVacancy(item: ItemState, evidence: Evidence, timing: Timing): ItemState {
  switch (evidence.result) {
    case 'absent':
      return { ...item, stage: item.complete ? 'owner' : 'post', tries: 0 }
    case 'port':
      // The object is known: its owner says whether he runs with what it is to get.
      if (item.complete) return { ...item, stage: 'owner', port: evidence.uuid, tries: 0 }
      // Its owner's object is looked for; there being none, posting one would promise another address than it runs with.
      return { ...item, stage: 'inspect', port: evidence.uuid, tries: 0 }
    case 'spared':
      return refused(item, 'port_exists', evidence.why)
    case 'held':
      return item.fixed?.some((field) => field !== 'mac')
        ? refused(item, 'address_taken', `logical switch port ${evidence.by} carries the address`)
        : { ...item, taken: evidence.by }
    case 'unsent':
      return item
    case 'later':
    case 'unknown':
    case 'object':
    case 'taken':
    case 'conflict':
    case 'rejected':
    case 'owner':
      return isLate(timing)
        ? refused(item, 'unavailable', 'OVN did not say in time whether the address is vacant', 1_000)
        : delayed(item, timing, evidence.result === 'later' ? evidence.retryAfterMs : undefined)
    default:
      return evidence satisfies never
  }
}

/** There is a port of the name, and the object has no address that its owner could run with. */
export function portWithoutOwner(item: ItemState): ItemState {
  return refused(
    item,
    'port_exists',
    `logical switch port ${item.nic} is there, and no Pod that runs with it: remove what is left of it`,
  )
}

/** There is a port of the name and no object to adopt. */
export function portWithoutObject(item: ItemState): ItemState {
  return refused(
    item,
    'port_exists',
    `logical switch port ${item.nic} is there without an IP object: remove the Pod, or what is left of it`,
  )
}

/**
 * Items whose address a port carries get another one. Where there is none the item is refused; its row is given up
 * already, which `taken` says. The caller is in a transaction.
 */
export function choosingAgain(space: Space, op: string, items: readonly ItemState[]): readonly ItemState[] {
  if (items.every(({ taken }) => taken === undefined)) return items
  return items.map((item) => {
    const { taken, ...rest } = item
    const row = taken === undefined ? undefined : space.leases.get(item.nic, item.id)
    if (taken === undefined || row?.state !== 'held') return rest
    const wish = wishOf(item, row)
    giveUp(space, row, taken)
    const findings: Finding[] = []
    const other = allocated(space, wish, row.nic, op, space.clock.nowMs(), (finding) =>
      findings.push(finding),
    )
    if (other) return { ...rest, id: other.id, tries: 0 }
    const [why] = findings
    const carried = `logical switch port ${taken} carries ${spelled(row)}, and no other is left`
    return refused(
      { ...rest, taken },
      why?.code ?? 'unavailable',
      why ? `${carried}: ${why.message}` : carried,
    )
  })
}

/** The row becomes one of nobody's that cools down, so that the address is not chosen again at once. */
function giveUp(space: Space, row: LeaseRow, port: string): void {
  space.leases.delete(row)
  space.leases.insert({
    ...row,
    nic: `${PORT_PREFIX}${port}`,
    id: reservationId(space.clock.nowMs(), space.random),
    namespace: '',
    podName: '',
    podType: '',
    mac: '',
    pool: '',
    state: 'quarantined',
    epoch: row.epoch + 1,
    uid: null,
    rv: null,
    objectAt: null,
    proofMs: null,
    reason: `logical switch port ${port} carries ${spelled(row)}`,
    freeMs: space.nowMs + Math.max(space.settings.quarantineMs, LEAST_REST_MS) + QUICK.leewayMs,
  })
}

function spelled({ v4, v6 }: LeaseRow): string {
  const texts = [v4 === null ? '' : formatAddress(4, v4), v6 === null ? '' : formatAddress(6, v6)]
  return texts.filter((text) => text !== '').join(' or ')
}
