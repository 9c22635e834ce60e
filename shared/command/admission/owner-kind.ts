import type { KubeObject, ObjectRef } from '../../cluster/port.ts'
import { podTypeOf } from '../../kube-ovn/pod-nets.ts'
import type { Finding } from '../../problem.ts'
import { setOf } from '../owners.ts'
import type { CommandPorts } from '../ports.ts'
import type { ReserveItem } from '../types.ts'

/**
 * Why podType is unlike the real owner: kube-ovn-controller would find no owner of that kind and collect the
 * reservation (D23). An owner that is not there yet is no contradiction, and one that cannot be read is not known.
 */
export async function ownerKindFinding(ports: CommandPorts, item: ReserveItem): Promise<Finding | undefined> {
  const { namespace, podName, podType } = item
  if (podType === 'StatefulSet' && !setOf(podName)) {
    return mismatch(`a Pod of a StatefulSet is called <set>-<number>, and ${podName} is not`)
  }
  const [pod, vm] = await known(ports, [
    { kind: 'Pod', namespace, name: podName },
    { kind: 'VirtualMachine', namespace, name: podName },
  ])
  if (pod) {
    const real = podTypeOf(pod)
    // A VM and an unrelated Pod may share a name; the reservation is then whoever's it says.
    if (real === podType || (vm && podType === 'VirtualMachine')) return undefined
    return mismatch(`Pod ${namespace}/${podName} ${belongs(real)}`, real)
  }
  if (vm && isThere(vm) && podType !== 'VirtualMachine') {
    return mismatch(`${namespace}/${podName} is a VirtualMachine`, 'VirtualMachine')
  }
  return undefined
}

/** From the mirror where there is one: it costs no call to the API server, which waits for this answer. */
async function known(
  ports: CommandPorts,
  refs: readonly ObjectRef[],
): Promise<readonly (KubeObject | undefined)[]> {
  if (ports.mirror) return ports.mirror.peek(refs)
  const replies = await ports.cluster.send(refs.map((ref) => ({ verb: 'get', ref })))
  return replies.map((reply) => (reply.ok ? reply.value : undefined))
}

function belongs(podType: string): string {
  return podType === '' ? 'belongs to no StatefulSet or VirtualMachine' : `belongs to a ${podType}`
}

function isThere(object: KubeObject): boolean {
  return object.metadata.deletionTimestamp === undefined
}

function mismatch(why: string, real?: string): Finding {
  return {
    code: 'invalid_field',
    field: 'spec.podType',
    message: `podType does not fit the owner: ${why}`,
    ...(real === undefined ? {} : { hint: `podType: ${JSON.stringify(real)}` }),
  }
}
