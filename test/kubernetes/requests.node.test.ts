import { expect, test, vi } from 'vitest'
import type { ClusterRequest, Kind, KubeObject } from '../../shared/cluster/port.ts'
import { json, listOf, newIp, portOver, ScriptedHttp, status, storedIp, TOKEN, UID } from './scripted-http.ts'

const NAME = 'web-0.shop'
const REF = { kind: 'IP', name: NAME } as const
const refusal = (code: number, reason: string) => json(status(code, reason), code)

test.each<[string, ClusterRequest, string]>([
  ['get', { verb: 'get', ref: REF }, `GET /apis/kubeovn.io/v1/ips/${NAME}`],
  ['create', { verb: 'create', object: newIp(NAME) }, 'POST /apis/kubeovn.io/v1/ips'],
  ['replace', { verb: 'replace', object: storedIp(NAME) }, `PUT /apis/kubeovn.io/v1/ips/${NAME}`],
  [
    'patch',
    { verb: 'patch', ref: REF, patch: {}, resourceVersion: '7' },
    `PATCH /apis/kubeovn.io/v1/ips/${NAME}`,
  ],
  ['delete', { verb: 'delete', ref: REF, uid: UID }, `DELETE /apis/kubeovn.io/v1/ips/${NAME}`],
  [
    'Pod',
    { verb: 'get', ref: { kind: 'Pod', name: 'p', namespace: 'n' } },
    'GET /api/v1/namespaces/n/pods/p',
  ],
  [
    'StatefulSet',
    { verb: 'get', ref: { kind: 'StatefulSet', name: 's', namespace: 'n' } },
    'GET /apis/apps/v1/namespaces/n/statefulsets/s',
  ],
  [
    'VirtualMachine',
    { verb: 'get', ref: { kind: 'VirtualMachine', name: 'v', namespace: 'n' } },
    'GET /apis/kubevirt.io/v1/namespaces/n/virtualmachines/v',
  ],
])('%s has its method and path, and carries the token', async (_, request, line) => {
  const http = new ScriptedHttp(() => refusal(403, 'Forbidden'))
  await portOver(http).send([request])
  expect(http.lines).toEqual([line])
  expect(http.sent[0]?.headers.get('authorization')).toBe(`Bearer ${TOKEN}`)
  // A redirect would take the token along.
  expect(http.sent[0]?.redirect).toBe('manual')
})

test('a patch is a merge patch bound to the version it was made for', async () => {
  const http = new ScriptedHttp(() => json(storedIp(NAME)))
  const patch = { metadata: { finalizers: null, resourceVersion: '3' }, spec: { nodeName: 'n' } }
  await portOver(http).send([{ verb: 'patch', ref: REF, patch, resourceVersion: '7' }])
  expect(http.sent[0]?.headers.get('content-type')).toBe('application/merge-patch+json')
  expect(http.sent[0]?.body).toEqual({
    metadata: { finalizers: null, resourceVersion: '7' },
    spec: { nodeName: 'n' },
  })
})

// Fault 77: what stands in a path is one segment, or the call is not made.
test.each<[string, string]>([
  ['a?dryRun=All', '/apis/kubeovn.io/v1/ips/a%3FdryRun%3DAll'],
  ['a#b', '/apis/kubeovn.io/v1/ips/a%23b'],
  ['a b', '/apis/kubeovn.io/v1/ips/a%20b'],
  ['{name}', '/apis/kubeovn.io/v1/ips/%7Bname%7D'],
  ['$&', '/apis/kubeovn.io/v1/ips/%24%26'],
  ['ü', '/apis/kubeovn.io/v1/ips/%C3%BC'],
  ['...', '/apis/kubeovn.io/v1/ips/...'],
])('the name %j is encoded', async (name, path) => {
  const http = new ScriptedHttp(() => refusal(404, 'NotFound'))
  await portOver(http).send([{ verb: 'get', ref: { kind: 'IP', name } }])
  expect(http.sent.map((sent) => sent.path)).toEqual([path])
})

