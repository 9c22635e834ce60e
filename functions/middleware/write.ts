import { z } from '@hono/zod-openapi'
import type { WriteContext } from '../../shared/command/types.ts'
import { problem } from '../../shared/problem.ts'
import type { DoorContext, DoorMiddleware } from '../door.ts'
import { hex } from '../reply/hex.ts'
import { refuse } from '../reply/problem.ts'
import { readQuery } from '../schema/query.ts'
import { noQuery } from '../schema/reads.ts'

/** Query of every write. */
export const writeQuery = z.strictObject({
  dryRun: z.enum(['All']).optional().openapi({ description: 'Check everything, change nothing.' }),
})

const KEY_HEADER = 'Idempotency-Key'

/** Headers of every write, as documented. */
export const writeHeaders = z.object({
  [KEY_HEADER]: z.string().min(1).max(255).optional().openapi({
    description:
      'Visible ASCII. The answer is kept 24 h per caller and Subnet, or per caller for what makes and removes Subnets, pools and owners; the same key gives it again. If Berth dies between the removal of one of these and its answer, a repeat may answer 404.',
  }),
  'X-Request-Id': z.string().min(1).max(128).optional(),
})

export interface WriteOptions {
  /** Whether `dryRun` may be asked for. */
  readonly dryRun?: boolean
  /** The whole query where there is more in it than `dryRun`. */
  readonly query?: z.ZodObject
}

/**
 * Checks what goes with every write, before its body is read: `dryRun` and Idempotency-Key (one header, 1 to 255
 * visible ASCII characters; two headers arrive joined by `, ` and fail on the space).
 *
 * @example
 * app.post('/v1/reserve', write(), handler)
 */
export function write({ dryRun = true, query: schema }: WriteOptions = {}): DoorMiddleware {
  return async function write(c, next) {
    const query = readQuery(c, schema ?? (dryRun ? writeQuery : noQuery))
    if (!query.ok) return refuse(c, query.error)
    const key = c.req.header(KEY_HEADER)
    if (key !== undefined && !/^[\x21-\x7e]{1,255}$/.test(key))
      return refuse(
        c,
        problem('invalid_field', `${KEY_HEADER} must be 1 to 255 visible ASCII characters`, {
          field: KEY_HEADER,
        }),
      )
    c.set('dryRun', 'dryRun' in query.value && query.value.dryRun === 'All')
    c.set('idempotencyKey', key)
    return next()
  }
}

/** Who asks and how. `body` is the parsed command, whose field order is fixed: equal wishes have equal hashes. */
export async function writeContext(c: DoorContext, body: unknown): Promise<WriteContext> {
  const key = c.get('idempotencyKey')
  return {
    tenant: c.get('tenant'),
    requestId: c.get('requestId'),
    dryRun: c.get('dryRun'),
    ...(key === undefined ? {} : { idempotencyKey: key }),
    // Only a key asks whether a later request is the same one.
    bodyHash: key === undefined ? '' : await sha256Hex(JSON.stringify([c.req.method, c.req.path, body])),
  }
}

export async function sha256Hex(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return hex(new Uint8Array(digest))
}
