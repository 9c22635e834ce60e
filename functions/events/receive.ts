import { z } from '@hono/zod-openapi'
import type { Caller } from '../../shared/access/caller.ts'
import { equalBytes } from '../../shared/access/equal.ts'
import { grantedRights } from '../../shared/access/grants.ts'
import type { WriteContext, WriteOutcome } from '../../shared/command/types.ts'
import { secretBytes, sign } from '../../shared/events/webhook.ts'
import { isRetryable, type Problem, problem, problemOf } from '../../shared/problem.ts'
import { err, ok, type Result } from '../../shared/result.ts'
import { guarded } from '../access/guard.ts'
import { collect } from '../body/collect.ts'
import { parseJson } from '../body/json.ts'
import { readRaw } from '../body/read.ts'
import { RELEASE_TERMS, readRelease } from '../body/targets.ts'
import { commandOf, readGroup } from '../body/wishes.ts'
import type { DoorApp, DoorContext } from '../door.ts'
import { once } from '../hooks/once.ts'
import type { HookPorts } from '../hooks/ports.ts'
import { isTimely } from '../hooks/signature.ts'
import { unproven } from '../hooks/unproven.ts'
import { mount } from '../mount.ts'
import { hex } from '../reply/hex.ts'
import { refuse } from '../reply/problem.ts'
import { replyOutcome } from '../reply/reservation.ts'
import { check } from '../schema/findings.ts'
import { ANY_BODY, refusals } from '../schema/problem.ts'
import { pendingReply, reply, reservationReply, reservationsReply } from '../schema/replies.ts'
import type { EventSender } from './settings.ts'

const LIMIT_BYTES = 1 << 20

/** CloudEvents 1.0, structured. `data` is the body that /v1/reserve or /v1/release takes. */
const event = z.looseObject({
  specversion: z.literal('1.0'),
  id: z.string().min(1).max(1024),
  source: z.string().min(1).max(2048),
  type: z.enum(['berth.reserve.v1', 'berth.release.v1']),
  data: z.looseObject({}),
})

const route = {
  method: 'post',
  path: '/hooks/events',
  summary: 'A wish as a CloudEvent',
  description:
    'Type `berth.reserve.v1` or `berth.release.v1`, in structured mode, signed as Standard Webhooks by a sender of EVENT_SENDERS. `data` is what /v1/reserve or /v1/release takes, and so is the reply.',
  request: { body: { required: true, content: { 'application/cloudevents+json': { schema: event } } } },
  responses: {
    200: reply('It was so already, or released.', z.union([reservationReply, reservationsReply])),
    201: reply('Reserved.', z.union([reservationReply, reservationsReply])),
    202: reply('Under way.', pendingReply),
    ...refusals(
      ...ANY_BODY,
      'unauthenticated',
      'forbidden',
      'not_found',
      'address_taken',
      'idempotency_mismatch',
      'unavailable',
      'no_capacity',
      'quota_exceeded',
      'outside_policy',
    ),
  },
} as const

/** POST /hooks/events: before the door for callers, for a sender proves itself by its signature. */
export function mountEventHook(app: DoorApp, ports: (c: DoorContext) => HookPorts): void {
  mount(app, route, (c) => receive(c, ports(c)))
}

async function receive(c: DoorContext, ports: HookPorts): Promise<Response> {
  const { senders } = ports.events
  if (senders.length === 0)
    return refuse(c, problem('not_found', 'no sender is configured', { field: 'path' }))
  const raw = await readRaw(c.req.raw, LIMIT_BYTES)
  if (!raw.ok) return refuse(c, raw.error)
  const { headers } = c.req.raw
  const sender = await senderOf(senders, headers, raw.value, ports.clock.nowMs())
  if (!sender) return refuse(c, unproven('webhook-signature'))
  // Only the body is signed, so what headers could say (binary mode) is not listened to.
  const type = headers.get('Content-Type')?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/cloudevents+json') {
    const detail = 'send a CloudEvent in structured mode, as application/cloudevents+json'
    return refuse(c, problem('unsupported_media_type', detail, { field: 'Content-Type' }))
  }
  const read = readEvent(raw.value)
  if (!read.ok) return refuse(c, read.error)
  const delivery = { source: `events/${sender.name}`, id: headers.get('webhook-id') ?? '', raw: raw.value }
  c.set('representation', 'json')
  return once(c, ports, delivery, async () => {
    const response = await act(c, sender, read.value)
    const body = await response.text()
    const retryAfter = response.headers.get('Retry-After') ?? undefined
    const answer = {
      status: response.status,
      body,
      type: response.headers.get('Content-Type') ?? '',
      ...(retryAfter === undefined ? {} : { retryAfter }),
    }
    return { answer, keep: isKept(response.status, body) }
  })
}

