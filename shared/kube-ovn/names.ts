/** Names Kube-OVN derives; semantics.md §2. */

/** Default provider of a Subnet; only this exact one is left out of port names [pkg/ovs/util.go:22-27]. */
export const DEFAULT_PROVIDER = 'ovn'
/** VPC of a Subnet that names none. */
export const DEFAULT_VPC = 'ovn-cluster'

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
/** How long a wish is to last, as somebody writes it. */
export const ANNOTATION_TTL = 'berth/ttl'
export const ANNOTATION_FORCE = 'berth/force'
/** On a Subnet: the ranges Berth chooses addresses from, with commas. */
export const ANNOTATION_WINDOW = 'berth/window'
/** On a Subnet: the entries of its excludeIps that Berth put there for single reservations, with commas. */
export const ANNOTATION_PINNED = 'berth/pinned'
/** On a Subnet, JSON: what each namespace may have in it, and to whom it gives addresses (ledger/terms.ts). */
export const ANNOTATION_QUOTAS = 'berth/quotas'
export const ANNOTATION_POLICY = 'berth/policy'
/** Set by a fence; after it a finalizer is Berth's own mark and never an acknowledgement. */
export const ANNOTATION_FENCED = 'berth/fenced'

/**
 * A Vip that holds addresses is told of, and kept, under its name with this before it, which no IP object's name has.
 * Holding an address so is deprecated (semantics.md §1, D26).
 */
export const VIP_PREFIX = 'vip/'
/** Before the name of a logical switch port, in the name of the row that keeps its address from others. */
export const PORT_PREFIX = 'port/'
/** The same before the cluster and the port name of somebody else who has the address in a shared space. */
export const AWAY_PREFIX = 'away/'

/** Kinds of owner a reserved IP may have [pkg/controller/ip.go:150-207]. */
export const POD_TYPES = ['', 'StatefulSet', 'VirtualMachine'] as const
export type PodType = (typeof POD_TYPES)[number]
