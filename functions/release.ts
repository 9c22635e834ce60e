import { z } from '@hono/zod-openapi'
import type { WriteOutcome } from '../shared/command/types.ts'
import { collect } from './body/collect.ts'
import { readDocuments } from './body/read.ts'
import { RELEASE_TERMS, readRelease, type Target } from './body/targets.ts'
import type { DoorApp, DoorContext } from './door.ts'
import { write, writeContext, writeHeaders, writeQuery } from './middleware/write.ts'
import { mount } from './mount.ts'
import { accepts } from './reply/accept.ts'
import { refuse } from './reply/problem.ts'
import { replyOutcome } from './reply/reservation.ts'
import { spellProblem } from './reply/spell.ts'
import { ipList, ipManifest } from './schema/ip.ts'
import { ANY_BODY, ANY_CALL, refusals } from './schema/problem.ts'
import { releaseBlock, release as releaseForm, releaseGroup } from './schema/release.ts'
import { body, pendingReply, reply, reservationReply, reservationsReply } from './schema/replies.ts'

const route = {
  method: 'post',
  path: '/v1/release',
  summary: 'Give reservations back',
  description:
    'Names reservations by object name, by owner and Subnet, by the owners of a block, or by their manifests. Refused while the owner lives.',
  request: {
    query: writeQuery,
    headers: writeHeaders,
    body: body(z.union([releaseForm, ipManifest, releaseGroup, releaseBlock, ipList])),
  },
  responses: {
    200: reply('Released: quarantined, or free.', z.union([reservationReply, reservationsReply]), true),
    202: reply('Under way; Location names the operation.', pendingReply),
    ...refusals(
      ...ANY_BODY,
      'not_found',
      'unknown_subnet',
      'pod_alive',
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

/** POST /v1/release */
export function mountRelease(app: DoorApp): void {
  mount(app, route, accepts('json', 'yaml'), write(), release)
}

async function release(c: DoorContext): Promise<Response> {
  const documents = await readDocuments(c.req.raw)
  if (!documents.ok) return refuse(c, documents.error)
  const collection = collect(documents.value, RELEASE_TERMS)
  if (!collection.ok) return refuse(c, collection.error)
  const asked = readRelease(collection.value)
  if (!asked.ok) return refuse(c, asked.error)
  const { targets: entries, list, force, reason } = asked.value
  const targets = entries.map(({ target }) => target)
  const terms = { targets, force, ...(reason === undefined ? {} : { reason }) }
  const outcome = await c
    .get('berth')()
    .release({ ...(await writeContext(c, terms)), ...terms })
  return replyOutcome(c, inWords(outcome, entries, list), list)
}

/** A release makes nothing new, whatever the core calls it. */
function inWords(outcome: WriteOutcome, entries: readonly Target[], list: boolean): WriteOutcome {
  if (outcome.kind === 'refused') return { ...outcome, problem: spellProblem(outcome.problem, entries, list) }
  return outcome.kind === 'done' ? { ...outcome, created: false } : outcome
}
