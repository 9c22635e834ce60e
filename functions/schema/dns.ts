import { z } from '@hono/zod-openapi'
import { NAMESPACE, SUBNET_NAME } from './names.ts'
import { name } from './reads.ts'

const TTL_LIMIT = 604_800

/** A domain as text; the core judges it. */
const domain = z
  .string()
  .refine((text) => /^[\x21-\x7e]{1,253}$/.test(text), { error: 'must be 1 to 253 visible ASCII characters' })

export const zonePath = z.object({
  zone: domain.openapi({ description: 'Such as pods.example.org, 16.10.in-addr.arpa or 0.0.d.f.ip6.arpa.' }),
})

export const zoneQuery = z.strictObject({
  domain: domain.optional().openapi({
    description: 'Of a reverse zone, where it is required: the domain its PTR records point into.',
  }),
  subnet: name(SUBNET_NAME).optional(),
  namespace: name(NAMESPACE).optional(),
  ttl: z
    .string()
    .refine((text) => /^[1-9]\d{0,5}$/.test(text) && Number(text) <= TTL_LIMIT, {
      error: `must be a whole number of seconds from 1 to ${TTL_LIMIT}`,
    })
    .optional()
    .transform((text) => Number(text ?? 300))
    .openapi({ type: 'integer', minimum: 1, maximum: TTL_LIMIT, default: 300 }),
  server: domain
    .optional()
    .transform((text) => text ?? 'ns.invalid')
    .openapi({
      type: 'string',
      default: 'ns.invalid',
      description: 'The primary name server, for SOA and NS.',
    }),
})

export const zoneHeaders = z.object({ 'If-None-Match': z.string().optional() })
