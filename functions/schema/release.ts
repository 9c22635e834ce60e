import { z } from '@hono/zod-openapi'
import { ipManifest, owners } from './ip.ts'
import { NAMESPACE, OBJECT_NAME, optionalName, reason, requiredName, SUBNET_NAME } from './names.ts'

/** What holds for a whole release, next to its one target or next to `items`. */
export const releaseTerms = z.strictObject({
  force: z.boolean().nullish().openapi({ description: 'Skip the check that the owner is gone.' }),
  reason,
})

/** Which of the two ways to name a reservation is used shows in the fields given. */
export const releaseTarget = z
  .strictObject({
    name: optionalName(OBJECT_NAME).openapi({ example: 'pod-static-01.default' }),
    namespace: optionalName(NAMESPACE),
    podName: optionalName(OBJECT_NAME),
    subnet: optionalName(SUBNET_NAME),
  })
  .openapi('ReleaseTarget', { example: { name: 'pod-static-01.default' } })

export const release = releaseTarget
  .extend(releaseTerms.shape)
  .openapi('Release', { example: { name: 'pod-static-01.default', reason: 'decommissioned' } })

export const releaseGroup = releaseTerms
  .extend({
    items: z
      .array(z.union([releaseTarget, ipManifest]))
      .min(1)
      .max(1000),
  })
  .openapi('ReleaseGroup')

/** All owners of a block, by their prefix. */
export const blockTarget = z.strictObject({
  subnet: requiredName(SUBNET_NAME),
  namespace: requiredName(NAMESPACE),
  block: owners,
})

export const releaseBlock = blockTarget.extend(releaseTerms.shape).openapi('ReleaseBlock', {
  example: { subnet: 'ovn-default', namespace: 'default', block: { prefix: 'web', count: 8 } },
})
