import type { Clock } from '../../clock.ts'
import type { ClusterFailure, Kind, WatchEvent, WatchOptions } from '../port.ts'
import { isRecord, NoEvidence, storedObject } from './evidence.ts'
import { type CallFacts, failureOf, failureOfReply, statusOf } from './failure.ts'
import type { KubernetesLimits } from './limits.ts'
import { LineReader } from './lines.ts'
import { collectionPath, wrongListScope } from './paths.ts'
import { CallFailed, type Transport, within } from './transport.ts'

export interface WatchParts {
  readonly transport: Transport
  readonly url: string
  readonly clock: Clock
  readonly limits: KubernetesLimits
}

/** Why one stream ended. `passing`: the server closed it, it broke, or the server is busy; go on from the last version. */
interface StreamEnd {
  readonly passing: boolean
  readonly failure?: ClusterFailure
}

const CLOSED: StreamEnd = { passing: true }

/**
 * Events after a resourceVersion, over as many streams as it takes: the server closes each after a while, connections
 * break, a server that starts or is busy refuses for a moment. An ERROR ends it: Expired (the version is too old), Unavailable (silence, a malformed line, too many streams
 * in a row without an event) or another refusal; the caller lists anew. A line cut off at a stream's end is not an
 * event; the next stream brings it whole.
 */
export async function* watchKind(
  parts: WatchParts,
  kind: Kind,
  { resourceVersion, namespace, signal }: WatchOptions,
): AsyncGenerator<WatchEvent, void> {
  const wrong =
    wrongListScope(kind, namespace) ?? (resourceVersion ? undefined : 'a watch needs a resourceVersion')
  if (wrong) {
    yield { type: 'ERROR', failure: { reason: 'Invalid', message: wrong, outcome: 'refused' } }
    return
  }
  const { clock, limits } = parts
  let from = resourceVersion
  for (let barren = 0; !signal?.aborted; ) {
    let end = CLOSED
    for await (const item of oneStream(parts, kind, { resourceVersion: from, namespace, signal })) {
      if (signal?.aborted) return
      if ('ended' in item) {
        end = item.ended
        break
      }
      barren = 0
      from = versionOf(item) ?? from
      yield item
    }
    if (signal?.aborted) return
    barren++
    if (!end.passing || barren > limits.barrenWatches) {
      const failure = end.failure ?? unavailable(`${barren} watches in a row ended without an event`)
      yield { type: 'ERROR', failure }
      return
    }
    // The first stream after news starts at once; those that bring nothing start ever more slowly.
    const backoff = barren > 1 ? limits.backoffMs * 2 ** (barren - 2) : 0
    const wait = Math.max(Math.min(backoff, limits.retryAfterMs), end.failure?.retryAfterMs ?? 0)
    if (wait > 0) await clock.sleep(wait, signal)
  }
}

type Query = { readonly [K in keyof WatchOptions]: WatchOptions[K] | undefined } & {
  readonly resourceVersion: string
}

async function* oneStream(parts: WatchParts, kind: Kind, query: Query): AsyncGenerator<StreamItem, void> {
  const { transport, clock, limits } = parts
  const facts: CallFacts = {
    harmless: true,
    nowMs: clock.nowMs(),
    retryAfterCapMs: limits.retryAfterMs,
    redact: (text) => transport.redact(text),
  }
  const stop = new AbortController()
  const cancel = () => stop.abort()
  query.signal?.addEventListener('abort', cancel, { once: true })
  if (query.signal?.aborted) stop.abort()
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  try {
    const outgoing = {
      url: watchUrl(parts, kind, query),
      method: 'GET',
      headers: { Accept: 'application/json' },
    }
    const reply = await within(clock, limits.callMs, (late) => {
      late.addEventListener('abort', cancel, { once: true })
      return unlessStopped(transport.open(outgoing, stop.signal), stop.signal)
    })
    if (reply.status !== 200 || !reply.body) {
      const body = await within(clock, limits.callMs, () => reply.text())
      const failure = failureOfReply(reply.status, body, Object.fromEntries(reply.headers), facts)
      yield { ended: { passing: reply.status === 429 || reply.status >= 500, failure } }
      return
    }
    reader = reply.body.getReader() as ReadableStreamDefaultReader<Uint8Array>
    const lines = new LineReader(limits.bodyBytes)
    for (;;) {
      const found = await nextLines(reader, lines, parts, stop.signal)
      if (!Array.isArray(found)) {
        yield { ended: found }
        return
      }
      for (const line of found) {
        const item = eventOf(line, kind, facts)
        yield item
        if ('ended' in item) return
      }
    }
  } catch (error) {
    // A connection that broke says nothing about the version; a reply that makes no sense does end the watch.
    const passing = error instanceof CallFailed && error.again
    yield { ended: { passing, failure: failureOf(error, facts) } }
  } finally {
    query.signal?.removeEventListener('abort', cancel)
    stop.abort()
    void reader?.cancel().catch(() => {})
  }
}

