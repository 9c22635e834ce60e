import type { KubeObject } from '../../../shared/cluster/port.ts'
import { parseAddress } from '../../../shared/ipam/address.ts'
import { ownerKey, portName } from '../../../shared/kube-ovn/names.ts'
import { err, ok, type Result } from '../../../shared/result.ts'
import { excludes, isMac } from './addresses.ts'
import type { Context } from './context.ts'
import { countersOf } from './counters.ts'
import type { Addresses } from './ipam.ts'
import { isTerminating, read, subnetSpec } from './objects.ts'
import { annotation, IP_ADDRESS, IP_POOL, LOGICAL_SWITCH, MAC_ADDRESS, NET, nameByPod } from './pod-facts.ts'
import { randomAddress } from './reserved.ts'

/** A single pool's name, rather than a list of addresses. */
const poolName = (text: string) => (/[,;]/.test(text) || parseAddress(text).ok ? '' : text.trim())

/**
 * getPodDefaultSubnet [pkg/controller/pod.go:1967-2053]: logical_switch, else the named pool's, else the namespace's
 * first that its counters say is not full (D14). Undefined: gone, and the Pod is going too.
 */
export async function defaultSubnet(
  c: Context,
  pod: KubeObject,
): Promise<Result<KubeObject | undefined, string>> {
  const going = isTerminating(pod)
  const chosen = annotation(pod, LOGICAL_SWITCH)
  if (chosen !== '') {
    const subnet = await read(c, 'Subnet', chosen)
    return subnet === undefined && !going ? err(`failed to get subnet ${chosen}`) : ok(subnet)
  }
  const pool = poolName(annotation(pod, IP_POOL))
  if (pool !== '') {
    const object = await read(c, 'IPPool', pool)
    const subnet = await read(c, 'Subnet', (object?.spec as { subnet?: string } | undefined)?.subnet ?? '')
    return subnet === undefined ? err(`failed to get ippool ${pool}`) : ok(subnet)
  }
  for (const name of c.config.namespaceSubnets(pod.metadata.namespace ?? '')) {
    const subnet = await read(c, 'Subnet', name)
    if (subnet === undefined && !going) return err(`failed to get subnet ${name}`)
    if (subnet !== undefined && (!isFull(subnet) || asksForExcluded(pod, subnet))) return ok(subnet)
  }
  return err('NoAvailableAddress')
}

function isFull(subnet: KubeObject): boolean {
  const { v4availableIPs, v6availableIPs } = countersOf(subnet)
  const { protocol } = subnetSpec(subnet)
  if (protocol === 'Dual') return v4availableIPs === 0 || v6availableIPs === 0
  return (protocol === 'IPv6' ? v6availableIPs : v4availableIPs) === 0
}

function asksForExcluded(pod: KubeObject, subnet: KubeObject): boolean {
  const asked = (annotation(pod, IP_ADDRESS) || annotation(pod, IP_POOL))
    .split(',')
    .map((text) => text.trim())
  return asked.some((text) => subnetSpec(subnet).excludeIps.some((entry) => excludes(entry, text)))
}

/** What a Pod gets, and the Subnet it is from. */
export interface PodAddress extends Addresses {
  readonly subnet: KubeObject
}

/** acquireAddress of the default network [pkg/controller/pod.go:2467-2753]. */
export async function podAddress(
  c: Context,
  pod: KubeObject,
  subnet: KubeObject,
): Promise<Result<PodAddress, string>> {
  const namespace = pod.metadata.namespace ?? ''
  const name = nameByPod(c, pod)
  const nic = portName(name, namespace, 'ovn')
  const wish = annotation(pod, MAC_ADDRESS)
  if (wish !== '' && !isMac(wish)) return err(`invalid MAC address ${wish}`)
  const family = annotation(pod, `${NET}ip_family`)
  const asked = {
    pod: ownerKey(namespace, name),
    nic,
    mac: wish === '' ? undefined : wish,
    check: true,
    ...(family === '' ? {} : { family }),
  }
  const address = annotation(pod, IP_ADDRESS)
  const pool = annotation(pod, IP_POOL)
  if (address === '' && pool === '') return of(subnet, randomAddress(c, subnet, { ...asked, pool: '' }))
  const places = await candidates(c, pod, subnet)
  if (address !== '') return firstStatic(c, places, address, asked)
  const named = poolName(pool)
  if (named === '') return fromList(c, pod, places, pool, asked)
  const object = await read(c, 'IPPool', named)
  if (object === undefined) return err(`failed to get ippool ${named}`)
  return of(subnet, randomAddress(c, subnet, { ...asked, pool: named }))
}

type Asked = {
  readonly pod: string
  readonly nic: string
  readonly mac: string | undefined
  readonly check: boolean
  readonly family?: string
}

const of = (subnet: KubeObject, got: Result<Addresses, string>): Result<PodAddress, string> =>
  got.ok ? ok({ ...got.value, subnet }) : got

/** The chosen Subnet, or all of the namespace's, the default one first. */
async function candidates(c: Context, pod: KubeObject, subnet: KubeObject): Promise<KubeObject[]> {
  if (annotation(pod, LOGICAL_SWITCH) !== '') return [subnet]
  const places = [subnet]
  for (const name of c.config.namespaceSubnets(pod.metadata.namespace ?? '')) {
    const other = name === subnet.metadata.name ? undefined : await read(c, 'Subnet', name)
    if (other !== undefined) places.push(other)
  }
  return places
}

function firstStatic(
  c: Context,
  places: readonly KubeObject[],
  ip: string,
  asked: Asked,
): Result<PodAddress, string> {
  let last: Result<PodAddress, string> = err('NoAvailableAddress')
  for (const subnet of places) {
    last = of(subnet, c.ipam.allocateStatic({ ...asked, subnet: subnet.metadata.name, ip }))
    if (last.ok) return last
  }
  return last
}

/** A list of addresses: a StatefulSet's Pod takes the one of its ordinal, others the first nobody has. */
function fromList(
  c: Context,
  pod: KubeObject,
  places: readonly KubeObject[],
  list: string,
  asked: Asked,
): Result<PodAddress, string> {
  const parts = list.split(list.includes(';') ? ';' : ',').map((text) => text.trim())
  const set = pod.metadata.ownerReferences?.some(({ kind }) => kind === 'StatefulSet')
  if (set) {
    const ip = parts[Number(pod.metadata.name.split('-').at(-1))]
    return ip === undefined ? err('NoAvailableAddress') : firstStatic(c, places, ip, asked)
  }
  let last: Result<PodAddress, string> = err('NoAvailableAddress')
  for (const subnet of places) {
    const ipam = c.ipam.subnet(subnet.metadata.name)
    for (const ip of parts) {
      if (ipam?.assignedToOther(ip.split(',')[0]!, asked.pod) !== undefined) {
        last = err('AddressConflict')
        continue
      }
      last = firstStatic(c, [subnet], ip, asked)
      if (last.ok) return last
    }
  }
  return last
}
