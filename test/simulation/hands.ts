import type { KubeObject } from '../../shared/cluster/port.ts'
import { FINALIZER, LABEL_RESERVED, LABEL_SUBNET } from '../../shared/kube-ovn/names.ts'
import type { Deed } from './scenario.ts'
import type { SimulatedWorld } from './world.ts'
import { portOf } from './write.ts'

/** People with kubectl, and the controllers of Pods: what they do takes effect at once, or is refused. */
export function byHand(
  world: SimulatedWorld,
  deed: Deed,
  changes: ReadonlyMap<string, readonly object[]>,
): void {
  const { api } = world
  const patch = (kind: 'IP' | 'Subnet', name: string, change: unknown) => {
    const found = api.get(kind, name)
    if (!found) return
    const resourceVersion = found.metadata.resourceVersion ?? ''
    api.apply({ verb: 'patch', ref: { kind, name }, patch: change, resourceVersion })
  }
  const remove = (found: KubeObject | undefined) => {
    if (!found) return
    const { name, namespace, uid = '' } = found.metadata
    const ref = { kind: found.kind as 'IP' | 'Pod', name, ...(namespace === undefined ? {} : { namespace }) }
    api.apply({ verb: 'delete', ref, uid })
  }
  switch (deed.do) {
    case 'pod made':
      api.apply({
        verb: 'create',
        object: {
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { name: deed.pod, namespace: 'default' },
          spec: {},
          status: { phase: 'Running' },
        },
      })
      return
    case 'pod gone':
      remove(api.get('Pod', deed.pod, 'default'))
      return
    case 'ip deleted':
      remove(api.get('IP', portOf(deed.pod)))
      return
    case 'ip stripped':
      remove(api.get('IP', portOf(deed.pod)))
      patch('IP', portOf(deed.pod), { metadata: { finalizers: null } })
      return
    case 'ip relabelled':
      patch('IP', portOf(deed.pod), { metadata: { labels: { [LABEL_RESERVED]: null } } })
      return
    case 'ip written': {
      const { v4, pod, subnet } = deed
      api.apply({
        verb: 'create',
        object: {
          apiVersion: 'kubeovn.io/v1',
          kind: 'IP',
          metadata: {
            name: portOf(pod),
            labels: { [LABEL_SUBNET]: subnet },
            ...(deed.finalizer ? { finalizers: [FINALIZER] } : {}),
          },
          spec: {
            subnet,
            namespace: 'default',
            podName: pod,
            podType: '',
            ...(v4 === '' ? {} : { v4IpAddress: v4, ipAddress: v4 }),
            ...(deed.finalizer ? { macAddress: `02:ff:00:00:00:0${deed.pod.charCodeAt(0) % 8}` } : {}),
          },
        },
      })
      return
    }
    case 'subnet changed':
      patch('Subnet', deed.subnet, { spec: changes.get(deed.subnet)?.[deed.change] ?? {} })
      return
    default:
      return
  }
}
