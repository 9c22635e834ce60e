import { describe, expect, test, vi } from 'vitest'
import type { ClusterRequest } from '../../shared/cluster/port.ts'
import { ManualClock } from '../support/clock.ts'
import {
  json,
  newIp,
  portOver,
  ScriptedBody,
  ScriptedHttp,
  status,
  storedIp,
  TOKEN,
  UID,
} from './scripted-http.ts'

const NAME = 'web-0.shop'
const REF = { kind: 'IP', name: NAME } as const
const GET: ClusterRequest = { verb: 'get', ref: REF }
const CREATE: ClusterRequest = { verb: 'create', object: newIp(NAME) }
const WRITES: readonly [string, ClusterRequest][] = [
  ['create', CREATE],
  ['replace', { verb: 'replace', object: storedIp(NAME) }],
  ['patch', { verb: 'patch', ref: REF, patch: { spec: { nodeName: 'n' } }, resourceVersion: '7' }],
  ['delete', { verb: 'delete', ref: REF, uid: UID }],
]

const html = (code: number) =>
  new Response('<html>gateway</html>', { status: code, headers: { 'content-type': 'text/html' } })

// Fault 13: the write was carried out and the reply lost.
test.each(WRITES)(
  'a %s whose reply is lost is unknown, every time, and sent once each time',
  async (_, request) => {
    const http = new ScriptedHttp(() => new Error('connection reset'))
    const port = portOver(http)
    for (let round = 1; round <= 3; round++) {
      expect(await port.send([request])).toMatchObject([
        { ok: false, error: { reason: 'Unavailable', outcome: 'unknown' } },
      ])
      expect(http.sent).toHaveLength(round)
    }
  },
)

test('a dry run changes nothing, so its lost reply is refused; it is not repeated', async () => {
  const http = new ScriptedHttp(() => new Error('connection reset'))
  const [reply] = await portOver(http).send([{ ...CREATE, dryRun: true } as ClusterRequest])
  expect(reply).toMatchObject({ error: { reason: 'Unavailable', outcome: 'refused' } })
  expect(http.sent).toHaveLength(1)
  expect(http.sent[0]?.query.get('dryRun')).toBe('All')
})

// Fault 15, the mapping: what became of it is told by the Status, never by the code alone.
test.each<[string, Response, string, string]>([
  ['AlreadyExists', json(status(409, 'AlreadyExists', { name: NAME }), 409), 'AlreadyExists', 'refused'],
  ['Conflict', json(status(409, 'Conflict', { name: NAME }), 409), 'Conflict', 'refused'],
  ['409 of something else', html(409), 'Unavailable', 'unknown'],
  ['Invalid', json(status(422, 'Invalid', { name: NAME }), 422), 'Invalid', 'refused'],
  ['BadRequest', json(status(400, 'BadRequest'), 400), 'Invalid', 'refused'],
  ['Forbidden', json(status(403, 'Forbidden', { name: NAME }), 403), 'Forbidden', 'refused'],
  [
    'too many, in plain text',
    new Response('Too many requests', { status: 429 }),
    'TooManyRequests',
    'refused',
  ],
  ['a reason with another code', json(status(404, 'AlreadyExists'), 404), 'Unavailable', 'refused'],
  ['a reason nobody knows', json(status(409, 'constructor'), 409), 'Unavailable', 'refused'],
  ['server time-out', json(status(500, 'ServerTimeout'), 500), 'Unavailable', 'unknown'],
  ['time-out', json(status(504, 'Timeout'), 504), 'Unavailable', 'unknown'],
  ['a gateway without a backend', html(502), 'Unavailable', 'unknown'],
  [
    'a redirect',
    new Response(null, { status: 307, headers: { location: 'https://b.invalid/' } }),
    'Unavailable',
    'unknown',
  ],
  [
    'missing namespace',
    json(status(404, 'NotFound', { name: 'shop', kind: 'namespaces' }), 404),
    'NotFound',
    'refused',
  ],
])('create answered by %s', async (_, response, reason, outcome) => {
  const http = new ScriptedHttp(() => response)
  expect(await portOver(http).send([CREATE])).toMatchObject([{ ok: false, error: { reason, outcome } }])
  expect(http.sent).toHaveLength(1)
})

test.each<[string, Response, string]>([
  ['about the object', json(status(404, 'NotFound', { name: NAME }), 404), 'NotFound'],
  ['about another object', json(status(404, 'NotFound', { name: 'other' }), 404), 'Unavailable'],
  ['about nothing (the CRD is missing)', new Response('404 page not found', { status: 404 }), 'Unavailable'],
  ['of a gateway', html(404), 'Unavailable'],
])('absence is believed only from a Status about the object: 404 %s', async (_, response, reason) => {
  const http = new ScriptedHttp(() => response.clone())
  const port = portOver(http)
  expect(await port.send([GET])).toMatchObject([{ error: { reason, outcome: 'refused' } }])
  const [deleted] = await port.send([{ verb: 'delete', ref: REF, uid: UID }])
  expect(deleted).toMatchObject({ error: { reason } })
})

