import { z } from '@hono/zod-openapi'
import type { AdoptCommand } from '../shared/command/types.ts'
import { type Problem, problem, problemOf } from '../shared/problem.ts'
import { err, ok, type Result } from '../shared/result.ts'
import { type Collection, collect, isManifest } from './body/collect.ts'
import { readDocuments } from './body/read.ts'
import { readRelease, type Target } from './body/targets.ts'
import type { DoorApp, DoorContext } from './door.ts'
import { write, writeContext, writeHeaders, writeQuery } from './middleware/write.ts'
import { mount } from './mount.ts'
import { accepts } from './reply/accept.ts'
import { replyJson } from './reply/json.ts'
import { refuse } from './reply/problem.ts'
import { replyOutcome } from './reply/reservation.ts'
import { spellProblem } from './reply/spell.ts'
import { adoptSelection } from './schema/adopt.ts'
import { check } from './schema/findings.ts'
import { ipManifest } from './schema/ip.ts'
import { ANY_BODY, ANY_CALL, refusals } from './schema/problem.ts'
import { releaseTarget } from './schema/release.ts'
import { adoptedReply, body, pendingReply, reply, reservationReply } from './schema/replies.ts'

const route = {
  method: 'post',
  path: '/v1/adopt',
  summary: 'Make IP objects that exist reservations',
  description:
    'Keeps addresses and MACs as they are. One object, by name, by owner and Subnet, or by its manifest; or a selection: all IP objects of a Subnet, of a namespace in it, of Pods with labels. A selection adopts each object by itself, up to 1,000, and names those it could not; asking again goes on.',
  request: {
    query: writeQuery,
    headers: writeHeaders,
    body: body(z.union([releaseTarget, ipManifest, adoptSelection])),
  },
  responses: {
    200: reply('Reserved, as it was.', z.union([reservationReply, adoptedReply])),
    202: reply('Under way; Location names the operation.', pendingReply),
    ...refusals(
      ...ANY_BODY,
      'not_found',
      'unknown_subnet',
      'already_reserved',
      'releasing',
      'contested',
      'idempotency_mismatch',
      'rate_limited',
      'no_leader',
      'authority_conflict',
      ...ANY_CALL,
    ),
  },
} as const

/** POST /v1/adopt */
export function mountAdopt(app: DoorApp): void {
  mount(app, route, accepts('json'), write(), adopt)
}

/** What a body asks for. */
type Asked =
  | { readonly kind: 'one'; readonly target: Target }
  | { readonly kind: 'some'; readonly selection: Extract<AdoptCommand, { selection: unknown }>['selection'] }

async function adopt(c: DoorContext): Promise<Response> {
  const documents = await readDocuments(c.req.raw)
  if (!documents.ok) return refuse(c, documents.error)
  const collection = collect(documents.value)
  const asked = collection.ok ? read(collection.value) : collection
  if (!asked.ok) return refuse(c, asked.error)
  const terms =
    asked.value.kind === 'one' ? { target: asked.value.target.target } : { selection: asked.value.selection }
  const outcome = await c.var.berth().adopt({ ...(await writeContext(c, terms)), ...terms })
  if (outcome.kind === 'several') {
    return replyJson(c, { items: outcome.reservations, findings: outcome.findings })
  }
  if (outcome.kind !== 'refused' || asked.value.kind !== 'one') return replyOutcome(c, outcome, false)
  const entries = [asked.value.target]
  return replyOutcome(c, { ...outcome, problem: spellProblem(outcome.problem, entries, false) }, false)
}

function read(collection: Collection): Result<Asked, Problem> {
  const [entry] = collection.entries
  if (!entry || collection.list) {
    return err(problem('invalid_field', 'name one object, or a selection', { field: 'body' }))
  }
  const { value, at } = entry
  const isOne = isManifest(value) || value.name || value.podName
  if (!isOne) {
    const parsed = check(adoptSelection, value, at)
    if (!parsed.ok) return err(problemOf(parsed.error))
    const { subnet, namespace, selector } = parsed.value
    return ok({
      kind: 'some',
      selection: { subnet, ...(namespace ? { namespace } : {}), ...(selector ? { selector } : {}) },
    })
  }
  const targets = readRelease(collection)
  if (!targets.ok) return targets
  const [target] = targets.value.targets
  if (!target) throw new Error('a body of one object has a target')
  return ok({ kind: 'one', target })
}
