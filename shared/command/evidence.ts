import type { ClusterFailure, ClusterReply, ClusterRequest, KubeObject } from '../cluster/port.ts'
import { type IpObject, type IpSpec, ipObject } from '../kube-ovn/ip-object.ts'
import { ANNOTATION_OP, DEPRECATED_FINALIZER, FINALIZER, type PodType } from '../kube-ovn/names.ts'
import type { Call, Evidence, SeenObject } from '../ledger/operations.ts'
import type { LeaseView } from '../ledger/port.ts'

/** The IP object a lease stands for, as Berth POSTs it. */
export function objectOf(lease: LeaseView, authority: 'alone' | 'beside'): IpObject {
  return ipObject(
    {
      name: lease.name,
      subnet: lease.subnet,
      namespace: lease.namespace,
      podName: lease.podName,
      podType: lease.podType as PodType,
      v4IpAddress: lease.v4,
      v6IpAddress: lease.v6,
      macAddress: lease.mac,
      operation: lease.origin,
      epoch: lease.originEpoch,
      ...(lease.reason === undefined ? {} : { reason: lease.reason }),
    },
    { finalizer: authority === 'alone' },
  )
}

/** The request behind a call of the ledger. Every DELETE has a uid, every PATCH a resourceVersion (invariant 15). */
export function requestOf(call: Call, lease: LeaseView, authority: 'alone' | 'beside'): ClusterRequest {
  const ref = { kind: 'IP', name: lease.name } as const
  switch (call.verb) {
    case 'create':
      return { verb: 'create', object: objectOf(lease, authority) }
    case 'read':
      return { verb: 'get', ref }
    case 'delete':
      return { verb: 'delete', ref, uid: call.uid }
    case 'unfinalize':
      return {
        verb: 'patch',
        ref,
        patch: { metadata: { finalizers: call.keep.length > 0 ? call.keep : null } },
        resourceVersion: call.rv,
      }
    default:
      return call satisfies never
  }
}

/** A reply reduced to what the ledger decides on. Nothing in it is believed that does not fit the request. */
export function evidenceOf(call: Call, lease: LeaseView, reply: ClusterReply): Evidence {
  const { item } = call
  if (!reply.ok) return failureEvidence(call, reply.error)
  const object = reply.value as KubeObject<Partial<IpSpec>>
  const { uid, resourceVersion } = object.metadata ?? {}
  // A 2xx with another object, or half of one, tells nothing about what happened (faults.md 23).
  if (object.metadata?.name !== lease.name || !uid || !resourceVersion) return { item, result: 'unknown' }
  const seen = seenObject(object, lease, uid, resourceVersion)
  if (call.verb === 'create' && seen.whose !== 'ours') return { item, result: 'unknown' }
  const removed = seen.finalizers.length === 0 && (call.verb === 'delete' || seen.terminating)
  if (removed && (call.verb === 'delete' || call.verb === 'unfinalize')) return { item, result: 'absent' }
  return { item, result: 'object', object: seen }
}

function failureEvidence(call: Call, failure: ClusterFailure): Evidence {
  const { item } = call
  if (failure.outcome === 'unknown') {
    // A read that failed changed nothing, whatever became of it.
    return call.verb === 'read' ? { item, result: 'later' } : { item, result: 'unknown' }
  }
  switch (failure.reason) {
    case 'NotFound':
      return { item, result: 'absent' }
    case 'AlreadyExists':
      return { item, result: 'taken' }
    case 'Conflict':
      return { item, result: 'conflict' }
    case 'Invalid':
      return { item, result: 'rejected', code: 'invalid_field', detail: failure.message }
    case 'Forbidden':
    case 'Unauthorized':
      return {
        item,
        result: 'rejected',
        code: 'unavailable',
        detail: 'the cluster does not let Berth do this',
      }
    case 'Expired':
    case 'TooManyRequests':
    case 'Unavailable':
      return failure.retryAfterMs === undefined
        ? { item, result: 'later' }
        : { item, result: 'later', retryAfterMs: failure.retryAfterMs }
    default:
      return failure.reason satisfies never
  }
}

function seenObject(
  object: KubeObject<Partial<IpSpec>>,
  lease: LeaseView,
  uid: string,
  rv: string,
): SeenObject {
  const { metadata, spec } = object
  const operation = metadata.annotations?.[ANNOTATION_OP]
  const sameOwner = spec?.namespace === lease.namespace && spec?.podName === lease.podName
  const ours =
    operation === lease.origin &&
    sameOwner &&
    spec?.subnet === lease.subnet &&
    (spec?.v4IpAddress ?? '') === lease.v4 &&
    (spec?.v6IpAddress ?? '') === lease.v6 &&
    spec?.macAddress === lease.mac
  return {
    whose: ours
      ? 'ours'
      : operation !== undefined && sameOwner && spec?.subnet === lease.subnet
        ? 'older'
        : 'other',
    uid,
    rv,
    createdAt: metadata.creationTimestamp ?? '',
    terminating: metadata.deletionTimestamp !== undefined,
    finalizer: (metadata.finalizers ?? []).some(isKubeOvnFinalizer),
    finalizers: metadata.finalizers ?? [],
    sameOwner,
    description: `${spec?.namespace ?? ''}/${spec?.podName ?? ''} in Subnet ${spec?.subnet ?? ''}`,
  }
}

function isKubeOvnFinalizer(finalizer: string): boolean {
  return finalizer === FINALIZER || finalizer === DEPRECATED_FINALIZER
}
