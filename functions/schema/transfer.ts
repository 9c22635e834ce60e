import { z } from '@hono/zod-openapi'
import { POD_TYPES } from '../../shared/kube-ovn/names.ts'
import { NAMESPACE, OBJECT_NAME, reason, requiredName } from './names.ts'
import { releaseTarget } from './release.ts'

/** What stands next to the reservation's name or owner. */
export const transferTerms = z.strictObject({
  to: z.strictObject({
    namespace: requiredName(NAMESPACE),
    podName: requiredName(OBJECT_NAME),
    podType: z.enum(POD_TYPES).nullish(),
  }),
  force: z.boolean().nullish().openapi({ description: 'Though the old owner lives.' }),
  reason,
})

export const transferForm = releaseTarget.extend(transferTerms.shape).openapi('Transfer', {
  example: { name: 'web-0.shop', to: { namespace: 'shop', podName: 'web-new' }, reason: 'renamed' },
})
