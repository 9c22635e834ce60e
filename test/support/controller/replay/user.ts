import {
  type ClusterReply,
  type ClusterRequest,
  KINDS,
  type Kind,
  type KubeObject,
  type ObjectRef,
} from '../../../../shared/cluster/port.ts'
import type { ManualClock } from '../../clock.ts'
import type { RecordedStep } from './recording.ts'
import type { RecordedServer } from './server.ts'

/** Keeps a Pod between the mark of its deletion and its removal: the embedded store has no grace period of its own. */
const GRACE = 'test/grace'

interface Target {
  readonly kind: Kind | 'policy' | 'binding'
  readonly namespace?: string
  readonly name?: string
}

/** Whose path it is; query and root left aside. */
export function targetOf(path: string): Target {
  const parts = path.replace(/\?.*/, '').split('/')
  const namespaces = parts.indexOf('namespaces')
  const at = namespaces < 0 ? (parts[1] === 'api' ? 3 : 4) : namespaces + 2
  const plural = parts[at]
  const name = parts[at + 1]
  const found = Object.entries(KINDS).find(
    ([, entry]) => entry.plural === plural && !entry.apiVersion.startsWith('admissionregistration'),
  )?.[0] as Kind | undefined
  const kind = found ?? (plural === 'validatingadmissionpolicies' ? 'policy' : 'binding')
  return {
    kind,
    ...(namespaces < 0 ? {} : { namespace: parts[namespaces + 1]! }),
    ...(name === undefined ? {} : { name }),
  }
}

/** The user of a recording: makes its requests on the embedded store. */
export class RecordedUser {
  private readonly server: RecordedServer
  private readonly clock: ManualClock

  constructor(server: RecordedServer, clock: ManualClock) {
    this.server = server
    this.clock = clock
  }

  /** Makes the request. `late`: it was sent before the last write to the object. @returns the HTTP code of the answer */
  async perform(step: RecordedStep, late: boolean): Promise<number> {
    const target = targetOf(step.path ?? '')
    if (target.kind === 'policy') return step.verb === 'create' ? 201 : 200
    if (target.kind === 'binding') return this.bind(step, target)
    const ref = { ...target, kind: target.kind }
    if (late && step.verb === 'delete') return this.server.removeUnseen(ref as ObjectRef) ? 200 : 404
    const reply = await this.request(step, ref)
    return reply.ok ? (step.verb === 'create' || step.code === 201 ? 201 : 200) : CODES[reply.error.reason]
  }

  private bind(step: RecordedStep, target: Target): number {
    if (step.verb === 'create') {
      const { policyName } = (step.body as { spec: { policyName: string } }).spec
      this.server.policies.set(policyName, 'unsettled')
      return 201
    }
    this.server.policies.set(target.name ?? '', 'unsettled')
    return 200
  }

  private async request(step: RecordedStep, target: Target & { kind: Kind }): Promise<ClusterReply> {
    const ref = target as ObjectRef
    switch (step.verb) {
      case 'create':
        return this.create(step.body as KubeObject)
      case 'apply':
        return (await this.one({ verb: 'get', ref })).ok
          ? this.patch(ref, step.body)
          : this.create(step.body as KubeObject)
      case 'update': {
        const present = await this.one({ verb: 'get', ref })
        if (!present.ok) return present
        const sent = step.body as KubeObject
        const { resourceVersion } = present.value.metadata
        return this.one({
          verb: 'replace',
          object: { ...sent, metadata: { ...sent.metadata, resourceVersion: resourceVersion ?? '' } },
        })
      }
      case 'patch':
        return this.patch(ref, Array.isArray(step.body) ? undefined : step.body, step.body)
      case 'delete':
        return this.delete(ref, step.path ?? '')
      default:
        throw new Error(`${step.verb} by the user is not known`)
    }
  }

  private async create(sent: KubeObject): Promise<ClusterReply> {
    const object = await this.resolved(withoutNulls(sent))
    if (object.kind !== 'Pod') return this.one({ verb: 'create', object })
    const spec = { terminationGracePeriodSeconds: 30, restartPolicy: 'Always', ...(object.spec as object) }
    return this.one({
      verb: 'create',
      object: { ...object, metadata: { ...object.metadata, finalizers: [GRACE] }, spec },
    })
  }

  /** Uids in ownerReferences are the recording's: here they are the owner's own. */
  private async resolved(object: KubeObject): Promise<KubeObject> {
    const { ownerReferences, namespace } = object.metadata
    if (ownerReferences === undefined) return object
    const owners = []
    for (const owner of ownerReferences) {
      const kind = owner.kind as Kind
      const scope = KINDS[kind].namespaced ? { namespace: namespace ?? 'default' } : {}
      const reply = await this.one({ verb: 'get', ref: { kind, name: owner.name, ...scope } })
      owners.push({ ...owner, uid: reply.ok ? (reply.value.metadata.uid ?? '') : owner.uid })
    }
    return { ...object, metadata: { ...object.metadata, ownerReferences: owners } }
  }

  private async patch(ref: ObjectRef, merge: unknown, operations?: unknown): Promise<ClusterReply> {
    const present = await this.one({ verb: 'get', ref })
    if (!present.ok) return present
    const { metadata } = present.value
    const patch = merge ?? asMerge(operations, present.value)
    return this.one({ verb: 'patch', ref, patch, resourceVersion: metadata.resourceVersion ?? '' })
  }

  private async delete(ref: ObjectRef, path: string): Promise<ClusterReply> {
    const present = await this.one({ verb: 'get', ref })
    if (!present.ok) return present
    const { metadata } = present.value
    const graceMs = Number(/gracePeriodSeconds=(\d+)/.exec(path)?.[1] ?? 0) * 1_000
    if (!metadata.finalizers?.includes(GRACE))
      return this.one({ verb: 'delete', ref, uid: metadata.uid ?? '' })
    // Without grace too a Pod is marked first and then removed [k8s.io/apiserver registry/generic/registry/store.go Delete].
    const marked =
      metadata.deletionTimestamp !== undefined
        ? present
        : await this.clock.at(graceMs, () => this.one({ verb: 'delete', ref, uid: metadata.uid ?? '' }))
    return graceMs > 0 ? marked : this.patch(ref, { metadata: { finalizers: null } })
  }

  private one(request: ClusterRequest): Promise<ClusterReply> {
    return this.server.forUser(request)
  }
}

const CODES = {
  NotFound: 404,
  AlreadyExists: 409,
  Conflict: 409,
  Invalid: 422,
  Forbidden: 403,
  Unauthorized: 401,
  Expired: 410,
  TooManyRequests: 429,
  Unavailable: 503,
} as const

export const codeOf = (reply: ClusterReply, created: boolean): number =>
  reply.ok ? (created ? 201 : 200) : CODES[reply.error.reason]

/** A real API server drops nulls where a CRD says "string" [semantics.md §2]. */
function withoutNulls<T>(value: T): T {
  if (Array.isArray(value)) return value.map(withoutNulls) as T
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).filter(([, member]) => member !== null)
  return Object.fromEntries(kept.map(([key, member]) => [key, withoutNulls(member)])) as T
}

/** The one JSON patch of the recordings that a user sends: a finalizer is added. */
function asMerge(operations: unknown, present: KubeObject): unknown {
  const [only, ...others] = operations as { op: string; path: string; value: string }[]
  if (others.length > 0 || only?.op !== 'add' || only.path !== '/metadata/finalizers/-')
    throw new Error(`this JSON patch is not known: ${JSON.stringify(operations)}`)
  return { metadata: { finalizers: [...(present.metadata.finalizers ?? []), only.value] } }
}
