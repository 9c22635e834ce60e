import type { KubeObject } from '../../../shared/cluster/port.ts'
import { LABEL_RESERVED, ownerKey, POD_TYPES, portName } from '../../../shared/kube-ovn/names.ts'
import type { Result } from '../../../shared/result.ts'
import { isMac, joinValid } from './addresses.ts'
import type { Context } from './context.ts'
import { recordIp, stripFinalizers } from './ip-record.ts'
import type { Addresses } from './ipam.ts'
import { ipSpec, isOvnSubnet, isSpecial, isTerminating, read, subnetSpec } from './objects.ts'
import type { Handled } from './queue.ts'

/** Event handlers of IP objects [pkg/controller/ip.go:28-128]. */
export function ipHandlers(c: Context) {
  const recount = (subnet: string) => c.queues['update status of subnet'].add(subnet)
  return {
    added: (object: KubeObject) => {
      if (isSpecial(object.metadata.name)) return
      const spec = ipSpec(object)
      recount(spec.subnet)
      for (const subnet of spec.attachSubnets ?? []) recount(subnet)
      c.queues['add ip'].add(object.metadata.name)
    },
    updated: (old: KubeObject, object: KubeObject) => {
      const [was, is] = [ipSpec(old), ipSpec(object)]
      if (was.subnet !== '' && is.subnet !== was.subnet) {
        recount(was.subnet)
        recount(is.subnet)
        return
      }
      // D11, D20: what must not change is logged, and nothing else in the same change is looked at.
      for (const field of ['namespace', 'podName', 'podType', 'macAddress', 'v4IpAddress'] as const)
        if (was[field] !== '' && is[field] !== was[field]) return
      if (was.v6IpAddress !== '' && (hasCapitals(is.v6IpAddress) || is.v6IpAddress !== was.v6IpAddress))
        return
      if (isTerminating(object)) c.queues['update ip'].add(object.metadata.name)
      else if (JSON.stringify(was.attachSubnets ?? []) !== JSON.stringify(is.attachSubnets ?? []))
        for (const subnet of is.attachSubnets ?? []) recount(subnet)
    },
    removed: (object: KubeObject) => {
      if (isSpecial(object.metadata.name)) return
      const key = `${object.metadata.name}@${object.metadata.uid}`
      c.leaving.ip.set(key, object)
      c.queues['delete ip'].add(key)
    },
  }
}

/** handleAddReservedIP, step by step as in semantics.md §3 [pkg/controller/ip.go:130-230]. */
export async function addReservedIp(c: Context, name: string): Promise<Handled> {
  const object = await read(c, 'IP', name)
  if (object === undefined || isTerminating(object)) return undefined
  const careful = c.quirks.has('Q3')
  if (careful && (object.metadata.finalizers ?? []).length > 0) return undefined
  const spec = ipSpec(object)
  if (spec.subnet === '') return 'subnet parameter cannot be empty'
  if (!(POD_TYPES as readonly string[]).includes(spec.podType))
    return `podType ${spec.podType} is not supported`
  const subnet = await read(c, 'Subnet', spec.subnet)
  if (subnet === undefined) return `failed to get subnet ${spec.subnet}`
  const port = portName(spec.podName, spec.namespace, subnetSpec(subnet).provider)
  if (careful && port !== name) return undefined
  if (careful && (await c.north.get(port)) !== undefined) return undefined
  if (hasCapitals(spec.v6IpAddress))
    return `ip ${name} v6 ip address ${spec.v6IpAddress} can not contain upper case`
  const got = acquire(c, object, subnet, port)
  if (!got.ok) return `failed to acquire ip address ${got.error}`
  const { v4, v6, mac } = got.value
  const why = await recordIp(c, { ...spec, name, ip: joinValid(v4, v6), mac })
  return why ?? markReserved(c, object)
}

