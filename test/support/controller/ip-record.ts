import { KINDS, type KubeObject } from '../../../shared/cluster/port.ts'
import {
  DEPRECATED_FINALIZER,
  FINALIZER,
  LABEL_NODE_NAME,
  LABEL_RESERVED,
  LABEL_SUBNET,
} from '../../../shared/kube-ovn/names.ts'
import { splitAddresses } from './addresses.ts'
import type { Context } from './context.ts'
import { ipSpec, isTerminating, read } from './objects.ts'
import type { Handled } from './queue.ts'

/** What an IP object is to say. */
export interface IpRecord {
  readonly name: string
  readonly podName: string
  readonly namespace: string
  readonly podType: string
  readonly nodeName: string
  readonly subnet: string
  /** `v4`, `v6` or `v4,v6`. */
  readonly ip: string
  readonly mac: string
}

/** createOrUpdateIPCR [pkg/controller/ip.go:391-537]. */
export async function recordIp(c: Context, record: IpRecord): Promise<Handled> {
  const cached = await read(c, 'IP', record.name)
  if (cached !== undefined && isTerminating(cached)) {
    c.queues['update ip'].add(record.name)
    return undefined
  }
  if (cached === undefined) {
    const reply = await c.writes.send({ verb: 'create', object: newObject(record) })
    return reply.ok ? undefined : `failed to create ip CR ${record.name}: ${reply.error.message}`
  }
  const next = changed(cached, record)
  if (c.quirks.has('Q5') && sameContent(cached, next)) return undefined
  if (sameContent(cached, next) && cached.metadata.finalizers?.includes(FINALIZER)) return undefined
  const reply = await c.writes.send({ verb: 'update', object: withFinalizer(next) })
  return reply.ok ? undefined : `failed to update ip CR ${record.name}: ${reply.error.message}`
}

function spec(record: IpRecord, containerID: string) {
  const { v4, v6 } = splitAddresses(record.ip)
  return {
    attachIps: [],
    attachMacs: [],
    attachSubnets: [],
    containerID,
    ipAddress: record.ip,
    macAddress: record.mac,
    namespace: record.namespace,
    nodeName: record.nodeName,
    podName: record.podName,
    podType: record.podType,
    subnet: record.subnet,
    v4IpAddress: v4,
    v6IpAddress: v6,
  }
}

const ownLabels = ({ subnet, nodeName }: IpRecord) => ({
  [LABEL_SUBNET]: subnet,
  [LABEL_NODE_NAME]: nodeName,
  [subnet]: '',
})

function newObject(record: IpRecord): KubeObject {
  return {
    apiVersion: KINDS.IP.apiVersion,
    kind: 'IP',
    metadata: {
      name: record.name,
      labels: { ...ownLabels(record), [LABEL_RESERVED]: 'false' },
      finalizers: [FINALIZER],
    },
    spec: spec(record, ''),
  }
}

function changed(cached: KubeObject, record: IpRecord): KubeObject {
  const { subnet, containerID } = ipSpec(cached)
  const labels = { ...cached.metadata.labels }
  if (subnet !== '' && subnet !== record.subnet) delete labels[subnet]
  return {
    ...cached,
    metadata: { ...cached.metadata, labels: { ...labels, ...ownLabels(record) } },
    spec: spec(record, containerID),
  }
}

/** Labels, and the spec as Go compares it: an absent list is not an empty one (D6). */
function sameContent(a: KubeObject, b: KubeObject): boolean {
  return sameMap(a.metadata.labels, b.metadata.labels) && sameJson(ipSpec(a), ipSpec(b))
}

function withFinalizer(object: KubeObject): KubeObject {
  const finalizers = object.metadata.finalizers ?? []
  if (finalizers.includes(FINALIZER)) return object
  return { ...object, metadata: { ...object.metadata, finalizers: [...finalizers, FINALIZER] } }
}

/** handleDelIPFinalizer: both names go in a merge patch that replaces the whole list, without resourceVersion (N3). */
export async function stripFinalizers(c: Context, cached: KubeObject): Promise<Handled> {
  const present = cached.metadata.finalizers ?? []
  if (present.length === 0) return undefined
  const left = present.filter((name) => name !== FINALIZER && name !== DEPRECATED_FINALIZER)
  const patch =
    left.length === present.length ? {} : { metadata: { finalizers: left.length === 0 ? null : left } }
  const reply = await c.writes.merge({ kind: 'IP', name: cached.metadata.name }, patch)
  if (reply.ok || reply.error.reason === 'NotFound') return undefined
  return `failed to remove finalizer from ip ${cached.metadata.name}, ${reply.error.message}`
}

function sameMap(a: Readonly<Record<string, string>> = {}, b: Readonly<Record<string, string>> = {}) {
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key])
}

function sameJson(a: unknown, b: unknown): boolean {
  const sorted = (value: unknown) => JSON.stringify(Object.entries(value as object).sort())
  return sorted(a) === sorted(b)
}
