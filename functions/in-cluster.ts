import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { problem } from '../shared/problem.ts'
import { refusalOf } from './access/guard.ts'
import type { Door, DoorApp, DoorContext } from './door.ts'
import { mount } from './mount.ts'
import { accepts } from './reply/accept.ts'
import { replyJson } from './reply/json.ts'
import { refuse } from './reply/problem.ts'
import { ANY_CALL, refusals } from './schema/problem.ts'
import { readQuery } from './schema/query.ts'
import { noQuery } from './schema/reads.ts'
import { reply } from './schema/replies.ts'

/** How requests reach the clusters beside the default one. */
export interface ClusterDoor {
  /** All there are, the default one first. */
  readonly names: (c: DoorContext) => readonly string[]
  readonly spaces: (
    c: DoorContext,
  ) => readonly { readonly name: string; readonly subnets: readonly string[] }[]
  /** Answers as this cluster does; undefined where there is none of this name. */
  readonly enter: (c: DoorContext, name: string, request: Request) => Promise<Response> | undefined
}

/**
 * What there is of each cluster. Keys, hooks and repositories are of this Berth as a whole: who may manage them is asked
 * without a prefix, for a cluster's own administrators have no say in another's.
 */
const OWN =
  /^\/(?:healthz|readyz|embedded\/.*|admission\/.*|v1\/(?!keys(?:\/|$)|gitops(?:\/|$)|clusters(?:\/|$)|events\/).*)$/

const route = {
  method: 'get',
  path: '/v1/clusters',
  summary: 'The clusters of this Berth',
  description:
    'Every path of a further cluster is that of the default one behind its prefix, such as /clusters/west/v1/reserve.',
  responses: {
    200: reply(
      'The default one first.',
      z
        .object({
          items: z.array(z.object({ name: z.string(), prefix: z.string() })),
          sharedSpaces: z.array(z.object({ name: z.string(), subnets: z.array(z.string()) })),
        })
        .openapi('Clusters'),
    ),
    ...refusals('invalid_field', ...ANY_CALL),
  },
} as const

/** Path of a cluster's own Berth, before every other path. */
export const prefixOf = (name: string): string => `/clusters/${name}`

/** /clusters/{name}/…: comes before whoever asks for credentials, which the cluster itself asks for. */
export function mountInCluster(app: DoorApp, door: ClusterDoor): void {
  app.all('/clusters/:cluster/*', (c) => enter(c, door))
}

/** GET /v1/clusters */
export function mountClusters(app: DoorApp, door: ClusterDoor | undefined): void {
  mount(app, route, accepts('json'), async (c) => {
    const asked = readQuery(c, noQuery)
    if (!asked.ok) return refuse(c, asked.error)
    const ask = { verb: 'look' } as const
    const refusal = refusalOf(await c.get('caller').rights.may(ask), ask)
    if (refusal) return refuse(c, refusal)
    const [first = 'default', ...others] = door?.names(c) ?? []
    const items = [{ name: first, prefix: '' }, ...others.map((name) => ({ name, prefix: prefixOf(name) }))]
    return replyJson(c, { items, sharedSpaces: door?.spaces(c) ?? [] })
  })
}

async function enter(c: Context<Door>, door: ClusterDoor): Promise<Response> {
  const name = c.req.param('cluster') ?? ''
  const url = new URL(c.req.url)
  const path = url.pathname.slice(prefixOf(name).length)
  if (!OWN.test(path))
    return refuse(c, problem('not_found', `there is nothing at this path of a cluster`, { field: 'path' }))
  url.pathname = path
  const request = new Request(url, c.req.raw)
  request.headers.set('X-Request-Id', c.get('requestId'))
  const answer = door.enter(c, name, request)
  return (
    answer ??
    refuse(c, problem('not_found', `there is no cluster ${name.slice(0, 63)}`, { field: 'cluster' }))
  )
}