/** The second write (D5): labels as they were before the first, and the mark. */
async function markReserved(c: Context, before: KubeObject): Promise<Handled> {
  const labels = before.metadata.labels ?? {}
  if (labels[LABEL_RESERVED] === 'false') return undefined
  const ref = { kind: 'IP', name: before.metadata.name } as const
  const reply = c.quirks.has('Q6')
    ? await c.writes.send({ verb: 'labels', ref, labels: { ...labels, [LABEL_RESERVED]: 'true' } })
    : await c.writes.merge(ref, { metadata: { labels: { [LABEL_RESERVED]: 'true' } } })
  return reply.ok ? undefined : `failed to patch label for ip ${before.metadata.name}, ${reply.error.message}`
}

/** ipAcquireAddress [pkg/controller/ip.go:539-572]. */
function acquire(
  c: Context,
  object: KubeObject,
  subnet: KubeObject,
  port: string,
): Result<Addresses, string> {
  const spec = ipSpec(object)
  const name = subnet.metadata.name
  const owner = ownerKey(spec.namespace, spec.podName)
  const ip = joinValid(spec.v4IpAddress, spec.v6IpAddress)
  const pinned = isOvnSubnet(subnet) ? (spec.macAddress === '' ? undefined : spec.macAddress) : ''
  const quirky = c.quirks.has('Q4')
  if (ip !== '')
    return c.ipam.allocateStatic({ subnet: name, pod: owner, nic: port, ip, mac: pinned, check: !quirky })
  const pod = quirky ? object.metadata.name : owner
  const mac = quirky || pinned === undefined || !isMac(pinned) ? undefined : pinned
  return randomAddress(c, subnet, { pod, nic: port, mac, check: true, pool: '' })
}

/** GetRandomAddress until it is no node's own address [pkg/controller/ip.go:343-372]. */
export function randomAddress(
  c: Context,
  subnet: KubeObject,
  request: {
    readonly pod: string
    readonly nic: string
    readonly mac: string | undefined
    readonly check: boolean
    readonly pool: string
    readonly family?: string
  },
): Result<Addresses, string> {
  const { vlan, vpc } = subnetSpec(subnet)
  const nodes = (vlan ?? '') === '' && vpc === c.config.clusterRouter ? c.config.nodeAddresses : []
  const skip: string[] = []
  for (;;) {
    const got = c.ipam.allocateRandom({ ...request, subnet: subnet.metadata.name, skip })
    if (!got.ok) return got
    const clash = [got.value.v4, got.value.v6].filter((text) => text !== '' && nodes.includes(text))
    if (clash.length === 0) return got
    skip.push(...clash)
  }
}

/** handleUpdateIP: only what is terminating [pkg/controller/ip.go:232-297]. Every step is done again on each try (N2). */
export async function updateIp(c: Context, name: string): Promise<Handled> {
  const object = await read(c, 'IP', name)
  if (object === undefined || !isTerminating(object)) return undefined
  const spec = ipSpec(object)
  const subnet = await read(c, 'Subnet', spec.subnet)
  if (subnet === undefined && isSpecial(name)) return stripFinalizers(c, object)
  if (isOvnSubnet(subnet) && (await c.north.get(name)) !== undefined) await c.north.delete(name)
  const uid = object.metadata.uid ?? ''
  if (c.quirks.has('Q8') || !c.releasedUids.has(uid))
    c.ipam.releaseNic(ownerKey(spec.namespace, spec.podName), name, spec.subnet)
  c.releasedUids.add(uid)
  const why = await stripFinalizers(c, object)
  if (why !== undefined) return why
  c.queues['update status of subnet'].add(spec.subnet)
  return undefined
}

/** handleDelIP: recounts. An object that never got the finalizer keeps its lease (D15). */
export async function deleteIp(c: Context, key: string): Promise<Handled> {
  const object = c.leaving.ip.get(key)
  c.leaving.ip.delete(key)
  if (object === undefined) return undefined
  const spec = ipSpec(object)
  if (!c.quirks.has('Q9'))
    c.ipam.releaseNic(ownerKey(spec.namespace, spec.podName), object.metadata.name, spec.subnet)
  for (const subnet of [spec.subnet, ...(spec.attachSubnets ?? [])])
    c.queues['update status of subnet'].add(subnet)
  return undefined
}

const hasCapitals = (text: string) => /[A-Z]/.test(text)
