import type { DoorContext } from '../door.ts'
import { hex } from './hex.ts'

/** 200 with an ETag made of the text, or 304 if the caller has it already [RFC 9110 sections 8.8.3 and 13.1.2]. */
export async function replyTagged(c: DoorContext, text: string): Promise<Response> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  const tag = `"${hex(new Uint8Array(digest)).slice(0, 32)}"`
  c.header('ETag', tag)
  if (hasTag(c.req.header('If-None-Match'), tag)) return c.body(null, 304)
  return c.body(text, 200, { 'Content-Type': c.get('mediaType') })
}

/** The comparison is weak, as that header's always is. */
function hasTag(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false
  return header.split(',').some((part) => part.trim() === '*' || part.trim().replace(/^W\//, '') === tag)
}
