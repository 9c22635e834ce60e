import type { KubeObject } from '../../../shared/cluster/port.ts'
import { LABEL_RESERVED, LABEL_SUBNET } from '../../../shared/kube-ovn/names.ts'
import { capacity, excludes, splitAddresses } from './addresses.ts'
import type { Context } from './context.ts'
import { ipSpec, read, readAll, subnetSpec } from './objects.ts'
import type { Handled } from './queue.ts'

/** The counters in a Subnet's status, in the order of the controller's patch. */
const COUNTERS = [
  'v4availableIPs',
  'v4availableIPrange',
  'v4usingIPs',
  'v4usingIPrange',
  'v6availableIPs',
  'v6availableIPrange',
  'v6usingIPs',
  'v6usingIPrange',
] as const

export type SubnetCounters = { [K in (typeof COUNTERS)[number]]: number | string }

/** What a Subnet object says of itself; absent numbers are 0, absent ranges "". */
export function countersOf(object: KubeObject): SubnetCounters {
  const status = (object.status ?? {}) as Partial<SubnetCounters>
  return Object.fromEntries(
    COUNTERS.map((key) => [key, status[key] ?? (key.endsWith('IPs') ? 0 : '')]),
  ) as SubnetCounters
}

/** handleUpdateSubnetStatus [pkg/controller/subnet_status.go:83-120]. */
export function updateSubnetStatus(c: Context, name: string): Promise<Handled> {
  return c.subnetKeys.hold(name, async () => {
    const subnet = await read(c, 'Subnet', name)
    if (subnet === undefined) return undefined
    for (const pool of await readAll(c, 'IPPool'))
      if ((pool.spec as { subnet?: string }).subnet === name)
        c.queues['update status of ippool'].add(pool.metadata.name)
    if (subnetSpec(subnet).cidrBlock === '') return undefined
    const counted = await recount(c, subnet)
    if (typeof counted === 'string') return counted
    return inconsistent(name, counted.counters)
  })
}

/** calcSubnetStatusIP: counts anew and writes if anything differs from the cached object. @returns why it failed, or the result */
export async function recount(
  c: Context,
  subnet: KubeObject,
): Promise<string | { readonly subnet: KubeObject; readonly counters: SubnetCounters }> {
  const counters = await count(c, subnet)
  const present = countersOf(subnet)
  if (COUNTERS.every((key) => counters[key] === present[key])) return { subnet, counters }
  const reply = await c.writes.status({ kind: 'Subnet', name: subnet.metadata.name }, counters)
  return reply.ok ? { subnet: reply.value, counters } : reply.error.message
}

async function count(c: Context, subnet: KubeObject): Promise<SubnetCounters> {
  const { name } = subnet.metadata
  const { cidrBlock, gateway, excludeIps } = subnetSpec(subnet)
  const using = await usingIps(c, name, gateway, excludeIps)
  const ranges = c.ipam.rangeStrings(name, excludeIps)
  const available = (family: 4 | 6) => {
    const all = capacity(cidrBlock, gateway, excludeIps, family)
    return all === undefined || all < BigInt(using) ? 0 : Number(all - BigInt(using))
  }
  const has = (family: 4 | 6) => capacity(cidrBlock, gateway, [], family) !== undefined
  return {
    v4availableIPs: available(4),
    v4availableIPrange: ranges.v4Available,
    v4usingIPs: has(4) ? using : 0,
    v4usingIPrange: ranges.v4Using,
    v6availableIPs: available(6),
    v6availableIPrange: ranges.v6Available,
    v6usingIPs: has(6) ? using : 0,
    v6usingIPrange: ranges.v6Using,
  }
}

/** IP objects of the Subnet outside excludeIps (the gateway's own entry aside), and Vips that nobody reserved. */
async function usingIps(
  c: Context,
  name: string,
  gateway: string,
  excludeIps: readonly string[],
): Promise<number> {
  const { v4, v6 } = splitAddresses(gateway)
  const hidden = excludeIps.filter((text) => text !== v4 && text !== v6)
  const ips = (await readAll(c, 'IP')).map(ipSpec).filter((spec) => {
    if (spec.subnet !== name && !spec.attachSubnets?.includes(name)) return false
    return !hidden.some((text) => excludes(text, spec.v4IpAddress) || excludes(text, spec.v6IpAddress))
  })
  const vips = (await readAll(c, 'Vip')).filter(
    ({ metadata: { labels } }) => labels?.[LABEL_SUBNET] === name && labels[LABEL_RESERVED] === '',
  )
  return ips.length + vips.length
}

/** checkSubnetUsingIPs: addresses in use with an empty range are looked at again and again. */
function inconsistent(name: string, counters: SubnetCounters): Handled {
  for (const family of ['v4', 'v6'] as const)
    if (counters[`${family}usingIPs`] !== 0 && counters[`${family}usingIPrange`] === '')
      return `subnet ${name} has ${counters[`${family}usingIPs`]} ${family} ip in use, while the ${family} using ip range is empty`
  return undefined
}
