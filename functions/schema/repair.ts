import { z } from '@hono/zod-openapi'
import { DRIFT_KINDS } from '../../shared/command/repair/types.ts'
import { optionalName, SUBNET_NAME } from './names.ts'
import { problemReply } from './problem.ts'

/** Which Subnets are compared. */
export const repairBody = z
  .strictObject({ subnet: optionalName(SUBNET_NAME).openapi({ description: 'All where absent.' }) })
  .openapi('Repair', { example: { subnet: 'ovn-default' } })

const itsProblem = problemReply.omit({ instance: true })

const repairFinding = z
  .object({
    kind: z.enum(DRIFT_KINDS),
    subnet: z.string(),
    names: z.array(z.string()).openapi({
      description: 'Reservations, IP objects and ports; Pods as namespace/name.',
    }),
    addresses: z.array(z.string()),
    differs: z.string().openapi({ description: 'What is, and what should be.' }),
    repair: z.string().openapi({ description: 'What repair does, or why it does nothing.' }),
    outcome: z
      .enum(['would_repair', 'not_repaired', 'repaired', 'under_way', 'failed', 'left'])
      .openapi({ description: 'left: not in the time there was; ask again.' }),
    operation: z.string().optional(),
    problem: itsProblem.optional(),
  })
  .openapi('RepairFinding')

const FINDING = {
  kind: 'label_lost' as const,
  subnet: 'ovn-default',
  names: ['pod-static-01.default'],
  addresses: ['10.16.0.3'],
  differs: 'its IP object lacks label ip_reserved="true"',
  repair: 'they are written again',
  outcome: 'repaired' as const,
  operation: 'op_01k9f0q6yx3m2c7d5e8ghb_default~ovn-default',
}

export const repairReply = z
  .object({
    dryRun: z.boolean(),
    subnets: z.array(
      z.object({
        subnet: z.string(),
        resourceVersion: z
          .string()
          .optional()
          .openapi({ description: 'Of the list of IP objects it was compared with.' }),
        ports: z.string().optional().openapi({ description: 'Whether ports were compared, and why not.' }),
        findings: z.array(repairFinding),
        total: z.int().openapi({ description: 'All findings; up to 1,000 are told at once.' }),
        problem: itsProblem.optional().openapi({ description: 'Why this Subnet was not compared.' }),
      }),
    ),
  })
  .openapi('Repaired', {
    example: {
      dryRun: false,
      subnets: [
        {
          subnet: 'ovn-default',
          resourceVersion: '4711',
          ports: 'not compared: OVN_NB is none',
          findings: [FINDING],
          total: 1,
        },
      ],
    },
  })
