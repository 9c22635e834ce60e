import { KINDS, type KubeObject, type ObjectMeta } from '../cluster/port.ts'
import {
  ANNOTATION_EPOCH,
  ANNOTATION_EXPIRES,
  ANNOTATION_OP,
  ANNOTATION_REASON,
  FINALIZER,
  LABEL_NODE_NAME,
  LABEL_RESERVED,
  LABEL_SUBNET,
  type PodType,
} from './names.ts'

/** `spec` of kubeovn.io/v1 IP [pkg/apis/kubeovn/v1/ip.go:32-59]. */
export interface IpSpec {
  attachIps?: string[]
  attachMacs?: string[]
  attachSubnets?: string[]
  containerID: string
  ipAddress: string
  macAddress: string
  namespace: string
  nodeName: string
  podName: string
  podType: string
  subnet: string
  v4IpAddress: string
  v6IpAddress: string
}

export type IpObject = KubeObject<IpSpec>

/** What an IP object is made from. Addresses are canonical, MAC lower-case; absent ones are "". */
export interface IpContent {
  readonly name: string
  readonly subnet: string
  readonly namespace: string
  readonly podName: string
  readonly podType: PodType
  readonly v4IpAddress: string
  readonly v6IpAddress: string
  readonly macAddress: string
  readonly operation: string
  readonly epoch: number
  readonly reason?: string
  /** RFC 3339. */
  readonly expires?: string
}

/**
 * The complete object of a reservation, in one write (generation 1): labels as in the seed, `ipAddress` consistent
 * with v4/v6 (D3), lists empty. In alone mode Berth writes the controller's finalizer itself; beside it must not (D19),
 * and leaves the lists out: an object that is complete already is passed over without a finalizer (D6).
 */
export function ipObject(content: IpContent, options: { readonly finalizer: boolean }): IpObject {
  // Member by member: V8 makes an object of computed names an order of magnitude more slowly.
  const annotations: Record<string, string> = {}
  annotations[ANNOTATION_OP] = content.operation
  annotations[ANNOTATION_EPOCH] = String(content.epoch)
  if (content.reason) annotations[ANNOTATION_REASON] = content.reason
  if (content.expires) annotations[ANNOTATION_EXPIRES] = content.expires
  const labels: Record<string, string> = {}
  labels[LABEL_RESERVED] = 'true'
  labels[LABEL_NODE_NAME] = ''
  labels[LABEL_SUBNET] = content.subnet
  const metadata: ObjectMeta = options.finalizer
    ? { name: content.name, annotations, finalizers: [FINALIZER], labels }
    : { name: content.name, annotations, labels }
  return {
    apiVersion: KINDS.IP.apiVersion,
    kind: 'IP',
    metadata,
    spec: {
      ...(options.finalizer ? { attachIps: [], attachMacs: [], attachSubnets: [] } : {}),
      containerID: '',
      ipAddress: joinAddresses(content.v4IpAddress, content.v6IpAddress),
      macAddress: content.macAddress,
      namespace: content.namespace,
      nodeName: '',
      podName: content.podName,
      podType: content.podType,
      subnet: content.subnet,
      v4IpAddress: content.v4IpAddress,
      v6IpAddress: content.v6IpAddress,
    },
  }
}

/** `v4`, `v6` or `v4,v6` [pkg/util/net.go:339-348]. */
export function joinAddresses(v4: string, v6: string): string {
  return [v4, v6].filter((address) => address !== '').join(',')
}
