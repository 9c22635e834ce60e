import { z } from 'zod'
import type { Variables } from './settings.ts'
import { jsonOf, listOf, type Variable } from './variable.ts'

/** The cluster of the variables by themselves: its paths have no prefix. */
export const DEFAULT_CLUSTER = 'default'

export interface ClusterVariables {
  /** Further clusters, JSON. */
  readonly CLUSTERS?: Variable
  /** For each of them by name a token for its API server and a secret of its admission door, JSON. */
  readonly CLUSTER_SECRETS?: Variable
  /** Networks that Subnets of several clusters share, JSON. */
  readonly SHARED_SPACES?: Variable
}

const name = z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, { error: 'must be a DNS-1123 label' })

/** What is left out is as it is for the default cluster where nothing is said; it is not taken from there. */
const cluster = z.strictObject({
  name: name.refine((text) => text !== DEFAULT_CLUSTER, { error: 'the default cluster is that of CLUSTER' }),
  /** Address of its API server; without it the cluster is an embedded one. */
  apiUrl: z.string().min(1).optional(),
  authority: z.string().optional(),
  ovn: z.string().optional(),
  window: z.string().optional(),
  outsideWindow: z.string().optional(),
  keepVmIp: z.boolean().optional(),
  user: z.string().optional(),
})
type ClusterEntry = z.output<typeof cluster>

const secret = z.strictObject({ token: z.string().min(1), admission: z.string().min(1).optional() })

const member = z.string().regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?\/[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/, {
  error: 'must be like west/underlay',
})
const sharedSpace = z.strictObject({ name, subnets: z.array(member).min(2) })

/** The shared space that a Subnet of a cluster is a member of. */
export function sharedSpaceOf(
  variables: ClusterVariables,
  cluster: string,
  subnet: string,
): string | undefined {
  return spacesOf(variables).find(({ subnets }) => subnets.includes(`${cluster}/${subnet}`))?.name
}

/** A network that Subnets of several clusters share, each as cluster/subnet. */
export type SharedSpaceEntry = z.output<typeof sharedSpace>

/** All shared spaces. Throws where SHARED_SPACES cannot be read. */
export function spacesOf(variables: ClusterVariables): readonly SharedSpaceEntry[] {
  const { SHARED_SPACES } = variables
  if (!SHARED_SPACES) return []
  const spaces = listOf('SHARED_SPACES', z.array(sharedSpace), SHARED_SPACES)
  const names = clusterNames(variables)
  const seen = new Set<string>()
  for (const { name: own, subnets } of spaces) {
    for (const one of [own, ...subnets]) {
      if (seen.has(one)) throw new Error(`SHARED_SPACES names ${one} twice`)
      seen.add(one)
    }
    const stray = subnets.find((one) => !names.includes(one.slice(0, one.indexOf('/'))))
    if (stray !== undefined) throw new Error(`SHARED_SPACES: there is no cluster of ${stray}`)
  }
  return spaces
}

/** The names of all clusters, the default one first. Throws where CLUSTERS cannot be read. */
export function clusterNames(variables: ClusterVariables): readonly string[] {
  return [DEFAULT_CLUSTER, ...entriesOf(variables).map((entry) => entry.name)]
}

/**
 * The variables of one cluster, as if it were the only one; undefined where there is none of this name.
 * @throws Error that names the variable and what is wrong; no secret is in it
 */
export function variablesOf(variables: ClusterVariables & Variables, named: string): Variables | undefined {
  const entry = entriesOf(variables).find((one) => one.name === named)
  if (!entry) return undefined
  const own = secretsOf(variables)[named]
  if (entry.apiUrl !== undefined && !own) throw new Error(`CLUSTER_SECRETS has no token for ${named}`)
  return {
    CLUSTER: entry.apiUrl === undefined ? 'embedded' : 'kubernetes',
    KUBE_API_URL: entry.apiUrl,
    KUBE_TOKEN: own?.token,
    ADMISSION_SECRET: own?.admission,
    AUTHORITY: entry.authority,
    OVN_NB: entry.ovn,
    WINDOW: entry.window,
    OUTSIDE_WINDOW: entry.outsideWindow,
    KEEP_VM_IP: entry.keepVmIp === undefined ? undefined : String(entry.keepVmIp),
    KUBE_USER: entry.user,
    AUDIT_DAYS: variables.AUDIT_DAYS,
  }
}

/** Reads the variables whole. */
export function clustersError(variables: ClusterVariables & Variables): string | undefined {
  try {
    const names = entriesOf(variables).map((entry) => entry.name)
    for (const one of names) variablesOf(variables, one)
    spacesOf(variables)
    const stray = Object.keys(secretsOf(variables)).find((one) => !names.includes(one))
    return stray === undefined ? undefined : `CLUSTER_SECRETS names ${stray}, which CLUSTERS does not`
  } catch (error) {
    return error instanceof Error ? error.message : 'CLUSTERS cannot be read'
  }
}

function entriesOf({ CLUSTERS }: ClusterVariables): readonly ClusterEntry[] {
  const entries = listOf('CLUSTERS', z.array(cluster), CLUSTERS)
  const twice = entries.find((entry, index) => entries.findIndex((one) => one.name === entry.name) < index)
  if (twice) throw new Error(`CLUSTERS names ${twice.name} twice`)
  return entries
}

function secretsOf({ CLUSTER_SECRETS }: ClusterVariables): Readonly<Record<string, z.output<typeof secret>>> {
  const read = z
    .record(name, secret)
    .safeParse(CLUSTER_SECRETS ? jsonOf('CLUSTER_SECRETS', CLUSTER_SECRETS) : {})
  if (!read.success)
    throw new Error('CLUSTER_SECRETS must give for each cluster a token, and may an admission')
  return read.data
}
