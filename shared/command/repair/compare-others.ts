import { formatAddress } from '../../ipam/address.ts'
import { VIP_PREFIX } from '../../kube-ovn/names.ts'
import type { LeaseView } from '../../ledger/port.ts'
import { saidBy } from '../../ledger/said.ts'
import { isWish } from '../../ledger/wishes.ts'
import { addressesOf } from './compare-object.ts'
import type { Drift, FreshIp, Picture } from './types.ts'
import { canonical } from './window.ts'

/** What others have: their objects, Pods and ports, against one another and against the promises. */
export function* compareOthers(picture: Picture): Iterable<Drift> {
  const here = picture.objects.filter(({ subnet }) => subnet === picture.subnet)
  const holders = holdersOf(picture, here)
  yield* sharedBy(picture, holders)
  yield* podsOf(picture, holders)
  yield* portsOf(picture, holders)
  const promised = new Set(picture.leases.filter(({ state }) => OURS.has(state)).map(({ name }) => name))
  const rows = new Map(
    picture.leases.filter(({ state }) => state === 'foreign').map((row) => [row.name, row]),
  )
  for (const object of here) {
    if (!promised.has(object.name)) yield* withoutLease(picture, object, rows.get(object.name))
  }
}

/** States in which an object of the row's name is the row's, or its operation's. */
const OURS: ReadonlySet<string> = new Set(['held', 'bound', 'releasing', 'stranded'])
const PROMISED: ReadonlySet<string> = new Set(['bound', 'stranded'])

/** Who says an address: names of objects and of promises, which are one where the object is the promise's. */
interface Holder {
  readonly names: Set<string>
  readonly promises: LeaseView[]
}

function holdersOf(picture: Picture, here: readonly FreshIp[]): ReadonlyMap<string, Holder> {
  const holders = new Map<string, Holder>()
  const of = (address: string) => {
    const known = holders.get(address) ?? { names: new Set<string>(), promises: [] }
    holders.set(address, known)
    return known
  }
  for (const object of here) for (const address of saidAddresses(object)) of(address).names.add(object.name)
  for (const lease of picture.leases) {
    if (!PROMISED.has(lease.state)) continue
    for (const address of addressesOf(lease)) {
      const holder = of(address)
      holder.names.add(lease.name)
      holder.promises.push(lease)
    }
  }
  return holders
}

function saidAddresses(object: FreshIp): string[] {
  const { v4, v6 } = saidBy(object)
  return [...(v4 === null ? [] : [formatAddress(4, v4)]), ...(v6 === null ? [] : [formatAddress(6, v6)])]
}

function* sharedBy({ mirrored }: Picture, holders: ReadonlyMap<string, Holder>): Iterable<Drift> {
  for (const [address, { names, promises }] of holders) {
    if (names.size < 2) continue
    const [lease] = promises
    const isNews = mirrored && promises.some(({ contested }) => !contested)
    yield {
      kind: 'shared_address',
      names: [...names].sort(),
      addresses: [address],
      differs: `${names.size} say ${address}`,
      ...(lease ? { lease } : {}),
      ...(isNews
        ? {
            repair: 'the ledger is told, and marks the reservation contested; nobody loses the address',
            mend: { act: 'learn' } as const,
          }
        : { repair: 'none: the address is taken from nobody; release or remove all but one' }),
    }
  }
}

