import type { DoorApp, DoorContext } from './door.ts'
import { mount } from './mount.ts'
import { accepts } from './reply/accept.ts'
import { refuse } from './reply/problem.ts'
import { replyPage, replyReservations } from './reply/reservation.ts'
import { readPath } from './schema/path.ts'
import { ANY_CALL, refusals } from './schema/problem.ts'
import { readQuery } from './schema/query.ts'
import { oneReservationQuery, reservationPath, reservationQuery } from './schema/reads.ts'
import { reply, reservationPage, reservationReply } from './schema/replies.ts'

const REFUSALS = ['invalid_field', 'invalid_name', 'unknown_subnet'] as const

const listRoute = {
  method: 'get',
  path: '/v1/reservations',
  summary: 'List reservations',
  request: { query: reservationQuery },
  responses: {
    200: reply('A page, in a fixed order.', reservationPage, true),
    ...refusals(...REFUSALS, 'invalid_address', 'invalid_mac', ...ANY_CALL),
  },
} as const

const oneRoute = {
  method: 'get',
  path: '/v1/reservations/{name}',
  summary: 'One reservation by the name of its IP object',
  request: { params: reservationPath, query: oneReservationQuery },
  responses: {
    200: reply('The reservation.', reservationReply, true),
    ...refusals(...REFUSALS, 'not_found', ...ANY_CALL),
  },
} as const

/** GET /v1/reservations and /v1/reservations/{name} */
export function mountReservations(app: DoorApp): void {
  mount(app, listRoute, accepts('json', 'yaml'), list)
  mount(app, oneRoute, accepts('json', 'yaml'), one)
}

async function list(c: DoorContext): Promise<Response> {
  const query = readQuery(c, reservationQuery)
  if (!query.ok) return refuse(c, query.error)
  const { limit, continue: token, ...wanted } = query.value
  const filter = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined))
  const page = await c.var
    .berth()
    .reservations(filter, { limit, ...(token === undefined ? {} : { continue: token }) })
  return page.ok ? replyPage(c, page.value) : refuse(c, page.error)
}

async function one(c: DoorContext): Promise<Response> {
  const path = readPath(c, reservationPath)
  if (!path.ok) return refuse(c, path.error)
  const query = readQuery(c, oneReservationQuery)
  if (!query.ok) return refuse(c, query.error)
  const reservation = await c.var.berth().reservation(path.value.name, query.value.subnet)
  return reservation.ok ? replyReservations(c, [reservation.value], false) : refuse(c, reservation.error)
}