test.each(['', '.', '..', 'a/b', '../subnets/x', 'a%2fb'])('the name %j goes nowhere', async (name) => {
  const http = new ScriptedHttp(() => json({}))
  const ref = { kind: 'IP', name } as const
  const object: KubeObject = { ...newIp('x'), metadata: { name, resourceVersion: '7' } }
  const replies = await portOver(http).send([
    { verb: 'get', ref },
    { verb: 'delete', ref, uid: UID },
    { verb: 'patch', ref, patch: {}, resourceVersion: '7' },
    { verb: 'replace', object },
    { verb: 'create', object: newIp(name) },
  ])
  expect(replies.map((reply) => !reply.ok && reply.error.outcome)).toEqual(Array(5).fill('refused'))
  expect(http.sent).toEqual([])
})

test.each<[string, ClusterRequest, string]>([
  ['a kind nobody knows', { verb: 'get', ref: { kind: 'toString' as Kind, name: 'a' } }, 'Invalid'],
  ['a namespace too many', { verb: 'get', ref: { ...REF, namespace: 'n' } }, 'Invalid'],
  ['a namespace too few', { verb: 'get', ref: { kind: 'Pod', name: 'p' } }, 'Invalid'],
  ['a namespace that climbs', { verb: 'get', ref: { kind: 'Pod', name: 'p', namespace: '..' } }, 'Invalid'],
  ['a replace of whatever is there', { verb: 'replace', object: newIp(NAME) }, 'Invalid'],
  ['a patch of whatever is there', { verb: 'patch', ref: REF, patch: {}, resourceVersion: '' }, 'Conflict'],
  ['a patch that is a list', { verb: 'patch', ref: REF, patch: [], resourceVersion: '7' }, 'Invalid'],
  [
    'a patch without metadata',
    { verb: 'patch', ref: REF, patch: { metadata: null }, resourceVersion: '7' },
    'Invalid',
  ],
  ['a delete of whatever is there', { verb: 'delete', ref: REF, uid: '' }, 'Conflict'],
  ['a create with a version', { verb: 'create', object: storedIp(NAME) }, 'Invalid'],
  ['an object that is no JSON', { verb: 'create', object: { ...newIp(NAME), spec: { n: 1n } } }, 'Invalid'],
])('%s is refused without a call', async (_, request, reason) => {
  const http = new ScriptedHttp(() => json({}))
  expect(await portOver(http).send([request])).toMatchObject([{ error: { reason, outcome: 'refused' } }])
  expect(http.sent).toEqual([])
})

test('at most six calls of a batch run at a time, and the answers keep their order', async () => {
  const waiting: (() => void)[] = []
  const http = new ScriptedHttp(
    ({ path }) =>
      new Promise((resolve) => waiting.push(() => resolve(json(storedIp(path.split('/').at(-1) ?? ''))))),
  )
  const names = Array.from({ length: 14 }, (_, n) => `ip-${n}`)
  const sent = portOver(http).send(names.map((name) => ({ verb: 'get', ref: { kind: 'IP', name } })))
  for (let answered = 0; answered < names.length; answered++) {
    const begun = Math.min(answered + 6, names.length)
    await vi.waitFor(() => expect(waiting).toHaveLength(begun))
    waiting[answered]?.()
  }
  const replies = await sent
  expect(replies.map((reply) => reply.ok && reply.value.metadata.name)).toEqual(names)
})

test('a reply loses managedFields and keeps everything else', async () => {
  const object = {
    ...storedIp(NAME, { managedFields: [{ manager: 'x' }], generateName: 'g' }),
    extra: { a: 1 },
  }
  const [reply] = await portOver(new ScriptedHttp(() => json(object))).send([{ verb: 'get', ref: REF }])
  expect(reply).toEqual({ ok: true, value: { ...storedIp(NAME, { generateName: 'g' }), extra: { a: 1 } } })
})

