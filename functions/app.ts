import { OpenAPIHono } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { Log } from '../shared/log.ts'
import type { Random } from '../shared/random.ts'
import type { Berth } from './berth.ts'
import { type Assets, mountDocs } from './docs.ts'
import type { Door, DoorVariables } from './door.ts'
import { mountEmbedded } from './embedded.ts'
import { mountHealth } from './health.ts'
import { mountIpPools } from './ip-pools.ts'
import { type AccessMode, access } from './middleware/access.ts'
import { notFound, unexpected } from './middleware/problem.ts'
import { requestId } from './middleware/request-id.ts'
import { securityHeaders } from './middleware/security-headers.ts'
import { closeMethods } from './mount.ts'
import { mountOpenApi } from './openapi.ts'
import { mountOperations } from './operations.ts'
import { mountRelease } from './release.ts'
import { mountReservations } from './reservations.ts'
import { mountReserve } from './reserve.ts'
import { mountSubnets } from './subnets.ts'
import { mountValidate } from './validate.ts'

/** A request with the bindings of the Worker it came to. */
export type Call<Bindings extends object> = Context<{ Bindings: Bindings; Variables: DoorVariables }>

export interface AppOptions<Bindings extends object> {
  readonly log: Log
  readonly random: Random
  readonly version: string
  /** Variable ACCESS. */
  readonly access: (c: Call<Bindings>) => AccessMode
  /** The binding that serves the files under /docs; without it that page has words only. */
  readonly assets?: (c: Call<Bindings>) => Assets | undefined
}

/**
 * The HTTP door: every route of contract.md over one {@link Berth}, which is built on first use in a request.
 *
 * @example
 * const app = createApp<Env>((c) => berthOf(c.env), { log, random, version, access: (c) => accessOf(c.env) })
 * export default { fetch: app.fetch }
 */
export function createApp<Bindings extends object>(
  berthFor: (c: Call<Bindings>) => Berth,
  options: AppOptions<Bindings>,
): OpenAPIHono<{ Bindings: Bindings; Variables: DoorVariables }> {
  const app = new OpenAPIHono<{ Bindings: Bindings; Variables: DoorVariables }>()
  app.use(async function provide(c, next) {
    let berth: Berth | undefined
    c.set('log', options.log)
    c.set('berth', () => {
      berth ??= berthFor(c)
      return berth
    })
    await next()
  })
  // The routes ask for no binding, so they are mounted on the app without them.
  const door = app as unknown as OpenAPIHono<Door>
  const call = (c: Context<Door>) => c as unknown as Call<Bindings>
  door.use(securityHeaders(), requestId({ random: options.random }))
  door.use(access({ mode: (c) => options.access(call(c)) }))
  mountReserve(door)
  mountValidate(door)
  mountRelease(door)
  mountReservations(door)
  mountOperations(door)
  mountSubnets(door)
  mountEmbedded(door)
  mountIpPools(door)
  mountHealth(door)
  mountOpenApi(door, options)
  mountDocs(door, { version: options.version, assets: (c) => options.assets?.(call(c)) })
  closeMethods(door)
  door.notFound(notFound())
  door.onError(unexpected())
  return app
}