/** At least one line, or why there are none: however slowly bytes drip, no whole line within the idle limit is silence. */
async function nextLines(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  lines: LineReader,
  { transport, clock, limits }: WatchParts,
  stop: AbortSignal,
): Promise<string[] | StreamEnd> {
  let callOff = () => {}
  let end = () => {}
  const silence = new Promise<'silent'>((resolve, reject) => {
    callOff = clock.after(limits.idleMs, () => resolve('silent'))
    end = () => reject(stopped())
    if (stop.aborted) end()
    else stop.addEventListener('abort', end, { once: true })
  })
  silence.catch(() => {})
  const read = async () => {
    try {
      return await reader.read()
    } catch (error) {
      throw new CallFailed(`the watch broke off: ${transport.wordsOf(error)}`, { sent: true, again: true })
    }
  }
  try {
    for (;;) {
      const chunk = await Promise.race([read(), silence])
      if (chunk === 'silent')
        return { passing: false, failure: unavailable(`the watch was silent for ${limits.idleMs} ms`) }
      if (chunk.done) return CLOSED
      const found = lines.take(chunk.value)
      if (found.length > 0) return found
    }
  } finally {
    callOff()
    stop.removeEventListener('abort', end)
  }
}

type StreamItem = Exclude<WatchEvent, { type: 'ERROR' }> | { readonly ended: StreamEnd }

/** One line of a watch [k8s.io/apimachinery/pkg/apis/meta/v1/watch.go WatchEvent]. Throws when it is none. */
function eventOf(line: string, kind: Kind, facts: CallFacts): StreamItem {
  const event: unknown = JSON.parse(line)
  if (!isRecord(event)) throw new NoEvidence('a line that is no event')
  const { type, object } = event
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
      return { type, object: storedObject(object, kind) }
    case 'BOOKMARK': {
      const metadata = isRecord(object) && isRecord(object.metadata) ? object.metadata : {}
      const { resourceVersion } = metadata
      if (typeof resourceVersion === 'string' && resourceVersion !== '') return { type, resourceVersion }
      throw new NoEvidence('a bookmark without a resourceVersion')
    }
    case 'ERROR':
      return {
        ended: { passing: false, failure: failureOfReply(statusOf(object)?.code ?? 500, object, {}, facts) },
      }
    default:
      throw new NoEvidence('an event of no known type')
  }
}

function versionOf(event: Exclude<WatchEvent, { type: 'ERROR' }>): string | undefined {
  return event.type === 'BOOKMARK' ? event.resourceVersion : event.object.metadata.resourceVersion
}

function watchUrl({ url, limits }: WatchParts, kind: Kind, { namespace, resourceVersion }: Query): string {
  const query = new URLSearchParams({
    watch: 'true',
    allowWatchBookmarks: 'true',
    timeoutSeconds: String(limits.watchSeconds),
    resourceVersion,
  })
  return `${url}${collectionPath(kind, namespace)}?${query}`
}

function unavailable(message: string): ClusterFailure {
  return { reason: 'Unavailable', message, outcome: 'refused' }
}

/** The answer, or CallFailed as soon as `stop` aborts, even where the runtime does not hear of it. */
async function unlessStopped<T>(answer: Promise<T>, stop: AbortSignal): Promise<T> {
  answer.catch(() => {})
  let end = () => {}
  const ended = new Promise<never>((_, reject) => {
    end = () => reject(stopped())
    if (stop.aborted) end()
    else stop.addEventListener('abort', end, { once: true })
  })
  ended.catch(() => {})
  try {
    return await Promise.race([answer, ended])
  } finally {
    stop.removeEventListener('abort', end)
  }
}

const stopped = () => new CallFailed('stopped', { sent: true, again: true })
