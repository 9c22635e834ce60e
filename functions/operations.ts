import type { OperationView } from '../shared/command/types.ts'
import type { DoorApp, DoorContext } from './door.ts'
import { mount } from './mount.ts'
import { accepts } from './reply/accept.ts'
import { replyJson } from './reply/json.ts'
import { problemBody, refuse } from './reply/problem.ts'
import { readPath } from './schema/path.ts'
import { ANY_CALL, refusals } from './schema/problem.ts'
import { readQuery } from './schema/query.ts'
import { noQuery, operationPath } from './schema/reads.ts'
import { operationReply, reply } from './schema/replies.ts'

const route = {
  method: 'get',
  path: '/v1/operations/{id}',
  summary: 'How far an operation is',
  request: { params: operationPath },
  responses: {
    200: reply('The operation.', operationReply),
    ...refusals('invalid_field', 'not_found', ...ANY_CALL),
  },
} as const

/** GET /v1/operations/{id} */
export function mountOperations(app: DoorApp): void {
  mount(app, route, accepts('json'), operation)
}

async function operation(c: DoorContext): Promise<Response> {
  const path = readPath(c, operationPath)
  if (!path.ok) return refuse(c, path.error)
  const query = readQuery(c, noQuery)
  if (!query.ok) return refuse(c, query.error)
  const view = await c.var.berth().operation(path.value.id)
  return view.ok ? replyJson(c, render(view.value)) : refuse(c, view.error)
}

/** `reservation` for one, `reservations` for a group; a problem as the caller would have got it. */
function render({ reservations, problem, tenant: _, ...view }: OperationView): Record<string, unknown> {
  const [first] = reservations
  return {
    ...view,
    ...(reservations.length === 1 ? { reservation: first } : {}),
    ...(reservations.length > 1 ? { reservations } : {}),
    ...(problem ? { problem: problemBody(problem) } : {}),
  }
}
