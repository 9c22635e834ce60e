import { z } from '@hono/zod-openapi'
import { ipManifest } from './ip.ts'
import { expiresAt, ttlSeconds } from './lasting.ts'
import { blockTarget, releaseTarget } from './release.ts'

/** What holds for a whole renewal, next to its one target or next to `items`. */
export const renewTerms = z.strictObject({
  ttlSeconds: ttlSeconds.openapi({
    description: 'How long it lasts, from now on. null: until it is released. Absent: as long as last time.',
  }),
  expiresAt,
})

export const renewForm = releaseTarget
  .extend(renewTerms.shape)
  .openapi('Renewal', { example: { name: 'pod-static-01.default', ttlSeconds: 86400 } })

export const renewGroup = renewTerms
  .extend({
    items: z
      .array(z.union([releaseTarget, ipManifest]))
      .min(1)
      .max(1000),
  })
  .openapi('RenewalGroup')

export const renewBlock = blockTarget.extend(renewTerms.shape).openapi('RenewalBlock')
