import { expect, test, vi } from 'vitest'
import type { KubernetesLimits } from '../../shared/cluster/kubernetes/limits.ts'
import { LineReader, LineTooLong } from '../../shared/cluster/kubernetes/lines.ts'
import type { WatchEvent } from '../../shared/cluster/port.ts'
import { ManualClock } from '../support/clock.ts'
import { json, NotingClock, portOver, ScriptedBody, ScriptedHttp, status, storedIp } from './scripted-http.ts'

const added = (name: string, resourceVersion: string) => ({
  type: 'ADDED',
  object: storedIp(name, { resourceVersion }),
})
const bookmark = (resourceVersion: string) => ({
  type: 'BOOKMARK',
  object: { kind: 'IP', apiVersion: 'kubeovn.io/v1', metadata: { resourceVersion } },
})

/** What a watch from version 5 gives, one word an event, until it ends or gave `count`. */
async function watched(
  http: ScriptedHttp,
  count = Infinity,
  clock = new NotingClock(),
  limits: Partial<KubernetesLimits> = {},
) {
  const words: string[] = []
  for await (const event of portOver(http, clock, limits).watch('IP', { resourceVersion: '5' })) {
    words.push(word(event))
    if (words.length === count) break
  }
  return words
}

function word(event: WatchEvent): string {
  if (event.type === 'ERROR') return `ERROR ${event.failure.reason}`
  if (event.type === 'BOOKMARK') return `BOOKMARK ${event.resourceVersion}`
  return `${event.type} ${event.object.metadata.name}@${event.object.metadata.resourceVersion}`
}

const versions = (http: ScriptedHttp) => http.sent.map(({ query }) => query.get('resourceVersion'))

test('the request asks for bookmarks and a bounded stream from the version given', async () => {
  const http = new ScriptedHttp(() => new ScriptedBody().line(added('a', '6')).response())
  expect(await watched(http, 1)).toEqual(['ADDED a@6'])
  expect(http.lines).toEqual(['GET /apis/kubeovn.io/v1/ips'])
  expect(Object.fromEntries(http.sent[0]?.query ?? [])).toEqual({
    watch: 'true',
    allowWatchBookmarks: 'true',
    timeoutSeconds: '300',
    resourceVersion: '5',
  })
})

test('lines are found wherever the bytes were split, in the middle of a character too', () => {
  const text = '{"a":"ü€😀"}\n\n{"b":2}\r\n{"c":'
  const bytes = new TextEncoder().encode(text)
  for (let first = 0; first <= bytes.length; first++) {
    for (let second = first; second <= bytes.length; second += 3) {
      const reader = new LineReader(100)
      const parts = [bytes.slice(0, first), bytes.slice(first, second), bytes.slice(second)]
      const values = parts.flatMap((part) => reader.take(part)).map((line) => JSON.parse(line))
      expect(values).toEqual([{ a: 'ü€😀' }, { b: 2 }])
    }
  }
})

test('a line may be as long as the limit, and its end is not waited for', () => {
  const line = new TextEncoder().encode(`${'x'.repeat(100)}\n`)
  expect(new LineReader(100).take(line)).toHaveLength(1)
  const many = new LineReader(100)
  for (let count = 0; count < 50; count++) expect(many.take(line)).toHaveLength(1)
  const reader = new LineReader(99)
  reader.take(line.slice(0, 99))
  expect(() => reader.take(line.slice(99, 100))).toThrow(LineTooLong)
})

test('when the server closes the stream the next one goes on from the last version, a bookmark’s too', async () => {
  const bodies = [
    new ScriptedBody().line(added('a', '6')).line(bookmark('9')).close(),
    new ScriptedBody().line(added('b', '10')).close(),
    new ScriptedBody().line(added('c', '11')),
  ]
  const http = new ScriptedHttp((_, index) => bodies[index]?.response() ?? new Error('no more'))
  const clock = new NotingClock()
  expect(await watched(http, 4, clock)).toEqual(['ADDED a@6', 'BOOKMARK 9', 'ADDED b@10', 'ADDED c@11'])
  expect(versions(http)).toEqual(['5', '9', '10'])
  expect(clock.waits).toEqual([])
})

