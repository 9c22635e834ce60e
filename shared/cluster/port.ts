/**
 * What the sagas need of a Kubernetes API server. Requests and replies are plain values, so that a request can be
 * noted in an attempt row before it is sent and a reply can travel between isolates.
 *
 * Semantics are the API server's own: optimistic concurrency by resourceVersion, uid preconditions, finalizers that
 * turn a delete into a deletionTimestamp, lists with a resourceVersion to watch from.
 */
import type { Result } from '../result.ts'

/** The kinds Berth reads or writes. `apiVersion` and scope follow from the kind: see KINDS. */
export type Kind =
  | 'IP'
  | 'Subnet'
  | 'IPPool'
  | 'Vip'
  | 'Pod'
  | 'StatefulSet'
  | 'VirtualMachine'
  | 'VirtualMachineInstance'
  | 'Lease'
  | 'Event'
  | 'ValidatingAdmissionPolicyBinding'
  | 'MutatingWebhookConfiguration'

export const KINDS: { readonly [K in Kind]: { apiVersion: string; plural: string; namespaced: boolean } } = {
  IP: { apiVersion: 'kubeovn.io/v1', plural: 'ips', namespaced: false },
  Subnet: { apiVersion: 'kubeovn.io/v1', plural: 'subnets', namespaced: false },
  IPPool: { apiVersion: 'kubeovn.io/v1', plural: 'ippools', namespaced: false },
  Vip: { apiVersion: 'kubeovn.io/v1', plural: 'vips', namespaced: false },
  Pod: { apiVersion: 'v1', plural: 'pods', namespaced: true },
  StatefulSet: { apiVersion: 'apps/v1', plural: 'statefulsets', namespaced: true },
  VirtualMachine: { apiVersion: 'kubevirt.io/v1', plural: 'virtualmachines', namespaced: true },
  VirtualMachineInstance: {
    apiVersion: 'kubevirt.io/v1',
    plural: 'virtualmachineinstances',
    namespaced: true,
  },
  Lease: { apiVersion: 'coordination.k8s.io/v1', plural: 'leases', namespaced: true },
  Event: { apiVersion: 'v1', plural: 'events', namespaced: true },
  ValidatingAdmissionPolicyBinding: {
    apiVersion: 'admissionregistration.k8s.io/v1',
    plural: 'validatingadmissionpolicybindings',
    namespaced: false,
  },
  MutatingWebhookConfiguration: {
    apiVersion: 'admissionregistration.k8s.io/v1',
    plural: 'mutatingwebhookconfigurations',
    namespaced: false,
  },
}

export interface OwnerReference {
  apiVersion: string
  kind: string
  name: string
  uid: string
  controller?: boolean
}

export interface ObjectMeta {
  name: string
  namespace?: string
  uid?: string
  resourceVersion?: string
  generation?: number
  creationTimestamp?: string
  deletionTimestamp?: string
  deletionGracePeriodSeconds?: number
  labels?: Record<string, string>
  annotations?: Record<string, string>
  finalizers?: string[]
  ownerReferences?: OwnerReference[]
}

export interface KubeObject<Spec = unknown, Status = unknown> {
  apiVersion: string
  kind: string
  metadata: ObjectMeta
  spec?: Spec
  status?: Status
}

/** An Event has neither spec nor status [k8s.io/api/core/v1/types.go Event]. */
export interface EventObject extends KubeObject {
  kind: 'Event'
  involvedObject: {
    apiVersion: string
    kind: string
    name: string
    namespace?: string
    uid?: string
    resourceVersion?: string
  }
  reason: string
  message: string
  type: 'Normal' | 'Warning'
  source?: { component: string }
  reportingComponent?: string
  firstTimestamp?: string
  lastTimestamp?: string
  count?: number
}

export interface ObjectRef {
  readonly kind: Kind
  readonly name: string
  /** Required for namespaced kinds, absent otherwise. */
  readonly namespace?: string
}

export type ClusterRequest =
  | { readonly verb: 'get'; readonly ref: ObjectRef }
  /** POST. The name is the lock: an existing object of that name answers AlreadyExists. */
  | { readonly verb: 'create'; readonly object: KubeObject; readonly dryRun?: boolean }
  /** PUT of a whole object; metadata.resourceVersion is required and checked. */
  | { readonly verb: 'replace'; readonly object: KubeObject }
  /**
   * JSON merge patch (RFC 7396), lists replaced whole, checked against resourceVersion. With `subresource` only the
   * status changes, whatever else the patch names; without it everything but a status that is a subresource.
   */
  | {
      readonly verb: 'patch'
      readonly ref: ObjectRef
      readonly patch: unknown
      readonly resourceVersion: string
      readonly subresource?: 'status'
    }
  /** DELETE with a uid precondition. With finalizers left, the object stays and gets a deletionTimestamp. */
  | { readonly verb: 'delete'; readonly ref: ObjectRef; readonly uid: string }

export type FailureReason =
  | 'NotFound'
  | 'AlreadyExists'
  /** resourceVersion or uid precondition failed. */
  | 'Conflict'
  | 'Invalid'
  | 'Forbidden'
  | 'Unauthorized'
  /** HTTP 410: a watch or a continue token is too old. */
  | 'Expired'
  | 'TooManyRequests'
  | 'Unavailable'

export interface ClusterFailure {
  readonly reason: FailureReason
  readonly message: string
  /** `refused`: certainly not carried out. `unknown`: may have been carried out, or may be still (lost reply, time-out). */
  readonly outcome: 'refused' | 'unknown'
  readonly retryAfterMs?: number
}

/** The object after the call; for a delete that removed it at once, the object as last stored. */
export type ClusterReply = Result<KubeObject, ClusterFailure>

export interface ListOptions {
  readonly namespace?: string
  readonly labelSelector?: Readonly<Record<string, string>>
  /** To spare the reader: a cluster may tell of others as well. */
  readonly fieldSelector?: string
  readonly limit?: number
  readonly continue?: string
}

export interface ObjectList {
  readonly items: KubeObject[]
  /** Watch from here to miss nothing after this list. */
  readonly resourceVersion: string
  readonly continue?: string
}

export type WatchEvent =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: KubeObject }
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string }
  | { readonly type: 'ERROR'; readonly failure: ClusterFailure }

export interface WatchOptions {
  readonly resourceVersion: string
  readonly namespace?: string
  readonly signal?: AbortSignal
}

export interface ClusterPort {
  /** Sends each request on its own (no atomicity between them) and answers in order. Never throws for an expected failure. */
  send(requests: readonly ClusterRequest[]): Promise<ClusterReply[]>
  list(kind: Kind, options?: ListOptions): Promise<Result<ObjectList, ClusterFailure>>
  /** Events after `resourceVersion`, in order, until the signal aborts or an ERROR event ends the stream. */
  watch(kind: Kind, options: WatchOptions): AsyncIterable<WatchEvent>
}
