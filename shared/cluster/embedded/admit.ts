/** What an object must look like to be stored: the checks of apimachinery's ValidateObjectMeta, on plain JSON. */
import { ok, type Result } from '../../result.ts'
import { type ClusterFailure, KINDS, type Kind, type ObjectRef } from '../port.ts'
import { refused, subject } from './failure.ts'
import { isJsonObject, type Json, type JsonObject } from './json.ts'

/** Where an object is kept. namespace is '' for cluster-scoped kinds. */
export interface Key {
  readonly kind: Kind
  readonly namespace: string
  readonly name: string
}

/** The metadata a client decides on; empty maps and lists are left out, as an API server leaves them out. */
export interface ClientMeta {
  labels?: JsonObject
  annotations?: JsonObject
  finalizers?: string[]
  ownerReferences?: Json[]
}

export interface Admitted {
  readonly key: Key
  readonly meta: ClientMeta
  /** What the client believes the server's fields to be; undefined where it says nothing. */
  readonly claims: { readonly uid?: string; readonly resourceVersion?: string; readonly terminating: boolean }
  readonly spec: Json | undefined
  readonly status: Json | undefined
  /** What an Event has beside metadata; other kinds lose members that are no spec and no status. */
  readonly event?: JsonObject
}

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const DNS_LABEL = new RegExp(`^${LABEL}$`)
const DNS_SUBDOMAIN = new RegExp(`^${LABEL}(\\.${LABEL})*$`)
const NAME_PART = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/
const MAX_NAME_CHARACTERS = 253
const MAX_LABEL_CHARACTERS = 63
/** [k8s.io/apimachinery/pkg/api/validation/objectmeta.go TotalAnnotationSizeLimitB] */
const MAX_ANNOTATIONS_BYTES = 256 * 1024

/** Whether `value` is a DNS-1123 subdomain, the form of object names. */
export function isObjectName(value: string): boolean {
  return value.length <= MAX_NAME_CHARACTERS && DNS_SUBDOMAIN.test(value)
}

export function isKind(value: unknown): value is Kind {
  return typeof value === 'string' && Object.hasOwn(KINDS, value)
}

/** The key a ref names; Invalid where kind and namespace do not fit together. A malformed name is merely not found. */
export function keyOf(ref: ObjectRef): Result<Key, ClusterFailure> {
  if (!isKind(ref.kind)) return refused('Invalid', `no such kind: ${JSON.stringify(ref.kind)}`)
  const wrong = wrongNamespace(ref.kind, ref.namespace)
  if (wrong) return refused('Invalid', `${subject(ref.kind, String(ref.name))} is invalid: ${wrong}`)
  return ok({ kind: ref.kind, namespace: ref.namespace ?? '', name: ref.name })
}

/** Checks a whole object as a client sent it (or as its patch made it). Refusals are Invalid and name the field. */
export function admit(object: Json | undefined): Result<Admitted, ClusterFailure> {
  if (!isJsonObject(object)) return refused('Invalid', 'the object is not a JSON object of bearable depth')
  const { kind, apiVersion, metadata } = object
  if (!isKind(kind)) return refused('Invalid', `no such kind: ${JSON.stringify(kind)}`)
  if (apiVersion !== KINDS[kind].apiVersion) {
    return refused('Invalid', `apiVersion of ${kind} must be ${KINDS[kind].apiVersion}`)
  }
  if (!isJsonObject(metadata)) return refused('Invalid', 'metadata: Required value')
  const { name, namespace } = metadata
  const wrong =
    wrongName(name) ??
    wrongNamespace(kind, namespace ?? undefined) ??
    wrongLabels(metadata.labels) ??
    wrongAnnotations(metadata.annotations) ??
    wrongFinalizers(metadata.finalizers) ??
    wrongOwners(metadata.ownerReferences)
  if (wrong) {
    return refused('Invalid', `${subject(kind, typeof name === 'string' ? name : '')} is invalid: ${wrong}`)
  }
  const { uid, resourceVersion } = metadata
  const { apiVersion: _, kind: _kind, metadata: _metadata, spec, status, ...event } = object
  return ok({
    key: { kind, name: name as string, namespace: (namespace ?? '') as string },
    meta: clientMeta(metadata),
    claims: {
      ...(typeof uid === 'string' && uid !== '' ? { uid } : {}),
      ...(typeof resourceVersion === 'string' && resourceVersion !== '' ? { resourceVersion } : {}),
      terminating: (metadata.deletionTimestamp ?? null) !== null,
    },
    spec,
    status,
    ...(kind === 'Event' ? { event } : {}),
  })
}

