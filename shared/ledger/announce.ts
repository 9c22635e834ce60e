import type { EventReason } from './outbox.ts'
import type { LeaseView } from './port.ts'
import type { Space } from './space.ts'

/** Longest message of an Event [k8s.io/api/core/v1 Event]; longer ones are refused. */
const MESSAGE_CHARACTERS = 1_000
/** An Event's name has room for so much of its object's. */
const NAME_CHARACTERS = 200

/**
 * Leaves an Event about an IP object to be written after the transaction, where there is a cluster that has Events. The
 * same said of the same object is one Event.
 */
export function announce(
  space: Space,
  object: { readonly name: string; readonly uid: string | null },
  reason: EventReason,
  message: string,
): void {
  if (!space.settings.mirrored || object.uid === null) return
  const text = message.slice(0, MESSAGE_CHARACTERS)
  const told = hash(`${object.uid} ${reason} ${text}`)
  // A Vip's row is named with a slash, which no object has.
  const about = object.name.slice(0, NAME_CHARACTERS).replace(/[.-]+$/, '')
  space.outbox.put(
    {
      name: `${about}.${told}`,
      reason,
      message: text,
      object: object.name,
      uid: object.uid,
      atMs: space.clock.nowMs(),
    },
    space.nowMs,
  )
}

export const reservedMessage = (lease: LeaseView): string =>
  `${addresses(lease)} is reserved for ${lease.namespace}/${lease.podName} until it is released`

export const releasedMessage = (lease: LeaseView): string =>
  `${addresses(lease)} is no longer reserved for ${lease.namespace}/${lease.podName}`

function addresses({ v4, v6 }: LeaseView): string {
  return [v4, v6].filter((address) => address !== '').join(' and ')
}

const OFFSET = 0xcbf29ce484222325n
const PRIME = 0x100000001b3n

/** FNV-1a over UTF-16 code units, 16 hex digits. */
function hash(text: string): string {
  let state = OFFSET
  for (let at = 0; at < text.length; at++) {
    state = BigInt.asUintN(64, (state ^ BigInt(text.charCodeAt(at))) * PRIME)
  }
  return state.toString(16).padStart(16, '0')
}
