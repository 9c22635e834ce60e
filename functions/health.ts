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
export function mountHealth(app: DoorApp, misread: (c: DoorContext) => readonly string[]): void {
  mount(app, healthRoute, (c) => replyJson(c, { status: 'ok' }))
  mount(app, readyRoute, (c) => ready(c, misread(c)))
}

/**
 * 200 with every part, or the problem with the same parts and those that are not ready named. Where a variable cannot be
 * read, that is all there is to tell.
 */
async function ready(c: DoorContext, misread: readonly string[]): Promise<Response> {
  if (misread.length > 0) {
    const variables = { ready: false, detail: misread.join('; ') }
    return refuse(c, problem('unavailable', 'not ready: variables'), { parts: { variables } })
  }
  const status = await c.var.berth().ready()
  const parts = Object.fromEntries(status.map(({ part, ready, detail }) => [part, { ready, detail }]))
  const bad = status.filter((part) => !part.ready).map(({ part }) => part)
  if (bad.length === 0) return replyJson(c, { status: 'ok', parts })
  return refuse(c, problem('unavailable', `not ready: ${bad.join(', ')}`), { parts })
}
