import { z } from '@hono/zod-openapi'
import type { AuditLines, AuditQuery } from '../shared/command/audit.ts'
import { AUDIT_DOORS, AUDIT_VERBS } from '../shared/ledger/audit-chain.ts'
import type { Berth } from './berth.ts'
import type { DoorApp, DoorContext } from './door.ts'
import { mount } from './mount.ts'
import { accepts } from './reply/accept.ts'
import { refuse } from './reply/problem.ts'
import { NAMESPACE, OBJECT_NAME, SUBNET_NAME } from './schema/names.ts'
import { ANY_CALL, refusals } from './schema/problem.ts'
import { readQuery } from './schema/query.ts'
import { count, name, token } from './schema/reads.ts'
import { reply } from './schema/replies.ts'

/** Lines of one read where all are asked for. */
const PAGE = 1_000

/** RFC 3339, as ms; the same as `expiresAt` and the like are read. */
const time = z.iso
  .datetime({ offset: true, error: 'must be a time like 2026-11-27T08:00:00Z' })
  .transform((text) => Date.parse(text))
  .optional()

const auditQuery = z.strictObject({
  subnet: name(SUBNET_NAME).optional(),
  namespace: name(NAMESPACE).optional(),
  podName: name(OBJECT_NAME).optional(),
  name: name(OBJECT_NAME).optional(),
  actor: z.string().min(1).max(1_024).optional(),
  verb: z.enum(AUDIT_VERBS).optional(),
  door: z.enum(AUDIT_DOORS).optional(),
  since: time.openapi({ format: 'date-time', type: 'string', description: 'From then on.' }),
  until: time.openapi({ format: 'date-time', type: 'string', description: 'Before then.' }),
  limit: count(100),
  continue: token,
})

const state = z
  .looseObject({
    state: z.string(),
    v4IpAddress: z.string(),
    v6IpAddress: z.string(),
    macAddress: z.string(),
  })
  .nullable()

const entry = z
  .object({
    space: z.string(),
    seq: z.int(),
    time: z.iso.datetime(),
    actor: z.string(),
    door: z.enum(AUDIT_DOORS),
    verb: z.enum(AUDIT_VERBS),
    name: z.string(),
    id: z.string(),
    epoch: z.int(),
    operation: z.string(),
    reason: z.string(),
    before: state,
    after: state,
    previous: z.string(),
    hash: z.string(),
  })
  .openapi('AuditEntry')

const route = {
  method: 'get',
  path: '/v1/audit',
  summary: 'Who did what to reservations, why, by which door, and how they were before and after',
  description:
    'Those the caller may read, in order of Subnet and number. As JSON Lines all that fits is sent, as JSON a page. Each line has the hash of the one before it: `npm run audit -- verify` checks them.',
  request: { query: auditQuery },
  responses: {
    200: {
      ...reply('A page, or all of it.', z.object({ items: z.array(entry), continue: z.string().optional() })),
      content: {
        'application/json': {
          schema: z.object({ items: z.array(entry), continue: z.string().optional() }),
        },
        'application/x-ndjson': { schema: z.string().openapi({ description: 'One entry a line.' }) },
      },
    },
    ...refusals('invalid_field', 'invalid_name', ...ANY_CALL),
  },
} as const

/** GET /v1/audit */
export function mountAudit(app: DoorApp): void {
  mount(app, route, accepts('json', 'jsonl'), audited)
}

async function audited(c: DoorContext): Promise<Response> {
  const read = readQuery(c, auditQuery)
  if (!read.ok) return refuse(c, read.error)
  const { limit, continue: from, since, until, ...wanted } = read.value
  const query = {
    ...Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined)),
    ...(since === undefined ? {} : { sinceMs: since }),
    ...(until === undefined ? {} : { untilMs: until }),
  }
  const whole = c.get('representation') === 'jsonl'
  const berth = c.var.berth()
  const page = { limit: whole ? PAGE : limit, ...(from === undefined ? {} : { continue: from }) }
  const first = await berth.audit(query, page)
  if (!first.ok) return refuse(c, first.error)
  const headers = { 'Content-Type': c.get('mediaType') }
  if (whole) return c.body(stream(pages(berth, query, first.value)), 200, headers)
  const { items, continue: next } = first.value
  const body = `{"items":[${items.map(({ line }) => line).join(',')}]`
  return c.body(`${body}${next === undefined ? '' : `,"continue":${JSON.stringify(next)}`}}\n`, 200, headers)
}

async function* pages(berth: Berth, query: AuditQuery, first: AuditLines): AsyncGenerator<string> {
  for (let page = first; ; ) {
    if (page.items.length > 0) yield page.items.map(({ line }) => `${line}\n`).join('')
    if (page.continue === undefined) return
    const next = await berth.audit(query, { limit: PAGE, continue: page.continue })
    // There is no status any more: the reply breaks off, which no reader takes for its end.
    if (!next.ok) throw new Error(`the audit broke off: ${next.error.code}`)
    page = next.value
  }
}

function stream(parts: AsyncGenerator<string>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const part = await parts.next()
      if (part.done) controller.close()
      else controller.enqueue(encoder.encode(part.value))
    },
  })
}
