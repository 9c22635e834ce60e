import type { EmbeddedStore } from '../../shared/cluster/embedded/store.ts'
import {
  type ClusterFailure,
  type ClusterReply,
  type ClusterRequest,
  KINDS,
  type Kind,
  type ObjectRef,
} from '../../shared/cluster/port.ts'
import type { Http } from '../../shared/http.ts'

/** As k8s.io/apimachinery/pkg/api/errors makes them. */
const CODES: Readonly<Record<ClusterFailure['reason'], number>> = {
  NotFound: 404,
  AlreadyExists: 409,
  Conflict: 409,
  Invalid: 422,
  Forbidden: 403,
  Unauthorized: 401,
  Expired: 410,
  TooManyRequests: 429,
  Unavailable: 503,
}

/** An API server's REST paths over a store: single objects only, with the statuses and bodies a real one answers. */
export class EmbeddedHttp implements Http {
  /** `POST ips 201`, in the order answered. */
  readonly lines: string[] = []
  /** Before a request reaches the store. */
  before: (method: string) => Promise<void> = async () => {}
  readonly #store: EmbeddedStore

  constructor(store: EmbeddedStore) {
    this.#store = store
  }

  async fetch(request: Request): Promise<Response> {
    const { method } = request
    const text = await request.text()
    await this.before(method)
    const asked = askedFor(method, new URL(request.url), text === '' ? undefined : JSON.parse(text))
    const [reply] = this.#store.send([asked])
    if (!reply) throw new Error('no reply to one request')
    const { code, body } = this.#answer(asked, reply)
    const { kind } = asked.verb === 'create' ? asked.object : 'ref' in asked ? asked.ref : asked.object
    this.lines.push(`${method} ${KINDS[kind as Kind].plural} ${code}`)
    return new Response(JSON.stringify(body), {
      status: code,
      headers: { 'content-type': 'application/json' },
    })
  }

  #answer(asked: ClusterRequest, reply: ClusterReply): { readonly code: number; readonly body: unknown } {
    const status = { kind: 'Status', apiVersion: 'v1', metadata: {} }
    if (!reply.ok) {
      const { reason, message } = reply.error
      const name = asked.verb === 'create' ? asked.object.metadata.name : 'ref' in asked ? asked.ref.name : ''
      const code = CODES[reason]
      return { code, body: { ...status, status: 'Failure', message, reason, details: { name }, code } }
    }
    if (asked.verb === 'create') return { code: 201, body: reply.value }
    const [left] = asked.verb === 'delete' ? this.#store.send([{ verb: 'get', ref: asked.ref }]) : []
    if (!left || left.ok) return { code: 200, body: reply.value }
    // What is gone is answered by a Status.
    const { name, uid } = reply.value.metadata
    return { code: 200, body: { ...status, status: 'Success', details: { name, uid } } }
  }
}

// biome-ignore lint/suspicious/noExplicitAny: what the adapter under test sent
function askedFor(method: string, url: URL, body: any): ClusterRequest {
  const path = /^\/apis?\/(.*?)(?:\/namespaces\/([^/]+))?\/([a-z]+)(?:\/([^/]+))?(\/status)?$/.exec(
    // A collection of a namespace has no name.
    url.pathname,
  )
  const [, apiVersion, namespace, plural, name = '', status] = path ?? []
  const kind = (Object.keys(KINDS) as Kind[]).find(
    (one) => KINDS[one].plural === plural && KINDS[one].apiVersion === apiVersion,
  )
  if (!kind) throw new Error(`no path of an object: ${url.pathname}`)
  const ref: ObjectRef = { kind, name, ...(namespace ? { namespace } : {}) }
  switch (method) {
    case 'GET':
      return { verb: 'get', ref }
    case 'POST':
      return { verb: 'create', object: body, dryRun: url.searchParams.get('dryRun') === 'All' }
    case 'PATCH': {
      const { resourceVersion, ...metadata } = body.metadata
      const patch = { ...body, metadata }
      return { verb: 'patch', ref, patch, resourceVersion, ...(status ? { subresource: 'status' } : {}) }
    }
    case 'PUT':
      return { verb: 'replace', object: body }
    case 'DELETE':
      return { verb: 'delete', ref, uid: body.preconditions.uid }
    default:
      throw new Error(`${method} is not spoken here`)
  }
}
