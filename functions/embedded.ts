import { KINDS } from '../shared/cluster/port.ts'
import { readOwner } from './body/manifest.ts'
import { readDocuments } from './body/read.ts'
import type { DoorApp, DoorContext } from './door.ts'
import { write, writeContext, writeHeaders } from './middleware/write.ts'
import { mount } from './mount.ts'
import { accepts } from './reply/accept.ts'
import { replyJson } from './reply/json.ts'
import { refuse } from './reply/problem.ts'
import { ownerManifest } from './schema/owner.ts'
import { readPath } from './schema/path.ts'
import { ANY_BODY, ANY_CALL, refusals } from './schema/problem.ts'
import { ownerPath } from './schema/reads.ts'
import { body, kubeObject, reply } from './schema/replies.ts'

const OWNERS = ['Pod', 'StatefulSet', 'VirtualMachine'] as const
type OwnerKind = (typeof OWNERS)[number]

const putRoute = (kind: OwnerKind) =>
  ({
    method: 'put',
    path: `/embedded/${KINDS[kind].plural}/{namespace}/{name}`,
    summary: `Make a ${kind} exist in the embedded cluster`,
    request: { params: ownerPath, headers: writeHeaders, body: body(ownerManifest, false) },
    responses: {
      200: reply('It was there; replaced.', kubeObject),
      201: reply('Made.', kubeObject),
      ...refusals(...ANY_BODY, 'idempotency_mismatch', ...ANY_CALL),
    },
  }) as const

const deleteRoute = (kind: OwnerKind) =>
  ({
    method: 'delete',
    path: `/embedded/${KINDS[kind].plural}/{namespace}/{name}`,
    summary: `Remove a ${kind} from the embedded cluster`,
    request: { params: ownerPath, headers: writeHeaders },
    responses: {
      200: reply('Removed; as it was last.', kubeObject),
      ...refusals('invalid_field', 'invalid_name', 'not_found', 'idempotency_mismatch', ...ANY_CALL),
    },
  }) as const

/** PUT and DELETE /embedded/{pods,statefulsets,virtualmachines}/{namespace}/{name} */
export function mountEmbedded(app: DoorApp): void {
  for (const kind of OWNERS) {
    mount(app, putRoute(kind), accepts('json'), write({ dryRun: false }), (c) => put(c, kind))
    mount(app, deleteRoute(kind), accepts('json'), write({ dryRun: false }), (c) => remove(c, kind))
  }
}

async function put(c: DoorContext, kind: OwnerKind): Promise<Response> {
  const path = readPath(c, ownerPath)
  if (!path.ok) return refuse(c, path.error)
  const documents = await readDocuments(c.req.raw, { allowEmpty: true })
  if (!documents.ok) return refuse(c, documents.error)
  const identity = { apiVersion: KINDS[kind].apiVersion, kind, ...path.value }
  const manifest = readOwner(documents.value, identity)
  if (!manifest.ok) return refuse(c, manifest.error)
  const written = await c.var.berth().putOwner(manifest.value, await writeContext(c, manifest.value))
  if (!written.ok) return refuse(c, written.error)
  return replyJson(c, written.value.object, written.value.created ? 201 : 200)
}

async function remove(c: DoorContext, kind: OwnerKind): Promise<Response> {
  const path = readPath(c, ownerPath)
  if (!path.ok) return refuse(c, path.error)
  const removed = await c.var.berth().deleteOwner({ kind, ...path.value }, await writeContext(c, null))
  return removed.ok ? replyJson(c, removed.value) : refuse(c, removed.error)
}
