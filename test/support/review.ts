import type { KubeObject } from '../../shared/cluster/port.ts'
import type { PatchOperation } from '../../shared/command/admission/types.ts'

export interface ReviewParts {
  readonly operation?: string
  readonly object?: object | null
  readonly oldObject?: object | null
  readonly user?: string
  readonly dryRun?: boolean
  readonly namespace?: string
  readonly resource?: { readonly group: string; readonly version: string; readonly resource: string }
  readonly uid?: string
  readonly request?: object
}

const IPS = { group: 'kubeovn.io', version: 'v1', resource: 'ips' }
export const PODS = { group: '', version: 'v1', resource: 'pods' }

/** An AdmissionReview as an API server sends it. */
export function reviewOf(parts: ReviewParts): object {
  const { operation = 'CREATE', object, oldObject, user = 'alice', resource = IPS, uid = 'review-1' } = parts
  const name = ((object ?? oldObject) as KubeObject | undefined)?.metadata?.name
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid,
      kind: { group: resource.group, version: resource.version, kind: 'Any' },
      resource,
      requestKind: { group: resource.group, version: resource.version, kind: 'Any' },
      requestResource: resource,
      ...(name === undefined ? {} : { name }),
      ...(parts.namespace === undefined ? {} : { namespace: parts.namespace }),
      operation,
      userInfo: { username: user, groups: ['system:authenticated'], uid: 'u', extra: { key: ['value'] } },
      object: object ?? null,
      oldObject: oldObject ?? null,
      dryRun: parts.dryRun ?? false,
      options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1', fieldManager: 'kubectl' },
      ...parts.request,
    },
  }
}

/** The parts of an answer that tests look at. */
export interface ReviewAnswer {
  readonly apiVersion: string
  readonly kind: string
  readonly response: {
    readonly uid: string
    readonly allowed: boolean
    readonly patchType?: string
    readonly patch?: string
    readonly warnings?: readonly string[]
    readonly status?: {
      readonly code: number
      readonly reason?: string
      readonly message: string
      readonly details?: {
        readonly causes?: readonly { readonly field: string; readonly message: string }[]
        readonly retryAfterSeconds?: number
      }
    }
  }
}

/** The patch of an answer, decoded. */
export function patchIn(answer: ReviewAnswer): { op: string; path: string; value: unknown }[] {
  const { patch } = answer.response
  if (patch === undefined) return []
  return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(patch), (text) => text.charCodeAt(0))))
}

/** The object as the API server stores it after our patch (RFC 6902, the two operations that are used). */
export function patched<T extends object>(object: T, patch: readonly PatchOperation[]): T {
  const result = structuredClone(object)
  for (const { op, path, value } of patch) {
    const steps = path.slice(1).split('/').map(unescaped)
    const last = steps.pop() ?? ''
    let at = result as Record<string, unknown>
    for (const step of steps) {
      const next = at[step]
      if (typeof next !== 'object' || next === null) throw new Error(`${path}: there is no ${step}`)
      at = next as Record<string, unknown>
    }
    if (op === 'replace' && !Object.hasOwn(at, last)) throw new Error(`${path}: nothing to replace`)
    at[last] = value
  }
  return result
}

const unescaped = (step: string) => step.replaceAll('~1', '/').replaceAll('~0', '~')
