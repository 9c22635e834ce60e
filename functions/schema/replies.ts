import { z } from '@hono/zod-openapi'
import { findingReply, problemReply } from './problem.ts'

/** A Kubernetes object, shown as the cluster has it. */
export const kubeObject = z
  .looseObject({ apiVersion: z.string(), kind: z.string(), metadata: z.looseObject({ name: z.string() }) })
  .openapi('KubernetesObject')

/** States a reservation is shown in (contract.md). */
export const STATES = ['held', 'bound', 'releasing', 'quarantined', 'foreign', 'stranded'] as const

const EXAMPLE = {
  id: 'res_01k9f0q6yx3m2c7d5e8gha',
  state: 'bound' as const,
  name: 'pod-static-01.default',
  subnet: 'ovn-default',
  cluster: 'default',
  owner: { namespace: 'default', name: 'pod-static-01', kind: '', provider: 'ovn' },
  v4IpAddress: '10.16.0.3',
  v6IpAddress: '',
  macAddress: '00:00:00:4d:b4:36',
  createdAt: '2026-10-01T12:00:00.000Z',
  operation: 'op_01k9f0q6yx3m2c7d5e8ghb_default~ovn-default',
  warnings: [],
  object: { apiVersion: 'kubeovn.io/v1', kind: 'IP', metadata: { name: 'pod-static-01.default' } },
}

export const reservationReply = z
  .object({
    id: z.string(),
    state: z.enum([...STATES, 'free']),
    contested: z.literal(true).optional(),
    name: z.string(),
    subnet: z.string(),
    cluster: z.string(),
    owner: z.object({
      namespace: z.string(),
      name: z.string(),
      kind: z.string(),
      provider: z.string(),
    }),
    v4IpAddress: z.string(),
    v6IpAddress: z.string(),
    macAddress: z.string(),
    createdAt: z.iso.datetime(),
    expiresAt: z.iso.datetime().optional(),
    reason: z.string().optional(),
    operation: z.string().openapi({ description: 'Id of the last operation on it.' }),
    warnings: z.array(z.string()),
    port: z
      .object({
        uuid: z.string(),
        addresses: z.array(z.string()),
        up: z.boolean().optional(),
        requestedChassis: z.string().optional(),
      })
      .optional()
      .openapi({
        description: 'Its logical switch port, in the answer about one reservation where OVN_NB is set.',
      }),
    object: kubeObject,
  })
  .openapi('Reservation', { example: EXAMPLE })

export const reservationsReply = z
  .object({ items: z.array(reservationReply) })
  .openapi('Reservations', { example: { items: [EXAMPLE] } })

export const adoptedReply = z
  .object({
    items: z.array(reservationReply),
    findings: z.array(findingReply).openapi({ description: 'Why the other objects were not adopted.' }),
  })
  .openapi('Adopted', { example: { items: [EXAMPLE], findings: [] } })

export const reservationPage = z
  .object({
    items: z.array(reservationReply),
    continue: z.string().optional().openapi({ description: 'Opaque; hand it back to go on.' }),
  })
  .openapi('ReservationPage', { example: { items: [EXAMPLE] } })

export const pendingReply = z
  .object({ operation: z.string() })
  .openapi('Pending', { example: { operation: EXAMPLE.operation } })

export const validationReply = z
  .object({
    allowed: z.boolean(),
    findings: z.array(findingReply),
    preview: z.union([reservationReply, reservationsReply]).optional(),
  })
  .openapi('Validation', { example: { allowed: true, findings: [], preview: EXAMPLE } })

export const operationReply = z
  .object({
    id: z.string(),
    kind: z.string(),
    state: z.enum(['running', 'done', 'failed']),
    phase: z.string(),
    reservation: reservationReply.optional(),
    reservations: z
      .array(reservationReply)
      .optional()
      .openapi({ description: 'In the place of `reservation` where a group has several.' }),
    problem: problemReply.omit({ instance: true }).optional(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .openapi('Operation', {
    example: {
      id: EXAMPLE.operation,
      kind: 'reserve',
      state: 'done',
      phase: 'bound',
      reservation: EXAMPLE,
      createdAt: EXAMPLE.createdAt,
      updatedAt: EXAMPLE.createdAt,
    },
  })

/** Integers of any size, written in full. */
const count = z.number().openapi({ type: 'integer', minimum: 0 })

const familyCount = z
  .object({
    usable: count,
    bound: count,
    held: count,
    releasing: count,
    quarantined: count,
    foreign: count,
    stranded: count,
    excluded: count,
    free: count,
  })
  .openapi('FamilyCount')

export const subnetReply = z
  .object({
    name: z.string(),
    cidrBlock: z.string(),
    gateway: z.string(),
    excludeIps: z.array(z.string()),
    protocol: z.enum(['IPv4', 'IPv6', 'Dual']),
    provider: z.string(),
    vpc: z.string(),
    default: z.boolean(),
    orphaned: z.literal(true).optional(),
    v4usingIPs: count,
    v4availableIPs: count,
    v6usingIPs: count,
    v6availableIPs: count,
    ledger: z.object({ v4: familyCount.optional(), v6: familyCount.optional() }),
    quotas: z
      .array(
        z.object({
          namespace: z.string(),
          used: count,
          limit: count.optional(),
          maxTtlSeconds: count.optional(),
        }),
      )
      .optional()
      .openapi({ description: 'What each namespace that a quota is about has, and may have.' }),
    warnings: z
      .array(z.string())
      .optional()
      .openapi({ description: 'What of its IPPools and terms is not in force.' }),
  })
  .openapi('Subnet')

const uncountedReply = subnetReply
  .pick({
    name: true,
    cidrBlock: true,
    gateway: true,
    excludeIps: true,
    provider: true,
    vpc: true,
    default: true,
  })
  .extend({ problem: problemReply.omit({ instance: true }) })
  .openapi('UncountedSubnet')

export const subnetsReply = z
  .object({ items: z.array(z.union([subnetReply, uncountedReply])) })
  .openapi('Subnets')

export const suggestReply = z
  .object({ addresses: z.array(z.string()) })
  .openapi('Suggestion', { example: { addresses: ['10.16.0.2', '10.16.0.3'] } })

const part = z.object({ ready: z.boolean(), detail: z.string() })

export const readyReply = z
  .object({ status: z.literal('ok'), parts: z.record(z.string(), part) })
  .openapi('Readiness', { example: { status: 'ok', parts: { ledger: { ready: true, detail: 'open' } } } })

export const healthReply = z
  .object({ status: z.literal('ok') })
  .openapi('Health', { example: { status: 'ok' } })

/** One documented reply: JSON, and YAML of the objects alone where it is offered. */
export function reply(description: string, schema: z.ZodType, yaml = false) {
  const json = { 'application/json': { schema } }
  if (!yaml) return { description, content: json }
  const text = z.string().openapi({ description: 'The Kubernetes objects alone, as kubectl prints them.' })
  return { description, content: { ...json, 'application/yaml': { schema: text } } }
}

/** One documented request body, JSON or YAML alike. */
export function body(schema: z.ZodType, required = true) {
  return { required, content: { 'application/json': { schema }, 'application/yaml': { schema } } }
}
