import type { OvnEvidence, OvnLister, OvnPort, OvnRequest, PortList } from '../../shared/ovn/port.ts'
import type { Cluster } from './cluster.ts'

/** OVN's port as the Cluster object has it: it keeps the one connection there is. */
interface OvnCalls {
  ovnSend(requests: readonly OvnRequest[]): Promise<OvnEvidence[]>
  ovnPorts(subnet: string): Promise<PortList>
  ovnStatus(): ReturnType<OvnPort['status']>
}

const SILENT = 'the object that keeps the connection does not answer'

/**
 * The OVN port of cluster `name`, over RPC to its Durable Object, with a fresh stub for every call. An object that does
 * not answer may have cut all the same.
 */
export function ovnClient(namespace: DurableObjectNamespace<Cluster>, name: string): OvnPort & OvnLister {
  const calls = () => namespace.getByName(name) as unknown as OvnCalls
  return {
    send: async (requests) => {
      try {
        return await calls().ovnSend(requests)
      } catch {
        return requests.map(lostReply)
      }
    },
    ports: async (subnet) => {
      try {
        return await calls().ovnPorts(subnet)
      } catch {
        return { result: 'later', reason: 'unreachable', detail: SILENT }
      }
    },
    status: async () => {
      try {
        return await calls().ovnStatus()
      } catch {
        return { ready: false, detail: SILENT }
      }
    },
  }
}

function lostReply({ verb }: OvnRequest): OvnEvidence {
  return verb === 'cut'
    ? { result: 'unknown', detail: SILENT }
    : { result: 'later', reason: 'unreachable', detail: SILENT }
}
