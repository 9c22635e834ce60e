import { DEPRECATED_FINALIZER, FINALIZER } from '../../kube-ovn/names.ts'
import type { LeaseView } from '../../ledger/port.ts'
import { agrees } from '../../ledger/said.ts'
import { isOlder } from '../../ledger/version.ts'
import type { Drift, FreshIp, Picture } from './types.ts'

/** A promise against the object of its name. */
export function* compareObject(picture: Picture, lease: LeaseView, object?: FreshIp): Iterable<Drift> {
  if (lease.state !== 'bound' && lease.state !== 'stranded') return
  const about = { names: [lease.name], addresses: addressesOf(lease), lease }
  if (!object) {
    // Made after the list was.
    if (lease.resourceVersion !== undefined && isOlder(picture.version, lease.resourceVersion)) return
    yield {
      ...about,
      kind: 'missing_object',
      differs: `there is no IP object ${lease.name}`,
      repair: 'it is made again with the same addresses and MAC, once a read has proven it gone',
      mend: { act: 'reassert', lease },
    }
    return
  }
  if (object.uid !== lease.uid) {
    yield* anothers(about, lease, object)
    return
  }
  // Whoever deletes it asks for its release, which is another operation's.
  if (object.terminating) return
  const says = saysOther(object, lease)
  if (says !== undefined) {
    yield {
      ...about,
      kind: 'changed_object',
      differs: `its IP object says ${says}`,
      repair: 'none: somebody wrote that; write back what is reserved, or release it',
    }
    return
  }
  yield* marksOf(picture, about, lease, object)
}

function* anothers(
  about: Pick<Drift, 'names' | 'addresses' | 'lease'>,
  lease: LeaseView,
  object: FreshIp,
): Iterable<Drift> {
  const isOurs = object.operation !== '' && object.operation === lease.origin
  if (isOurs && saysOther(object, lease) === undefined) {
    yield {
      ...about,
      kind: 'missing_object',
      differs: `its IP object is gone, and another one (uid ${object.uid}) has its name and marks`,
      repair: 'that one is read, and taken for its own if it says the same',
      mend: { act: 'reassert', lease },
    }
    return
  }
  const whose = `${object.namespace}/${object.podName} in Subnet ${object.subnet}`
  yield {
    ...about,
    kind: 'foreign_holder',
    differs: `the name ${lease.name} belongs to somebody else's IP object, of ${whose}`,
    ...(lease.contested
      ? { repair: 'none: both are kept, and the reservation is marked contested; remove one of the two' }
      : {
          repair: 'the reservation is marked contested; both are kept',
          mend: { act: 'reassert', lease } as const,
        }),
  }
}

function* marksOf(
  { authority }: Picture,
  about: Pick<Drift, 'names' | 'addresses' | 'lease'>,
  lease: LeaseView,
  object: FreshIp,
): Iterable<Drift> {
  const lost = [
    ...(object.reserved === 'true' ? [] : ['label ip_reserved="true"']),
    ...(object.subnetLabel === lease.subnet ? [] : [`label subnet="${lease.subnet}"`]),
    ...(object.operation === lease.origin ? [] : ['annotation berth/op']),
  ]
  if (lost.length > 0) {
    yield {
      ...about,
      kind: 'label_lost',
      differs: `its IP object lacks ${lost.join(', ')}`,
      repair: 'they are written again',
      mend: { act: 'mend', lease },
    }
  }
  const has = (finalizer: string) => object.finalizers.includes(finalizer)
  if (has(FINALIZER) && !has(DEPRECATED_FINALIZER)) return
  const differs = has(DEPRECATED_FINALIZER)
    ? `its IP object has the deprecated finalizer ${DEPRECATED_FINALIZER}`
    : `its IP object lacks the finalizer ${FINALIZER}`
  yield {
    ...about,
    kind: 'finalizer',
    differs,
    ...(authority === 'alone'
      ? { repair: `it gets ${FINALIZER}`, mend: { act: 'mend', lease } as const }
      : { repair: "none: beside kube-ovn-controller the finalizer is that one's to write" }),
  }
}

/** What an object of ours says that was not promised; undefined where it agrees. */
function saysOther(object: FreshIp, lease: LeaseView): string | undefined {
  const isSame =
    object.subnet === lease.subnet &&
    object.namespace === lease.namespace &&
    object.podName === lease.podName &&
    agrees(object, lease) &&
    (object.v4IpAddress !== '') === (lease.v4 !== '') &&
    (object.v6IpAddress !== '') === (lease.v6 !== '')
  if (isSame) return undefined
  const { namespace, podName, subnet, v4IpAddress, v6IpAddress, macAddress } = object
  const addresses = [v4IpAddress, v6IpAddress, macAddress].filter((text) => text !== '').join(', ')
  return `${namespace}/${podName} in Subnet ${subnet}: ${addresses || 'no address'}`
}

export function addressesOf({ v4, v6 }: Pick<LeaseView, 'v4' | 'v6'>): string[] {
  return [v4, v6].filter((address) => address !== '')
}
