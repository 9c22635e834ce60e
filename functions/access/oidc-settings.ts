import { z } from 'zod'
import { grantSchema } from './grant-schema.ts'
import { isFetchable } from './oidc-discovery.ts'

/** Public-key algorithms only: with an HMAC whoever may check a token may make one. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'EdDSA',
  'Ed25519',
] as const

const address = z.string().refine(isFetchable, { error: 'must be an https address' })

const issuer = z.strictObject({
  issuer: address,
  audience: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .transform((value) => (typeof value === 'string' ? [value] : value)),
  algorithms: z.array(z.enum(ALGORITHMS)).min(1).default(['RS256', 'ES256']),
  jwksUri: address.optional(),
  skewSeconds: z.int().min(0).max(300).default(60),
  rules: z.array(
    grantSchema.extend({
      claims: z
        .record(z.string(), z.union([z.string(), z.array(z.string()).min(1)]))
        .refine((claims) => Object.keys(claims).length > 0, { error: 'must name a claim' }),
    }),
  ),
})

/** Variable OIDC: whose tokens are taken, and what their claims allow. */
export const oidcSchema = z.array(issuer).max(20)
export type Issuer = z.output<typeof issuer>
