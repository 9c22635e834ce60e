import { z } from '@hono/zod-openapi'

const RANGES = ['10.16.4.0..10.16.7.255']

export const windowBody = z
  .strictObject({
    ranges: z
      .array(z.string().max(100))
      .min(1)
      .max(100)
      .openapi({ description: '`a` or `a..b`, inside the CIDR and without the gateway.' }),
  })
  .openapi('Window', { example: { ranges: RANGES } })

export const windowReply = z
  .object({
    subnet: z.string(),
    window: z.array(z.string()),
    excludeIps: z.array(z.string()),
    added: z.array(z.string()).openapi({ description: 'What is new in excludeIps.' }),
    displaced: z
      .array(
        z.object({
          name: z.string(),
          namespace: z.string(),
          podName: z.string(),
          state: z.string(),
          addresses: z.array(z.string()),
        }),
      )
      .openapi({
        description:
          'Who has an address in what is new: they keep it, and nobody gets it automatically any more.',
      }),
  })
  .openapi('WindowOfSubnet', {
    example: {
      subnet: 'ovn-default',
      window: RANGES,
      excludeIps: ['10.16.0.1', ...RANGES],
      added: RANGES,
      displaced: [],
    },
  })
