import type { KubeObject } from '../../../shared/cluster/port.ts'
import { formatAddress } from '../../../shared/ipam/address.ts'
import { DEPRECATED_FINALIZER, FINALIZER } from '../../../shared/kube-ovn/names.ts'
import type { Context } from './context.ts'
import { isTerminating, read } from './objects.ts'
import type { Handled } from './queue.ts'

/** Event handlers of IPPools [pkg/controller/ippool.go]. */
export function poolHandlers(c: Context) {
  const leave = (object: KubeObject) => {
    const key = `${object.metadata.name}@${object.metadata.resourceVersion}`
    c.leaving.pool.set(key, object)
    c.queues['delete ippool'].add(key)
  }
  return {
    added: (object: KubeObject) => c.queues['add/update ippool'].add(object.metadata.name),
    updated: (old: KubeObject, object: KubeObject) => {
      if (isTerminating(object)) leave(object)
      else if (JSON.stringify(old.spec) !== JSON.stringify(object.spec))
        c.queues['add/update ippool'].add(object.metadata.name)
    },
    removed: leave,
  }
}

const specOf = (object: KubeObject) => (object.spec ?? {}) as { subnet?: string; ips?: string[] }

/** handleAddOrUpdateIPPool: finalizer, IPAM, statistics. */
export function addOrUpdatePool(c: Context, name: string): Promise<Handled> {
  return c.poolKeys.hold(name, async () => {
    const pool = await read(c, 'IPPool', name)
    if (pool === undefined) return undefined
    const finalizers = pool.metadata.finalizers ?? []
    if (!isTerminating(pool) && !finalizers.includes(FINALIZER)) {
      const patch = { metadata: { finalizers: [...finalizers, FINALIZER] } }
      const reply = await c.writes.merge({ kind: 'IPPool', name }, patch)
      if (!reply.ok && reply.error.reason !== 'NotFound') return reply.error.message
    }
    if (isTerminating(pool)) return undefined
    const { subnet = '', ips = [] } = specOf(pool)
    const taken = c.ipam.setPool(subnet, name, ips)
    if (!taken.ok) return taken.error
    return writeStatus(c, name, statistics(c, subnet, name))
  })
}

/** handleUpdateIPPoolStatus: only what differs is written. */
export function updatePoolStatus(c: Context, name: string): Promise<Handled> {
  return c.poolKeys.hold(name, async () => {
    const pool = await read(c, 'IPPool', name)
    if (pool === undefined) return undefined
    const counted = statistics(c, specOf(pool).subnet ?? '', name)
    const present = (pool.status ?? {}) as Record<string, unknown>
    const same = Object.entries(counted).every(
      ([key, value]) => (present[key] ?? (key.endsWith('IPs') ? 0 : '')) === value,
    )
    return same ? undefined : writeStatus(c, name, counted)
  })
}

/** handleDeleteIPPool: runs for the mark and again for the removal. */
export async function deletePool(c: Context, key: string): Promise<Handled> {
  const pool = c.leaving.pool.get(key)
  if (pool === undefined) return undefined
  const { name } = pool.metadata
  return c.poolKeys.hold(name, async () => {
    c.ipam.removePool(specOf(pool).subnet ?? '', name)
    const finalizers = pool.metadata.finalizers ?? []
    if (finalizers.length > 0) {
      const left = finalizers.filter((one) => one !== FINALIZER && one !== DEPRECATED_FINALIZER)
      const patch = { metadata: { finalizers: left.length === 0 ? null : left } }
      const reply = await c.writes.merge({ kind: 'IPPool', name }, patch)
      if (!reply.ok && reply.error.reason !== 'NotFound') return reply.error.message
    }
    c.leaving.pool.delete(key)
    return undefined
  })
}

async function writeStatus(c: Context, name: string, status: Record<string, unknown>): Promise<Handled> {
  const reply = await c.writes.status({ kind: 'IPPool', name }, status)
  return reply.ok ? undefined : reply.error.message
}

function statistics(c: Context, subnet: string, pool: string): Record<string, number | string> {
  const entries = ([4, 6] as const).flatMap((family) => {
    const plane = c.ipam.poolPlane(subnet, pool, family)
    return (['Available', 'Using'] as const).flatMap((what) => {
      const set = plane?.[what === 'Using' ? 'using' : 'available']
      return [
        [`v${family}${what}IPs`, Number(set?.size ?? 0n)],
        [`v${family}${what}IPRange`, set?.format(family, formatAddress) ?? ''],
      ]
    })
  })
  return Object.fromEntries(entries) as Record<string, number | string>
}
