import type { KubeObject } from '../../../shared/cluster/port.ts'
import { formatAddress, parseAddress } from '../../../shared/ipam/address.ts'
import { parseRange } from '../../../shared/ipam/config.ts'
import { parseKubeOvnSubnet } from '../../../shared/ipam/kube-ovn-config.ts'
import { DEFAULT_PROVIDER, DEPRECATED_FINALIZER, FINALIZER } from '../../../shared/kube-ovn/names.ts'
import { excludes } from './addresses.ts'
import type { Context } from './context.ts'
import { countersOf, recount } from './counters.ts'
import { isOvnSubnet, isTerminating, read, readAll, subnetSpec } from './objects.ts'
import type { Handled } from './queue.ts'

/** Event handlers of Subnets [pkg/controller/subnet.go:30-108]. */
export function subnetHandlers(c: Context) {
  return {
    added: (object: KubeObject) => c.queues['add/update subnet'].add(object.metadata.name),
    updated: (old: KubeObject, object: KubeObject) => {
      if (mayGo(object) || JSON.stringify(old.spec) !== JSON.stringify(object.spec))
        c.queues['add/update subnet'].add(object.metadata.name)
    },
    removed: (object: KubeObject) => {
      const key = `${object.metadata.name}@${object.metadata.uid}`
      c.leaving.subnet.set(key, object)
      c.queues['delete subnet'].add(key)
    },
  }
}

/** readyToRemoveFinalizer: a Subnet stays while its counters say that addresses are in use. */
function mayGo(object: KubeObject): boolean {
  const { v4usingIPs, v6usingIPs } = countersOf(object)
  return isTerminating(object) && v4usingIPs === 0 && v6usingIPs === 0
}

/**
 * handleAddOrUpdateSubnet as far as addresses go [pkg/controller/subnet.go:532-790]: normalise the spec, take it into
 * IPAM, count, finalizer. Conditions, switches, routes and ACLs are not modelled; the status patches they come with are.
 */
export function addOrUpdateSubnet(c: Context, name: string): Promise<Handled> {
  return c.subnetKeys.hold(name, async () => {
    const cached = await read(c, 'Subnet', name)
    if (cached === undefined) return undefined
    let subnet = cached
    const formatted = format(c, cached)
    if (JSON.stringify(formatted.spec) !== JSON.stringify(cached.spec)) {
      const reply = await c.writes.send({ verb: 'update', object: withoutFalse(formatted) })
      if (!reply.ok) return `failed to format subnet ${name}, ${reply.error.message}`
      subnet = reply.value
    }
    const ref = { kind: 'Subnet', name } as const
    const validated = await c.writes.status(ref, countersOf(subnet))
    if (!validated.ok) return validated.error.message
    const { cidrBlock, gateway, excludeIps } = subnetSpec(subnet)
    const taken = c.ipam.setSubnet(name, cidrBlock, gateway, excludeIps)
    if (!taken.ok) return taken.error
    if (cidrBlock !== '') {
      const counted = await recount(c, subnet)
      if (typeof counted === 'string') return counted
      subnet = counted.subnet
    }
    const finalizers = subnet.metadata.finalizers ?? []
    const others = finalizers.filter((one) => one !== FINALIZER && one !== DEPRECATED_FINALIZER)
    if (mayGo(subnet)) {
      const patch = { metadata: { finalizers: others.length === 0 ? null : others } }
      const reply = await c.writes.merge(ref, finalizers.length === others.length ? {} : patch)
      return reply.ok ? undefined : reply.error.message
    }
    if (!isTerminating(subnet) && !finalizers.includes(FINALIZER)) {
      const reply = await c.writes.merge(ref, { metadata: { finalizers: [...others, FINALIZER] } })
      if (!reply.ok) return reply.error.message
      subnet = reply.value
    }
    const done = await c.writes.status(ref, countersOf(subnet))
    if (!done.ok) return done.error.message
    for (const pool of await readAll(c, 'IPPool'))
      if ((pool.spec as { subnet?: string }).subnet === name)
        c.queues['add/update ippool'].add(pool.metadata.name)
    return undefined
  })
}

/** formatSubnet [pkg/controller/subnet.go:114-303]. What does not parse stays as it is. */
function format(c: Context, object: KubeObject): KubeObject {
  const spec = subnetSpec(object)
  const parsed = parseKubeOvnSubnet(spec.cidrBlock, spec.gateway, [])
  if (spec.cidrBlock === '' || !parsed.ok) return object
  const { config } = parsed.value
  const gateway = spec.gateway !== '' ? spec.gateway : firstAddresses(config)
  const provider = spec.provider || DEFAULT_PROVIDER
  const vpc = spec.vpc || (isOvnSubnet(object) ? c.config.clusterRouter : '')
  const own = vpc === c.config.clusterRouter
  const extra = object.spec as { gatewayType?: string; enableLb?: boolean }
  return {
    ...object,
    spec: {
      ...(object.spec as object),
      cidrBlock: config.cidrBlock,
      gateway,
      excludeIps: formatExcludes(spec.excludeIps, gateway),
      protocol: config.protocol,
      provider,
      vpc,
      ...(own && !extra.gatewayType ? { gatewayType: 'distributed' } : {}),
      ...(extra.enableLb === undefined ? { enableLb: true } : {}),
    },
  }
}

/** Go leaves out what is false (`omitempty`). */
function withoutFalse(object: KubeObject): KubeObject {
  const said = Object.entries(object.spec as object).filter(([, value]) => value !== false)
  return { ...object, spec: Object.fromEntries(said) }
}

function firstAddresses(config: { v4?: { first: number }; v6?: { first: bigint } }): string {
  const texts = ([4, 6] as const).map((family) => {
    const first = config[`v${family}`]?.first
    return first === undefined ? '' : formatAddress(family, first)
  })
  return texts.filter((text) => text !== '').join(',')
}

/** formatExcludeIPs: sorted as text, the gateways added where no entry holds them. Overlaps are not merged here. */
function formatExcludes(given: readonly string[], gateway: string): string[] {
  const gateways = gateway.split(',')
  if (given.length === 0) return gateways.sort()
  const tidy = given.map((text) => {
    const range = parseRange(text)
    return range.ok && range.value.from === range.value.to ? text.split('..')[0]! : text
  })
  const result = [...new Set(tidy)].sort()
  for (const address of gateways)
    if (parseAddress(address).ok && !result.some((text) => excludes(text, address))) result.push(address)
  return result.sort()
}

/** handleDeleteSubnet: the interconnection address's object goes, then IPAM forgets the Subnet. */
export function deleteSubnet(c: Context, key: string): Promise<Handled> {
  const object = c.leaving.subnet.get(key)
  if (object === undefined) return Promise.resolve(undefined)
  const { name } = object.metadata
  return c.subnetKeys.hold(name, async () => {
    const { vpc } = subnetSpec(object)
    const reply = await c.writes.delete({ kind: 'IP', name: `u2o-interconnection.${vpc}.${name}` })
    if (!reply.ok && reply.error.reason !== 'NotFound') return reply.error.message
    c.ipam.deleteSubnet(name)
    c.leaving.subnet.delete(key)
    return undefined
  })
}
