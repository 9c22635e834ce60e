import { readIpPool } from './body/manifest.ts'
import { readDocuments } from './body/read.ts'
import type { DoorApp, DoorContext } from './door.ts'
import { write, writeContext, writeHeaders } from './middleware/write.ts'
import { mount } from './mount.ts'
import { accepts } from './reply/accept.ts'
import { replyJson } from './reply/json.ts'
import { refuse } from './reply/problem.ts'
import { ipPoolManifest } from './schema/ippool.ts'
import { readPath } from './schema/path.ts'
import { ANY_BODY, ANY_CALL, refusals } from './schema/problem.ts'
import { ipPoolPath } from './schema/reads.ts'
import { body, kubeObject, reply } from './schema/replies.ts'

const putRoute = {
  method: 'put',
  path: '/embedded/ippools/{name}',
  summary: 'Make or change an IPPool of the embedded cluster',
  description: 'Automatic addresses keep out of its addresses; a reserve with `ipPool` chooses among them.',
  request: { params: ipPoolPath, headers: writeHeaders, body: body(ipPoolManifest) },
  responses: {
    200: reply('Changed, or as it was.', kubeObject),
    201: reply('Made.', kubeObject),
    ...refusals(
      ...ANY_BODY,
      'invalid_range',
      'invalid_address',
      'unknown_subnet',
      'immutable_field',
      'out_of_range',
      'idempotency_mismatch',
      ...ANY_CALL,
    ),
  },
} as const

const deleteRoute = {
  method: 'delete',
  path: '/embedded/ippools/{name}',
  summary: 'Remove an IPPool from the embedded cluster',
  description: 'Its reservations stay; its free addresses are automatic ones again.',
  request: { params: ipPoolPath, headers: writeHeaders },
  responses: {
    200: reply('Removed; as it was last.', kubeObject),
    ...refusals('invalid_field', 'invalid_name', 'not_found', 'idempotency_mismatch', ...ANY_CALL),
  },
} as const

/** PUT and DELETE /embedded/ippools/{name} */
export function mountIpPools(app: DoorApp): void {
  mount(app, putRoute, accepts('json'), write({ dryRun: false }), put)
  mount(app, deleteRoute, accepts('json'), write({ dryRun: false }), remove)
}

async function put(c: DoorContext): Promise<Response> {
  const path = readPath(c, ipPoolPath)
  if (!path.ok) return refuse(c, path.error)
  // An IPPool read from a cluster has counters in its status that may exceed 2^53.
  const documents = await readDocuments(c.req.raw, { wideIntegers: true })
  if (!documents.ok) return refuse(c, documents.error)
  const manifest = readIpPool(documents.value, path.value.name)
  if (!manifest.ok) return refuse(c, manifest.error)
  const written = await c.var.berth().putPool(manifest.value, await writeContext(c, manifest.value))
  if (!written.ok) return refuse(c, written.error)
  return replyJson(c, written.value.object, written.value.created ? 201 : 200)
}

async function remove(c: DoorContext): Promise<Response> {
  const path = readPath(c, ipPoolPath)
  if (!path.ok) return refuse(c, path.error)
  const removed = await c.var.berth().deletePool(path.value.name, await writeContext(c, null))
  return removed.ok ? replyJson(c, removed.value) : refuse(c, removed.error)
}
