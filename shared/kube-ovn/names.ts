/** Names Kube-OVN derives; semantics.md §2. */

/** Default provider of a Subnet; only this exact one is left out of port names [pkg/ovs/util.go:22-27]. */
export const DEFAULT_PROVIDER = 'ovn'

/** `name.namespace`, or `name.namespace.provider` unless the provider is exactly `ovn`: IP name, LSP name and NIC at once. */
export function portName(podName: string, namespace: string, provider: string): string {
  return provider === DEFAULT_PROVIDER ? `${podName}.${namespace}` : `${podName}.${namespace}.${provider}`
}

/** IPAM's key of an owner. */
export function ownerKey(namespace: string, podName: string): string {
  return `${namespace}/${podName}`
}

export const FINALIZER = 'kubeovn.io/kube-ovn-controller'
/** Written by older releases, understood everywhere, written nowhere. */
export const DEPRECATED_FINALIZER = 'kube-ovn-controller'

export const LABEL_RESERVED = 'ovn.kubernetes.io/ip_reserved'
export const LABEL_SUBNET = 'ovn.kubernetes.io/subnet'
export const LABEL_NODE_NAME = 'ovn.kubernetes.io/node-name'

/** Berth's own marks on IP objects: they tell whose object it is, since labels do not survive (D5). */
export const ANNOTATION_OP = 'berth/op'
export const ANNOTATION_EPOCH = 'berth/epoch'
export const ANNOTATION_REASON = 'berth/reason'
export const ANNOTATION_EXPIRES = 'berth/expires'
export const ANNOTATION_FORCE = 'berth/force'
/** Set by a fence; after it a finalizer is Berth's own mark and never an acknowledgement. */
export const ANNOTATION_FENCED = 'berth/fenced'

/** Kinds of owner a reserved IP may have [pkg/controller/ip.go:150-207]. */
export const POD_TYPES = ['', 'StatefulSet', 'VirtualMachine'] as const
export type PodType = (typeof POD_TYPES)[number]
