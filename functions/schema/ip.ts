import { z } from '@hono/zod-openapi'
import {
  ANNOTATION_EXPIRES,
  ANNOTATION_REASON,
  ANNOTATION_TTL,
  POD_TYPES,
} from '../../shared/kube-ovn/names.ts'
import { ttlOf } from '../../shared/ledger/lifetime.ts'
import { expiresAt, timeOf, ttlSeconds } from './lasting.ts'
import {
  labelComplaint,
  NAMESPACE,
  OBJECT_NAME,
  optionalName,
  optionalText,
  qualifiedComplaint,
  reason,
  reasonComplaint,
  requiredName,
  SUBNET_NAME,
} from './names.ts'

/** Longest text an address may come as; the core judges what it says. */
const ADDRESS_LIMIT = 64

const podType = z
  .enum(POD_TYPES)
  .nullish()
  .openapi({ description: 'Kind of the owner: a Pod (""), or one that outlives its Pods.' })
const v4IpAddress = optionalText(ADDRESS_LIMIT, 'invalid_address').openapi({ example: '10.16.0.3' })
const v6IpAddress = optionalText(ADDRESS_LIMIT, 'invalid_address').openapi({ example: 'fd00:10:17::3' })
const macAddress = optionalText(ADDRESS_LIMIT, 'invalid_mac').openapi({ example: '00:00:00:4d:b4:36' })

/** A wish in few words. Absent, null and "" are the same; an absent address is chosen by Berth. */
export const plainWish = z
  .strictObject({
    subnet: requiredName(SUBNET_NAME).openapi({ example: 'ovn-default' }),
    namespace: requiredName(NAMESPACE).openapi({ example: 'default' }),
    podName: requiredName(OBJECT_NAME).openapi({ example: 'pod-static-01' }),
    podType,
    v4IpAddress,
    v6IpAddress,
    macAddress,
    ipPool: optionalName(OBJECT_NAME),
    reason,
    ttlSeconds,
    expiresAt,
  })
  .openapi('Wish', {
    example: {
      subnet: 'ovn-default',
      namespace: 'default',
      podName: 'pod-static-01',
      v4IpAddress: '10.16.0.3',
    },
  })

const ORDINAL_LIMIT = 2 ** 31 - 1

/** Owners `prefix-start` and on, `count` of them, as a StatefulSet names its Pods. */
export const owners = z.strictObject({
  prefix: requiredName(OBJECT_NAME).openapi({ example: 'web' }),
  count: z.int().min(1).max(1000).openapi({ example: 8 }),
  start: z.int().min(0).max(ORDINAL_LIMIT).nullish().openapi({ description: 'First ordinal; 0 if absent.' }),
})

/** A wish for contiguous addresses, one for each owner, all or none. An address given is the first of the block. */
export const blockWish = plainWish
  .omit({ podName: true, macAddress: true })
  .extend({
    block: owners
      .extend({
        aligned: z.boolean().nullish().openapi({
          description: 'The first address is a multiple of count, which is a power of two then.',
        }),
      })
      .superRefine(({ count, aligned }, context) => {
        if (aligned && !Number.isInteger(Math.log2(count)))
          context.addIssue({
            code: 'custom',
            path: ['count'],
            message: 'must be a power of two where aligned',
          })
      }),
  })
  .openapi('BlockWish', {
    example: {
      subnet: 'ovn-default',
      namespace: 'default',
      block: { prefix: 'web', count: 8, aligned: true },
    },
  })

const texts = z.record(z.string(), z.string().nullable())

const labels = texts
  .superRefine((values, context) => {
    for (const [key, value] of Object.entries(values)) {
      const complaint = qualifiedComplaint(key) ?? labelComplaint(value ?? '')
      if (complaint) context.addIssue({ code: 'custom', path: [key], message: complaint })
    }
  })
  .nullish()

/** As an API server's [k8s.io/apimachinery/pkg/api/validation/objectmeta.go, TotalAnnotationSizeLimitB]. */
const ANNOTATIONS_LIMIT_BYTES = 256 * 1024
const encoder = new TextEncoder()

