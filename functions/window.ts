import { problem, problemOf } from '../shared/problem.ts'
import { readDocuments } from './body/read.ts'
import type { DoorApp, DoorContext } from './door.ts'
import { write, writeContext, writeHeaders, writeQuery } from './middleware/write.ts'
import { mount } from './mount.ts'
import { accepts } from './reply/accept.ts'
import { replyJson } from './reply/json.ts'
import { refuse } from './reply/problem.ts'
import { check } from './schema/findings.ts'
import { readPath } from './schema/path.ts'
import { ANY_BODY, ANY_CALL, refusals } from './schema/problem.ts'
import { subnetPath } from './schema/reads.ts'
import { body, reply } from './schema/replies.ts'
import { windowBody, windowReply } from './schema/window.ts'

const route = {
  method: 'post',
  path: '/v1/subnets/{name}/window',
  summary: 'Widen the window Berth reserves from',
  description:
    "Puts the ranges into the Subnet's excludeIps and its annotation berth/window, so that kube-ovn-controller never chooses their addresses by itself. With dryRun=All it only says whose addresses are in them. It may be repeated, so an Idempotency-Key is not needed and has no effect.",
  request: { params: subnetPath, query: writeQuery, headers: writeHeaders, body: body(windowBody) },
  responses: {
    200: reply('The window as it is, or would be.', windowReply),
    ...refusals(
      ...ANY_BODY,
      'invalid_name',
      'not_found',
      'invalid_range',
      'out_of_range',
      'excluded_gateway',
      'unknown_subnet',
      'authority_conflict',
      ...ANY_CALL,
    ),
  },
} as const

/** POST /v1/subnets/{name}/window */
export function mountWindow(app: DoorApp): void {
  mount(app, route, accepts('json'), write(), widen)
}

async function widen(c: DoorContext): Promise<Response> {
  const path = readPath(c, subnetPath)
  if (!path.ok) return refuse(c, path.error)
  const documents = await readDocuments(c.req.raw)
  if (!documents.ok) return refuse(c, documents.error)
  const [document, ...more] = documents.value
  if (more.length > 0) return refuse(c, problem('invalid_field', 'one document is enough', { field: 'body' }))
  const parsed = check(windowBody, document)
  if (!parsed.ok) return refuse(c, problemOf(parsed.error))
  const context = await writeContext(c, parsed.value)
  const widened = await c.var.berth().widenWindow(path.value.name, parsed.value.ranges, context)
  return widened.ok ? replyJson(c, widened.value) : refuse(c, widened.error)
}
