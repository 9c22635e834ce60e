import { readSubnet } from './body/manifest.ts'
import { readDocuments } from './body/read.ts'
import type { DoorApp, DoorContext } from './door.ts'
import { write, writeContext, writeHeaders, writeQuery } from './middleware/write.ts'
import { mount } from './mount.ts'
import { accepts } from './reply/accept.ts'
import { replyJson } from './reply/json.ts'
import { problemBody, refuse } from './reply/problem.ts'
import { readPath } from './schema/path.ts'
import { ANY_BODY, ANY_CALL, refusals } from './schema/problem.ts'
import { readQuery } from './schema/query.ts'
import { noQuery, subnetPath, suggestQuery } from './schema/reads.ts'
import { body, reply, subnetReply, subnetsReply, suggestReply } from './schema/replies.ts'
import { subnetManifest } from './schema/subnet.ts'

const listRoute = {
  method: 'get',
  path: '/v1/subnets',
  summary: 'All Subnets and their counts',
  description: 'One whose ledger does not answer has no counts, and the problem in their place.',
  responses: {
    200: reply('All of them, by name.', subnetsReply),
    ...refusals('invalid_field', ...ANY_CALL),
  },
} as const

const oneRoute = {
  method: 'get',
  path: '/v1/subnets/{name}',
  summary: 'One Subnet and its counts',
  request: { params: subnetPath },
  responses: {
    200: reply('The Subnet.', subnetReply),
    ...refusals('invalid_field', 'invalid_name', 'not_found', 'unknown_subnet', ...ANY_CALL),
  },
} as const

const putRoute = {
  method: 'put',
  path: '/v1/subnets/{name}',
  summary: 'Make or change a Subnet of the embedded cluster',
  request: { params: subnetPath, query: writeQuery, headers: writeHeaders, body: body(subnetManifest) },
  responses: {
    200: reply('Changed, or as it was.', subnetReply),
    201: reply('Made.', subnetReply),
    ...refusals(
      ...ANY_BODY,
      'invalid_range',
      'invalid_address',
      'immutable_field',
      'address_taken',
      'idempotency_mismatch',
      ...ANY_CALL,
    ),
  },
} as const

const deleteRoute = {
  method: 'delete',
  path: '/v1/subnets/{name}',
  summary: 'Remove a Subnet of the embedded cluster',
  request: { params: subnetPath, query: writeQuery, headers: writeHeaders },
  responses: {
    200: reply('Removed; as it was last.', subnetReply),
    ...refusals(
      'invalid_field',
      'invalid_name',
      'not_found',
      'unknown_subnet',
      'subnet_in_use',
      'idempotency_mismatch',
      ...ANY_CALL,
    ),
  },
} as const

const suggestRoute = {
  method: 'get',
  path: '/v1/subnets/{name}/suggest',
  summary: 'Addresses that are free now',
  description: 'Promises nothing: they may be gone when asked for.',
  request: { params: subnetPath, query: suggestQuery },
  responses: {
    200: reply('As many as asked for.', suggestReply),
    ...refusals('invalid_field', 'invalid_name', 'unknown_subnet', 'no_capacity', ...ANY_CALL),
  },
} as const

/** GET /v1/subnets; GET, PUT and DELETE /v1/subnets/{name}; GET /v1/subnets/{name}/suggest */
export function mountSubnets(app: DoorApp): void {
  mount(app, listRoute, accepts('json'), list)
  mount(app, oneRoute, accepts('json'), one)
  mount(app, putRoute, accepts('json'), write(), put)
  mount(app, deleteRoute, accepts('json'), write(), remove)
  mount(app, suggestRoute, accepts('json'), suggest)
}

async function list(c: DoorContext): Promise<Response> {
  const query = readQuery(c, noQuery)
  if (!query.ok) return refuse(c, query.error)
  const subnets = await c.var.berth().subnets()
  if (!subnets.ok) return refuse(c, subnets.error)
  const items = subnets.value.map((subnet) =>
    'problem' in subnet ? { ...subnet, problem: problemBody(subnet.problem) } : subnet,
  )
  return replyJson(c, { items })
}

async function one(c: DoorContext): Promise<Response> {
  const path = readPath(c, subnetPath)
  if (!path.ok) return refuse(c, path.error)
  const query = readQuery(c, noQuery)
  if (!query.ok) return refuse(c, query.error)
  const subnet = await c.var.berth().subnet(path.value.name)
  return subnet.ok ? replyJson(c, subnet.value) : refuse(c, subnet.error)
}

async function put(c: DoorContext): Promise<Response> {
  const path = readPath(c, subnetPath)
  if (!path.ok) return refuse(c, path.error)
  // A Subnet read from a cluster has counters in its status that may exceed 2^53.
  const documents = await readDocuments(c.req.raw, { wideIntegers: true })
  if (!documents.ok) return refuse(c, documents.error)
  const manifest = readSubnet(documents.value, path.value.name)
  if (!manifest.ok) return refuse(c, manifest.error)
  const written = await c.var.berth().putSubnet(manifest.value, await writeContext(c, manifest.value))
  if (!written.ok) return refuse(c, written.error)
  return replyJson(c, written.value.subnet, written.value.created ? 201 : 200)
}

async function remove(c: DoorContext): Promise<Response> {
  const path = readPath(c, subnetPath)
  if (!path.ok) return refuse(c, path.error)
  const removed = await c.var.berth().deleteSubnet(path.value.name, await writeContext(c, null))
  return removed.ok ? replyJson(c, removed.value) : refuse(c, removed.error)
}

async function suggest(c: DoorContext): Promise<Response> {
  const path = readPath(c, subnetPath)
  if (!path.ok) return refuse(c, path.error)
  const query = readQuery(c, suggestQuery)
  if (!query.ok) return refuse(c, query.error)
  const addresses = await c.var.berth().suggest(path.value.name, query.value)
  return addresses.ok ? replyJson(c, { addresses: addresses.value }) : refuse(c, addresses.error)
}
