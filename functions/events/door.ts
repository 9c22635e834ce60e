import { z } from '@hono/zod-openapi'
import { rfc3339 } from '../../shared/clock.ts'
import { cloudEvent } from '../../shared/events/cloud-event.ts'
import type { Kept } from '../../shared/events/store.ts'
import { problem } from '../../shared/problem.ts'
import { refusalOf } from '../access/guard.ts'
import type { DoorApp, DoorContext } from '../door.ts'
import type { HookPorts } from '../hooks/ports.ts'
import { mount } from '../mount.ts'
import { accepts } from '../reply/accept.ts'
import { replyJson } from '../reply/json.ts'
import { refuse } from '../reply/problem.ts'
import { SUBNET_NAME } from '../schema/names.ts'
import { ANY_CALL, refusals } from '../schema/problem.ts'
import { readQuery } from '../schema/query.ts'
import { noQuery } from '../schema/reads.ts'
import { reply } from '../schema/replies.ts'
import type { EventBox } from './box.ts'
import { clusterOf, sees, subnetOf } from './sees.ts'
import { EVENT_TYPES } from './settings.ts'

const query = z.strictObject({
  subnet: z.string().max(SUBNET_NAME.maxLength).regex(SUBNET_NAME.pattern).optional(),
  type: z
    .string()
    .transform((text) => /^berth\.reservation\.([a-z]+)\.v1$/.exec(text)?.[1] ?? text)
    .pipe(z.enum(EVENT_TYPES))
    .optional()
    .openapi({ description: 'Short, or as the events have it.', example: 'reserved' }),
})

const streamRoute = {
  method: 'get',
  path: '/v1/events',
  summary: 'What happens to reservations, as it does',
  description:
    'Server-sent events; each has a CloudEvent as its data. `Last-Event-ID` goes on after that one, for a week; without it the stream begins now. It ends after some minutes: connect again.',
  request: {
    query,
    headers: z.object({
      'Last-Event-ID': z
        .string()
        .regex(/^\d{1,15}$/)
        .optional(),
    }),
  },
  responses: {
    200: { description: 'The stream.', content: { 'text/event-stream': { schema: z.string() } } },
    ...refusals('invalid_field', 'not_found', ...ANY_CALL),
  },
} as const

const deadRoute = {
  method: 'get',
  path: '/v1/events/dead-letters',
  summary: 'Events that a subscriber did not take for three days',
  description: 'The latest first. Needs the verb `configure`.',
  responses: {
    200: reply(
      'Up to 100.',
      z.object({
        items: z.array(
          z.object({ subscriber: z.string(), id: z.string(), why: z.string(), at: z.iso.datetime() }),
        ),
      }),
    ),
    ...refusals('invalid_field', 'not_found', ...ANY_CALL),
  },
} as const

const BATCH = 100
const WAIT_MS = 15_000
/** Rights are looked at when a stream begins, so it does not go on for ever. */
const STREAM_MS = 5 * 60_000

type Ports = (c: DoorContext) => HookPorts

/** GET /v1/events and /v1/events/dead-letters */
export function mountEvents(app: DoorApp, ports: Ports): void {
  mount(app, streamRoute, (c) => stream(c, ports(c)))
  mount(app, deadRoute, accepts('json'), (c) => dead(c, ports(c)))
}

const OFF = problem('not_found', 'events are not kept here; EVENTS=on keeps them', { field: 'path' })

async function stream(c: DoorContext, { cluster, events, clock }: HookPorts): Promise<Response> {
  const asked = readQuery(c, query)
  if (!asked.ok) return refuse(c, asked.error)
  const header = c.req.header('Last-Event-ID')
  if (header !== undefined && !/^\d{1,15}$/.test(header))
    return refuse(c, problem('invalid_field', 'Last-Event-ID is not one of ours', { field: 'Last-Event-ID' }))
  if (!events.on) return refuse(c, OFF)
  const { rights } = c.var.caller
  const { first, last } = await events.box.range()
  const from = header === undefined ? last : Number(header)
  const wanted = async (event: Kept) =>
    clusterOf(event) === cluster &&
    (asked.value.type === undefined || asked.value.type === event.type) &&
    (asked.value.subnet === undefined || asked.value.subnet === subnetOf(event)) &&
    (await sees(rights, event))
  const lines = follow(events.box, { from, first, last, wanted, untilMs: clock.nowMs() + STREAM_MS, clock })
  const encoder = new TextEncoder()
  const body = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const next = await lines.next()
      if (next.done) controller.close()
      else controller.enqueue(encoder.encode(next.value))
    },
    cancel: async () => {
      await lines.return()
    },
  })
  return c.body(body, 200, { 'Content-Type': 'text/event-stream; charset=utf-8' })
}

interface Following {
  readonly from: number
  readonly first: number
  readonly last: number
  readonly wanted: (event: Kept) => Promise<boolean>
  readonly untilMs: number
  readonly clock: { nowMs(): number }
}

/** The lines of a stream [html.spec.whatwg.org, server-sent events]. Data is JSON, which has no line breaks. */
async function* follow(
  box: EventBox,
  { from, first, last, wanted, untilMs, clock }: Following,
): AsyncGenerator<string, void> {
  yield 'retry: 3000\n\n'
  // What lies between is dropped by now, or the number is of another server's events.
  let n = from > last ? last : from
  if (n !== from || (first > 0 && from + 1 < first)) yield `event: gap\ndata: {"after":${from}}\n\n`
  while (clock.nowMs() < untilMs) {
    const batch = await box.after(n, BATCH, WAIT_MS)
    let told = ''
    for (const event of batch) {
      n = event.n
      if (await wanted(event)) told += `id: ${n}\nevent: ${event.type}\ndata: ${cloudEvent(event)}\n\n`
    }
    // A comment keeps proxies from closing, and shows a reader that left.
    yield told === '' ? ': still here\n\n' : told
  }
}

async function dead(c: DoorContext, { events }: HookPorts): Promise<Response> {
  const asked = readQuery(c, noQuery)
  if (!asked.ok) return refuse(c, asked.error)
  const ask = { verb: 'configure' } as const
  const refusal = refusalOf(await c.var.caller.rights.may(ask), ask)
  if (refusal) return refuse(c, refusal)
  if (!events.on) return refuse(c, OFF)
  const items = await events.box.deadLetters(100)
  return replyJson(c, { items: items.map((one) => ({ ...one, at: rfc3339(one.at) })) })
}
