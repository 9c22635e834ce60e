import { z } from '@hono/zod-openapi'
import { VERBS } from '../../shared/access/caller.ts'

const PATTERN = /^(?:\*|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|[a-z0-9][a-z0-9.-]*\*)$/

const patterns = z
  .array(
    z
      .string()
      .max(253)
      .refine((text) => PATTERN.test(text), { error: 'must be a name, * or the beginning of names and *' }),
  )
  .min(1)
  .max(100)

/** One grant as configuration and requests write it. */
export const grantSchema = z
  .strictObject({
    verbs: z
      .array(z.enum([...VERBS, '*']))
      .min(1)
      .max(VERBS.length),
    subnets: patterns.openapi({ example: ['ovn-default'] }),
    namespaces: patterns.openapi({ example: ['team-a', 'team-a-*'] }),
    clusters: patterns.optional().openapi({
      example: ['west'],
      description: 'Of several clusters; the default one alone where it is left out.',
    }),
  })
  .openapi('Grant', { description: 'These verbs on reservations of these Subnets and namespaces.' })
