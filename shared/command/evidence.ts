import { rfc3339 } from '../clock.ts'
import type { ClusterFailure, ClusterReply, ClusterRequest, KubeObject, ObjectRef } from '../cluster/port.ts'
import { type IpObject, type IpSpec, ipObject } from '../kube-ovn/ip-object.ts'
import {
  ANNOTATION_EXPIRES,
  ANNOTATION_FENCED,
  ANNOTATION_OP,
  DEPRECATED_FINALIZER,
  FINALIZER,
  LABEL_NODE_NAME,
  LABEL_RESERVED,
  LABEL_SUBNET,
  type PodType,
  VIP_PREFIX,
} from '../kube-ovn/names.ts'
import type { Call, Evidence, SeenObject } from '../ledger/operations.ts'
import type { LeaseView } from '../ledger/port.ts'
import { agrees, holds } from '../ledger/said.ts'
import { aliveBecause, ownerReads, runsElsewhere } from './owners.ts'
import type { PortCall } from './port-evidence.ts'
import type { CommandSettings } from './ports.ts'
import { seenIp, seenVip } from './seen.ts'

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
      ...(lease.expiresAt === undefined ? {} : { expires: rfc3339(lease.expiresAt) }),
    },
    { finalizer: authority === 'alone' },
  )
}

/** What of the settings a call depends on. */
export type CallSettings = Pick<CommandSettings, 'keepVmIp' | 'ovn'>

/**
 * The requests behind a call of the ledger: one, but for an owner, who may be alive in several places. Every DELETE has
 * a uid, every PATCH a resourceVersion (invariant 15).
 */
export function requestsOf(call: Call, lease: LeaseView, settings: CallSettings): readonly ClusterRequest[] {
  const ref = refOf(lease)
  switch (call.verb) {
    case 'create':
      return [{ verb: 'create', object: objectOf(lease, call.beside ? 'beside' : 'alone') }]
    case 'holders':
      return []
    case 'finalize': {
      const annotations = call.fenced ? { annotations: { [ANNOTATION_FENCED]: lease.origin } } : {}
      const metadata = { uid: call.uid, finalizers: [...call.finalizers, FINALIZER], ...annotations }
      return [{ verb: 'patch', ref, patch: { metadata }, resourceVersion: call.rv }]
    }
    case 'read':
      return [{ verb: 'get', ref }]
    case 'delete':
      return [{ verb: 'delete', ref, uid: call.uid }]
    case 'unfinalize': {
      const patch = { metadata: { finalizers: call.keep.length > 0 ? call.keep : null } }
      return [{ verb: 'patch', ref, patch, resourceVersion: call.rv }]
    }
    case 'owner':
      return ownerReads(lease, settings.keepVmIp)
    case 'port':
    case 'cut':
    case 'vacancy':
      return []
    case 'adopt':
      return [{ verb: 'patch', ref, patch: adoption(call, lease), resourceVersion: call.rv }]
    default:
      return call satisfies never
  }
}

function refOf({ name }: LeaseView): ObjectRef {
  return name.startsWith(VIP_PREFIX)
    ? { kind: 'Vip', name: name.slice(VIP_PREFIX.length) }
    : { kind: 'IP', name }
}

/** Our marks, and the addresses as the ledger spells them. What else an adopted object says is its owner's. */
function adoption(
  { uid, finalizers, complete, mends, beside }: Extract<Call, { verb: 'adopt' }>,
  lease: LeaseView,
) {
  const authority = beside ? 'beside' : 'alone'
  const { metadata, spec } = objectOf(lease, authority)
  const { [LABEL_NODE_NAME]: node, ...labels } = metadata.labels ?? {}
  const isMarked = authority === 'beside' || finalizers.some(isKubeOvnFinalizer)
  const { v4IpAddress, v6IpAddress, ipAddress, macAddress } = spec as IpSpec
  return {
    metadata: {
      uid,
      labels: complete ? { ...labels, [LABEL_NODE_NAME]: node } : labels,
      annotations:
        mends === undefined || lease.expiresAt !== undefined
          ? metadata.annotations
          : { ...metadata.annotations, [ANNOTATION_EXPIRES]: null },
      ...(mends === 'all' ? { finalizers: [...finalizers.filter(isOthers), FINALIZER] } : {}),
      ...(isMarked || mends !== undefined ? {} : { finalizers: [...finalizers, FINALIZER] }),
    },
    spec: complete ? spec : { v4IpAddress, v6IpAddress, ipAddress, macAddress },
  }
}

