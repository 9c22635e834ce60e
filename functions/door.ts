import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Context, MiddlewareHandler } from 'hono'
import type { Caller } from '../shared/access/caller.ts'
import type { Log } from '../shared/log.ts'
import type { Callers } from './access/callers.ts'
import type { Berth } from './berth.ts'
import type { Representation } from './reply/accept.ts'

/** What middleware leaves for the handlers of one request. */
export interface DoorVariables {
  requestId: string
  /** What stands before the path where another than the default cluster is asked. */
  prefix: string
  tenant: string
  /** Who calls; `berth` below does only what he may. */
  caller: Caller
  callers: () => Callers | undefined
  log: Log
  /** Built on first use: a refused request costs no binding. */
  berth: () => Berth
  representation: Representation
  /** The media type the caller named for it. */
  mediaType: string
  dryRun: boolean
  idempotencyKey: string | undefined
}

export interface Door {
  Variables: DoorVariables
}

export type DoorApp = OpenAPIHono<Door>
export type DoorContext = Context<Door>
export type DoorMiddleware = MiddlewareHandler<Door>
