import { z } from '@hono/zod-openapi'
import { NAMESPACE, nameComplaint, OBJECT_NAME, SUBNET_NAME } from './names.ts'
import { STATES } from './replies.ts'

type Rule = typeof OBJECT_NAME

/** A name in a path or a query; "" is not one. */
export function name(rule: Rule) {
  return z
    .string()
    .superRefine((value, context) => {
      const complaint = nameComplaint(rule, value)
      if (complaint)
        context.addIssue({ code: 'custom', message: complaint, params: { code: 'invalid_name' } })
    })
    .openapi({ pattern: rule.pattern.source, maxLength: rule.maxLength })
}

const COUNT_LIMIT = 1000

/** A count from 1 to 1,000 in plain decimal. */
export function count(otherwise: number) {
  return z
    .string()
    .refine((text) => /^[1-9]\d{0,3}$/.test(text) && Number(text) <= COUNT_LIMIT, {
      error: `must be a whole number from 1 to ${COUNT_LIMIT}`,
    })
    .optional()
    .transform((text) => (text === undefined ? otherwise : Number(text)))
    .openapi({ type: 'integer', minimum: 1, maximum: COUNT_LIMIT, default: otherwise })
}

/** An address or a MAC as text; the core judges it. */
const short = z
  .string()
  .refine((text) => /^[\x21-\x7e]{1,64}$/.test(text), { error: 'must be 1 to 64 visible ASCII characters' })

/** Where an earlier page ended. */
export const token = z
  .string()
  .refine((text) => /^[\x21-\x7e]{1,4096}$/.test(text), { error: 'is not a token of an earlier page' })
  .optional()

export const reservationQuery = z.strictObject({
  subnet: name(SUBNET_NAME).optional(),
  namespace: name(NAMESPACE).optional(),
  podName: name(OBJECT_NAME).optional(),
  state: z
    .enum([...STATES, 'contested'])
    .optional()
    .openapi({
      description: 'contested: whatever its state, somebody else is there, too.',
    }),
  address: short.optional(),
  mac: short.optional(),
  overdue: z
    .enum(['true', 'false'])
    .optional()
    .transform((text) => (text === undefined ? undefined : text === 'true'))
    .openapi({ type: 'boolean', description: 'Whether its time is over and its owner lives.' }),
  limit: count(100),
  continue: token,
})

export const oneReservationQuery = z.strictObject({ subnet: name(SUBNET_NAME).optional() })

export const suggestQuery = z.strictObject({
  count: count(1),
  contiguous: z
    .enum(['true', 'false'])
    .optional()
    .transform((text) => text === 'true')
    .openapi({ type: 'boolean', default: false }),
})

export const noQuery = z.strictObject({})

export const reservationPath = z.object({ name: name(OBJECT_NAME) })
export const subnetPath = z.object({ name: name(SUBNET_NAME) })
export const ipPoolPath = z.object({ name: name(OBJECT_NAME) })
export const ownerPath = z.object({ namespace: name(NAMESPACE), name: name(OBJECT_NAME) })
export const operationPath = z.object({
  id: z
    .string()
    .refine((text) => /^op_[0-9A-Za-z._~-]{1,400}$/.test(text), { error: 'is not an operation id' }),
})