const annotations = texts
  .superRefine((values, context) => {
    let bytes = 0
    for (const [key, value] of Object.entries(values)) {
      const complaint = qualifiedComplaint(key.toLowerCase())
      if (complaint) context.addIssue({ code: 'custom', path: [key], message: complaint })
      bytes += encoder.encode(key + (value ?? '')).length
    }
    if (bytes > ANNOTATIONS_LIMIT_BYTES)
      context.addIssue({ code: 'custom', message: `have more than ${ANNOTATIONS_LIMIT_BYTES} bytes` })
    const why = values[ANNOTATION_REASON]
    const complaint = why ? reasonComplaint(why) : undefined
    if (complaint) context.addIssue({ code: 'custom', path: [ANNOTATION_REASON], message: complaint })
    const [ttl, expires] = [values[ANNOTATION_TTL], values[ANNOTATION_EXPIRES]]
    if (ttl && ttlOf(ttl) === undefined)
      context.addIssue({
        code: 'custom',
        path: [ANNOTATION_TTL],
        message: 'must be like 90s, 15m, 72h or 30d',
      })
    if (expires && timeOf(expires) === undefined) {
      const message = 'must be a time like 2026-12-24T18:00:00Z'
      context.addIssue({ code: 'custom', path: [ANNOTATION_EXPIRES], message })
    }
  })
  .nullish()

/** `metadata` as far as Berth reads it; what the API server itself writes there is let pass. */
export const objectMeta = z.object({
  name: optionalName(OBJECT_NAME),
  namespace: optionalText(253),
  labels,
  annotations,
})

/** Names of `metadata` that an object read from a cluster has; they are not worth a warning. */
export const SERVER_META = [
  'creationTimestamp',
  'deletionGracePeriodSeconds',
  'deletionTimestamp',
  'finalizers',
  'generation',
  'managedFields',
  'ownerReferences',
  'resourceVersion',
  'selfLink',
  'uid',
] as const

const listed = z.array(z.string()).nullish()

/** `spec` of kubeovn.io/v1 IP (semantics.md §2). The fields below `macAddress` are checked for type and not used. */
const ipSpec = z.object({
  subnet: requiredName(SUBNET_NAME).openapi({ example: 'ovn-default' }),
  namespace: requiredName(NAMESPACE).openapi({ example: 'default' }),
  podName: requiredName(OBJECT_NAME).openapi({ example: 'vm-dynamic-01' }),
  podType,
  v4IpAddress,
  v6IpAddress,
  macAddress,
  ipAddress: optionalText(2 * ADDRESS_LIMIT + 1, 'invalid_address').openapi({
    description: 'If given, the same addresses as v4IpAddress and v6IpAddress, joined by a comma.',
  }),
  nodeName: z.string().nullish(),
  containerID: z.string().nullish(),
  attachIps: listed,
  attachMacs: listed,
  attachSubnets: listed,
})

const ipType = { apiVersion: z.literal('kubeovn.io/v1'), kind: z.literal('IP') }

/** The seed's own form. metadata.name may be left out: it follows from podName, namespace and the Subnet's provider. */
export const ipManifest = z
  .object({ ...ipType, metadata: objectMeta.nullish(), spec: ipSpec })
  .openapi('IPManifest', {
    example: {
      apiVersion: 'kubeovn.io/v1',
      kind: 'IP',
      metadata: { name: 'vm-dynamic-01.default' },
      spec: {
        subnet: 'ovn-default',
        podType: 'VirtualMachine',
        namespace: 'default',
        podName: 'vm-dynamic-01',
      },
    },
  })

/** For a release: the name alone is enough, or the owner. */
export const ipReference = z.object({
  ...ipType,
  metadata: objectMeta.nullish(),
  spec: z
    .object({
      subnet: optionalName(SUBNET_NAME),
      namespace: optionalName(NAMESPACE),
      podName: optionalName(OBJECT_NAME),
    })
    .nullish(),
})

/** A group in plain form. */
export const wishGroup = z
  .strictObject({
    items: z
      .array(z.union([plainWish, ipManifest]))
      .min(1)
      .max(1000),
  })
  .openapi('WishGroup')

/** What kubectl prints for several objects. */
export const ipList = z
  .object({
    apiVersion: z.enum(['v1', 'kubeovn.io/v1']),
    kind: z.enum(['List', 'IPList']),
    items: z.array(ipManifest).min(1).max(1000),
  })
  .openapi('IPList')

export type PlainWish = z.output<typeof plainWish>
export type IpManifest = z.output<typeof ipManifest>
export type IpReference = z.output<typeof ipReference>