/** The replies to a call, reduced to what the ledger decides on. */
export function evidenceOf(
  call: Exclude<Call, PortCall>,
  lease: LeaseView,
  replies: readonly ClusterReply[],
): Evidence {
  if (call.verb === 'owner') return ownerEvidence(call.item, lease, replies)
  const [reply] = replies
  if (!reply) throw new Error('fewer replies than requests')
  return objectEvidence(call, lease, reply)
}

/** Whether the owner lives counts only when all that was asked for was answered. */
export function ownerEvidence(item: number, lease: LeaseView, replies: readonly ClusterReply[]): Evidence {
  let alive: string | undefined
  let elsewhere: string | undefined
  for (const reply of replies) {
    if (!reply.ok) {
      if (reply.error.reason === 'NotFound') continue
      const { retryAfterMs } = reply.error
      return { item, result: 'later', ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
    }
    alive ??= aliveBecause(lease, reply.value)
    elsewhere ??= runsElsewhere(lease, reply.value)
  }
  return {
    item,
    result: 'owner',
    ...(alive === undefined ? {} : { alive }),
    ...(elsewhere === undefined ? {} : { elsewhere }),
  }
}

/** A reply reduced to what the ledger decides on. Nothing in it is believed that does not fit the request. */
function objectEvidence(call: Exclude<Call, PortCall>, lease: LeaseView, reply: ClusterReply): Evidence {
  const { item } = call
  if (!reply.ok) return failureEvidence(call, reply.error)
  const object = reply.value as KubeObject<Partial<IpSpec>>
  const { uid, resourceVersion } = object.metadata ?? {}
  // A 2xx with another object, or half of one, tells nothing about what happened (faults.md 23).
  if (object.metadata?.name !== refOf(lease).name || !uid || !resourceVersion)
    return { item, result: 'unknown' }
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
  const said = refOf(lease).kind === 'Vip' ? seenVip(object) : seenIp(object)
  const sameSubnet = spec?.subnet === lease.subnet
  const ours =
    operation === lease.origin &&
    sameOwner &&
    sameSubnet &&
    (spec?.v4IpAddress ?? '') === lease.v4 &&
    (spec?.v6IpAddress ?? '') === lease.v6 &&
    (spec?.macAddress ?? '') === lease.mac
  const whose = ours ? 'ours' : operation !== undefined && sameOwner && sameSubnet ? 'older' : 'other'
  return {
    whose,
    uid,
    rv,
    createdAt: metadata.creationTimestamp ?? '',
    terminating: metadata.deletionTimestamp !== undefined,
    finalizer: (metadata.finalizers ?? []).some(isKubeOvnFinalizer),
    finalizers: metadata.finalizers ?? [],
    sameOwner,
    agrees: sameOwner && sameSubnet && agrees(said, lease),
    holds: sameSubnet && holds(said, lease),
    ...(isLabelled(object, lease) ? { labelled: true as const } : {}),
    ...(metadata.annotations?.[ANNOTATION_EXPIRES]
      ? { expires: metadata.annotations[ANNOTATION_EXPIRES] }
      : {}),
    ...(whose === 'other' && sameSubnet ? { content: said } : {}),
    description: `${spec?.namespace ?? ''}/${spec?.podName ?? ''} in Subnet ${spec?.subnet ?? ''}`,
  }
}

function isLabelled({ metadata }: KubeObject, lease: LeaseView): boolean {
  return metadata.labels?.[LABEL_RESERVED] === 'true' && metadata.labels[LABEL_SUBNET] === lease.subnet
}

const isOthers = (finalizer: string): boolean => !isKubeOvnFinalizer(finalizer)

function isKubeOvnFinalizer(finalizer: string): boolean {
  return finalizer === FINALIZER || finalizer === DEPRECATED_FINALIZER
}