test('a line cut off by the end of the stream is no event; the next stream brings it whole', async () => {
  const half = JSON.stringify(added('b', '7')).slice(0, -2)
  const bodies = [
    new ScriptedBody().line(added('a', '6')).push(half).close(),
    new ScriptedBody().line(added('b', '7')),
  ]
  const http = new ScriptedHttp((_, index) => bodies[index]?.response() ?? new Error('no more'))
  expect(await watched(http, 2)).toEqual(['ADDED a@6', 'ADDED b@7'])
  expect(versions(http)).toEqual(['5', '6'])
})

test('a connection that breaks is made again from the last version', async () => {
  const second = new ScriptedBody().line(added('b', '7'))
  const http = new ScriptedHttp((_, index) => {
    if (index === 0) return breaking(added('a', '6'))
    return index < 3 ? new Error('connection refused') : second.response()
  })
  const clock = new NotingClock()
  expect(await watched(http, 2, clock)).toEqual(['ADDED a@6', 'ADDED b@7'])
  expect(versions(http)).toEqual(['5', '6', '6', '6'])
  expect(clock.waits).toEqual([200, 400])
})

test('a server that never lets a stream live is given up', async () => {
  const http = new ScriptedHttp(() => new Error('connection refused'))
  const clock = new NotingClock()
  expect(await watched(http, Infinity, clock)).toEqual(['ERROR Unavailable'])
  expect(clock.waits).toEqual([200, 400, 800, 1_600])
})

// Fault 17.
test('410 in an ERROR event on an HTTP 200 stream is Expired', async () => {
  const body = new ScriptedBody()
    .line(added('a', '6'))
    .line({ type: 'ERROR', object: status(410, 'Expired') })
  const http = new ScriptedHttp(() => body.response())
  expect(await watched(http)).toEqual(['ADDED a@6', 'ERROR Expired'])
  expect(http.sent).toHaveLength(1)
  await vi.waitFor(() => expect(body.cancelled).toBe(true))
})

test.each<[string, Response, string]>([
  ['410', json(status(410, 'Gone'), 410), 'Expired'],
  ['403', json(status(403, 'Forbidden'), 403), 'Forbidden'],
  ['404 of a missing CRD', new Response('404 page not found', { status: 404 }), 'Unavailable'],
])('%s for the watch itself ends it', async (_, response, reason) => {
  expect(await watched(new ScriptedHttp(() => response))).toEqual([`ERROR ${reason}`])
})

test('a server that is starting or busy is asked again, as it wishes, and then given up', async () => {
  const busy = () => new Response('Too many', { status: 429, headers: { 'retry-after': '3' } })
  const starting = () => json(status(503, 'ServiceUnavailable'), 503)
  const answers = [
    busy,
    starting,
    () => new ScriptedBody().line(added('a', '6')).close().response(),
    busy,
    starting,
  ]
  const http = new ScriptedHttp((_, index) => (answers[index] ?? starting)())
  const clock = new NotingClock()
  expect(await watched(http, Infinity, clock, { barrenWatches: 3 })).toEqual([
    'ADDED a@6',
    'ERROR Unavailable',
  ])
  expect(clock.waits).toEqual([3_000, 200, 3_000, 400])
  expect(versions(http)).toEqual(['5', '5', '5', '6', '6', '6'])
})

// Fault 21.
test('a half-open watch ends after the idle limit, though bytes without a line drip in', async () => {
  const clock = new ManualClock()
  const body = new ScriptedBody()
  const http = new ScriptedHttp(() => body.response())
  const events = portOver(http, clock, { idleMs: 120_000, callMs: 10_000 }).watch('IP', {
    resourceVersion: '5',
  })
  const reader = events[Symbol.asyncIterator]()
  body.line(added('a', '6'))
  expect((await reader.next()).value).toMatchObject({ type: 'ADDED' })
  const next = reader.next()
  for (let minute = 0; minute < 2; minute++) {
    await vi.waitFor(() => expect(clock.sleeping).toBe(1))
    body.push(' ')
    clock.advance(59_999)
  }
  expect(clock.sleeping).toBe(1)
  clock.advance(2)
  expect((await next).value).toMatchObject({ type: 'ERROR', failure: { reason: 'Unavailable' } })
  expect(await reader.next()).toEqual({ done: true, value: undefined })
  expect(http.sent[0]?.signal.aborted).toBe(true)
  expect(http.sent).toHaveLength(1)
  await vi.waitFor(() => expect(body.cancelled).toBe(true))
})

