import { putPool } from '../../shared/command/pools.ts'
import { reserve } from '../../shared/command/reserve.ts'
import type { ReserveItem } from '../../shared/command/types.ts'
import { Space } from '../../shared/ledger/space.ts'
import { put } from './drive.ts'
import { reserved, World } from './world.ts'

/** An IPPool of Subnet `lab`. */
export const pool = (name: string, ips: readonly string[], more: object = {}) => ({
  apiVersion: 'kubeovn.io/v1',
  kind: 'IPPool',
  metadata: { name },
  spec: { subnet: 'lab', ips: [...ips], ...more },
})

/** Makes or changes a pool that cannot be refused. */
export async function putGood(
  world: World,
  name: string,
  ips: readonly string[],
): Promise<{ created: boolean }> {
  const result = await putPool(world.ports, pool(name, ips))
  if (!result.ok) throw new Error(JSON.stringify(result.error))
  return result.value
}

/** A Subnet whose first eight addresses belong to pool `web`. */
export async function pooled(cidrBlock = '10.30.1.0/24', ips: readonly string[] = ['10.30.1.2..10.30.1.9']) {
  const world = new World()
  await put(world, { cidrBlock })
  await putGood(world, 'web', ips)
  return world
}

/** Reserves in `lab`. */
export const wish = (world: World, podName: string, more: Partial<ReserveItem> = {}) =>
  reserve(world.ports, world.reserveCommand([{ subnet: 'lab', podName, ...more }]))

/** The IPv4 address a reservation in `lab` got. */
export const addressOf = async (world: World, podName: string, more: Partial<ReserveItem> = {}) =>
  reserved(await wish(world, podName, more))[0]?.v4IpAddress

/** Which addresses the pools have in a core opened anew over the same storage. */
export function members(world: World): Record<string, string> {
  const { allocator } = new Space({
    sql: world.sql('lab'),
    clock: world.clock,
    random: world.random,
    settings: world.settings,
  })
  const text = (ranges: readonly { from: number | bigint; to: number | bigint }[]) =>
    ranges.map(({ from, to }) => `${from.toString(16)}-${to.toString(16)}`)
  return Object.fromEntries(
    [...allocator.pools].map(([name, { v4, v6 }]) => [
      name,
      [...text(v4.ranges), ...text(v6.ranges)].join(','),
    ]),
  )
}

/** Names of the pools there are. */
export const inCluster = (world: World) => {
  const list = world.store.list('IPPool', {})
  return list.ok ? list.value.items.map(({ metadata }) => metadata.name) : []
}

/** Writes an object past every door, as another client of the cluster would. */
export function written(world: World, object: ReturnType<typeof pool>): void {
  const [reply] = world.store.send([{ verb: 'create', object }])
  if (!reply?.ok) throw new Error('not written')
}
