import type { Call, Evidence } from '../ledger/operations.ts'
import type { LeaseView } from '../ledger/port.ts'
import type { OvnEvidence, OvnRequest, PortOwner } from '../ovn/port.ts'

/** Calls that OVN's Northbound database answers. */
export type PortCall = Extract<Call, { verb: 'port' | 'cut' | 'vacancy' }>

export function isPortCall(call: Call): call is PortCall {
  return call.verb === 'port' || call.verb === 'cut' || call.verb === 'vacancy'
}

/** Whose port a reservation's name is (semantics.md §7). */
export function portOwner({ name, subnet, namespace, podName }: LeaseView): PortOwner {
  return { name, subnet, pod: `${namespace}/${podName}` }
}

/** What to ask, in the order in which `portEvidence` wants the answers. */
export function portRequests(call: PortCall, lease: LeaseView): readonly OvnRequest[] {
  const owner = portOwner(lease)
  switch (call.verb) {
    case 'port':
      return [{ verb: 'name', owner }]
    case 'cut':
      return [{ verb: 'cut', owner, uuid: call.uuid }]
    case 'vacancy': {
      const addresses = [lease.v4, lease.v6].filter((address) => address !== '')
      return [
        { verb: 'name', owner },
        { verb: 'address', subnet: lease.subnet, addresses, except: lease.name },
      ]
    }
    default:
      return call satisfies never
  }
}

/** Nobody looked: that is not absence, and is said. */
const UNASKED = 'OVN_NB is none: no logical switch port was looked for'

/** What was said of a port, reduced to what the ledger decides on: the first thing that is not absence. */
export function portEvidence(call: PortCall, all: readonly OvnEvidence[]): Evidence {
  const [first, second] = all.map((said) => portFact(call, said))
  if (!first) throw new Error('a port call without an answer')
  return first.result === 'absent' && second ? second : first
}

function portFact({ item, verb }: PortCall, said: OvnEvidence): Evidence {
  switch (said.result) {
    case 'found':
      return { item, result: 'port', uuid: said.port.uuid }
    case 'not_ours':
      return {
        item,
        result: 'spared',
        why: `logical switch port ${said.port.name} ${verb === 'vacancy' ? 'exists' : 'was left alone'}: ${said.why}`,
      }
    case 'absent':
    case 'cut':
      return { item, result: 'absent' }
    case 'later':
      return { item, result: 'later' }
    case 'held':
      return { item, result: 'held', by: said.ports[0]?.name ?? '' }
    case 'unknown':
      return { item, result: 'unknown' }
    case 'unasked':
      return verb === 'vacancy' ? { item, result: 'later' } : { item, result: 'spared', why: UNASKED }
    default:
      return said satisfies never
  }
}
