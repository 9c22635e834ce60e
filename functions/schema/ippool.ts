import { z } from '@hono/zod-openapi'
import { objectMeta } from './ip.ts'
import { NAMESPACE, OBJECT_NAME, optionalName, requiredName, SUBNET_NAME } from './names.ts'

const ENTRY_LIMIT = 1000

/** `spec` of kubeovn.io/v1 IPPool (semantics.md §2). Addresses and ranges are judged by the core. */
const ipPoolSpec = z.object({
  subnet: requiredName(SUBNET_NAME),
  ips: z
    .array(z.string().max(128))
    .max(ENTRY_LIMIT)
    .superRefine((ips, context) => {
      if (ips.length === 0) context.addIssue({ code: 'custom', message: 'is required' })
    })
    .openapi({ example: ['10.16.5.0..10.16.5.99', '10.16.6.0/24'] }),
  namespaces: z.array(requiredName(NAMESPACE)).max(ENTRY_LIMIT).nullish(),
  enableAddressSet: z.boolean().nullish(),
})

export const ipPoolManifest = z
  .object({
    apiVersion: z.literal('kubeovn.io/v1'),
    kind: z.literal('IPPool'),
    metadata: objectMeta.extend({ name: optionalName(OBJECT_NAME) }).nullish(),
    spec: ipPoolSpec,
  })
  .openapi('IPPoolManifest', {
    example: {
      apiVersion: 'kubeovn.io/v1',
      kind: 'IPPool',
      metadata: { name: 'databases' },
      spec: { subnet: 'ovn-default', ips: ['10.16.5.0..10.16.5.99'], namespaces: ['default'] },
    },
  })

export type IpPoolManifest = z.output<typeof ipPoolManifest>
