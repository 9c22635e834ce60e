import { OpenAPIHono } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { Log } from '../shared/log.ts'
import type { Random } from '../shared/random.ts'
import type { Callers } from './access/callers.ts'
import { mountKeys } from './access/keys.ts'
import { mountAdmission } from './admission/door.ts'
import { mountAdopt } from './adopt.ts'
import { mountAudit } from './audit.ts'
import type { Berth } from './berth.ts'
import { mountChat } from './chatops/door.ts'
import type { SharedSpaceEntry } from './clusters.ts'
import { mountDns } from './dns.ts'
import { type Assets, mountDocs } from './docs.ts'
import type { Door, DoorVariables } from './door.ts'
import { mountEmbedded } from './embedded.ts'
import { mountEvents } from './events/door.ts'
import { mountEventHook } from './events/receive.ts'
import { mountExport } from './export.ts'
import { mountGitHooks, mountGitOps } from './gitops/door.ts'
import { mountHealth } from './health.ts'
import type { HookPorts } from './hooks/ports.ts'
import { mountImport } from './import.ts'
import { type ClusterDoor, mountClusters, mountInCluster } from './in-cluster.ts'
import { mountIpPools } from './ip-pools.ts'
import { type AccessMode, access } from './middleware/access.ts'
import { notFound, unexpected } from './middleware/problem.ts'
import { requestId } from './middleware/request-id.ts'
import { securityHeaders } from './middleware/security-headers.ts'
import { closeMethods } from './mount.ts'
import { mountOpenApi } from './openapi.ts'
import { mountOperations } from './operations.ts'
import { mountRelease } from './release.ts'
import { mountRenew } from './renew.ts'
import { mountRepair } from './repair.ts'
import { mountReservations } from './reservations.ts'
import { mountReserve } from './reserve.ts'
import { mountSubnets } from './subnets.ts'
import { mountTransfer } from './transfer.ts'
import { mountValidate } from './validate.ts'
import { mountWindow } from './window.ts'

/** A request with the bindings of the Worker it came to. */
export type Call<Bindings extends object> = Context<{ Bindings: Bindings; Variables: DoorVariables }>

export interface AppOptions<Bindings extends object> {
  readonly log: Log
  readonly random: Random
  readonly version: string
  /** Variable ACCESS. */
  readonly access: (c: Call<Bindings>) => AccessMode
  /** What is wrong with the variables, a sentence each. */
  readonly misread?: (c: Call<Bindings>) => readonly string[]
  /** How the API server proves itself to the admission door; without it nobody is let in there. */
  readonly admission?: {
    /** ADMISSION_SECRET. */
    readonly secret: (c: Call<Bindings>) => string | undefined
    /** Whether the request came by the socket that asks for client certificates. */
    readonly certificate: (c: Call<Bindings>) => boolean
  }
  /** Further clusters; without it there is one. */
  readonly clusters?: {
    readonly names: (c: Call<Bindings>) => readonly string[]
    readonly spaces: (c: Call<Bindings>) => readonly SharedSpaceEntry[]
    /** Bindings and variables of that cluster; undefined where there is none of this name. */
    readonly bindings: (c: Call<Bindings>, name: string) => Bindings | undefined
    /** What stands before the paths of the cluster that is asked. */
    readonly prefix: (c: Call<Bindings>) => string
  }
  /** Who knows credentials; without it, none are taken. */
  readonly callers?: (c: Call<Bindings>) => Callers
  /** What the doors of foreign senders need; without it there are none. */
  readonly hooks?: (c: Call<Bindings>) => HookPorts
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
    c.set('prefix', options.clusters?.prefix(c) ?? '')
    c.set('berth', () => {
      berth ??= berthFor(c)
      return berth
    })
    c.set('callers', () => options.callers?.(c))
    await next()
  })
  // The routes ask for no binding, so they are mounted on the app without them.
  const door = app as unknown as OpenAPIHono<Door>
  const call = (c: Context<Door>) => c as unknown as Call<Bindings>
  door.use(securityHeaders(), requestId({ random: options.random }))
  const { clusters } = options
  const further: ClusterDoor | undefined = clusters && {
    names: (c) => clusters.names(call(c)),
    spaces: (c) => clusters.spaces(call(c)),
    enter: (c, name, request) => {
      const bindings = clusters.bindings(call(c), name)
      return bindings && Promise.resolve(app.fetch(request, bindings))
    },
  }
  if (further) mountInCluster(door, further)
  // The API server proves itself in its own way, so its door comes before the one for people.
  mountAdmission(door, {
    secret: (c) => options.admission?.secret(call(c)),
    certificate: (c) => options.admission?.certificate(call(c)) ?? false,
  })
  // Foreign senders prove themselves by their signatures, so their doors come before the one for callers.
  const { hooks } = options
  if (hooks) {
    mountChat(door, (c) => hooks(call(c)))
    mountGitHooks(door, (c) => hooks(call(c)))
    mountEventHook(door, (c) => hooks(call(c)))
  }
  door.use(access({ mode: (c) => options.access(call(c)) }))

  mountReserve(door)
  mountValidate(door)
  mountRelease(door)
  mountRenew(door)
  mountTransfer(door)
  mountAdopt(door)
  mountRepair(door)
  mountReservations(door)
  mountAudit(door)
  mountDns(door)
  mountExport(door)
  mountImport(door)
  mountOperations(door)
  mountSubnets(door)
  mountWindow(door)
  mountClusters(door, further)
  mountEmbedded(door)
  mountKeys(door)
  if (hooks) {
    mountGitOps(door, (c) => hooks(call(c)))
    mountEvents(door, (c) => hooks(call(c)))
  }
  mountIpPools(door)
  mountHealth(door, (c) => options.misread?.(call(c)) ?? [])
  mountOpenApi(door, options)
  mountDocs(door, { version: options.version, assets: (c) => options.assets?.(call(c)) })
  closeMethods(door)
  door.notFound(notFound())
  door.onError(unexpected())
  return app
}
