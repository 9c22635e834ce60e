/** What a comparison reads of the cluster: fresh from the API server, page by page, kept down to what is compared. */
import type { ClusterFailure, ClusterPort, Kind, KubeObject } from '../../cluster/port.ts'
import { LABEL_SUBNET, portName } from '../../kube-ovn/names.ts'
import { err, ok, type Result } from '../../result.ts'
import { ownerName } from '../adopt.ts'
import { seenIp } from '../seen.ts'
import type { FreshIp, FreshPod } from './types.ts'

const PAGE = 500
/** Objects looked at once more, in one call. */
const READS_AT_ONCE = 50

export interface FreshList<T> {
  readonly items: readonly T[]
  readonly version: string
}

/** Every IP object of the cluster, as they were at `version`. */
export function readIps(cluster: ClusterPort): Promise<Result<FreshList<FreshIp>, ClusterFailure>> {
  return listed(cluster, 'IP', (object) => [freshIp(object)])
}

export function freshIp(object: KubeObject): FreshIp {
  const { subnet } = (object.spec ?? {}) as { subnet?: unknown }
  return {
    ...seenIp(object),
    subnet: typeof subnet === 'string' ? subnet : '',
    subnetLabel: object.metadata.labels?.[LABEL_SUBNET] ?? '',
  }
}

/** A Pod with what Kube-OVN noted of its networks: annotations `<provider>.kubernetes.io/…` (semantics.md §2). */
export interface NotedPod {
  readonly namespace: string
  /** The name its ports go by. */
  readonly name: string
  readonly notes: Readonly<Record<string, string>>
}

/** Every Pod that is alive and has an address of Kube-OVN's. */
export function readPods(
  cluster: ClusterPort,
  keepVmIp: boolean,
): Promise<Result<FreshList<NotedPod>, ClusterFailure>> {
  return listed(cluster, 'Pod', (object) => {
    const { phase } = (object.status ?? {}) as { phase?: string }
    if (phase === 'Succeeded' || phase === 'Failed') return []
    const notes = Object.entries(object.metadata.annotations ?? {}).filter(([key]) => NOTED.test(key))
    if (notes.length === 0) return []
    const { namespace = '' } = object.metadata
    return [{ namespace, name: ownerName(object, keepVmIp), notes: Object.fromEntries(notes) }]
  })
}

const NOTED = /\.kubernetes\.io\/(ip_address|logical_switch)$/

/** Those of them that run in one Subnet. */
export function podsIn(pods: readonly NotedPod[], subnet: string, provider: string): FreshPod[] {
  return pods.flatMap(({ namespace, name, notes }) => {
    const addresses = notes[`${provider}.kubernetes.io/ip_address`]
    if (notes[`${provider}.kubernetes.io/logical_switch`] !== subnet || !addresses) return []
    return [{ namespace, name, port: portName(name, namespace, provider), addresses: addresses.split(',') }]
  })
}

/**
 * These objects again, one by one: what a list said may be over by the time the ledger's rows were read.
 * @returns each by its name, undefined where there is none
 */
export async function readAgain(
  cluster: ClusterPort,
  names: readonly string[],
): Promise<Result<ReadonlyMap<string, FreshIp | undefined>, ClusterFailure>> {
  const found = new Map<string, FreshIp | undefined>()
  for (let from = 0; from < names.length; from += READS_AT_ONCE) {
    const some = names.slice(from, from + READS_AT_ONCE)
    const replies = await cluster.send(
      some.map((name) => ({ verb: 'get', ref: { kind: 'IP', name } }) as const),
    )
    for (const [index, name] of some.entries()) {
      const reply = replies[index]
      if (!reply) throw new Error('fewer replies than requests')
      if (!reply.ok && reply.error.reason !== 'NotFound') return err(reply.error)
      found.set(name, reply.ok ? freshIp(reply.value) : undefined)
    }
  }
  return ok(found)
}

async function listed<T>(
  cluster: ClusterPort,
  kind: Kind,
  reduce: (object: KubeObject) => readonly T[],
): Promise<Result<FreshList<T>, ClusterFailure>> {
  const items: T[] = []
  let version: string | undefined
  let token: string | undefined
  do {
    const page = await cluster.list(kind, {
      limit: PAGE,
      ...(token === undefined ? {} : { continue: token }),
    })
    if (!page.ok) return err(page.error)
    for (const object of page.value.items) items.push(...reduce(object))
    version ??= page.value.resourceVersion
    token = page.value.continue
  } while (token !== undefined)
  return ok({ items, version })
}
