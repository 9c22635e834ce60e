/** The comparison itself: pure, and all that is known of what may differ (types.ts has the table). */
import { saysCounters } from '../../kube-ovn/subnet-status.ts'
import { addressesOf, compareObject } from './compare-object.ts'
import { compareOthers } from './compare-others.ts'
import { DRIFT_KINDS, type Drift, type Picture } from './types.ts'
import { uncovered, windowDrift } from './window.ts'

/** What differs, by kind and then by name. A second call with the same picture says the same. */
export function compare(picture: Picture): readonly Drift[] {
  const objects = new Map(picture.objects.map((object) => [object.name, object]))
  const drifts = [
    ...picture.leases.flatMap((lease) => [
      ...compareObject(picture, lease, objects.get(lease.name)),
      ...strandedBy(picture, lease),
    ]),
    ...compareOthers(picture),
    ...countersOf(picture),
    ...windowOf(picture),
    ...pinsOf(picture),
    ...barePromises(picture),
  ]
  const rank = new Map(DRIFT_KINDS.map((kind, index) => [kind, index]))
  const key = ({ names, addresses }: Drift) => [...names, ...addresses].join(' ')
  return drifts.sort(
    (a, b) => (rank.get(a.kind) ?? 0) - (rank.get(b.kind) ?? 0) || (key(a) < key(b) ? -1 : 1),
  )
}

function* strandedBy({ isInside }: Picture, lease: Picture['leases'][number]): Iterable<Drift> {
  const { state, contested, name } = lease
  if (state !== 'bound' && state !== 'stranded') return
  const addresses = [lease.v4, lease.v6].filter((address) => address !== '')
  const outside = addresses.filter((address) => !isInside(address))
  const told = { kind: 'stranded', names: [name], addresses, lease } as const
  if (state === 'bound') {
    if (outside.length === 0) return
    yield {
      ...told,
      differs: `${outside.join(' and ')} is outside the Subnet's CIDR, and the ledger does not know that yet`,
      repair: 'the ledger is told of the Subnet; the reservation is kept as stranded',
      mend: { act: 'configure' },
    }
    return
  }
  if (outside.length > 0) {
    yield {
      ...told,
      differs: `${outside.join(' and ')} is outside the Subnet's CIDR`,
      repair: 'none: it is kept, and comes back when the CIDR contains it again; or release it',
    }
    return
  }
  yield {
    ...told,
    differs: "the Subnet's CIDR contains it again, and it is still stranded",
    ...(contested
      ? { repair: 'none: somebody else has its address by now; release one of the two' }
      : { repair: 'the ledger is told of the Subnet', mend: { act: 'configure' } as const }),
  }
}

function* countersOf({ subnet, counters, authority }: Picture): Iterable<Drift> {
  // What the alarm is about to write is no drift, and beside the controller they are that one's.
  if (!counters || counters.isTelling || authority === 'beside') return
  if (saysCounters(counters.says, counters.should)) return
  const is = (counters.says ?? {}) as Readonly<Record<string, unknown>>
  const differing = Object.entries(counters.should)
    .filter(([name, value]) => !saysCounters({ [name]: is[name] }, { [name]: value } as never))
    .map(([name, value]) => `${name} is ${JSON.stringify(is[name]) ?? 'missing'}, should be ${String(value)}`)
  yield {
    kind: 'counter_drift',
    names: [subnet],
    addresses: [],
    differs: differing.join('; '),
    repair: 'the ledger writes them again',
    mend: { act: 'counters' },
  }
}

function* windowOf({ subnet, window, excludeIps }: Picture): Iterable<Drift> {
  const bare = window ? windowDrift(window, excludeIps) : []
  if (bare.length === 0) return
  yield {
    kind: 'window_drift',
    names: [subnet],
    addresses: bare,
    differs: `the window has ${bare.join(', ')}, and the Subnet's excludeIps do not`,
    repair: 'none: put the window into excludeIps, or kube-ovn-controller may give these addresses away',
  }
}

/** Adopted addresses: the controller chooses from everything that excludeIps do not list (D2). */
function* barePromises({ subnet, leases, excludeIps, authority, isInside }: Picture): Iterable<Drift> {
  if (authority !== 'beside') return
  const promised = leases
    .filter(({ state }) => state === 'bound')
    .flatMap(addressesOf)
    .filter(isInside)
  const bare = uncovered(promised, excludeIps)
  if (bare.length === 0) return
  yield {
    kind: 'window_drift',
    names: [subnet],
    addresses: bare,
    differs: `${bare.length === 1 ? 'a reserved address is' : `${bare.length} reserved addresses are`} not in excludeIps: after a restart kube-ovn-controller gives them to others while their owners do not run`,
    repair: 'none: widen the window by them (POST /v1/subnets/{name}/window), and nobody gets them',
  }
}

function* pinsOf({
  subnet,
  window = [],
  excludeIps,
  pinned = [],
  leases,
  authority,
}: Picture): Iterable<Drift> {
  const held = new Set(leases.flatMap(({ v4, v6 }) => [v4, v6]))
  const over = uncovered(pinned, window).filter((entry) => excludeIps.includes(entry) && !held.has(entry))
  if (over.length === 0) return
  yield {
    kind: 'window_drift',
    names: [subnet],
    addresses: over,
    differs: `excludeIps have ${over.join(', ')}, put there for a reservation that is over (OUTSIDE_WINDOW=pin)`,
    ...(authority === 'beside'
      ? { repair: 'it is taken out again', mend: { act: 'unpin' } as const }
      : { repair: 'none: alone, Berth does not write excludeIps' }),
  }
}
