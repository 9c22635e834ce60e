/**
 * Deletions that somebody was asked about at admission. Beside kube-ovn-controller a deletion by itself does not tell
 * whether a reservation is to end or was collected; a wish that is not followed by one in time is forgotten.
 */
import { QUICK } from '../elapsed.ts'
import type { Space, Verdict } from './space.ts'

interface Deleted {
  readonly name: string
  readonly uid: string
}

const keyOf = (name: string) => `wanted ${name}`

/** Somebody who may wants this object deleted. */
export function want(space: Space, { name, uid }: Deleted): void {
  space.transaction((): Verdict<undefined> => {
    if (!space.leases.promise(name)) return { commit: false, value: undefined }
    const untilMs = space.nowMs + space.settings.stragglerMs + QUICK.leewayMs
    space.setMeta(keyOf(name), JSON.stringify({ uid, untilMs }))
    return { commit: true, value: undefined }
  })
}

/** Whether the deletion of this object was wanted; it counts once. */
export function isWanted(space: Space, { name, uid }: Deleted): boolean {
  const stored = space.meta(keyOf(name))
  if (stored === undefined) return false
  const wanted = JSON.parse(stored) as { readonly uid: string; readonly untilMs: number }
  if (space.nowMs >= wanted.untilMs || wanted.uid === uid) space.deleteMeta(keyOf(name))
  return space.nowMs < wanted.untilMs && wanted.uid === uid
}
