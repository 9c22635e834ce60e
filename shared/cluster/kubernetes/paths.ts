import { ok, type Result } from '../../result.ts'
import { type ClusterFailure, KINDS, type Kind } from '../port.ts'

const NAME_PART = '[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?'
const LABEL_KEY = new RegExp(`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?${NAME_PART}$`)
const LABEL_VALUE = new RegExp(`^(${NAME_PART})?$`)

/** Group, version and plural of a kind; the group of the core API is empty. */
export function resourceOf(kind: Kind): { group: string; version: string; plural: string } {
  const { apiVersion, plural } = KINDS[kind]
  const slash = apiVersion.indexOf('/')
  return { group: apiVersion.slice(0, Math.max(slash, 0)), version: apiVersion.slice(slash + 1), plural }
}

/** The core API has a path of its own. */
export function corePath(endpoint: string): string {
  return endpoint.replace(/^\/apis\/\/v1\//, '/api/v1/')
}

/** Path of all objects of a kind, or of those in one namespace. */
export function collectionPath(kind: Kind, namespace: string | undefined): string {
  const { group, version, plural } = resourceOf(kind)
  const scope = namespace === undefined ? '' : `namespaces/${encodeURIComponent(namespace)}/`
  return corePath(`/apis/${group}/${version}/${scope}${plural}`)
}

/**
 * Whether `name` can be one segment of a path. An empty one would name the whole collection, and dots would be folded
 * away [k8s.io/apimachinery/pkg/api/validation/path IsValidPathSegmentName].
 */
export function isSegment(name: unknown): name is string {
  return typeof name === 'string' && name !== '' && name !== '.' && name !== '..' && !/[/%]/.test(name)
}

/** Why kind and namespace do not fit together, or undefined. */
export function wrongScope(kind: Kind, namespace: string | undefined): string | undefined {
  if (!Object.hasOwn(KINDS, kind)) return `no such kind: ${JSON.stringify(kind)}`
  const { namespaced, plural } = KINDS[kind]
  if (!namespaced) return namespace ? `${plural} have no namespace` : undefined
  return isSegment(namespace) ? undefined : `${plural} need a namespace`
}

/** The same for a list, which may go over all namespaces. */
export function wrongListScope(kind: Kind, namespace: string | undefined): string | undefined {
  if (namespace === undefined && Object.hasOwn(KINDS, kind)) return undefined
  return wrongScope(kind, namespace)
}

/** `a=b,c=d`; Invalid where a key or value could be read as more than itself. */
export function selectorText(labels: Readonly<Record<string, string>>): Result<string, ClusterFailure> {
  const pairs = Object.entries(labels)
  const wrong = pairs.find(([key, value]) => !LABEL_KEY.test(key) || !LABEL_VALUE.test(value))
  if (wrong) {
    const message = `no label selector: ${JSON.stringify(wrong)}`
    return { ok: false, error: { reason: 'Invalid', message, outcome: 'refused' } }
  }
  return ok(pairs.map(([key, value]) => `${key}=${value}`).join(','))
}