// Fault 23: slow, truncated and lying replies.
const LIES: readonly [string, () => Response][] = [
  [
    'JSON cut in half',
    () =>
      new Response('{"apiVersion":"kubeovn.io/v1","kind":"IP","meta', {
        headers: { 'content-type': 'application/json' },
      }),
  ],
  ['nothing', () => new Response('', { headers: { 'content-type': 'application/json' } })],
  ['no content', () => new Response(null, { status: 204 })],
  ['HTML', () => html(200)],
  [
    'JSON called text',
    () => new Response(JSON.stringify(storedIp(NAME)), { headers: { 'content-type': 'text/plain' } }),
  ],
  ['a list', () => json([storedIp(NAME)])],
  ['null', () => json(null)],
  ['another name', () => json(storedIp('web-1.shop'))],
  ['another kind', () => json({ ...storedIp(NAME), kind: 'Subnet' })],
  ['another version', () => json({ ...storedIp(NAME), apiVersion: 'kubeovn.io/v2' })],
  ['a namespace', () => json(storedIp(NAME, { namespace: 'shop' }))],
  ['no uid', () => json(storedIp(NAME, { uid: '' }))],
  ['no resourceVersion', () => json(storedIp(NAME, { resourceVersion: '' }))],
  ['finalizers of another type', () => json(storedIp(NAME, { finalizers: 'kubeovn.io/x' }))],
  ['labels of another type', () => json(storedIp(NAME, { labels: { a: 5 } }))],
  ['no metadata', () => json({ apiVersion: 'kubeovn.io/v1', kind: 'IP', spec: {} })],
  ['bytes that are no UTF-8', () => brokenText(storedIp(NAME, { annotations: { a: 'here' } }))],
  ['a success about another uid', () => json(success(NAME, 'other'))],
  ['a success about another name', () => json(success('web-1.shop', UID))],
]

/** The object's JSON with one byte that cannot be UTF-8. */
function brokenText(object: unknown): Response {
  const bytes = new TextEncoder().encode(JSON.stringify(object))
  bytes[bytes.length - 3 - JSON.stringify(object).split('here')[1]!.length] = 0xff
  return new Response(bytes, { headers: { 'content-type': 'application/json' } })
}

function success(name: string, uid: string) {
  return { kind: 'Status', apiVersion: 'v1', status: 'Success', details: { name, uid, kind: 'ips' } }
}

test.each(LIES)('200 with %s proves nothing', async (_, lie) => {
  const port = portOver(new ScriptedHttp(() => lie()))
  for (const [, request] of WRITES) {
    expect(await port.send([request])).toMatchObject([
      { ok: false, error: { reason: 'Unavailable', outcome: 'unknown' } },
    ])
  }
  expect(await port.send([GET])).toMatchObject([
    { ok: false, error: { reason: 'Unavailable', outcome: 'refused' } },
  ])
})

test('an object of another uid answers neither a delete nor a replace', async () => {
  const port = portOver(new ScriptedHttp(() => json(storedIp(NAME, { uid: 'other' }))))
  const replace = storedIp(NAME)
  const replies = await port.send([
    { verb: 'delete', ref: REF, uid: UID },
    { verb: 'replace', object: replace },
  ])
  for (const reply of replies) expect(reply).toMatchObject({ error: { outcome: 'unknown' } })
})

test('a delete answered by a Status with name and uid is done', async () => {
  const http = new ScriptedHttp(() => json(success(NAME, UID)))
  expect(await portOver(http).send([{ verb: 'delete', ref: REF, uid: UID }])).toEqual([
    { ok: true, value: { apiVersion: 'kubeovn.io/v1', kind: 'IP', metadata: { name: NAME, uid: UID } } },
  ])
  expect(http.sent[0]?.body).toEqual({ preconditions: { uid: UID } })
})

test.each<[string, () => Promise<Response>]>([
  ['no head', () => new Promise(() => {})],
  ['a head and no body', async () => new ScriptedBody().response()],
  ['half a body', async () => new ScriptedBody().push('{"apiVersion":').response()],
])('a reply that comes too slowly (%s) ends the call and aborts it', async (_, answer) => {
  const clock = new ManualClock()
  const http = new ScriptedHttp(answer)
  const sent = portOver(http, clock, { callMs: 10_000 }).send([CREATE, GET])
  await vi.waitFor(() => expect(http.sent).toHaveLength(2))
  await vi.waitFor(() => expect(clock.sleeping).toBe(2))
  clock.advance(9_999)
  expect(clock.sleeping).toBe(2)
  clock.advance(1)
  expect(await sent).toMatchObject([
    { error: { reason: 'Unavailable', outcome: 'unknown' } },
    { error: { reason: 'Unavailable', outcome: 'refused' } },
  ])
  expect(http.sent.map(({ signal }) => signal.aborted)).toEqual([true, true])
  expect(clock.sleeping).toBe(0)
})

