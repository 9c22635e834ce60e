/** Admission as the sagas see it: values of an AdmissionReview in, a verdict out. Nothing here knows HTTP. */
import type { KubeObject } from '../../cluster/port.ts'
import type { Problem } from '../../problem.ts'
import type { ReserveItem } from '../types.ts'

/** One question of the API server. */
export interface Review {
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE'
  /** The object's name as the API server knows it; "" where it is still to be generated. */
  readonly name: string
  /** "" for what belongs to the cluster. */
  readonly namespace: string
  /** userInfo.username of whoever wrote. */
  readonly user: string
  readonly dryRun: boolean
  /** Absent for DELETE. */
  readonly object?: KubeObject
  /** Absent for CREATE. */
  readonly oldObject?: KubeObject
}

/** A review of an IP object; `item` is the wish that a created one makes, as the door parsed it. */
export interface IpReview extends Review {
  readonly item?: ReserveItem
}

/** One operation of a JSON Patch (RFC 6902). Only what completes an object is ever needed. */
export interface PatchOperation {
  readonly op: 'add' | 'replace'
  readonly path: string
  readonly value: unknown
}

export type Admission =
  | {
      readonly kind: 'allowed'
      readonly patch: readonly PatchOperation[]
      readonly warnings: readonly string[]
    }
  | { readonly kind: 'denied'; readonly problem: Problem; readonly warnings: readonly string[] }
  /** A part Berth needs did not answer (in time): nothing is known against the object. */
  | { readonly kind: 'failed'; readonly problem: Problem }

export const allowed = (
  patch: readonly PatchOperation[] = [],
  warnings: readonly string[] = [],
): Admission => ({
  kind: 'allowed',
  patch,
  warnings,
})

export const denied = (problem: Problem, warnings: readonly string[] = []): Admission => ({
  kind: 'denied',
  problem,
  warnings,
})

export const failed = (problem: Problem): Admission => ({ kind: 'failed', problem })

/** The tenant of somebody whom a cluster knows by this name. Two clusters may each have somebody of one name. */
export function tenantOf(cluster: string, user: string): string {
  return `${cluster === 'default' ? 'kubernetes' : `kubernetes@${cluster}`}/${user}`
}
