import { KINDS, type KubeObject, type ObjectMeta } from '../port.ts'
import type { MirroredKind } from './kinds.ts'

/** What the mirror keeps of an object. resourceVersion stands apart: a new one alone is no news of most kinds. */
export interface MirrorRow {
  readonly kind: MirroredKind
  /** '' for cluster-scoped kinds. */
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly rv: string
  /** The Subnet it belongs to, by spec.subnet; '' where there is none. */
  readonly subnet: string
  /** `namespace/name` of whom an IP object is for; '' for other kinds. */
  readonly owner: string
  /** The object as JSON, with the few members that are read and without resourceVersion. */
  readonly body: string
}

type Members = Readonly<Record<string, unknown>>

/** Of spec and status, by kind. */
const SPEC: { readonly [K in MirroredKind]: readonly string[] } = {
  Subnet: ['cidrBlock', 'gateway', 'excludeIps', 'protocol', 'provider', 'vpc', 'default'],
  IPPool: ['subnet', 'ips', 'namespaces'],
  IP: [
    ...['subnet', 'namespace', 'podName', 'podType'],
    ...['ipAddress', 'v4IpAddress', 'v6IpAddress', 'macAddress'],
  ],
  Vip: ['subnet', 'namespace', 'type', 'v4ip', 'v6ip', 'macAddress'],
  Pod: ['nodeName'],
  StatefulSet: ['replicas', 'ordinals'],
  VirtualMachine: ['running', 'runStrategy'],
  VirtualMachineInstance: [],
}
const STATUS: { readonly [K in MirroredKind]: readonly string[] } = {
  Subnet: [],
  IPPool: [],
  IP: [],
  Vip: ['v4ip', 'v6ip', 'mac', 'type'],
  Pod: ['phase'],
  StatefulSet: [],
  VirtualMachine: ['printableStatus'],
  VirtualMachineInstance: ['phase'],
}

/** Berth's own, and where Kube-OVN writes what a Pod got [pkg/util/const.go:16-96]. */
const ANNOTATION =
  /^berth\/|\.kubernetes\.io\/(ip_address|mac_address|ip_pool|logical_switch|allocated)(\.|$)/

/** Reduces an object of a mirrored kind to what is kept of it. */
export function project(object: KubeObject): MirrorRow {
  const kind = object.kind as MirroredKind
  const { metadata } = object
  const spec = pick(object.spec, SPEC[kind])
  const status = pick(object.status, STATUS[kind])
  const kept: KubeObject = {
    apiVersion: KINDS[kind].apiVersion,
    kind,
    metadata: metaOf(metadata, kind),
    ...(spec ? { spec } : {}),
    ...(status ? { status } : {}),
  }
  return {
    kind,
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    uid: metadata.uid ?? '',
    rv: metadata.resourceVersion ?? '',
    subnet: textOf(spec, 'subnet'),
    owner: kind === 'IP' ? `${textOf(spec, 'namespace')}/${textOf(spec, 'podName')}` : '',
    body: JSON.stringify(kept),
  }
}

/** The object a row was made of, as far as it was kept. */
export function objectOf(row: Pick<MirrorRow, 'body' | 'rv'>): KubeObject {
  const object = JSON.parse(row.body) as KubeObject
  object.metadata.resourceVersion = row.rv
  return object
}

function metaOf(metadata: ObjectMeta, kind: MirroredKind): ObjectMeta {
  const { name, namespace, uid, creationTimestamp, deletionTimestamp, labels, finalizers } = metadata
  const annotations = Object.entries(metadata.annotations ?? {}).filter(([key]) => ANNOTATION.test(key))
  const owners = metadata.ownerReferences?.map(({ apiVersion, kind, name, uid }) => ({
    ...{ apiVersion, kind, name, uid },
  }))
  return {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(uid === undefined ? {} : { uid }),
    ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
    ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
    ...(annotations.length === 0 ? {} : { annotations: Object.fromEntries(annotations) }),
    ...(kind === 'IP' && labels ? { labels } : {}),
    ...(kind === 'IP' && finalizers ? { finalizers } : {}),
    ...(owners === undefined ? {} : { ownerReferences: owners }),
  }
}

function pick(from: unknown, names: readonly string[]): Members | undefined {
  if (typeof from !== 'object' || from === null || names.length === 0) return undefined
  const members = from as Members
  const kept = names.flatMap((name) =>
    Object.hasOwn(members, name) && members[name] !== undefined ? [[name, members[name]]] : [],
  )
  return kept.length > 0 ? Object.fromEntries(kept) : undefined
}

function textOf(members: Members | undefined, name: string): string {
  const value = members?.[name]
  return typeof value === 'string' ? value : ''
}
