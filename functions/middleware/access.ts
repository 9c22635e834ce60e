import { type Caller, EVERY_RIGHT } from '../../shared/access/caller.ts'
import { KEY_PREFIX } from '../../shared/access/key-text.ts'
import type { RatePolicy, RateState } from '../../shared/access/rate.ts'
import { type Problem, problem } from '../../shared/problem.ts'
import { err, ok, type Result } from '../../shared/result.ts'
import { guarded } from '../access/guard.ts'
import { isLoopbackHost, isLoopbackOrigin, isLoopbackUrl } from '../access/loopback.ts'
import type { DoorContext, DoorMiddleware } from '../door.ts'
import { refuse } from '../reply/problem.ts'

/** Variable ACCESS (contract.md): who may call without saying who they are. */
export type AccessMode = 'loopback-anonymous' | 'required'

export interface AccessOptions {
  /** Read at each request: bindings are not known before. */
  readonly mode: (c: DoorContext) => AccessMode
}

/** The tenant of whoever calls over loopback. */
export const ANONYMOUS: Caller = { tenant: 'anonymous', rights: EVERY_RIGHT }

/** What a probe may always ask. */
const OPEN_PATHS: readonly string[] = ['/healthz', '/readyz']

/** Names that credentials go by in other people's queries [RFC 6750 section 2.3]. */
const QUERY_NAMES: readonly string[] = ['access_token', 'api_key', 'apikey', 'key', 'token', 'authorization']

/**
 * Finds out who calls, or answers 401, 403, 429 or 503. Behind it `tenant`, `caller` and a Berth that does only what
 * this caller may are set. Anonymous callers must come by a loopback name (so no page of another site can reach in by
 * rebinding its name) and not from a foreign page; a credential that is shown is checked in any case, by the context's `callers`.
 *
 * @example
 * app.use(access({ mode: () => 'loopback-anonymous' }))
 */
export function access(options: AccessOptions): DoorMiddleware {
  return async function access(c, next) {
    if (OPEN_PATHS.includes(c.req.path)) {
      become(c, ANONYMOUS)
      return next()
    }
    const leaked = credentialInQuery(c.req.url)
    if (leaked) return challenge(c, leaked)
    const header = c.req.header('Authorization')
    const found = header === undefined ? anonymous(c, options) : await shown(c, header)
    if (!found.ok) return challenge(c, found.error)
    become(c, found.value.caller)
    const { rate } = found.value
    if (rate && !rate.state.allowed) {
      const wait = { retryAfterMs: rate.state.resetMs }
      return withRate(refuse(c, problem('rate_limited', 'this caller has asked too often', wait)), rate)
    }
    await next()
    if (rate) withRate(c.res, rate)
  }
}

interface Found {
  readonly caller: Caller
  readonly rate?: { readonly policy: RatePolicy; readonly state: RateState }
}

function become(c: DoorContext, caller: Caller): void {
  c.set('tenant', caller.tenant)
  c.set('caller', caller)
  const open = c.get('berth')
  c.set('berth', () => guarded(open(), caller))
}

/** RFC 9110 §11.6.1: a 401 says how to do better. */
function challenge(c: DoorContext, why: Problem): Response {
  const reply = refuse(c, why)
  if (reply.status === 401) reply.headers.set('WWW-Authenticate', 'Bearer realm="berth"')
  return reply
}

/** The request is refused before anybody learns whether the credential is good: it stands in logs by now. */
function credentialInQuery(url: string): Problem | undefined {
  if (!url.includes('?')) return undefined
  for (const [name, value] of new URL(url).searchParams) {
    if (!QUERY_NAMES.includes(name.toLowerCase()) && !value.startsWith(KEY_PREFIX)) continue
    return problem(
      'unauthenticated',
      'credentials are not taken from the query, where logs keep them: send Authorization, and replace this one',
      { field: 'query' },
    )
  }
  return undefined
}

/** Two headers arrive joined by a comma, which no credential has. */
async function shown(c: DoorContext, header: string): Promise<Result<Found, Problem>> {
  const credential = /^Bearer +([^\s,]+)$/i.exec(header)?.[1]
  if (credential === undefined)
    return err(
      problem('unauthenticated', 'Authorization must be Bearer and one credential', {
        field: 'Authorization',
      }),
    )
  const known = c.var.callers()
  if (!known)
    return err(problem('unauthenticated', 'this server knows no credentials', { field: 'Authorization' }))
  const found = await known.identify(credential)
  return found.ok
    ? ok({ caller: found.value.caller, rate: { policy: known.rate, state: found.value.rate } })
    : found
}

function anonymous(c: DoorContext, { mode }: AccessOptions): Result<Found, Problem> {
  const complaint = complaintOf(c, mode(c))
  return complaint ? err(complaint) : ok({ caller: ANONYMOUS })
}

function complaintOf(c: DoorContext, mode: AccessMode): Problem | undefined {
  if (mode === 'required')
    return problem('unauthenticated', 'this server answers known callers only', { field: 'Authorization' })
  const host = c.req.header('Host') ?? ''
  // Behind a proxy the header and the URL may differ; in process there may be no header. Both must be loopback.
  if ((host !== '' && !isLoopbackHost(host)) || !isLoopbackUrl(c.req.url)) {
    // `Host: localhost:99999` or `OPTIONS *` make no URL, and whoever reads it further on would throw.
    return URL.canParse(c.req.url)
      ? problem('forbidden', 'anonymous calls must name a loopback host, such as 127.0.0.1', {
          field: 'Host',
        })
      : problem('malformed', 'host and path do not make a URL', { field: 'Host' })
  }
  const origin = c.req.header('Origin')
  if (origin !== undefined && !isLoopbackOrigin(origin))
    return problem('forbidden', 'anonymous calls from pages of other sites are refused', { field: 'Origin' })
  if (c.req.header('Sec-Fetch-Site')?.toLowerCase() === 'cross-site')
    return problem('forbidden', 'anonymous calls from other sites are refused', { field: 'Sec-Fetch-Site' })
  return undefined
}

/** draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4: `q` in `w` seconds, `r` left for `t` seconds. */
function withRate(reply: Response, { policy, state }: NonNullable<Found['rate']>): Response {
  const seconds = (ms: number) => Math.max(0, Math.ceil(ms / 1000))
  reply.headers.set('RateLimit-Policy', `"default";q=${policy.quota};w=${seconds(policy.windowMs)}`)
  reply.headers.set('RateLimit', `"default";r=${state.remaining};t=${seconds(state.resetMs)}`)
  return reply
}