test('each line starts the idle limit anew', async () => {
  const clock = new ManualClock()
  const body = new ScriptedBody()
  const http = new ScriptedHttp(() => body.response())
  const reader = portOver(http, clock, { idleMs: 1_000 })
    .watch('IP', { resourceVersion: '5' })
    [Symbol.asyncIterator]()
  for (let version = 6; version < 12; version++) {
    const next = reader.next()
    await vi.waitFor(() => expect(clock.sleeping).toBe(1))
    clock.advance(900)
    body.line(bookmark(String(version)))
    expect((await next).value).toEqual({ type: 'BOOKMARK', resourceVersion: String(version) })
  }
  await reader.return?.()
})

test('a watch whose head never comes ends with the time limit', async () => {
  const clock = new ManualClock()
  const http = new ScriptedHttp(() => new Promise(() => {}))
  const next = portOver(http, clock, { callMs: 10_000 })
    .watch('IP', { resourceVersion: '5' })
    [Symbol.asyncIterator]()
    .next()
  await vi.waitFor(() => expect(http.sent).toHaveLength(1))
  clock.advance(10_000)
  expect((await next).value).toMatchObject({ type: 'ERROR', failure: { reason: 'Unavailable' } })
  expect(http.sent[0]?.signal.aborted).toBe(true)
})

test.each<[string, (body: ScriptedBody) => void]>([
  ['no JSON', (body) => body.push('{"type":"ADDED"\n')],
  ['no event', (body) => body.line(null)],
  ['no known type', (body) => body.line({ type: 'MOVED', object: storedIp('a') })],
  ['another kind', (body) => body.line({ type: 'ADDED', object: { ...storedIp('a'), kind: 'Subnet' } })],
  [
    'no version',
    (body) => body.line({ type: 'ADDED', object: storedIp('a', { resourceVersion: undefined }) }),
  ],
  ['a bookmark without a version', (body) => body.line(bookmark(''))],
  ['bytes that are no UTF-8', (body) => body.push(new Uint8Array([0xff, 0x0a]))],
  ['HTML', (body) => body.push('<html>\n')],
  ['too long a line', (body) => body.push('x'.repeat(2_000))],
])('a line with %s is not read leniently: the watch ends as Unavailable', async (_, write) => {
  const body = new ScriptedBody().line(added('z', '6'))
  write(body)
  const http = new ScriptedHttp(() => body.response())
  expect(await watched(http, Infinity, undefined, { bodyBytes: 1_000 })).toEqual([
    'ADDED z@6',
    'ERROR Unavailable',
  ])
  expect(http.sent).toHaveLength(1)
})

test('abort ends the watch and cancels what is under way', async () => {
  const stop = new AbortController()
  const body = new ScriptedBody()
  const http = new ScriptedHttp(() => body.response())
  const events = portOver(http).watch('IP', { resourceVersion: '5', signal: stop.signal })
  const next = events[Symbol.asyncIterator]().next()
  await vi.waitFor(() => expect(http.sent).toHaveLength(1))
  stop.abort()
  expect(await next).toEqual({ done: true, value: undefined })
  expect(http.sent[0]?.signal.aborted).toBe(true)
  await vi.waitFor(() => expect(body.cancelled).toBe(true))
})

test('a reader that stops reading cancels the stream', async () => {
  const body = new ScriptedBody().line(added('a', '6')).line(added('b', '7'))
  expect(await watched(new ScriptedHttp(() => body.response()), 1)).toEqual(['ADDED a@6'])
  await vi.waitFor(() => expect(body.cancelled).toBe(true))
})

/** A stream that gives one event and then breaks. */
function breaking(event: unknown): Response {
  let given = false
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      if (given) return controller.error(new Error('connection reset'))
      given = true
      controller.enqueue(new TextEncoder().encode(`${JSON.stringify(event)}\n`))
    },
  })
  return new Response(stream)
}
