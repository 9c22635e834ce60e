import { z } from '@hono/zod-openapi'
import type { Reservation, ReserveCommand, WriteOutcome } from '../shared/command/types.ts'
import { collect } from './body/collect.ts'
import { readDocuments } from './body/read.ts'
import { commandOf, readGroup, type Wish } from './body/wishes.ts'
import type { DoorApp, DoorContext } from './door.ts'
import { write, writeContext, writeHeaders, writeQuery } from './middleware/write.ts'
import { mount } from './mount.ts'
import { accepts } from './reply/accept.ts'
import { refuse } from './reply/problem.ts'
import { replyOutcome } from './reply/reservation.ts'
import { spellProblem } from './reply/spell.ts'
import { blockWish, ipList, ipManifest, plainWish, wishGroup } from './schema/ip.ts'
import { ANY_BODY, ANY_CALL, refusals } from './schema/problem.ts'
import { body, pendingReply, reply, reservationReply, reservationsReply } from './schema/replies.ts'

/** What reserve and validate read. */
export const wishBody = z.union([plainWish, ipManifest, wishGroup, blockWish, ipList])

const route = {
  method: 'post',
  path: '/v1/reserve',
  summary: 'Reserve addresses',
  description:
    'Takes IP manifests (one, several YAML documents, a List) or the plain form. A second call for the same owner gives the same reservation. Several wishes are a group: all are bound or none. A block is a group with contiguous addresses.',
  request: { query: writeQuery, headers: writeHeaders, body: body(wishBody) },
  responses: {
    200: reply('All of it was reserved before.', z.union([reservationReply, reservationsReply]), true),
    201: reply(
      'Reserved; at least one is new. Location names a single one.',
      z.union([reservationReply, reservationsReply]),
      true,
    ),
    202: reply('Under way; Location names the operation.', pendingReply),
    ...refusals(
      ...ANY_BODY,
      'invalid_address',
      'invalid_mac',
      'invalid_range',
      'unknown_subnet',
      'address_taken',
      'mac_taken',
      'already_reserved',
      'name_collision',
      'immutable_field',
      'releasing',
      'port_exists',
      'outside_window',
      'contested',
      'idempotency_mismatch',
      'out_of_range',
      'excluded_gateway',
      'rate_limited',
      'no_leader',
      'authority_conflict',
      'no_capacity',
      'quota_exceeded',
      'outside_policy',
      ...ANY_CALL,
    ),
  },
} as const

/** POST /v1/reserve */
export function mountReserve(app: DoorApp): void {
  mount(app, route, accepts('json', 'yaml'), write(), reserve)
}

async function reserve(c: DoorContext): Promise<Response> {
  const documents = await readDocuments(c.req.raw)
  if (!documents.ok) return refuse(c, documents.error)
  const collection = collect(documents.value)
  if (!collection.ok) return refuse(c, collection.error)
  const group = readGroup(collection.value)
  if (!group.ok) return refuse(c, group.error)
  const { wishes, block } = group.value
  const command = commandOf(group.value)
  const outcome = await c
    .get('berth')()
    .reserve({ ...(await writeContext(c, hashed(command))), ...command })
  const list = collection.value.list || block !== undefined
  return replyOutcome(c, inWords(outcome, wishes, list), list)
}

/** What makes one request another than its twin; of single wishes the list alone, as keys of older versions have it. */
export function hashed({ items, block }: Pick<ReserveCommand, 'items' | 'block'>): unknown {
  return block ? { items, block } : items
}

function inWords(outcome: WriteOutcome, wishes: readonly Wish[], list: boolean): WriteOutcome {
  if (outcome.kind === 'refused') return { ...outcome, problem: spellProblem(outcome.problem, wishes, list) }
  return outcome.kind === 'done'
    ? { ...outcome, reservations: withWarnings(outcome.reservations, wishes) }
    : outcome
}

/** What the door ignored, next to what the core warns of. Reservations come in the order of the wishes. */
export function withWarnings(reservations: readonly Reservation[], wishes: readonly Wish[]): Reservation[] {
  return reservations.map((reservation, index) => {
    const ignored = wishes[index]?.warnings ?? []
    return ignored.length === 0
      ? reservation
      : { ...reservation, warnings: [...reservation.warnings, ...ignored] }
  })
}
