import { z } from '@hono/zod-openapi'
import { objectMeta } from './ip.ts'
import { NAMESPACE, optionalName } from './names.ts'

const fields = z.record(z.string(), z.unknown())

const ownerReference = z.object({
  apiVersion: z.string(),
  kind: z.string(),
  name: z.string(),
  uid: z.string(),
  controller: z.boolean().optional(),
})

/** A Pod, StatefulSet or VirtualMachine of the embedded cluster. Everything may be left out: the path says it all. */
export const ownerManifest = z
  .object({
    apiVersion: z.string().nullish(),
    kind: z.string().nullish(),
    metadata: objectMeta
      .extend({
        namespace: optionalName(NAMESPACE),
        finalizers: z.array(z.string().max(253)).max(100).nullish(),
        ownerReferences: z.array(ownerReference).max(100).nullish(),
      })
      .nullish(),
    spec: fields.nullish(),
    status: fields.nullish(),
  })
  .openapi('OwnerManifest', { example: {} })

export type OwnerManifest = z.output<typeof ownerManifest>
