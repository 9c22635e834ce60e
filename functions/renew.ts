import { z } from '@hono/zod-openapi'
import type { RenewCommand } from '../shared/command/types.ts'
import type { Problem } from '../shared/problem.ts'
import { problem, problemOf } from '../shared/problem.ts'
import { err, ok, type Result } from '../shared/result.ts'
import { collect } from './body/collect.ts'
import { readDocuments } from './body/read.ts'
import { readTargets } from './body/targets.ts'
import type { DoorApp, DoorContext } from './door.ts'
import { write, writeContext, writeHeaders, writeQuery } from './middleware/write.ts'
import { mount } from './mount.ts'
import { accepts } from './reply/accept.ts'
import { refuse } from './reply/problem.ts'
import { replyOutcome } from './reply/reservation.ts'
import { spellProblem } from './reply/spell.ts'
import { check } from './schema/findings.ts'
import { ipList, ipManifest } from './schema/ip.ts'
import { ANY_BODY, ANY_CALL, refusals } from './schema/problem.ts'
import { renewBlock, renewForm, renewGroup, renewTerms } from './schema/renew.ts'
import { body, pendingReply, reply, reservationReply, reservationsReply } from './schema/replies.ts'

const route = {
  method: 'post',
  path: '/v1/renew',
  summary: 'Give reservations another lifetime',
  description:
    'Counted from now: `ttlSeconds` or `expiresAt`, neither for as long as last time, `ttlSeconds: null` for no end. Names reservations as a release does; all or none. Needs the right to reserve.',
  request: {
    query: writeQuery,
    headers: writeHeaders,
    body: body(z.union([renewForm, ipManifest, renewGroup, renewBlock, ipList])),
  },
  responses: {
    200: reply('Renewed.', z.union([reservationReply, reservationsReply]), true),
    202: reply('Under way; Location names the operation.', pendingReply),
    ...refusals(
      ...ANY_BODY,
      'not_found',
      'unknown_subnet',
      'releasing',
      'contested',
      'quota_exceeded',
      'idempotency_mismatch',
      'rate_limited',
      'no_leader',
      'authority_conflict',
      ...ANY_CALL,
    ),
  },
} as const

const TERMS: readonly string[] = Object.keys(renewTerms.shape)

/** POST /v1/renew */
export function mountRenew(app: DoorApp): void {
  mount(app, route, accepts('json', 'yaml'), write(), renew)
}

async function renew(c: DoorContext): Promise<Response> {
  const documents = await readDocuments(c.req.raw)
  if (!documents.ok) return refuse(c, documents.error)
  const collection = collect(documents.value, TERMS)
  if (!collection.ok) return refuse(c, collection.error)
  const lasting = lastingOf(collection.value.terms)
  if (!lasting.ok) return refuse(c, lasting.error)
  const asked = readTargets(collection.value)
  if (!asked.ok) return refuse(c, asked.error)
  const { targets: entries, list } = asked.value
  const terms = { targets: entries.map(({ target }) => target), lasting: lasting.value }
  const outcome = await c
    .get('berth')()
    .renew({ ...(await writeContext(c, terms)), ...terms })
  return outcome.kind === 'refused'
    ? refuse(c, spellProblem(outcome.problem, entries, list))
    : replyOutcome(c, outcome, list)
}

/** null and absent differ here, and only here: no end, and as long as last time. */
function lastingOf(terms: Readonly<Record<string, unknown>>): Result<RenewCommand['lasting'], Problem> {
  const read = check(renewTerms, terms)
  if (!read.ok) return err(problemOf(read.error))
  const { ttlSeconds, expiresAt } = read.value
  if (ttlSeconds != null && expiresAt !== undefined)
    return err(
      problem('invalid_field', 'expiresAt must not stand next to ttlSeconds', { field: 'expiresAt' }),
    )
  if (expiresAt !== undefined) return ok({ expiresAt })
  if (ttlSeconds === null) return ok('always')
  return ok(ttlSeconds === undefined ? 'again' : { ttlSeconds })
}
