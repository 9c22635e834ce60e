import { problem, problemOf } from '../shared/problem.ts'
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
import { ANY_BODY, ANY_CALL, refusals } from './schema/problem.ts'
import { body, pendingReply, reply, reservationReply } from './schema/replies.ts'
import { transferForm, transferTerms } from './schema/transfer.ts'

const route = {
  method: 'post',
  path: '/v1/transfer',
  summary: 'Give a reservation to another owner',
  description:
    'Address, MAC and id stay; the name is the new owner’s. Refused while either owner lives. In between the address is nobody else’s to have; where the new owner cannot have it, it goes back.',
  request: { query: writeQuery, headers: writeHeaders, body: body(transferForm) },
  responses: {
    200: reply('It is the new owner’s.', reservationReply, true),
    202: reply('Under way; Location names the operation.', pendingReply),
    ...refusals(
      ...ANY_BODY,
      'not_found',
      'unknown_subnet',
      'pod_alive',
      'already_reserved',
      'name_collision',
      'releasing',
      'contested',
      'port_exists',
      'out_of_range',
      'quota_exceeded',
      'outside_policy',
      'idempotency_mismatch',
      'rate_limited',
      'no_leader',
      'authority_conflict',
      ...ANY_CALL,
    ),
  },
} as const

const TERMS: readonly string[] = Object.keys(transferTerms.shape)

/** POST /v1/transfer */
export function mountTransfer(app: DoorApp): void {
  mount(app, route, accepts('json', 'yaml'), write(), transfer)
}

async function transfer(c: DoorContext): Promise<Response> {
  const documents = await readDocuments(c.req.raw)
  if (!documents.ok) return refuse(c, documents.error)
  const collection = collect(documents.value, TERMS)
  if (!collection.ok) return refuse(c, collection.error)
  if (collection.value.list)
    return refuse(c, problem('invalid_field', 'transfers are made one by one', { field: 'items' }))
  const terms = check(transferTerms, collection.value.terms)
  if (!terms.ok) return refuse(c, problemOf(terms.error))
  const asked = readTargets(collection.value)
  if (!asked.ok) return refuse(c, asked.error)
  const [entry, ...more] = asked.value.targets
  if (!entry || more.length > 0)
    return refuse(c, problem('invalid_field', 'transfers are made one by one', { field: 'block' }))
  const { to, force, reason } = terms.value
  const wanted = {
    target: entry.target,
    to: { namespace: to.namespace, podName: to.podName, podType: to.podType ?? '' },
    force: force ?? false,
    ...(reason ? { reason } : {}),
  }
  const outcome = await c
    .get('berth')()
    .transfer({ ...(await writeContext(c, wanted)), ...wanted })
  if (outcome.kind !== 'refused') return replyOutcome(c, outcome, false)
  return refuse(c, spellProblem(outcome.problem, [{ spell: spelled(entry.spell) }], false))
}

/** Fields of the new owner are spelled already. */
const spelled = (spell: (field: string) => string) => (field: string) =>
  field === 'to' || field.startsWith('to.') ? field : spell(field)
