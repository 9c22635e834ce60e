/**
 * Deletions that somebody was asked about at admission. Beside kube-ovn-controller a deletion by itself does not tell
 * whether a reservation is to end or was collected; a wish that is not followed by one in time is forgotten.
 */
import { QUICK } from '../elapsed.ts'
import type { Space, Verdict } from './space.ts'

export interface Deleted {
  readonly name: string
  readonly uid: string
  /** Tenant of whoever was asked about. */
  readonly by?: string
}

const keyOf = (name: string) => `wanted ${name}`

/** Somebody who may wants this object deleted. */
export function want(space: Space, { name, uid, by }: Deleted): void {
  space.transaction((): Verdict<undefined> => {
    if (!space.leases.promise(name)) return { commit: false, value: undefined }
    const untilMs = space.nowMs + space.settings.stragglerMs + QUICK.leewayMs
    space.setMeta(keyOf(name), JSON.stringify({ uid, untilMs, by }))
    return { commit: true, value: undefined }
  })
}

/** Who wanted this object deleted, '' where that was not told; undefined: nobody. It counts once. */
export function wantedBy(space: Space, { name, uid }: Deleted): string | undefined {
  const stored = space.meta(keyOf(name))
  if (stored === undefined) return undefined
  const wanted = JSON.parse(stored) as {
    readonly uid: string
    readonly untilMs: number
    readonly by?: string
  }
  if (space.nowMs >= wanted.untilMs || wanted.uid === uid) space.deleteMeta(keyOf(name))
  return space.nowMs < wanted.untilMs && wanted.uid === uid ? (wanted.by ?? '') : undefined
}
