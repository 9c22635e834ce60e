import type { KubeObject } from '../port.ts'

/** Owners of IP objects, as `namespace/name`, whom a change of a Pod, set or machine concerns. */
export interface Concerned {
  readonly exact: readonly string[]
  /** All Pods of this set: `namespace/name` with an ordinal after it. */
  readonly numbered?: string
}

const NOBODY: Concerned = { exact: [] }

/**
 * Whose IP objects are worth a look after a change: those whose owner went away, ended, or may be no longer wanted. A
 * machine's Pod goes by the machine's name as well as by its own (semantics.md §5); which one counts, the ledger knows.
 */
export function concerned(
  kind: 'Pod' | 'StatefulSet' | 'VirtualMachine' | 'VirtualMachineInstance',
  before: KubeObject | undefined,
  after: KubeObject | undefined,
): Concerned {
  const object = after ?? before
  // What is new keeps nobody waiting.
  if (!object || !before) return NOBODY
  const { namespace = '', name } = object.metadata
  const isOther = before.metadata.uid !== after?.metadata.uid
  switch (kind) {
    case 'Pod': {
      if (!isOther && !(after && hasEnded(after) && !hasEnded(before))) return NOBODY
      const machines = (before.metadata.ownerReferences ?? []).filter(isMachine)
      return { exact: [name, ...machines.map((owner) => owner.name)].map((owner) => `${namespace}/${owner}`) }
    }
    case 'StatefulSet':
      return { exact: [], numbered: `${namespace}/${name}` }
    case 'VirtualMachine':
    case 'VirtualMachineInstance':
      return { exact: [`${namespace}/${name}`] }
    default:
      return kind satisfies never
  }
}

function hasEnded({ status }: KubeObject): boolean {
  const phase = (status as { phase?: string } | undefined)?.phase
  return phase === 'Succeeded' || phase === 'Failed'
}

/** [pkg/controller/pod.go:3023-3032] */
function isMachine({ apiVersion, kind }: { readonly apiVersion: string; readonly kind: string }): boolean {
  return kind === 'VirtualMachineInstance' && apiVersion.startsWith('kubevirt.io/')
}
