import { z } from '@hono/zod-openapi'
import type { ApiKey } from '../../shared/access/keys.ts'
import { rfc3339, systemClock } from '../../shared/clock.ts'
import { type Problem, problem, problemOf } from '../../shared/problem.ts'
import { err, ok, type Result } from '../../shared/result.ts'
import { readDocuments } from '../body/read.ts'
import type { DoorApp, DoorContext } from '../door.ts'
import { mount } from '../mount.ts'
import { accepts } from '../reply/accept.ts'
import { replyJson } from '../reply/json.ts'
import { refuse } from '../reply/problem.ts'
import { check } from '../schema/findings.ts'
import { readPath } from '../schema/path.ts'
import { ANY_BODY, ANY_CALL, refusals } from '../schema/problem.ts'
import { readQuery } from '../schema/query.ts'
import { noQuery } from '../schema/reads.ts'
import { reply } from '../schema/replies.ts'
import type { Keys } from './callers.ts'
import { grantSchema } from './grant-schema.ts'
import { refusalOf } from './guard.ts'

const label = z.string().regex(/^[\x20-\x7e]{1,100}$/, { error: 'must be 1 to 100 visible ASCII characters' })
const tenant = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/, { error: 'must be up to 63 of a-z, 0-9, ., _ and -' })

const keyBody = z
  .strictObject({
    name: label.openapi({ example: 'pipeline of team a' }),
    tenant: tenant.optional().openapi({
      description: 'Keys of one tenant share idempotency keys and operations. The id if left out.',
    }),
    grants: z.array(grantSchema).min(1).max(100),
    expiresAt: z.iso.datetime().optional().openapi({ example: '2027-01-01T00:00:00Z' }),
  })
  .openapi('KeyWish')

const keyReply = z
  .object({
    id: z.string(),
    name: z.string(),
    tenant: z.string(),
    grants: z.array(grantSchema),
    madeBy: z.string(),
    createdAt: z.iso.datetime(),
    expiresAt: z.iso.datetime().optional(),
    revokedAt: z.iso.datetime().optional(),
  })
  .openapi('Key')

const madeReply = keyReply.extend({
  key: z.string().openapi({ description: 'The key itself. It is told once and kept nowhere.' }),
})
const LIMIT = 1000
const listQuery = z.strictObject({
  continue: z
    .string()
    .regex(/^[0-9a-z]{16}$/)
    .optional(),
})
const keyPath = z.object({
  id: z.string().regex(/^[0-9a-z]{16}$/, { error: 'is not the id of a key' }),
})

const makeRoute = {
  method: 'post',
  path: '/v1/keys',
  summary: 'Make an API key',
  description: 'Needs the verb `keys`, which amounts to every right.',
  request: { body: { required: true, content: { 'application/json': { schema: keyBody } } } },
  responses: { 201: reply('Made.', madeReply), ...refusals(...ANY_BODY, ...ANY_CALL) },
} as const

const listRoute = {
  method: 'get',
  path: '/v1/keys',
  summary: 'List API keys, without their secrets',
  request: { query: listQuery },
  responses: {
    200: reply('By id.', z.object({ items: z.array(keyReply), continue: z.string().optional() })),
    ...refusals('invalid_field', ...ANY_CALL),
  },
} as const

const revokeRoute = {
  method: 'delete',
  path: '/v1/keys/{id}',
  summary: 'Revoke an API key, at once and for good',
  request: { params: keyPath },
  responses: { 200: reply('Revoked.', keyReply), ...refusals('invalid_field', 'not_found', ...ANY_CALL) },
} as const

/** POST and GET /v1/keys, DELETE /v1/keys/{id} */
export function mountKeys(app: DoorApp): void {
  mount(app, makeRoute, accepts('json'), make)
  mount(app, listRoute, accepts('json'), list)
  mount(app, revokeRoute, accepts('json'), revoke)
}

/** The keys, for callers who may have them. */
async function keysFor(c: DoorContext): Promise<Result<Keys, Problem>> {
  const ask = { verb: 'keys' } as const
  const refusal = refusalOf(await c.var.caller.rights.may(ask), ask)
  if (refusal) return err(refusal)
  const keys = c.var.callers()?.keys
  return keys ? ok(keys) : err(problem('unavailable', 'this server keeps no keys'))
}

async function make(c: DoorContext): Promise<Response> {
  const keys = await keysFor(c)
  if (!keys.ok) return refuse(c, keys.error)
  const query = readQuery(c, noQuery)
  if (!query.ok) return refuse(c, query.error)
  const documents = await readDocuments(c.req.raw)
  if (!documents.ok) return refuse(c, documents.error)
  const wish = check(keyBody, documents.value[0])
  if (!wish.ok) return refuse(c, problemOf(wish.error))
  const { name, grants } = wish.value
  const expiresAt = wish.value.expiresAt === undefined ? undefined : Date.parse(wish.value.expiresAt)
  if (expiresAt !== undefined && expiresAt <= systemClock.nowMs())
    return refuse(c, problem('invalid_field', 'expiresAt has passed', { field: 'expiresAt' }))
  const made = await keys.value.make(
    {
      name,
      grants,
      ...(wish.value.tenant === undefined ? {} : { tenant: wish.value.tenant }),
      ...(expiresAt === undefined ? {} : { expiresAt }),
    },
    c.var.tenant,
  )
  c.var.log.write('info', 'key made', { key: made.key.id, by: c.var.tenant, requestId: c.var.requestId })
  return replyJson(c, { ...shown(made.key), key: made.text }, 201)
}

async function list(c: DoorContext): Promise<Response> {
  const keys = await keysFor(c)
  if (!keys.ok) return refuse(c, keys.error)
  const query = readQuery(c, listQuery)
  if (!query.ok) return refuse(c, query.error)
  const found = await keys.value.list(query.value.continue ?? '', LIMIT)
  const last = found.length === LIMIT ? found.at(-1) : undefined
  return replyJson(c, { items: found.map(shown), ...(last ? { continue: last.id } : {}) })
}

async function revoke(c: DoorContext): Promise<Response> {
  const keys = await keysFor(c)
  if (!keys.ok) return refuse(c, keys.error)
  const path = readPath(c, keyPath)
  if (!path.ok) return refuse(c, path.error)
  const query = readQuery(c, noQuery)
  if (!query.ok) return refuse(c, query.error)
  const key = await keys.value.revoke(path.value.id)
  if (!key) return refuse(c, problem('not_found', 'there is no such key', { field: 'id' }))
  c.var.log.write('info', 'key revoked', { key: key.id, by: c.var.tenant, requestId: c.var.requestId })
  return replyJson(c, shown(key))
}

function shown({ createdAt, expiresAt, revokedAt, ...key }: ApiKey): Record<string, unknown> {
  return {
    ...key,
    createdAt: rfc3339(createdAt),
    ...(expiresAt === undefined ? {} : { expiresAt: rfc3339(expiresAt) }),
    ...(revokedAt === undefined ? {} : { revokedAt: rfc3339(revokedAt) }),
  }
}
