import { err, ok, type Result } from '../../result.ts'
import {
  type ClusterFailure,
  type ClusterPort,
  type ClusterReply,
  type ClusterRequest,
  KINDS,
  type Kind,
  type KubeObject,
  type ListOptions,
  type ObjectList,
} from '../port.ts'
import { Calls, type ListQuery, refOf } from './calls.ts'
import { refused, wrongRequest } from './check.ts'
import { ApiException } from './client.ts'
import { isUnserved } from './discovery.ts'
import { deletedIn, type Expected, listIn, objectIn } from './evidence.ts'
import { type CallFacts, failureOf, statusOf } from './failure.ts'
import { KUBERNETES_LIMITS, type KubernetesLimits } from './limits.ts'
import { selectorText, wrongListScope } from './paths.ts'
import { CallFailed, TooLong, Transport, type TransportParts } from './transport.ts'
import { watchKind } from './watch.ts'

export interface KubernetesParts extends Omit<TransportParts, 'limits'> {
  /** Of the API server, with a path if it stands behind one; without a slash at the end. */
  readonly url: string
  readonly limits?: Partial<KubernetesLimits>
}

/**
 * The cluster port over a real API server. Writes are sent once: whatever leaves their effect open (time-out, reset,
 * 5xx, a reply that is not the object) is `unknown`. Reads are repeated within bounds. A refusal that the request
 * earns by itself costs no call.
 *
 *     kubernetesPort({ http: systemHttp, url, token: () => readFile(tokenFile), clock: systemClock })
 */
export function kubernetesPort(parts: KubernetesParts): ClusterPort {
  const limits = { ...KUBERNETES_LIMITS, ...parts.limits }
  const url = parts.url.replace(/\/+$/, '')
  const transport = new Transport({ ...parts, limits })
  const api = new ApiServer({ ...parts, url, limits }, transport)
  return {
    send: (requests) => inOrder(requests, limits.callsInFlight, (request) => api.send(request)),
    list: (kind, options = {}) => api.list(kind, options),
    watch: (kind, options) => watchKind({ transport, url, clock: parts.clock, limits }, kind, options),
  }
}

class ApiServer {
  readonly #calls: Calls
  readonly #parts: KubernetesParts & { readonly limits: KubernetesLimits }
  readonly #transport: Transport

  constructor(parts: KubernetesParts & { readonly limits: KubernetesLimits }, transport: Transport) {
    this.#parts = parts
    this.#transport = transport
    this.#calls = new Calls(parts.url)
  }

  async send(request: ClusterRequest): Promise<ClusterReply> {
    const wrong = wrongRequest(request)
    if (wrong) return err(wrong)
    const library = this.#transport.library(this.#parts.limits.callMs)
    const once = async () => objectOf(request, await this.#calls.send(request, library))
    const facts = {
      harmless: request.verb === 'get' || (request.verb === 'create' && request.dryRun === true),
      // Of a create the 404 is about the namespace.
      ...(request.verb === 'create' ? {} : { named: expectedOf(request).name }),
    }
    return request.verb === 'get' ? this.#readServed(request.ref.kind, once, facts) : this.#try(once, facts)
  }

  /** All pages where no limit is asked for, each small enough for one reply. */
  async list(kind: Kind, options: ListOptions): Promise<Result<ObjectList, ClusterFailure>> {
    const wrong = wrongListScope(kind, options.namespace)
    if (wrong) return err(refused('Invalid', wrong))
    const { limit } = options
    if (limit !== undefined && (!Number.isSafeInteger(limit) || limit < 0)) {
      return err(refused('Invalid', `limit: ${limit} is no count`))
    }
    const selector = selectorText(options.labelSelector ?? {})
    if (!selector.ok) return selector
    const query = {
      kind,
      labelSelector: selector.value,
      ...(options.fieldSelector === undefined ? {} : { fieldSelector: options.fieldSelector }),
      ...(options.namespace === undefined ? {} : { namespace: options.namespace }),
    }
    const items: KubeObject[] = []
    let from = options.continue || undefined
    for (;;) {
      const page = await this.#page({ ...query, ...(from ? { continue: from } : {}) }, limit || undefined)
      if (!page.ok || limit) return page
      items.push(...page.value.items)
      from = page.value.continue
      if (from === undefined) return ok({ items, resourceVersion: page.value.resourceVersion })
    }
  }

  async #page(query: ListQuery, wanted: number | undefined) {
    const { limits } = this.#parts
    const library = this.#transport.library(limits.pageMs)
    for (let limit = wanted ?? limits.pageItems; ; limit = Math.floor(limit / 2)) {
      let tooLong = false
      const page = await this.#readServed(
        query.kind,
        async () => {
          try {
            return listIn(await this.#calls.list({ ...query, limit }, library), query.kind)
          } catch (error) {
            tooLong = error instanceof TooLong
            throw error
          }
        },
        { harmless: true },
      )
      if (!tooLong || limit <= 1) return page
    }
  }

