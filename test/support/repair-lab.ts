import type { KubeObject } from '../../shared/cluster/port.ts'
import { type RepairPorts, repair } from '../../shared/command/repair/repair.ts'
import type { RepairFinding, SubnetRepair } from '../../shared/command/repair/types.ts'
import { reserve } from '../../shared/command/reserve.ts'
import { FINALIZER } from '../../shared/kube-ovn/names.ts'
import type { Log } from '../../shared/log.ts'
import { noOvn } from '../../shared/ovn/none.ts'
import { answered, put } from './drive.ts'
import { reserved, World } from './world.ts'

export const COMMAND = { tenant: 'anonymous', requestId: 'r-1', subnet: 'lab' }

/** A Subnet 10.30.1.0/24 with web.default (.2) and db.default, its counters told, and a mirror that tells when it is told to. */
export async function lab(more: Partial<RepairPorts> = {}) {
  const world = new World({ mirrored: true, stragglerMs: 1_000, ackMs: 1_000 })
  const lines: Record<string, unknown>[] = []
  const log: Log = { write: (_, event, fields) => lines.push({ event, ...fields }) }
  await put(world, { cidrBlock: '10.30.1.0/24' })
  for (const podName of ['web', 'db']) {
    reserved(await reserve(world.ports, world.reserveCommand([{ subnet: 'lab', podName }])))
  }
  world.tells = true
  await world.pass(2_000, 'lab')
  world.sent.length = 0
  const ports: RepairPorts = { ...world.ports, log, ovn: noOvn, ...more }
  const asked = (dryRun: boolean) => repair(ports, { ...COMMAND, dryRun })
  const run = async (dryRun: boolean): Promise<SubnetRepair> => {
    const outcome = await answered(world, asked(dryRun), 'lab')
    if (outcome.kind === 'refused') throw new Error(JSON.stringify(outcome.problem))
    const [subnet] = outcome.subnets
    if (!subnet) throw new Error('no Subnet')
    return subnet
  }
  const get = (name: string, kind: 'IP' | 'Subnet' = 'IP'): KubeObject => {
    const [reply] = world.store.send([{ verb: 'get', ref: { kind, name } }])
    if (!reply?.ok) throw new Error(`no ${name}`)
    return reply.value
  }
  const patch = (name: string, what: unknown, kind: 'IP' | 'Subnet' = 'IP', subresource?: 'status') => {
    const { resourceVersion = '' } = get(name, kind).metadata
    const status = subresource ? { subresource } : {}
    const [reply] = world.store.send([
      { verb: 'patch', ref: { kind, name }, patch: what, resourceVersion, ...status },
    ])
    if (!reply?.ok) throw new Error(JSON.stringify(reply))
  }
  const create = (object: KubeObject) => {
    const [reply] = world.store.send([{ verb: 'create', object }])
    if (!reply?.ok) throw new Error(JSON.stringify(reply))
  }
  const remove = (name: string) => {
    patch(name, { metadata: { finalizers: null } })
    world.store.send([{ verb: 'delete', ref: { kind: 'IP', name }, uid: get(name).metadata.uid ?? '' }])
  }
  /** Everything there is in the cluster, with its versions. */
  const cluster = () =>
    (['IP', 'Subnet', 'Pod', 'Event'] as const).map((kind) => world.store.list(kind, { limit: 1_000 }))
  const state = async (name: string) => {
    const found = await world.ledger('lab').find(name)
    return found && [found.state, found.contested]
  }
  return { world, ports, lines, asked, run, get, patch, create, remove, cluster, state }
}
export type Lab = Awaited<ReturnType<typeof lab>>

/** Somebody else's IP object in the lab. */
export const theirIp = (podName: string, address: string, isReserved = 'false'): KubeObject => ({
  apiVersion: 'kubeovn.io/v1',
  kind: 'IP',
  metadata: {
    name: `${podName}.default`,
    finalizers: [FINALIZER],
    labels: { 'ovn.kubernetes.io/ip_reserved': isReserved },
  },
  spec: { subnet: 'lab', namespace: 'default', podName, v4IpAddress: address, ipAddress: address },
})

/** A Pod that runs in the lab. */
export const labPod = (name: string, address: string): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name,
    namespace: 'default',
    annotations: {
      'ovn.kubernetes.io/ip_address': address,
      'ovn.kubernetes.io/logical_switch': 'lab',
    },
  },
  spec: {},
})

export const essence = ({ findings }: SubnetRepair) =>
  findings.map(({ kind, names, outcome }: RepairFinding) => [kind, names.join(' '), outcome])
