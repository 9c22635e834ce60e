import { exports } from 'cloudflare:workers'
import type { Cluster } from '../../functions/objects/cluster.ts'

/** The namespace of the Worker's own `Cluster` class. */
export const clusterNamespace = (exports as unknown as { Cluster: DurableObjectNamespace<Cluster> }).Cluster
