import { z } from '@hono/zod-openapi'
import { LONGEST_TTL_SECONDS } from '../../shared/ledger/lifetime.ts'

const TIME = z.iso.datetime({ offset: true })

export const ttlSeconds = z.int().min(1).max(LONGEST_TTL_SECONDS).nullish().openapi({
  description: 'How long it lasts, from now on; without it, until it is released.',
  example: 3600,
})

/** A time as ms; null and "" are as if it were absent. */
export const expiresAt = z
  .string()
  .nullish()
  .transform((text, context): number | undefined => {
    if (!text) return undefined
    const atMs = timeOf(text)
    if (atMs === undefined)
      context.addIssue({ code: 'custom', message: 'must be a time like 2026-12-24T18:00:00Z' })
    return atMs
  })
  .openapi({ type: 'string', format: 'date-time', description: 'When it ends, in place of ttlSeconds.' })

/** RFC 3339, as ms. */
export function timeOf(text: string): number | undefined {
  return TIME.safeParse(text).success ? Date.parse(text) : undefined
}
