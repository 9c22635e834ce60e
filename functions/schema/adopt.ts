import { z } from '@hono/zod-openapi'
import { NAMESPACE, optionalName, requiredName, SUBNET_NAME } from './names.ts'

/** Which of a Subnet's IP objects: all, or less. */
export const adoptSelection = z
  .strictObject({
    subnet: requiredName(SUBNET_NAME),
    namespace: optionalName(NAMESPACE).openapi({ description: 'Only objects of owners in this namespace.' }),
    selector: z.record(z.string().max(317), z.string().max(63)).nullish().openapi({
      description: 'Only objects of Pods that have all these labels.',
    }),
  })
  .openapi('AdoptSelection', {
    example: { subnet: 'ovn-default', namespace: 'default', selector: { app: 'web' } },
  })
