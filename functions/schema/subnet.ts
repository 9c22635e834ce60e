import { z } from '@hono/zod-openapi'
import { objectMeta } from './ip.ts'
import { OBJECT_NAME, optionalName, optionalText, SUBNET_NAME } from './names.ts'

const RANGE_LIMIT = 1000
const listOfNames = z.array(z.string().max(253)).max(RANGE_LIMIT).nullish()

/** `spec` of kubeovn.io/v1 Subnet (semantics.md §2). Addresses and ranges are judged by the core. */
const subnetSpec = z.object({
  cidrBlock: z
    .string()
    .superRefine((value, context) => {
      if (value === '') context.addIssue({ code: 'custom', message: 'is required' })
      if (value.length > 128)
        context.addIssue({
          code: 'custom',
          message: 'is longer than 128 characters',
          params: { code: 'invalid_range' },
        })
    })
    .openapi({ example: '10.18.0.0/24' }),
  gateway: optionalText(128, 'invalid_address'),
  excludeIps: z.array(z.string().max(128)).max(RANGE_LIMIT).nullish(),
  protocol: z.enum(['', 'IPv4', 'IPv6', 'Dual']).nullish(),
  provider: optionalName(OBJECT_NAME),
  vpc: optionalName(OBJECT_NAME),
  vlan: optionalName(OBJECT_NAME),
  gatewayType: z.enum(['', 'distributed', 'centralized']).nullish(),
  default: z.boolean().nullish(),
  private: z.boolean().nullish(),
  natOutgoing: z.boolean().nullish(),
  logicalGateway: z.boolean().nullish(),
  enableDHCP: z.boolean().nullish(),
  u2oInterconnection: z.boolean().nullish(),
  namespaces: listOfNames,
  allowSubnets: listOfNames,
})

export const subnetManifest = z
  .object({
    apiVersion: z.literal('kubeovn.io/v1'),
    kind: z.literal('Subnet'),
    metadata: objectMeta.extend({ name: optionalName(SUBNET_NAME) }).nullish(),
    spec: subnetSpec,
  })
  .openapi('SubnetManifest', {
    example: {
      apiVersion: 'kubeovn.io/v1',
      kind: 'Subnet',
      metadata: { name: 'lab' },
      spec: { cidrBlock: '10.18.0.0/24', excludeIps: ['10.18.0.1'], gateway: '10.18.0.1' },
    },
  })

export type SubnetManifest = z.output<typeof subnetManifest>
