import { type Problem, problem } from '../../shared/problem.ts'
import type { DoorContext, DoorMiddleware } from '../door.ts'
import { refuse } from '../reply/problem.ts'

/** Variable ACCESS (contract.md): who may call without saying who they are. */
export type AccessMode = 'loopback-anonymous' | 'required'

export interface AccessOptions {
  /** Read at each request: bindings are not known before. */
  readonly mode: (c: DoorContext) => AccessMode
}

/** The tenant of whoever calls over loopback. */
export const ANONYMOUS = 'anonymous'

/** What a probe may always ask. */
const OPEN_PATHS: readonly string[] = ['/healthz', '/readyz']

/**
 * Lets a request in or answers 401 or 403. Anonymous callers must come by a loopback name (so no page of another site
 * can reach in by rebinding its name) and not from a foreign page.
 *
 * @example
 * app.use(access({ mode: () => 'loopback-anonymous' }))
 */
export function access({ mode }: AccessOptions): DoorMiddleware {
  return async function access(c, next) {
    const complaint = OPEN_PATHS.includes(c.req.path) ? undefined : complaintOf(c, mode(c))
    if (complaint) return refuse(c, complaint)
    c.set('tenant', ANONYMOUS)
    return next()
  }
}

function complaintOf(c: DoorContext, mode: AccessMode): Problem | undefined {
  if (mode === 'required')
    return problem('unauthenticated', 'this server answers known callers only', { field: 'Authorization' })
  const host = c.req.header('Host') ?? ''
  // Behind a proxy the header and the URL may differ; in process there may be no header. Both must be loopback.
  if ((host !== '' && !isLoopbackHost(host)) || !isLoopbackHost(new URL(c.req.url).host))
    return problem('forbidden', 'anonymous calls must name a loopback host, such as 127.0.0.1', {
      field: 'Host',
    })
  const origin = c.req.header('Origin')
  if (origin !== undefined && !isLoopbackOrigin(origin))
    return problem('forbidden', 'anonymous calls from pages of other sites are refused', { field: 'Origin' })
  if (c.req.header('Sec-Fetch-Site')?.toLowerCase() === 'cross-site')
    return problem('forbidden', 'anonymous calls from other sites are refused', { field: 'Sec-Fetch-Site' })
  return undefined
}

const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
const LOOPBACK = `(?:localhost|127(?:\\.${OCTET}){3}|\\[::1\\])(?::\\d{1,5})?`
const HOST = new RegExp(`^${LOOPBACK}$`, 'i')
const ORIGIN = new RegExp(`^https?://${LOOPBACK}$`, 'i')

/** `localhost`, 127.0.0.0/8 or `[::1]`, with or without a port. Nothing else that might resolve to them. */
export function isLoopbackHost(host: string): boolean {
  return HOST.test(host)
}

/** An Origin header of a page served from loopback; `null` is nobody's. */
export function isLoopbackOrigin(origin: string): boolean {
  return ORIGIN.test(origin)
}
