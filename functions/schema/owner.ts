import { z } from '@hono/zod-openapi'
import { objectMeta } from './ip.ts'
import { judged, NAMESPACE, optionalName, qualifiedComplaint } from './names.ts'

const text = z.string().min(1, { error: 'is required' })

const ownerReference = z.object({
  apiVersion: text,
  kind: text,
  name: text,
  uid: text,
  controller: z.boolean().optional(),
})

const count = z.int32().min(0).nullish()

/** What tells whether an owner lives must be of its type; the rest is let pass as it is. */
const spec = z.looseObject({
  replicas: count,
  ordinals: z.looseObject({ start: count }).nullish(),
  running: z.boolean().nullish(),
  runStrategy: z.string().nullish(),
})
const status = z.looseObject({ phase: z.string().nullish(), printableStatus: z.string().nullish() })

/** A Pod, StatefulSet or VirtualMachine of the embedded cluster. Everything may be left out: the path says it all. */
export const ownerManifest = z
  .object({
    apiVersion: z.string().nullish(),
    kind: z.string().nullish(),
    metadata: objectMeta
      .extend({
        namespace: optionalName(NAMESPACE),
        finalizers: z.array(judged('invalid_field', qualifiedComplaint)).max(100).nullish(),
        ownerReferences: z.array(ownerReference).max(100).nullish(),
      })
      .nullish(),
    spec: spec.nullish(),
    status: status.nullish(),
  })
  .openapi('OwnerManifest', { example: {} })

export type OwnerManifest = z.output<typeof ownerManifest>