function* podsOf({ pods, leases, isInside }: Picture, holders: ReadonlyMap<string, Holder>): Iterable<Drift> {
  const seen = { kind: 'foreign_holder' } as const
  const promises = new Map(
    leases.filter(({ state }) => PROMISED.has(state)).map((lease) => [lease.name, lease]),
  )
  for (const pod of pods) {
    const addresses = pod.addresses.flatMap((text) => canonical(text) ?? [])
    const promise = promises.get(pod.port)
    if (promise && addresses.length > 0 && !addresses.some((one) => addressesOf(promise).includes(one))) {
      yield {
        kind: 'owner_elsewhere',
        names: [promise.name, `${pod.namespace}/${pod.name}`],
        addresses: [...addressesOf(promise), ...addresses],
        differs: `Pod ${pod.namespace}/${pod.name} runs with ${addresses.join(' and ')}, not with what is reserved for it`,
        repair: 'none: a running Pod is given no other address; make it anew, and it gets its own',
        lease: promise,
      }
    }
    for (const address of addresses) {
      const holder = holders.get(address)
      // Its own object says so: what that meets is told with the objects.
      if (holder?.names.has(pod.port)) continue
      const [lease] = holder?.promises ?? []
      if (lease) {
        yield {
          ...seen,
          names: [lease.name, `${pod.namespace}/${pod.name}`],
          addresses: [address],
          differs: `Pod ${pod.namespace}/${pod.name} runs with ${address}, which is reserved for ${lease.namespace}/${lease.podName}`,
          repair: 'none: the address is taken from nobody; remove the Pod, or release the reservation',
          lease,
        }
      } else if (!holder && isInside(address)) {
        yield {
          ...seen,
          names: [`${pod.namespace}/${pod.name}`],
          addresses: [address],
          differs: `Pod ${pod.namespace}/${pod.name} runs with ${address}, and has no IP object that says so`,
          repair: "none: its IP object is Kube-OVN's to write; until then the ledger cannot keep the address",
        }
      }
    }
  }
}

function* portsOf(
  { ports = [], objects, pods }: Picture,
  holders: ReadonlyMap<string, Holder>,
): Iterable<Drift> {
  const named = new Set(objects.map(({ name }) => name))
  const running = new Set(pods.map(({ port }) => port))
  for (const port of ports) {
    const addresses = port.addresses.flatMap((text) => canonical(text) ?? [])
    if (!named.has(port.name)) {
      yield {
        kind: 'port_without_object',
        names: [port.name],
        addresses,
        differs: `logical switch port ${port.name} has no IP object`,
        repair: running.has(port.name)
          ? 'none: its Pod runs'
          : 'none: ports are cut by the release of a reservation only; Kube-OVN collects what nobody has',
      }
    }
    for (const address of addresses) {
      const holder = holders.get(address)
      const [lease] = holder?.promises ?? []
      // A Pod that runs with it is told as that.
      if (!lease || holder?.names.has(port.name) || running.has(port.name)) continue
      yield {
        kind: 'foreign_holder',
        names: [lease.name, port.name],
        addresses: [address],
        differs: `logical switch port ${port.name} carries ${address}, which is reserved for ${lease.namespace}/${lease.podName}`,
        repair: 'none: the port is not ours to cut',
        lease,
      }
    }
  }
}

function* withoutLease({ mirrored }: Picture, object: FreshIp, row: LeaseView | undefined): Iterable<Drift> {
  if (object.terminating || object.name.startsWith(VIP_PREFIX)) return
  const isKnown = row?.uid === object.uid
  const isReserved = object.reserved === 'true'
  const addresses = saidAddresses(object)
  const about = { kind: 'object_without_lease', names: [object.name], addresses } as const
  if (isKnown && !isReserved && !isWish(object)) return
  if (!isKnown && mirrored) {
    yield {
      ...about,
      differs: `IP object ${object.name} is there, and the ledger has not heard of it`,
      repair: 'the ledger is told of it',
      mend: { act: 'learn' },
    }
    return
  }
  if (isReserved && addresses.length > 0 && (isKnown || !mirrored)) {
    yield {
      ...about,
      ...(row ? { lease: row } : {}),
      differs: `IP object ${object.name} says that it is reserved, and no reservation is kept for it`,
      repair: 'it is adopted with the addresses and MAC it has',
      mend: { act: 'adopt', object },
    }
    return
  }
  if (!isWish(object)) {
    yield {
      ...about,
      differs: `IP object ${object.name} is somebody else's, and the ledger has not heard of it`,
      repair: "none: this ledger is not told of others' objects",
    }
    return
  }
  yield {
    ...about,
    differs: `IP object ${object.name} asks for an address, and has no reservation`,
    repair: 'none: it is a wish, which the ledger grants or refuses; Events on it say which',
  }
}
