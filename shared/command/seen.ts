import type { KubeObject } from '../cluster/port.ts'
import type { IpSpec } from '../kube-ovn/ip-object.ts'
import {
  ANNOTATION_EPOCH,
  ANNOTATION_EXPIRES,
  ANNOTATION_FORCE,
  ANNOTATION_OP,
  ANNOTATION_REASON,
  ANNOTATION_TTL,
  LABEL_RESERVED,
  VIP_PREFIX,
} from '../kube-ovn/names.ts'
import { ttlOf } from '../ledger/lifetime.ts'
import type { SeenIp } from '../ledger/port.ts'

/** More of a reason than anybody may give; an annotation has room for 256 KiB. */
const REASON_CHARACTERS = 1_024

/** An IP object as the ledger is told of it. Nothing in it is believed to have the form it should have. */
export function seenIp(object: KubeObject): SeenIp {
  const { metadata } = object
  const spec = (object.spec ?? {}) as Partial<Record<keyof IpSpec, unknown>>
  const annotations = metadata.annotations ?? {}
  const epoch = Number(annotations[ANNOTATION_EPOCH] ?? 0)
  return {
    name: metadata.name,
    uid: metadata.uid ?? '',
    resourceVersion: metadata.resourceVersion ?? '',
    createdAt: metadata.creationTimestamp ?? '',
    namespace: text(spec.namespace),
    podName: text(spec.podName),
    podType: text(spec.podType),
    v4IpAddress: text(spec.v4IpAddress),
    v6IpAddress: text(spec.v6IpAddress),
    ipAddress: text(spec.ipAddress),
    macAddress: text(spec.macAddress),
    reserved: text(metadata.labels?.[LABEL_RESERVED]),
    finalizers: metadata.finalizers ?? [],
    terminating: metadata.deletionTimestamp !== undefined,
    force: annotations[ANNOTATION_FORCE] === 'true',
    operation: text(annotations[ANNOTATION_OP]),
    epoch: Number.isSafeInteger(epoch) && epoch >= 0 ? epoch : 0,
    reason: text(annotations[ANNOTATION_REASON]).slice(0, REASON_CHARACTERS),
    ...lastingOf(annotations),
  }
}

/** A Vip as the ledger is told of it: somebody else's, with the addresses it holds [pkg/apis/kubeovn/v1/vip.go:38-54]. */
export function seenVip(object: KubeObject): SeenIp {
  const spec = (object.spec ?? {}) as Readonly<Record<string, unknown>>
  const status = (object.status ?? {}) as Readonly<Record<string, unknown>>
  return {
    ...seenIp(object),
    name: `${VIP_PREFIX}${object.metadata.name}`,
    namespace: text(spec.namespace),
    podName: '',
    podType: '',
    v4IpAddress: text(status.v4ip) || text(spec.v4ip),
    v6IpAddress: text(status.v6ip) || text(spec.v6ip),
    ipAddress: '',
    macAddress: text(status.mac) || text(spec.macAddress),
    operation: '',
    epoch: 0,
  }
}

/** How long a wish is to last. What cannot be read was refused at admission, or says nothing. */
function lastingOf(annotations: Readonly<Record<string, string>>): Pick<SeenIp, 'ttlSeconds' | 'expiresAt'> {
  const expiresAt = Date.parse(text(annotations[ANNOTATION_EXPIRES]))
  if (Number.isFinite(expiresAt)) return { expiresAt }
  const ttlSeconds = ttlOf(text(annotations[ANNOTATION_TTL]))
  return ttlSeconds === undefined ? {} : { ttlSeconds }
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '')
