import type { EmbeddedCalls } from '../../shared/cluster/embedded/cluster.ts'
import { type EmbeddedPortOptions, embeddedPort } from '../../shared/cluster/embedded/port.ts'
import type { ClusterPort } from '../../shared/cluster/port.ts'
import type { Cluster } from './cluster.ts'

/** The ClusterPort of the embedded cluster `name`, over RPC to its Durable Object. A fresh stub for every call. */
export function clusterClient(
  namespace: DurableObjectNamespace<Cluster>,
  name: string,
  options?: EmbeddedPortOptions,
): ClusterPort {
  // The RPC types cannot express `unknown` members (spec, status, patch); the object implements EmbeddedCalls.
  const calls = () => namespace.getByName(name) as unknown as EmbeddedCalls
  return embeddedPort(calls, options)
}
