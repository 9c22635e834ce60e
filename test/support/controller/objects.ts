import type { Kind, KubeObject, ObjectRef } from '../../../shared/cluster/port.ts'
import type { IpSpec } from '../../../shared/kube-ovn/ip-object.ts'
import { DEFAULT_PROVIDER } from '../../../shared/kube-ovn/names.ts'
import type { SubnetSpec } from '../../../shared/kube-ovn/subnet-object.ts'
import type { Context, Watched } from './context.ts'

/** From the cache; from the API server where Q1 is off. */
export async function read(c: Context, kind: Watched, key: string): Promise<KubeObject | undefined> {
  if (c.quirks.has('Q1')) return c.caches[kind].get(key)
  const reply = await c.writes.get(refOf(kind, key))
  return reply.ok ? reply.value : undefined
}

export async function readAll(c: Context, kind: Watched): Promise<KubeObject[]> {
  return c.quirks.has('Q1') ? c.caches[kind].list() : c.writes.list(kind)
}

export function refOf(kind: Kind, key: string): ObjectRef {
  const slash = key.indexOf('/')
  if (slash < 0) return { kind, name: key }
  return { kind, namespace: key.slice(0, slash), name: key.slice(slash + 1) }
}

export const isTerminating = ({ metadata }: KubeObject) => metadata.deletionTimestamp !== undefined

/** Names the IP handlers leave alone [pkg/controller/ip.go:28-44]. */
export const isSpecial = (name: string) =>
  name.startsWith('u2o-interconnection.') || name.startsWith('mcast-querier.')

/** As Go decodes it: absent texts are "", absent lists stay absent (they are not an empty list, D6). */
export type CachedIpSpec = Omit<IpSpec, 'attachIps' | 'attachMacs' | 'attachSubnets'> &
  Partial<Pick<IpSpec, 'attachIps' | 'attachMacs' | 'attachSubnets'>>

export function ipSpec(object: KubeObject): CachedIpSpec {
  const spec = (object.spec ?? {}) as Partial<IpSpec>
  const text = (key: keyof IpSpec) => (spec[key] as string | undefined | null) ?? ''
  const list = (key: 'attachIps' | 'attachMacs' | 'attachSubnets') =>
    spec[key] === undefined || spec[key] === null ? {} : { [key]: spec[key] }
  return {
    ...list('attachIps'),
    ...list('attachMacs'),
    ...list('attachSubnets'),
    containerID: text('containerID'),
    ipAddress: text('ipAddress'),
    macAddress: text('macAddress'),
    namespace: text('namespace'),
    nodeName: text('nodeName'),
    podName: text('podName'),
    podType: text('podType'),
    subnet: text('subnet'),
    v4IpAddress: text('v4IpAddress'),
    v6IpAddress: text('v6IpAddress'),
  }
}

export function subnetSpec(
  object: KubeObject,
): Required<Pick<SubnetSpec, 'cidrBlock' | 'gateway'>> &
  SubnetSpec & { excludeIps: string[]; provider: string } {
  const spec = (object.spec ?? {}) as SubnetSpec
  return {
    ...spec,
    cidrBlock: spec.cidrBlock ?? '',
    gateway: spec.gateway ?? '',
    excludeIps: spec.excludeIps ?? [],
    provider: spec.provider ?? '',
  }
}

/** Empty, `ovn`, or exactly three dot-fields ending in `ovn` [pkg/util/subnet.go:5-12]. */
export function isOvnSubnet(object: KubeObject | undefined): boolean {
  if (object === undefined) return false
  const { provider } = subnetSpec(object)
  const fields = provider.split('.')
  return (
    provider === '' ||
    provider === DEFAULT_PROVIDER ||
    (fields.length === 3 && fields[2] === DEFAULT_PROVIDER)
  )
}
