import type { ClusterFailure, KubeObject } from '../cluster/port.ts'
import type { IpPoolObject } from '../kube-ovn/ip-pool-object.ts'
import {
  ANNOTATION_POLICY,
  ANNOTATION_QUOTAS,
  ANNOTATION_WINDOW,
  DEFAULT_PROVIDER,
  DEFAULT_VPC,
} from '../kube-ovn/names.ts'
import type { SubnetObject } from '../kube-ovn/subnet-object.ts'
import type { PoolFacts, SubnetFacts, TermTexts } from '../ledger/port.ts'
import { err, ok, type Result } from '../result.ts'
import type { CommandPorts } from './ports.ts'

/** The IPPools of all Subnets at one moment. */
export interface PoolList {
  readonly version: string
  readonly bySubnet: ReadonlyMap<string, readonly PoolFacts[]>
}

/** Ranges of a Subnet's window as it is configured (variable WINDOW). */
export type Windows = (subnet: string) => readonly string[] | undefined

/** The window of a Subnet: what its annotation says, else what is configured. */
export function windowOf({ metadata }: SubnetObject, windows?: Windows): readonly string[] | undefined {
  const written = metadata.annotations?.[ANNOTATION_WINDOW]?.trim()
  if (!written) return windows?.(metadata.name)
  return written.split(',').map((text) => text.trim())
}

/** What a Subnet says about quotas and policy; undefined where it says nothing. */
export function termTextsOf({ annotations }: SubnetObject['metadata']): TermTexts | undefined {
  const quotas = annotations?.[ANNOTATION_QUOTAS]?.trim()
  const policy = annotations?.[ANNOTATION_POLICY]?.trim()
  if (!quotas && !policy) return undefined
  return { ...(quotas ? { quotas } : {}), ...(policy ? { policy } : {}) }
}

/** What the ledger needs of a Subnet object and its pools. */
export function factsOf(
  object: SubnetObject,
  pools: PoolList,
  cluster: string,
  windows?: Windows,
): SubnetFacts {
  const { spec = {}, metadata } = object
  const window = windowOf(object, windows)
  const terms = termTextsOf(metadata)
  return {
    ...(terms ? { terms } : {}),
    ...(window ? { window } : {}),
    cluster,
    name: metadata.name,
    uid: metadata.uid ?? '',
    resourceVersion: metadata.resourceVersion ?? '',
    cidrBlock: spec.cidrBlock ?? '',
    gateway: spec.gateway ?? '',
    excludeIps: spec.excludeIps ?? [],
    provider: spec.provider || DEFAULT_PROVIDER,
    vpc: spec.vpc || DEFAULT_VPC,
    default: spec.default ?? false,
    pools: pools.bySubnet.get(metadata.name) ?? [],
    poolsVersion: pools.version,
  }
}

/** The IPPools of the cluster; none where the cluster does not know the kind. */
export async function readPools(ports: CommandPorts): Promise<Result<PoolList, ClusterFailure>> {
  const listed = await listAll(ports, 'IPPool')
  if (!listed.ok && listed.error.reason !== 'NotFound') return listed
  const { items, version } = listed.ok ? listed.value : { items: [], version: '' }
  return ok({ version, bySubnet: poolsBySubnet(items as IpPoolObject[]) })
}

/** Pools in the order given, by the Subnet each is of. */
export function poolsBySubnet(objects: readonly IpPoolObject[]): Map<string, readonly PoolFacts[]> {
  const bySubnet = new Map<string, PoolFacts[]>()
  for (const { metadata, spec } of objects) {
    if (!spec?.subnet) continue
    const pools = bySubnet.get(spec.subnet) ?? []
    pools.push({ name: metadata.name, ips: spec.ips ?? [] })
    bySubnet.set(spec.subnet, pools)
  }
  return bySubnet
}

/** Every object of a kind in name order, as they were at one moment. */
export async function listAll(
  ports: CommandPorts,
  kind: 'Subnet' | 'IPPool',
): Promise<Result<{ readonly items: KubeObject[]; readonly version: string }, ClusterFailure>> {
  const items: KubeObject[] = []
  let version: string | undefined
  let token: string | undefined
  do {
    const page = await ports.cluster.list(kind, {
      limit: 500,
      ...(token === undefined ? {} : { continue: token }),
    })
    if (!page.ok) return err(page.error)
    items.push(...page.value.items)
    version ??= page.value.resourceVersion
    token = page.value.continue
  } while (token !== undefined)
  items.sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
  return ok({ items, version })
}
