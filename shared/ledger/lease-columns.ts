/** How a row of `lease` lies in storage. */
import type { SqlRow, SqlValue } from '../sql.ts'
import type { LeaseRow, LeaseState } from './lease.ts'

export interface StoredLease extends SqlRow {
  nic: string
  id: string
  namespace: string
  pod_name: string
  pod_type: string
  v4: number | null
  v6: string | null
  mac: string
  pool: string
  state: LeaseState
  bit: number
  contested: number
  epoch: number
  op: string
  origin: string
  origin_epoch: number
  uid: string | null
  rv: string | null
  object_at: string | null
  proof_ms: number | null
  reason: string | null
  created_at: number
  free_ms: number | null
}

export const COLUMNS = `nic, id, namespace, pod_name, pod_type, v4, v6, mac, pool, state, bit, contested, epoch, op, origin,
  origin_epoch, uid, rv, object_at, proof_ms, reason, created_at, free_ms`

export const encodeV6 = (address: bigint): string => address.toString(16).padStart(32, '0')

export function decode(row: StoredLease): LeaseRow {
  return {
    nic: row.nic,
    id: row.id,
    namespace: row.namespace,
    podName: row.pod_name,
    podType: row.pod_type,
    v4: row.v4,
    v6: row.v6 === null ? null : BigInt(`0x${row.v6}`),
    mac: row.mac,
    pool: row.pool,
    state: row.state,
    bit: row.bit === 1,
    contested: row.contested === 1,
    epoch: row.epoch,
    op: row.op,
    origin: row.origin,
    originEpoch: row.origin_epoch,
    uid: row.uid,
    rv: row.rv,
    objectAt: row.object_at,
    proofMs: row.proof_ms,
    reason: row.reason,
    createdAt: row.created_at,
    freeMs: row.free_ms,
  }
}

/** The values of a row, in the order of COLUMNS. */
export function encode(row: LeaseRow): SqlValue[] {
  return [
    row.nic,
    row.id,
    row.namespace,
    row.podName,
    row.podType,
    row.v4,
    row.v6 === null ? null : encodeV6(row.v6),
    row.mac,
    row.pool,
    row.state,
    row.bit ? 1 : 0,
    row.contested ? 1 : 0,
    row.epoch,
    row.op,
    row.origin,
    row.originEpoch,
    row.uid,
    row.rv,
    row.objectAt,
    row.proofMs,
    row.reason,
    row.createdAt,
    row.freeMs,
  ]
}

/** The columns a transition may change. */
const CHANGEABLE = {
  podType: 'pod_type',
  state: 'state',
  bit: 'bit',
  contested: 'contested',
  epoch: 'epoch',
  op: 'op',
  origin: 'origin',
  originEpoch: 'origin_epoch',
  uid: 'uid',
  rv: 'rv',
  objectAt: 'object_at',
  proofMs: 'proof_ms',
  reason: 'reason',
  freeMs: 'free_ms',
} as const satisfies Partial<Record<keyof LeaseRow, string>>

export type LeaseChange = Partial<Pick<LeaseRow, keyof typeof CHANGEABLE>>

/** Columns and values of a change. */
export function encodeChange(change: LeaseChange): {
  readonly columns: string[]
  readonly values: SqlValue[]
} {
  const columns: string[] = []
  const values: SqlValue[] = []
  for (const name of Object.keys(change) as (keyof LeaseChange)[]) {
    const value = change[name] ?? null
    columns.push(CHANGEABLE[name])
    values.push(typeof value === 'boolean' ? Number(value) : value)
  }
  return { columns, values }
}