function clientMeta({ labels, annotations, finalizers, ownerReferences }: JsonObject): ClientMeta {
  const meta: ClientMeta = {}
  if (isJsonObject(labels) && Object.keys(labels).length > 0) meta.labels = labels
  if (isJsonObject(annotations) && Object.keys(annotations).length > 0) meta.annotations = annotations
  if (Array.isArray(finalizers) && finalizers.length > 0) meta.finalizers = finalizers as string[]
  if (Array.isArray(ownerReferences) && ownerReferences.length > 0) meta.ownerReferences = ownerReferences
  return meta
}

// Each check tells what is wrong, or undefined. Absent and null are the same value.

function wrongName(name: Json | undefined): string | undefined {
  if (typeof name !== 'string' || name === '') return 'metadata.name: Required value'
  return isObjectName(name) ? undefined : 'metadata.name: must be a lowercase RFC 1123 subdomain'
}

function wrongNamespace(kind: Kind, namespace: Json | undefined): string | undefined {
  const given = namespace !== undefined && namespace !== null && namespace !== ''
  if (!KINDS[kind].namespaced) return given ? 'metadata.namespace: not allowed on this type' : undefined
  if (!given) return 'metadata.namespace: Required value'
  const fits =
    typeof namespace === 'string' && namespace.length <= MAX_LABEL_CHARACTERS && DNS_LABEL.test(namespace)
  return fits ? undefined : 'metadata.namespace: must be a lowercase RFC 1123 label'
}

function wrongLabels(labels: Json | undefined): string | undefined {
  if (labels === undefined || labels === null) return undefined
  if (!isJsonObject(labels)) return 'metadata.labels: must be a map'
  for (const [key, value] of Object.entries(labels)) {
    if (!isQualifiedName(key)) return `metadata.labels: ${JSON.stringify(key)} is not a qualified name`
    const fits =
      typeof value === 'string' &&
      (value === '' || (value.length <= MAX_LABEL_CHARACTERS && NAME_PART.test(value)))
    if (!fits) return `metadata.labels: value of ${JSON.stringify(key)} is not a label value`
  }
  return undefined
}

function wrongAnnotations(annotations: Json | undefined): string | undefined {
  if (annotations === undefined || annotations === null) return undefined
  if (!isJsonObject(annotations)) return 'metadata.annotations: must be a map'
  let bytes = 0
  for (const [key, value] of Object.entries(annotations)) {
    if (!isQualifiedName(key.toLowerCase())) {
      return `metadata.annotations: ${JSON.stringify(key)} is not a qualified name`
    }
    if (typeof value !== 'string') return `metadata.annotations: ${JSON.stringify(key)} must be a string`
    bytes += utf8Bytes(key) + utf8Bytes(value)
  }
  return bytes > MAX_ANNOTATIONS_BYTES ? 'metadata.annotations: Too long' : undefined
}

function wrongFinalizers(finalizers: Json | undefined): string | undefined {
  if (finalizers === undefined || finalizers === null) return undefined
  if (!Array.isArray(finalizers)) return 'metadata.finalizers: must be a list'
  const wrong = finalizers.find((entry) => typeof entry !== 'string' || !isQualifiedName(entry))
  return wrong === undefined
    ? undefined
    : `metadata.finalizers: ${JSON.stringify(wrong)} is not a qualified name`
}

function wrongOwners(owners: Json | undefined): string | undefined {
  if (owners === undefined || owners === null) return undefined
  if (!Array.isArray(owners)) return 'metadata.ownerReferences: must be a list'
  const complete = owners.every(
    (owner) =>
      isJsonObject(owner) &&
      [owner.apiVersion, owner.kind, owner.name, owner.uid].every(
        (field) => typeof field === 'string' && field !== '',
      ),
  )
  return complete ? undefined : 'metadata.ownerReferences: apiVersion, kind, name and uid are required'
}

/** `[prefix/]name`: the prefix a DNS subdomain, the name at most 63 characters. */
function isQualifiedName(text: string): boolean {
  const slash = text.indexOf('/')
  const name = text.slice(slash + 1)
  if (name.length > MAX_LABEL_CHARACTERS || !NAME_PART.test(name)) return false
  return slash < 0 || isObjectName(text.slice(0, slash))
}

const encoder = new TextEncoder()

/** How many bytes `text` takes as UTF-8. */
export function utf8Bytes(text: string): number {
  let ascii = 0
  while (ascii < text.length && text.charCodeAt(ascii) < 0x80) ascii++
  if (ascii === text.length) return ascii
  return encoder.encode(text).length
}
