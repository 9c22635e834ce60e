import { z } from 'zod'
import type { Subscriber } from '../../shared/events/deliver.ts'
import { targetComplaint } from '../../shared/events/target.ts'
import { isWebhookSecret } from '../../shared/events/webhook.ts'
import { grantSchema } from '../access/grant-schema.ts'
import { jsonOf, listOf, type Variable } from '../variable.ts'

export interface EventVariables {
  /** on: what happens is kept for /v1/events, also where nobody subscribes. */
  readonly EVENTS?: Variable
  /** Who is told what happens, JSON. */
  readonly SUBSCRIBERS?: Variable
  /** Who may send wishes as events, JSON. */
  readonly EVENT_SENDERS?: Variable
  /** Secrets of both by name, JSON: whsec_<base64> each. */
  readonly EVENT_SECRETS?: Variable
}

export const EVENT_TYPES = [
  'reserved',
  'released',
  'refused',
  'contested',
  'stranded',
  'expiring',
  'drift',
] as const

const name = z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, { error: 'must be a DNS-1123 label' })

const subscriber = z
  .strictObject({
    name,
    url: z.string(),
    types: z.array(z.enum(EVENT_TYPES)).min(1).optional(),
    subnets: z.array(z.string()).min(1).optional(),
    /** The target may be inside: this machine, a private network. */
    allowPrivate: z.boolean().default(false),
  })
  .superRefine(({ url, allowPrivate }, context) => {
    const complaint = targetComplaint(url, allowPrivate)
    if (complaint) context.addIssue({ code: 'custom', path: ['url'], message: complaint })
  })

const sender = z.strictObject({ name, grants: z.array(grantSchema).min(1) })

export interface EventSender extends z.output<typeof sender> {
  readonly secret: string
}

export interface EventSettings {
  /** What happens is kept and told. */
  readonly on: boolean
  readonly subscribers: readonly Subscriber[]
  readonly senders: readonly EventSender[]
}

/** Reads the variables. No secret is shown in a message. */
export function eventSettingsOf(variables: EventVariables): EventSettings {
  const { EVENTS } = variables
  if (EVENTS && EVENTS !== 'on' && EVENTS !== 'off') throw new Error('EVENTS must be on or off')
  const secrets = secretsOf(variables.EVENT_SECRETS)
  const withSecret = <T extends { readonly name: string }>(one: T) => {
    const secret = Object.hasOwn(secrets, one.name) ? secrets[one.name] : undefined
    if (secret === undefined) throw new Error(`EVENT_SECRETS has nothing for ${one.name}`)
    return { ...one, secret }
  }
  const subscribers = listOf('SUBSCRIBERS', z.array(subscriber).max(50), variables.SUBSCRIBERS).map(
    ({ name, url, types, subnets, allowPrivate }): Subscriber => ({
      ...withSecret({ name, url, allowPrivate }),
      ...(types === undefined ? {} : { types }),
      ...(subnets === undefined ? {} : { subnets }),
    }),
  )
  if (new Set(subscribers.map((one) => one.name)).size < subscribers.length)
    throw new Error('SUBSCRIBERS names one twice')
  const senders = listOf('EVENT_SENDERS', z.array(sender).max(50), variables.EVENT_SENDERS).map(withSecret)
  return { on: EVENTS === 'on' || (EVENTS !== 'off' && subscribers.length > 0), subscribers, senders }
}

function secretsOf(text: Variable): Record<string, string> {
  const read = z
    .record(name, z.string().refine(isWebhookSecret))
    .safeParse(text ? jsonOf('EVENT_SECRETS', text) : {})
  if (!read.success) throw new Error('EVENT_SECRETS must name secrets of 24 to 64 bytes, as whsec_<base64>')
  return read.data
}
