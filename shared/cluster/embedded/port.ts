import { err, ok, type Result } from '../../result.ts'
import type {
  ClusterFailure,
  ClusterPort,
  ClusterReply,
  ClusterRequest,
  Kind,
  KubeObject,
  ListOptions,
  ObjectList,
  WatchEvent,
  WatchOptions,
} from '../port.ts'
import type { EmbeddedCalls } from './cluster.ts'

export interface EmbeddedPortOptions {
  /** How long one watch call may wait for news before it is asked anew. */
  readonly waitMs: number
}

const OPTIONS: EmbeddedPortOptions = { waitMs: 20_000 }

/**
 * The cluster port over an embedded cluster, here or in another isolate. `calls` is asked before every call, because a
 * stub that failed once must not be used again. A call that throws was cut off on the way: writes are `unknown` then.
 */
export function embeddedPort(
  calls: () => EmbeddedCalls,
  options: EmbeddedPortOptions = OPTIONS,
): ClusterPort {
  return {
    send: (requests) => send(calls, requests),
    list: (kind, listOptions = {}) => list(calls, kind, listOptions),
    watch: (kind, watchOptions) => watch(calls, kind, watchOptions, options.waitMs),
  }
}

async function send(
  calls: () => EmbeddedCalls,
  requests: readonly ClusterRequest[],
): Promise<ClusterReply[]> {
  try {
    return await calls().send(requests)
  } catch (error) {
    return requests.map((request) => {
      const harmless = request.verb === 'get' || (request.verb === 'create' && request.dryRun === true)
      return err(cutOff(error, harmless ? 'refused' : 'unknown'))
    })
  }
}

/** Without a limit: page after page of the same moment, so that no single reply grows without bound. */
async function list(
  calls: () => EmbeddedCalls,
  kind: Kind,
  options: ListOptions,
): Promise<Result<ObjectList, ClusterFailure>> {
  const items: KubeObject[] = []
  let from = options.continue
  for (;;) {
    const page = await listPage(calls, kind, from === undefined ? options : { ...options, continue: from })
    if (!page.ok || options.limit) return page
    items.push(...page.value.items)
    from = page.value.continue
    if (from === undefined) return ok({ items, resourceVersion: page.value.resourceVersion })
  }
}

async function listPage(calls: () => EmbeddedCalls, kind: Kind, options: ListOptions) {
  try {
    return await calls().list(kind, options)
  } catch (error) {
    return err(cutOff(error, 'refused'))
  }
}

async function* watch(
  calls: () => EmbeddedCalls,
  kind: Kind,
  { resourceVersion, namespace, signal }: WatchOptions,
  waitMs: number,
): AsyncGenerator<WatchEvent, void> {
  let from = resourceVersion
  while (!signal?.aborted) {
    const query = { kind, resourceVersion: from, ...(namespace === undefined ? {} : { namespace }) }
    const asked = async () => calls().eventsSince(query, waitMs)
    const page = await unlessAborted(
      asked().catch((error: unknown) => err(cutOff(error, 'refused'))),
      signal,
    )
    if (page === undefined) return
    if (!page.ok) {
      yield { type: 'ERROR', failure: page.error }
      return
    }
    for (const event of page.value.events) {
      if (signal?.aborted) return
      yield event
    }
    from = page.value.resourceVersion
    if (page.value.events.length === 0) yield { type: 'BOOKMARK', resourceVersion: from }
  }
}

/** The answer, or undefined as soon as `signal` aborts; the call itself ends by its own time limit. */
async function unlessAborted<T>(answer: Promise<T>, signal: AbortSignal | undefined): Promise<T | undefined> {
  if (!signal) return answer
  let stop = () => {}
  const aborted = new Promise<undefined>((resolve) => {
    stop = () => resolve(undefined)
    signal.addEventListener('abort', stop, { once: true })
  })
  try {
    return await Promise.race([answer, aborted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

function cutOff(error: unknown, outcome: ClusterFailure['outcome']): ClusterFailure {
  const message = error instanceof Error ? error.message : String(error)
  return { reason: 'Unavailable', message: `embedded cluster: ${message}`, outcome }
}
