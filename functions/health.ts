import { problem } from '../shared/problem.ts'
import type { DoorApp, DoorContext } from './door.ts'
import { mount } from './mount.ts'
import { replyJson } from './reply/json.ts'
import { refuse } from './reply/problem.ts'
import { refusals } from './schema/problem.ts'
import { healthReply, readyReply, reply } from './schema/replies.ts'

const healthRoute = {
  method: 'get',
  path: '/healthz',
  summary: 'The process answers',
  responses: { 200: reply('It does.', healthReply) },
} as const

const readyRoute = {
  method: 'get',
  path: '/readyz',
  summary: 'Each part that a reservation needs',
  responses: {
    200: reply('All are ready.', readyReply),
    ...refusals('unavailable'),
  },
} as const

/** GET /healthz and /readyz: for probes, open to everybody. */
export function mountHealth(app: DoorApp): void {
  mount(app, healthRoute, (c) => replyJson(c, { status: 'ok' }))
  mount(app, readyRoute, ready)
}

/** 200 with every part, or the problem with the same parts and the first that is not ready named. */
async function ready(c: DoorContext): Promise<Response> {
  const status = await c.var.berth().ready()
  const parts = Object.fromEntries(status.map(({ part, ready, detail }) => [part, { ready, detail }]))
  const bad = status.filter((part) => !part.ready).map(({ part }) => part)
  if (bad.length === 0) return replyJson(c, { status: 'ok', parts })
  return refuse(c, problem('unavailable', `not ready: ${bad.join(', ')}`), { parts })
}