test('a list without a limit reads page after page', async () => {
  const pages = [
    listOf([storedIp('a'), storedIp('b')], '9', 'next-1'),
    listOf([], '9', 'next-2'),
    listOf([storedIp('c')], '9'),
  ]
  const http = new ScriptedHttp((_, index) => json(pages[index]))
  const list = await portOver(http, undefined, { pageItems: 2 }).list('IP', {
    labelSelector: { 'a.b/c': 'd', e: '' },
  })
  if (!list.ok) throw new Error(list.error.message)
  expect(list.value.items.map(({ metadata }) => metadata.name)).toEqual(['a', 'b', 'c'])
  expect(list.value).toMatchObject({ resourceVersion: '9' })
  expect(list.value.continue).toBeUndefined()
  expect(http.sent.map(({ query }) => [query.get('limit'), query.get('continue')])).toEqual([
    ['2', null],
    ['2', 'next-1'],
    ['2', 'next-2'],
  ])
  expect(http.sent[0]?.query.get('labelSelector')).toBe('a.b/c=d,e=')
})

// Fault 17, on a list's continue token, and again on the relist.
test('a page that is too old ends the list as Expired, with nothing of it; the next list starts from nothing', async () => {
  const answers = [
    json(listOf([storedIp('a')], '9', 'n1')),
    json(listOf([storedIp('b')], '9', 'n2')),
    refusal(410, 'Expired'),
    json(listOf([storedIp('a')], '12', 'n3')),
    refusal(410, 'Gone'),
    json(listOf([storedIp('b')], '15')),
  ]
  const http = new ScriptedHttp((_, index) => answers[index] ?? new Error('no more'))
  const port = portOver(http)
  for (let round = 0; round < 2; round++) {
    expect(await port.list('IP')).toMatchObject({
      ok: false,
      error: { reason: 'Expired', outcome: 'refused' },
    })
  }
  expect(await port.list('IP')).toMatchObject({ ok: true, value: { resourceVersion: '15' } })
  expect(http.sent.map(({ query }) => query.get('continue'))).toEqual([null, 'n1', 'n2', null, 'n3', null])
})

test('a page beyond the body limit is asked for again in halves', async () => {
  const http = new ScriptedHttp(({ query }) => {
    const count = Number(query.get('limit'))
    return json(listOf(Array.from({ length: count }, (_, n) => storedIp(`ip-${n}`))))
  })
  const list = await portOver(http, undefined, { pageItems: 16, bodyBytes: 900 }).list('IP')
  expect(list).toMatchObject({ ok: true })
  expect(http.sent.map(({ query }) => query.get('limit'))).toEqual(['16', '8', '4'])
})

test.each<[string, unknown]>([
  ['an object', storedIp(NAME)],
  ['another kind', { ...listOf([]), kind: 'SubnetList' }],
  ['no version', { ...listOf([]), metadata: {} }],
  ['no items', { ...listOf([]), items: null }],
  ['one bad item', listOf([storedIp('a'), storedIp('b', { uid: undefined })])],
  ['an item of another kind', listOf([{ ...storedIp('a'), kind: 'Subnet' }])],
])('200 with %s is no list', async (_, body) => {
  expect(await portOver(new ScriptedHttp(() => json(body))).list('IP')).toMatchObject({
    ok: false,
    error: { reason: 'Unavailable', outcome: 'refused' },
  })
})

test('a list of a built-in kind gets the kinds its items come without', async () => {
  const { kind: _k, apiVersion: _v, ...item } = { ...storedIp('p', { namespace: 'n' }) }
  const http = new ScriptedHttp(() =>
    json({ kind: 'PodList', apiVersion: 'v1', metadata: { resourceVersion: '9' }, items: [item] }),
  )
  expect(await portOver(http).list('Pod', { namespace: 'n' })).toMatchObject({
    value: { items: [{ kind: 'Pod', apiVersion: 'v1', metadata: { name: 'p' } }] },
  })
  expect(http.lines).toEqual(['GET /api/v1/namespaces/n/pods'])
})

test.each<[string, Record<string, string>]>([
  ['a value', { a: 'b,c!=d' }],
  ['a key', { 'a,b': 'c' }],
  ['an operator', { 'a in (b)': '' }],
  ['a negation', { '!a': '' }],
])('a selector that says more than itself in %s is refused', async (_, labelSelector) => {
  const http = new ScriptedHttp(() => json(listOf([])))
  expect(await portOver(http).list('IP', { labelSelector })).toMatchObject({ error: { reason: 'Invalid' } })
  expect(http.sent).toEqual([])
})
