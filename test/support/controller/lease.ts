import { KINDS, type KubeObject, type ObjectRef } from '../../../shared/cluster/port.ts'
import type { Writes } from './writes.ts'

/** Where the working replica shows itself. */
export const LEASE: ObjectRef = { kind: 'Lease', namespace: 'kube-system', name: 'kube-ovn-controller' }

/** Lease and renewal of the recorded controller, which had no other replica beside it (README of the recordings, T2). */
const LEASE_SECONDS = 30
export const RENEW_MS = 6_000

/** Takes the Lease, or renews it. A renewal that fails is tried again at the next one. */
export async function renewLease(writes: Writes, nowMs: number): Promise<void> {
  const present = await writes.get(LEASE)
  const renewTime = `${new Date(nowMs).toISOString().slice(0, -1)}000Z`
  const spec = { holderIdentity: 'kube-ovn-controller', leaseDurationSeconds: LEASE_SECONDS, renewTime }
  if (present.ok) await writes.quietly({ verb: 'merge', ref: LEASE, patch: { spec } })
  else if (present.error.reason === 'NotFound')
    await writes.quietly({ verb: 'create', object: newLease({ ...spec, acquireTime: renewTime }) })
}

const newLease = (spec: object): KubeObject => ({
  apiVersion: KINDS.Lease.apiVersion,
  kind: 'Lease',
  metadata: { name: LEASE.name, namespace: LEASE.namespace ?? '' },
  spec,
})