test('a call that is answered leaves no timer behind', async () => {
  const clock = new ManualClock()
  await portOver(new ScriptedHttp(() => json(storedIp(NAME))), clock).send([GET])
  expect(clock.sleeping).toBe(0)
})

test('a body beyond the limit is not read to its end', async () => {
  const body = new ScriptedBody().push(`"${'x'.repeat(600)}`).push('y'.repeat(600))
  const port = portOver(new ScriptedHttp(() => body.response()), undefined, { bodyBytes: 1_000 })
  expect(await port.send([CREATE])).toMatchObject([{ error: { reason: 'Unavailable', outcome: 'unknown' } }])
  await vi.waitFor(() => expect(body.cancelled).toBe(true))
})

test('a 401 is answered by the token as it is now, once', async () => {
  const tokens = ['old-token', 'new-token', 'never-asked']
  const http = new ScriptedHttp(({ headers }) =>
    headers.get('authorization') === 'Bearer old-token'
      ? json(status(401, 'Unauthorized'), 401)
      : json(storedIp(NAME)),
  )
  const port = portOver(http, undefined, {}, () => tokens.shift() ?? '')
  expect(await port.send([CREATE])).toMatchObject([{ ok: true }])
  expect(await port.send([GET])).toMatchObject([{ ok: true }])
  expect(http.sent.map(({ headers }) => headers.get('authorization'))).toEqual([
    'Bearer old-token',
    'Bearer new-token',
    'Bearer new-token',
  ])
  expect(http.sent.map(({ method }) => method)).toEqual(['POST', 'POST', 'GET'])
  expect(tokens).toEqual(['never-asked'])
})

test('a token that is refused and has not changed is Unauthorized, and nothing was done', async () => {
  const http = new ScriptedHttp(() => json(status(401, 'Unauthorized'), 401))
  expect(await portOver(http).send([CREATE])).toMatchObject([
    { error: { reason: 'Unauthorized', outcome: 'refused' } },
  ])
  expect(http.sent).toHaveLength(1)
})

test.each<[string, () => string]>([
  [
    'cannot be read',
    () => {
      throw new Error(`cannot read ${TOKEN}`)
    },
  ],
  ['is empty', () => '\n'],
  ['has two lines', () => `${TOKEN}\nX-Evil: 1`],
])('a token that %s stops the call before it is sent and is in no message', async (_, token) => {
  const http = new ScriptedHttp(() => json(storedIp(NAME)))
  const [reply] = await portOver(http, undefined, {}, token).send([CREATE])
  expect(reply).toMatchObject({ error: { reason: 'Unavailable', outcome: 'refused' } })
  expect(JSON.stringify(reply)).not.toContain(TOKEN)
  expect(http.sent).toEqual([])
})

test('what the network or the server says is passed on without the token', async () => {
  const answers = [
    new Error(`bad header: Bearer ${TOKEN}`),
    json({ ...status(422, 'Invalid'), message: `echo ${TOKEN}` }, 422),
  ]
  const http = new ScriptedHttp((_, index) => answers[index] ?? new Error('no more'))
  const port = portOver(http)
  for (let call = 0; call < 2; call++) {
    const reply = JSON.stringify(await port.send([CREATE]))
    expect(reply).not.toContain(TOKEN)
    expect(reply).toContain('[token]')
  }
})

describe('a kind whose path is not there', () => {
  const ref = { kind: 'VirtualMachine', name: 'vm', namespace: 'default' } as const
  const groups = (...names: string[]) => ({ kind: 'APIGroupList', groups: names.map((name) => ({ name })) })
  const resources = (...names: string[]) => ({
    kind: 'APIResourceList',
    resources: names.map((name) => ({ name })),
  })

  test.each<[string, Record<string, unknown>, string]>([
    ['the group is not there', { '/apis': groups('apps') }, 'NotFound'],
    [
      'the group is there, the kind is not',
      { '/apis': groups('kubevirt.io'), '/apis/kubevirt.io/v1': resources('virtualmachineinstances') },
      'NotFound',
    ],
    [
      'the kind is there after all',
      { '/apis': groups('kubevirt.io'), '/apis/kubevirt.io/v1': resources('virtualmachines') },
      'Unavailable',
    ],
    ['nobody says so', {}, 'Unavailable'],
    ['another document', { '/apis': { kind: 'Status', groups: [] } }, 'Unavailable'],
    ['groups of another form', { '/apis': { kind: 'APIGroupList', groups: ['apps'] } }, 'Unavailable'],
  ])('%s', async (_, documents, reason) => {
    const http = new ScriptedHttp(({ path }) =>
      path in documents ? json(documents[path]) : new Response('404 page not found', { status: 404 }),
    )
    const [reply] = await portOver(http).send([{ verb: 'get', ref }])
    expect(reply).toMatchObject({ ok: false, error: { reason, outcome: 'refused' } })
    expect(await portOver(http).list('VirtualMachine')).toMatchObject({ error: { reason } })
  })
})
