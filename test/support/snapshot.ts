import { createHash } from 'node:crypto'
import type { SqlRow } from '../../shared/sql.ts'
import type { World } from './world.ts'

/** What may change without anything having changed: the ledger's clocks. */
const CLOCK = ['ledger_ms', 'slow_ms', 'wall_ms']
/** How new the cluster's news was when it was last listened to, even by somebody who then changed nothing. */
const NEWS = /,"poolsVersion":"\d+"/

export interface Snapshot {
  readonly ledgers: Readonly<Record<string, Readonly<Record<string, readonly SqlRow[]>>>>
  readonly objects: readonly unknown[]
}

/** Every row of every ledger and every object of the cluster, but for clocks and the tables in `except`. */
export function snapshot(world: World, except: readonly string[] = []): Snapshot {
  const ledgers: Record<string, Record<string, SqlRow[]>> = {}
  for (const subnet of world.subnets()) {
    const sql = world.sql(subnet)
    const names = sql
      .all<{ name: string }>(`SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`)
      .map(({ name }) => name)
      .filter((name) => !except.includes(name))
    const tables = names.map((name) => [name, sql.all(`SELECT * FROM ${name}`).map(readable)] as const)
    if (names.length > 0) ledgers[subnet] = Object.fromEntries(tables)
  }
  const objects = (['IP', 'Subnet'] as const).flatMap((kind) => {
    const list = world.store.list(kind, {})
    if (!list.ok) throw new Error(list.error.message)
    return list.value.items
  })
  return { ledgers, objects }
}

function readable(row: SqlRow): SqlRow {
  return Object.fromEntries(
    Object.entries(row)
      .filter(([column]) => !CLOCK.includes(column))
      .map(([column, value]) => [
        column,
        value instanceof Uint8Array
          ? createHash('sha256').update(value).digest('hex')
          : typeof value === 'string'
            ? value.replace(NEWS, '')
            : value,
      ]),
  )
}