/** Whether a repetition is to be answered so, too: not where the same event may succeed later. */
export function isKept(status: number, body: string): boolean {
  if (status >= 500) return false
  if (status < 400) return true
  const { code } = JSON.parse(body) as Problem
  return !isRetryable(code)
}

/** Whose signature it is. A list of signatures is for secrets that are being replaced; any good one will do. */
async function senderOf(
  senders: readonly EventSender[],
  headers: Headers,
  raw: Uint8Array,
  nowMs: number,
): Promise<EventSender | undefined> {
  const id = headers.get('webhook-id') ?? ''
  const seconds = headers.get('webhook-timestamp') ?? undefined
  const list = headers.get('webhook-signature') ?? ''
  // Headers given twice arrive joined by a comma and a space, which neither of them has.
  if (!/^[\w.:-]{1,200}$/.test(id) || !isTimely(seconds, nowMs) || list.includes(', ')) return undefined
  const given = list.split(' ').flatMap((one) => {
    const encoded = /^v1,([A-Za-z0-9+/]{43}=)$/.exec(one)?.[1]
    return encoded === undefined
      ? []
      : [Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0))]
  })
  const body = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true }).decode(raw)
  for (const sender of senders) {
    const wanted = await sign(secretBytes(sender.secret), `${id}.${seconds}.${body}`)
    if (given.some((signature) => equalBytes(signature, wanted))) return sender
  }
  return undefined
}

type ReadEvent = z.output<typeof event>

function readEvent(raw: Uint8Array): Result<ReadEvent, Problem> {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(raw)
  } catch {
    return err(problem('malformed', 'the body is not UTF-8', { field: 'body' }))
  }
  const json = parseJson(text, {})
  if (!json.ok) return json
  const read = check(event, json.value)
  return read.ok ? ok(read.value) : err(problemOf(read.error))
}

async function act(
  c: DoorContext,
  sender: EventSender,
  { type, data, source, id }: ReadEvent,
): Promise<Response> {
  const caller: Caller = { tenant: `events/${sender.name}`, rights: grantedRights(sender.grants) }
  const berth = guarded(c.var.berth(), caller)
  const collection = collect([data], type === 'berth.release.v1' ? RELEASE_TERMS : [])
  if (!collection.ok) return refuse(c, collection.error)
  const { list } = collection.value
  // Source and id name an event, however often it is sent [CloudEvents 1.0 section 3.1].
  const context: WriteContext = {
    tenant: caller.tenant,
    requestId: c.var.requestId,
    dryRun: false,
    idempotencyKey: await digest(`${source}\n${id}`),
    bodyHash: await digest(JSON.stringify([type, data])),
  }
  if (type === 'berth.reserve.v1') {
    const group = readGroup(collection.value)
    if (!group.ok) return refuse(c, group.error)
    const outcome = await berth.reserve({ ...context, ...commandOf(group.value) })
    return replyOutcome(c, byEvent(outcome), list || group.value.block !== undefined)
  }
  const asked = readRelease(collection.value)
  if (!asked.ok) return refuse(c, asked.error)
  const { force, reason } = asked.value
  const targets = asked.value.targets.map(({ target }) => target)
  const command = { ...context, targets, force, ...(reason === undefined ? {} : { reason }) }
  const outcome = byEvent(await berth.release(command))
  return replyOutcome(c, outcome.kind === 'done' ? { ...outcome, created: false } : outcome, asked.value.list)
}

/** The key is made of the event's source and id, which its sender knows it by. */
function byEvent(outcome: WriteOutcome): WriteOutcome {
  if (outcome.kind !== 'refused' || outcome.problem.code !== 'idempotency_mismatch') return outcome
  const detail = 'an event of this source and id asked for something else'
  return { kind: 'refused', problem: problem('idempotency_mismatch', detail, { field: 'id' }) }
}

async function digest(text: string): Promise<string> {
  return hex(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))))
}
