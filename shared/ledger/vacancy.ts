/**
 * A reserve looks whether the port name and the address are vacant in OVN before it posts anything (faults.md R2), and
 * a completion before it writes anything into the object. A port of the name belongs to a Pod that runs: its object is adopted, or the reserve is refused. An address that
 * another port carries is given up: for another one where the ledger chose it, else the reserve is refused.
 */
import { formatAddress } from '../ipam/address.ts'
import { AWAY_PREFIX, PORT_PREFIX } from '../kube-ovn/names.ts'
import { isOvnProvider } from '../kube-ovn/pod-nets.ts'
import type { Finding } from '../problem.ts'
import { allocated } from './hold.ts'
import type { LeaseRow } from './lease.ts'
import { wishOf } from './met.ts'
import { delayed, type Evidence, type ItemState, isLate, refused, type Timing } from './operations.ts'
import { leave, nobodys } from './others.ts'
import type { Space } from './space.ts'

/** The first stage of what is to be posted. In a shared space the address is taken there before anything else. */
export function firstStage(space: Space): 'vacant' | 'post' {
  if (space.settings.sharedSpace !== undefined) return 'vacant'
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
      return meetsHolder(item, evidence)
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
        ? refused(
            item,
            'unavailable',
            'OVN did not say in time whether the address is vacant, or the shared space whether it is taken',
            1_000,
          )
        : delayed(item, timing, evidence.result === 'later' ? evidence.retryAfterMs : undefined)
    default:
      return evidence satisfies never
  }
}

const FIELDS = { v4: 'v4IpAddress', v6: 'v6IpAddress', mac: 'macAddress' } as const

/** Somebody has what was chosen: another is chosen in its place, or the wish is refused where its caller chose. */
function meetsHolder(item: ItemState, evidence: Extract<Evidence, { result: 'held' }>): ItemState {
  const { by, away, what, others } = evidence
  const fixed = item.fixed ?? []
  const isFixed = what === undefined ? fixed.some((field) => field !== 'mac') : fixed.includes(what)
  if (!isFixed) {
    return {
      ...item,
      taken: by,
      ...(away === undefined ? {} : { away }),
      ...(what === undefined ? {} : { what }),
      ...(others === undefined ? {} : { others }),
    }
  }
  const code = what === 'mac' ? 'mac_taken' : 'address_taken'
  const verb = away === undefined ? 'carries' : 'has'
  const back = refused(item, code, `${holder(by, away)} ${verb} the ${what === 'mac' ? 'MAC' : 'address'}`)
  return what && back.failure ? { ...back, failure: { ...back.failure, field: FIELDS[what] } } : back
}

/** Who has what was chosen, in words. */
export function holder(name: string, cluster: string | undefined): string {
  return cluster === undefined ? `logical switch port ${name}` : `${name} of cluster ${cluster}`
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
  for (const { others = [] } of items) for (const address of others) leave(space, address)
  return items.map((item) => {
    const { taken, away, what, others: _left, ...rest } = item
    const row = taken === undefined ? undefined : space.leases.get(item.nic, item.id)
    if (taken === undefined || row?.state !== 'held') return rest
    const wish = wishOf(item, row)
    const by: Holder = { name: taken, away, what }
    giveUp(space, row, by)
    const findings: Finding[] = []
    const other = allocated(space, wish, row.nic, op, space.clock.nowMs(), (finding) =>
      findings.push(finding),
    )
    if (other) {
      space.lifetimes.move(row.id, other)
      return { ...rest, id: other.id, tries: 0 }
    }
    space.lifetimes.drop(row.id)
    const [why] = findings
    const carried = `${inTheWay(row, by)}, and no other is left`
    return refused(
      { ...rest, taken },
      why?.code ?? 'unavailable',
      why ? `${carried}: ${why.message}` : carried,
    )
  })
}

interface Holder {
  readonly name: string
  /** The cluster, where it is another. */
  readonly away: string | undefined
  readonly what: 'v4' | 'v6' | 'mac' | undefined
}

/** The row becomes one of nobody's that cools down, so that the address is not chosen again at once. */
function giveUp(space: Space, row: LeaseRow, by: Holder): void {
  const { name, away, what } = by
  space.leases.delete(row)
  const v4 = what === undefined || what === 'v4' ? row.v4 : null
  const v6 = what === undefined || what === 'v6' ? row.v6 : null
  // What nobody is in the way of may be chosen again.
  if (v4 === null && row.v4 !== null) space.allocator.vacate(4, row.v4)
  if (v6 === null && row.v6 !== null) space.allocator.vacate(6, row.v6)
  const nic = away === undefined ? `${PORT_PREFIX}${name}` : `${AWAY_PREFIX}${away}/${name}`
  if (v4 !== null || v6 !== null) space.leases.insert(nobodys(space, nic, { v4, v6 }, inTheWay(row, by)))
}

function inTheWay(row: LeaseRow, { name, away, what }: Holder): string {
  if (what === 'mac') return `${holder(name, away)} has MAC ${row.mac}`
  return `${holder(name, away)} ${away === undefined ? 'carries' : 'has'} ${spelled(row)}`
}

function spelled({ v4, v6 }: LeaseRow): string {
  const texts = [v4 === null ? '' : formatAddress(4, v4), v6 === null ? '' : formatAddress(6, v6)]
  return texts.filter((text) => text !== '').join(' or ')
}
