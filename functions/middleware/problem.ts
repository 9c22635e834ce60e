import type { ErrorHandler, NotFoundHandler } from 'hono'
import { problem } from '../../shared/problem.ts'
import type { Door, DoorMiddleware } from '../door.ts'
import { refuse } from '../reply/problem.ts'

/** A path nobody mounted. */
export function notFound(): NotFoundHandler<Door> {
  return function notFound(c) {
    return refuse(
      c,
      problem('not_found', 'there is nothing at this path; see /openapi.json', { field: 'path' }),
    )
  }
}

/** For paths that exist, after their methods are mounted. RFC 9110 §15.5.6: Allow names what would do. */
export function methodNotAllowed(methods: readonly string[]): DoorMiddleware {
  const allowed = new Set(methods.map((method) => method.toUpperCase()))
  if (allowed.has('GET')) allowed.add('HEAD')
  const allow = [...allowed].sort().join(', ')
  return async function methodNotAllowed(c) {
    const reply = refuse(c, problem('method_not_allowed', `this path takes ${allow}`, { field: 'method' }))
    reply.headers.set('Allow', allow)
    return reply
  }
}

/** A defect or a part that failed in a way nobody foresaw. The log learns what, the caller only the request's id. */
export function unexpected(): ErrorHandler<Door> {
  return function unexpected(error, c) {
    c.var.log.write('error', 'door.failed', {
      requestId: c.var.requestId,
      method: c.req.method,
      path: c.req.path.slice(0, 512),
      error: error.message,
      stack: error.stack,
    })
    return refuse(c, problem('unavailable', `the request failed; its id is ${c.var.requestId}`))
  }
}