  /** NotFound where the path is not found because the cluster certainly does not serve the kind. */
  async #readServed<T>(
    kind: Kind,
    once: () => Promise<T>,
    facts: Pick<CallFacts, 'harmless' | 'named'>,
  ): Promise<Result<T, ClusterFailure>> {
    let isPathless = false
    const reply = await this.#read(async () => {
      try {
        return await once()
      } catch (error) {
        isPathless = error instanceof ApiException && error.code === 404 && !statusOf(error.body)
        throw error
      }
    }, facts)
    if (reply.ok || !isPathless) return reply
    const { url, limits } = this.#parts
    const proven = await isUnserved(this.#transport, url, kind, limits.callMs).catch(() => false)
    return proven ? err(refused('NotFound', `the cluster does not serve ${KINDS[kind].plural}`)) : reply
  }

  /** Tries again while that is likely to help and the waits stay within their limit. */
  async #read<T>(once: () => Promise<T>, facts: Pick<CallFacts, 'harmless' | 'named'>) {
    const { clock, limits } = this.#parts
    let left = limits.readWaitMs
    let backoff = limits.backoffMs
    for (let attempt = 1; ; attempt++) {
      let again = false
      const reply = await this.#try(async () => {
        try {
          return await once()
        } catch (error) {
          again = isPassing(error)
          throw error
        }
      }, facts)
      if (reply.ok || !again || attempt >= limits.readAttempts) return reply
      const wait = reply.error.retryAfterMs ?? backoff
      if (wait > left) return reply
      left -= wait
      backoff *= 2
      await clock.sleep(wait)
    }
  }

  async #try<T>(
    once: () => Promise<T>,
    facts: Pick<CallFacts, 'harmless' | 'named'>,
  ): Promise<Result<T, ClusterFailure>> {
    try {
      return ok(await once())
    } catch (error) {
      return err(
        failureOf(error, {
          ...facts,
          nowMs: this.#parts.clock.nowMs(),
          retryAfterCapMs: this.#parts.limits.retryAfterMs,
          redact: (text) => this.#transport.redact(text),
        }),
      )
    }
  }
}

/** Server errors and broken connections pass; a refusal or a wrong reply would be the same again. */
function isPassing(error: unknown): boolean {
  if (error instanceof ApiException) return error.code === 429 || error.code >= 500
  return error instanceof CallFailed && error.again
}

/** The reply's object, if it is the one the request is about. */
function objectOf(request: ClusterRequest, reply: unknown): KubeObject {
  const expected = expectedOf(request)
  return request.verb === 'delete'
    ? deletedIn(reply, { ...expected, uid: request.uid })
    : objectIn(reply, expected)
}

function expectedOf(request: ClusterRequest): Expected {
  switch (request.verb) {
    case 'get':
    case 'patch':
      return request.ref
    case 'delete':
      return { ...request.ref, uid: request.uid }
    case 'replace':
      return { ...refOf(request.object), uid: request.object.metadata.uid }
    case 'create':
      return { ...refOf(request.object), dryRun: request.dryRun === true }
  }
}

/** `work` on each item, at most `width` at a time; the answers in the order of the items. */
async function inOrder<T, R>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const answers: R[] = []
  const queue = items.entries()
  const worker = async () => {
    for (const [index, item] of queue) answers[index] = await work(item)
  }
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker))
  return answers
}
