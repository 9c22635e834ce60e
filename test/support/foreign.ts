import type { ClusterRequest, KubeObject } from '../../shared/cluster/port.ts'
import type { IpSpec } from '../../shared/kube-ovn/ip-object.ts'
import { FINALIZER, LABEL_RESERVED } from '../../shared/kube-ovn/names.ts'
import type { LeaseRow } from '../../shared/ledger/lease.ts'
import { LeaseTable } from '../../shared/ledger/lease.ts'
import type { LedgerSettings } from '../../shared/ledger/settings.ts'
import { put } from './drive.ts'
import { World } from './world.ts'

/** A world whose ledger of ovn-default is told of IP objects, and has been told of all there are. */
export async function mirrored(settings: Partial<LedgerSettings> = {}, subnet?: object): Promise<World> {
  const world = new World({ mirrored: true, ...settings })
  await put(world, subnet ?? { cidrBlock: '10.16.0.0/16', gateway: '10.16.0.1' }, 'ovn-default')
  await world.mirror.list('ovn-default')
  world.sent.length = 0
  world.calls.length = 0
  return world
}

/** One request by somebody who is not Berth. */
export function byHand(world: World, request: ClusterRequest): KubeObject {
  const [reply] = world.store.send([request])
  if (!reply?.ok) throw new Error(JSON.stringify(reply?.error))
  return reply.value
}

/** The IP object of `podName` in namespace default, as kube-ovn-controller leaves it for a Pod. */
export function podsObject(
  podName: string,
  spec: Partial<IpSpec> = {},
  metadata: Partial<KubeObject['metadata']> = {},
): KubeObject {
  const { v4IpAddress = '', v6IpAddress = '' } = spec
  return {
    apiVersion: 'kubeovn.io/v1',
    kind: 'IP',
    metadata: {
      name: `${podName}.default`,
      finalizers: [FINALIZER],
      labels: { [LABEL_RESERVED]: 'false' },
      ...metadata,
    },
    spec: {
      subnet: 'ovn-default',
      namespace: 'default',
      podName,
      podType: '',
      nodeName: 'node-1',
      ipAddress: [v4IpAddress, v6IpAddress].filter((text) => text !== '').join(','),
      macAddress: '00:00:00:4d:b4:01',
      ...spec,
    },
  }
}

/** Makes an object as kubectl or a controller would. */
export const make = (world: World, object: KubeObject): KubeObject =>
  byHand(world, { verb: 'create', object })

/** Changes one with a merge patch. */
export function change(world: World, name: string, patch: unknown): KubeObject {
  const { metadata } = byHand(world, { verb: 'get', ref: { kind: 'IP', name } })
  const resourceVersion = metadata.resourceVersion ?? ''
  return byHand(world, { verb: 'patch', ref: { kind: 'IP', name }, patch, resourceVersion })
}

/** `kubectl delete ip`. */
export function remove(world: World, name: string): void {
  const { metadata } = byHand(world, { verb: 'get', ref: { kind: 'IP', name } })
  byHand(world, { verb: 'delete', ref: { kind: 'IP', name }, uid: metadata.uid ?? '' })
}

/** Deletes it and takes all finalizers off, as one in a hurry does. */
export function strip(world: World, name: string): void {
  remove(world, name)
  if (object(world, name)) change(world, name, { metadata: { finalizers: null } })
}

/** The IP object as the cluster has it. */
export function object(world: World, name: string): KubeObject<IpSpec> | undefined {
  const [reply] = world.store.send([{ verb: 'get', ref: { kind: 'IP', name } }])
  return reply?.ok ? (reply.value as KubeObject<IpSpec>) : undefined
}

/** Makes an owner live. */
export function owner(
  world: World,
  name: string,
  more: {
    readonly kind?: 'Pod' | 'StatefulSet' | 'VirtualMachine'
    readonly spec?: object
    readonly status?: object
  } = {},
): void {
  const { kind = 'Pod', spec = {}, status = {} } = more
  const apiVersion = { Pod: 'v1', StatefulSet: 'apps/v1', VirtualMachine: 'kubevirt.io/v1' }[kind]
  const metadata = { name, namespace: 'default' }
  byHand(world, { verb: 'create', object: { apiVersion, kind, metadata, spec, status } })
}

/** Makes it go. */
export function ownerGone(
  world: World,
  name: string,
  kind: 'Pod' | 'StatefulSet' | 'VirtualMachine' = 'Pod',
): void {
  const ref = { kind, name, namespace: 'default' } as const
  const { metadata } = byHand(world, { verb: 'get', ref })
  byHand(world, { verb: 'delete', ref, uid: metadata.uid ?? '' })
}

/** Rows of a Subnet's ledger in name order. */
export function rows(world: World, subnet = 'ovn-default'): LeaseRow[] {
  return [...new LeaseTable(world.sql(subnet), () => {}).all()]
}

/** State of a name's rows, in order. */
export const states = (world: World, name: string): string[] =>
  rows(world)
    .filter(({ nic }) => nic === name)
    .map(({ state }) => state)
