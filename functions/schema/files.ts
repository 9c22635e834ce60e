import { z } from '@hono/zod-openapi'
import { PROBLEMS, type ProblemCode } from '../../shared/problem.ts'
import { NAMESPACE, SUBNET_NAME } from './names.ts'
import { name } from './reads.ts'

export const exportQuery = z.strictObject({
  subnet: name(SUBNET_NAME).optional(),
  namespace: name(NAMESPACE).optional(),
})

export const importQuery = z.strictObject({
  dryRun: z.enum(['All']).optional().openapi({ description: 'Check everything, change nothing.' }),
  atomic: z
    .enum(['true', 'false'])
    .optional()
    .transform((text) => text === 'true')
    .openapi({
      type: 'boolean',
      default: false,
      description: 'All rows or none; they must be of one Subnet then.',
    }),
})

export const OUTCOMES = ['reserved', 'existed', 'pending', 'refused', 'skipped'] as const

const importRow = z
  .object({
    line: z.int().optional().openapi({ description: 'Of a CSV or JSON Lines file, from 1.' }),
    item: z.int().optional().openapi({ description: 'Of manifests: the index, from 0.' }),
    outcome: z.enum(OUTCOMES).openapi({
      description: 'skipped: not tried, because its Subnet did not answer, or other rows failed.',
    }),
    name: z.string().optional(),
    v4IpAddress: z.string().optional(),
    v6IpAddress: z.string().optional(),
    macAddress: z.string().optional(),
    operation: z.string().optional().openapi({ description: 'Of a pending row.' }),
    code: z.enum(Object.keys(PROBLEMS) as [ProblemCode, ...ProblemCode[]]).optional(),
    field: z.string().optional(),
    detail: z.string().optional(),
  })
  .openapi('ImportRow')

const count = z.int().openapi({ minimum: 0 })

export const importReply = z
  .object({
    dryRun: z.boolean(),
    counts: z.object(Object.fromEntries(OUTCOMES.map((outcome) => [outcome, count]))),
    rows: z.array(importRow),
  })
  .openapi('ImportReport')
