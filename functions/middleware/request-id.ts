import { problem } from '../../shared/problem.ts'
import type { Random } from '../../shared/random.ts'
import type { DoorMiddleware } from '../door.ts'
import { hex } from '../reply/hex.ts'
import { refuse } from '../reply/problem.ts'

const HEADER = 'X-Request-Id'
const ID_BYTES = 16

export interface RequestIdOptions {
  readonly random: Random
}

/**
 * Takes the caller's X-Request-Id (1 to 128 visible ASCII characters) or makes one, and hands it back on every reply.
 *
 * @example
 * app.use(requestId({ random: systemRandom }))
 */
export function requestId({ random }: RequestIdOptions): DoorMiddleware {
  return async function requestId(c, next) {
    const given = c.req.header(HEADER)
    const acceptable = given !== undefined && /^[\x21-\x7e]{1,128}$/.test(given)
    const id = acceptable ? given : hex(random.bytes(ID_BYTES))
    c.set('requestId', id)
    if (given === undefined || acceptable) await next()
    else
      c.res = refuse(
        c,
        problem('invalid_field', `${HEADER} must be 1 to 128 visible ASCII characters`, { field: HEADER }),
      )
    c.res.headers.set(HEADER, id)
  }
}
