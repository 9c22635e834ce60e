import { KINDS, type Kind, type KubeObject, type ObjectList, type ObjectMeta } from '../port.ts'
import { statusOf } from './failure.ts'

/** What a reply must be about to count as one. */
export interface Expected {
  readonly kind: Kind
  readonly name: string
  readonly namespace?: string | undefined
  readonly uid?: string | undefined
  /** A dry run's object was never stored, so it has no resourceVersion. */
  readonly dryRun?: boolean
}

/** The reply is no proof of anything. */
export class NoEvidence extends Error {}

/**
 * The object of a reply. Throws NoEvidence unless it is the one expected. managedFields is left out: nobody reads it
 * and it doubles every object; a replace without it keeps the server's.
 */
export function objectIn(reply: unknown, expected: Expected): KubeObject {
  const object = objectOfKind(reply, expected.kind)
  const { name, namespace, uid, resourceVersion } = object.metadata
  if (name !== expected.name || (namespace ?? '') !== (expected.namespace ?? '')) {
    throw new NoEvidence(`an object of another name: ${JSON.stringify([namespace, name])}`)
  }
  if (expected.uid !== undefined && uid !== expected.uid) throw new NoEvidence('an object of another uid')
  if (!uid || (!resourceVersion && !expected.dryRun)) {
    throw new NoEvidence('an object without uid or resourceVersion')
  }
  return object
}

/**
 * The object a delete left or took away. A custom resource that is gone is answered by a Status with its name and uid:
 * then apiVersion, kind and these two are all there is.
 */
export function deletedIn(reply: unknown, expected: Expected & { readonly uid: string }): KubeObject {
  const status = statusOf(reply)
  if (!status) return objectIn(reply, expected)
  if (status.details.name !== expected.name || status.details.uid !== expected.uid) {
    throw new NoEvidence('a Status about something else')
  }
  const { kind, name, namespace, uid } = expected
  const metadata: ObjectMeta = { name, uid, ...(namespace ? { namespace } : {}) }
  return { apiVersion: KINDS[kind].apiVersion, kind, metadata }
}

/** One page of a list. Items of built-in kinds come without kind and apiVersion; they get them here. */
export function listIn(reply: unknown, kind: Kind): ObjectList {
  const { apiVersion } = KINDS[kind]
  if (!isRecord(reply) || reply.kind !== `${kind}List` || reply.apiVersion !== apiVersion) {
    throw new NoEvidence(`not a list of ${kind}`)
  }
  const { items, metadata } = reply
  if (!Array.isArray(items) || !isRecord(metadata) || !isText(metadata.resourceVersion)) {
    throw new NoEvidence('a list without items or resourceVersion')
  }
  const next = metadata.continue
  return {
    items: items.map((item: unknown) => storedObject(item, kind)),
    resourceVersion: metadata.resourceVersion,
    ...(isText(next) ? { continue: next } : {}),
  }
}

/** An object of that kind out of a list or a watch. */
export function storedObject(value: unknown, kind: Kind): KubeObject {
  const whole = isRecord(value) ? { apiVersion: KINDS[kind].apiVersion, kind, ...value } : value
  const object = objectOfKind(whole, kind)
  const { uid, resourceVersion, namespace } = object.metadata
  if (!uid || !resourceVersion || KINDS[kind].namespaced !== Boolean(namespace)) {
    throw new NoEvidence('an object without uid, resourceVersion or namespace')
  }
  return object
}

function objectOfKind(value: unknown, kind: Kind): KubeObject {
  if (!isRecord(value) || value.kind !== kind || value.apiVersion !== KINDS[kind].apiVersion) {
    throw new NoEvidence(`not a ${kind}`)
  }
  const { metadata } = value
  if (!isRecord(metadata) || !isMeta(metadata)) throw new NoEvidence('metadata of another form')
  const { managedFields: _, ...kept } = metadata
  return { ...value, apiVersion: value.apiVersion as string, kind, metadata: kept as unknown as ObjectMeta }
}

/** The members that decisions rest on have their types. */
function isMeta(metadata: Readonly<Record<string, unknown>>): boolean {
  const { name, namespace, uid, resourceVersion, deletionTimestamp, generation } = metadata
  const { labels, annotations, finalizers, ownerReferences } = metadata
  return (
    isText(name) &&
    [namespace, uid, resourceVersion, deletionTimestamp].every(
      (text) => text === undefined || isText(text),
    ) &&
    (generation === undefined || typeof generation === 'number') &&
    [labels, annotations].every(
      (map) => map === undefined || (isRecord(map) && allText(Object.values(map))),
    ) &&
    (finalizers === undefined || (Array.isArray(finalizers) && allText(finalizers))) &&
    (ownerReferences === undefined || (Array.isArray(ownerReferences) && ownerReferences.every(isRecord)))
  )
}

const allText = (values: readonly unknown[]) => values.every((value) => typeof value === 'string')

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
