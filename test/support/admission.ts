import type { KubeObject } from '../../shared/cluster/port.ts'
import { mutateIp, validateIp } from '../../shared/command/admission/ip.ts'
import type { Admission, IpReview } from '../../shared/command/admission/types.ts'
import type { PodType } from '../../shared/kube-ovn/names.ts'
import { patched } from './review.ts'
import type { World } from './world.ts'

export interface IpParts {
  readonly name?: string
  readonly metadata?: Record<string, unknown>
  readonly spec?: Record<string, unknown>
}

/** An IP manifest as a user writes it, with parts replaced. */
export function ip({ name, metadata, spec }: IpParts = {}): KubeObject<Record<string, unknown>> {
  const podName = (spec?.podName as string | undefined) ?? 'web-1'
  return {
    apiVersion: 'kubeovn.io/v1',
    kind: 'IP',
    metadata: { name: name ?? `${podName}.default`, ...metadata },
    spec: { subnet: 'ovn-default', namespace: 'default', podName, podType: '', ...spec },
  }
}

/** The review of a create, with the wish that the door reads out of it. */
export function creating(object: KubeObject, more: Partial<IpReview> = {}): IpReview {
  const spec = (object.spec ?? {}) as Record<string, string | undefined>
  const text = (field: string) => (spec[field] ? { [field]: spec[field] } : {})
  return {
    operation: 'CREATE',
    name: object.metadata.name,
    namespace: '',
    user: 'alice',
    dryRun: false,
    object,
    item: {
      subnet: spec.subnet ?? '',
      namespace: spec.namespace ?? '',
      podName: spec.podName ?? '',
      podType: (spec.podType ?? '') as PodType,
      name: object.metadata.name,
      ...text('v4IpAddress'),
      ...text('v6IpAddress'),
      ...text('macAddress'),
    },
    ...more,
  }
}

export const patchOf = (verdict: Admission) => {
  if (verdict.kind !== 'allowed') throw new Error(`expected yes, got ${JSON.stringify(verdict)}`)
  return verdict.patch
}

export const problemIn = (verdict: Admission) => {
  if (verdict.kind !== 'denied') throw new Error(`expected no, got ${JSON.stringify(verdict)}`)
  return verdict.problem
}

/** What `kubectl create` does: both doors, then the write. @returns the object as stored */
export async function kubectlCreate(world: World, object: KubeObject, user = 'alice'): Promise<KubeObject> {
  const mutated = patched(object, patchOf(await mutateIp(world.ports, creating(object, { user }))))
  patchOf(await validateIp(world.ports, creating(mutated, { user })))
  const [reply] = await world.ports.cluster.send([{ verb: 'create', object: mutated }])
  if (!reply?.ok) throw new Error(`not created: ${JSON.stringify(reply)}`)
  return reply.value
}
