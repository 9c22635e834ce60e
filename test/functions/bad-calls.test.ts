import { expect, it } from 'vitest'
import { fakeDoor } from '../support/fake-berth.ts'
import { type CallOptions, expectRefusal, json, type Refusal, request, WISH } from './call.ts'

const invalid = (field: string): Refusal => ({ status: 400, code: 'invalid_field', field })
const badName = (field: string): Refusal => ({ status: 400, code: 'invalid_name', field })
const notAllowed: Refusal = { status: 405, code: 'method_not_allowed', field: 'method' }
const notFound: Refusal = { status: 404, code: 'not_found', field: 'path' }
const notAcceptable: Refusal = { status: 406, code: 'not_acceptable', field: 'Accept' }
const wish: CallOptions = { body: JSON.stringify(WISH) }
const withHeaders = (headers: Record<string, string>, options: CallOptions = wish): CallOptions => ({
  ...options,
  headers,
})
const target = { name: 'web-1.default' }
type Row = readonly [string, string, CallOptions, Refusal]

const HEADERS: readonly Row[] = [
  ['Accept text/html', '/v1/reserve', withHeaders({ Accept: 'text/html' }), notAcceptable],
  ['Accept application/xml', '/v1/reserve', withHeaders({ Accept: 'application/xml' }), notAcceptable],
  ['Accept JSON with q=0', '/v1/reserve', withHeaders({ Accept: 'application/json;q=0' }), notAcceptable],
  ['Accept */* with q=0', '/v1/reserve', withHeaders({ Accept: '*/*;q=0' }), notAcceptable],
  ['Accept nonsense', '/v1/reserve', withHeaders({ Accept: 'yaml' }), notAcceptable],
  ['Accept image/*', '/v1/release', withHeaders({ Accept: 'image/*' }, json(target)), notAcceptable],
  ['Accept YAML of a validation', '/v1/validate', withHeaders({ Accept: 'application/yaml' }), notAcceptable],
  ['Accept YAML of a Subnet', '/v1/subnets/a', withHeaders({ Accept: 'text/yaml' }, {}), notAcceptable],
  ['Accept CSV of a list', '/v1/reservations', withHeaders({ Accept: 'text/csv' }, {}), notAcceptable],
  ['an empty key', '/v1/reserve', withHeaders({ 'Idempotency-Key': '' }), invalid('Idempotency-Key')],
  [
    'a key of 256',
    '/v1/reserve',
    withHeaders({ 'Idempotency-Key': 'k'.repeat(256) }),
    invalid('Idempotency-Key'),
  ],
  [
    'a key with a space',
    '/v1/reserve',
    withHeaders({ 'Idempotency-Key': 'a b' }),
    invalid('Idempotency-Key'),
  ],
  ['a key of Latin-1', '/v1/reserve', withHeaders({ 'Idempotency-Key': 'é' }), invalid('Idempotency-Key')],
  [
    'a bad key of a release',
    '/v1/release',
    withHeaders({ 'Idempotency-Key': 'a\tb' }, json(target)),
    invalid('Idempotency-Key'),
  ],
  [
    'a request id of 129',
    '/v1/reserve',
    withHeaders({ 'X-Request-Id': 'r'.repeat(129) }),
    invalid('X-Request-Id'),
  ],
  [
    'a request id with a space',
    '/v1/reserve',
    withHeaders({ 'X-Request-Id': 'a b' }),
    invalid('X-Request-Id'),
  ],
]

const QUERIES: readonly Row[] = [
  ['dryRun=true', '/v1/reserve?dryRun=true', wish, invalid('dryRun')],
  ['dryRun=all', '/v1/reserve?dryRun=all', wish, invalid('dryRun')],
  ['an empty dryRun', '/v1/reserve?dryRun=', wish, invalid('dryRun')],
  ['dryRun twice', '/v1/reserve?dryRun=All&dryRun=All', wish, invalid('dryRun')],
  ['dryrun', '/v1/reserve?dryrun=All', wish, invalid('dryrun')],
  ['__proto__ in a query', '/v1/reserve?__proto__=All', wish, invalid('__proto__')],
  ['an unknown parameter of a release', '/v1/release?force=true', json(target), invalid('force')],
  ['dryRun for an owner', '/embedded/pods/a/b?dryRun=All', { method: 'PUT' }, invalid('dryRun')],
  ['dryRun for a removed owner', '/embedded/pods/a/b?dryRun=All', { method: 'DELETE' }, invalid('dryRun')],
  ['limit=0', '/v1/reservations?limit=0', {}, invalid('limit')],
  ['limit=1001', '/v1/reservations?limit=1001', {}, invalid('limit')],
  ['limit=-1', '/v1/reservations?limit=-1', {}, invalid('limit')],
  ['limit=1e2', '/v1/reservations?limit=1e2', {}, invalid('limit')],
  ['limit=ten', '/v1/reservations?limit=ten', {}, invalid('limit')],
  ['limit=1.5', '/v1/reservations?limit=1.5', {}, invalid('limit')],
  ['an empty limit', '/v1/reservations?limit=', {}, invalid('limit')],
  ['limit in full width', '/v1/reservations?limit=%EF%BC%95', {}, invalid('limit')],
  ['limit twice', '/v1/reservations?limit=1&limit=2', {}, invalid('limit')],
  ['an empty continue', '/v1/reservations?continue=', {}, invalid('continue')],
  ['continue with a newline', '/v1/reservations?continue=a%0Ab', {}, invalid('continue')],
  ['continue of 5,000', `/v1/reservations?continue=${'a'.repeat(5000)}`, {}, invalid('continue')],
  ['an unknown state', '/v1/reservations?state=lost', {}, invalid('state')],
  ['state=free', '/v1/reservations?state=free', {}, invalid('state')],
  ['state in capitals', '/v1/reservations?state=Bound', {}, invalid('state')],
  ['an unknown filter', '/v1/reservations?pod=a', {}, invalid('pod')],
  ['a label selector', '/v1/reservations?labelSelector=a', {}, invalid('labelSelector')],
  ['subnet=../../x', '/v1/reservations?subnet=../../x', {}, badName('subnet')],
  ['an empty subnet', '/v1/reservations?subnet=', {}, badName('subnet')],
  ['an over-long subnet', `/v1/reservations?subnet=${'s'.repeat(64)}`, {}, badName('subnet')],
  ['namespace=a.b', '/v1/reservations?namespace=a.b', {}, badName('namespace')],
  ['podName=A', '/v1/reservations?podName=A', {}, badName('podName')],
  ['an empty address', '/v1/reservations?address=', {}, invalid('address')],
  ['an over-long address', `/v1/reservations?address=${'1'.repeat(65)}`, {}, invalid('address')],
  ['a MAC with NUL', '/v1/reservations?mac=%00', {}, invalid('mac')],
  ['a filter for one', '/v1/reservations/web-1.default?state=bound', {}, invalid('state')],
  ['a filter for Subnets', '/v1/subnets?name=a', {}, invalid('name')],
  ['a filter for a Subnet', '/v1/subnets/a?x=1', {}, invalid('x')],
  ['count=0', '/v1/subnets/a/suggest?count=0', {}, invalid('count')],
  ['count=1001', '/v1/subnets/a/suggest?count=1001', {}, invalid('count')],
  ['count=1e9', '/v1/subnets/a/suggest?count=1e9', {}, invalid('count')],
  ['contiguous=yes', '/v1/subnets/a/suggest?contiguous=yes', {}, invalid('contiguous')],
  ['an unknown wish', '/v1/subnets/a/suggest?size=1', {}, invalid('size')],
]

const PATHS: readonly Row[] = [
  ['a reservation in capitals', '/v1/reservations/Web', {}, badName('name')],
  ['a reservation over-long', `/v1/reservations/${'n'.repeat(254)}`, {}, badName('name')],
  ['an encoded slash', '/v1/reservations/a%2fb', {}, badName('name')],
  ['an encoded question mark', '/v1/reservations/a%3FdryRun=All', {}, badName('name')],
  ['an encoded newline', '/v1/reservations/a%0Ab', {}, badName('name')],
  ['encoded dots', '/v1/reservations/%2e%2e%2fx', {}, badName('name')],
  ['NUL', '/v1/reservations/%00', {}, badName('name')],
  ['encoded twice', '/v1/reservations/a%252fb', {}, badName('name')],
  ['a bad escape', '/v1/reservations/%zz', {}, badName('name')],
  ['__proto__', '/v1/reservations/__proto__', {}, badName('name')],
  ['a Subnet in capitals', '/v1/subnets/Ovn', {}, badName('name')],
  ['a Subnet over-long', `/v1/subnets/${'s'.repeat(64)}`, {}, badName('name')],
  ['a Subnet to remove', '/v1/subnets/a%2fb', { method: 'DELETE' }, badName('name')],
  ['a Subnet to put', '/v1/subnets/A', { ...json({}), method: 'PUT' }, badName('name')],
  ['suggest in capitals', '/v1/subnets/Ovn/suggest', {}, badName('name')],
  ['an operation of another form', '/v1/operations/42', {}, invalid('id')],
  ['an operation with a slash', '/v1/operations/op_a%2fb', {}, invalid('id')],
  ['an operation over-long', `/v1/operations/op_${'a'.repeat(500)}`, {}, invalid('id')],
  ['an owner namespace', '/embedded/pods/A/b', { method: 'PUT' }, badName('namespace')],
  ['an owner namespace with a dot', '/embedded/pods/a.b/c', { method: 'DELETE' }, badName('namespace')],
  ['an owner name', '/embedded/statefulsets/a/B', { method: 'PUT' }, badName('name')],
  ['an unknown path', '/v1/nothing', {}, notFound],
  ['a slash at the end', '/v1/reserve/', wish, notFound],
  ['two slashes', '//v1/reserve', wish, notFound],
  ['capitals in a path', '/V1/reserve', wish, notFound],
  ['dots out of a path', '/v1/reservations/../../x', {}, notFound],
  ['an unknown kind of owner', '/embedded/deployments/a/b', { method: 'PUT' }, notFound],
  ['a file of the docs that is not one', '/docs/package.json', {}, { ...notFound }],
  ['a path out of the docs', '/docs/..%2fwrangler.toml', {}, { ...notFound }],
]

const METHODS: readonly Row[] = [
  ['GET reserve', '/v1/reserve', {}, notAllowed],
  ['PUT reserve', '/v1/reserve', { ...wish, method: 'PUT' }, notAllowed],
  ['DELETE reserve', '/v1/reserve', { method: 'DELETE' }, notAllowed],
  ['PATCH reserve', '/v1/reserve', { ...wish, method: 'PATCH' }, notAllowed],
  ['OPTIONS reserve', '/v1/reserve', { method: 'OPTIONS' }, notAllowed],
  ['GET validate', '/v1/validate', {}, notAllowed],
  ['GET release', '/v1/release', {}, notAllowed],
  ['DELETE release', '/v1/release', { method: 'DELETE' }, notAllowed],
  ['POST reservations', '/v1/reservations', wish, notAllowed],
  ['DELETE a reservation', '/v1/reservations/a', { method: 'DELETE' }, notAllowed],
  ['PATCH a reservation', '/v1/reservations/a', { ...wish, method: 'PATCH' }, notAllowed],
  ['POST an operation', '/v1/operations/op_a', wish, notAllowed],
  ['POST Subnets', '/v1/subnets', wish, notAllowed],
  ['POST a Subnet', '/v1/subnets/a', wish, notAllowed],
  ['POST suggest', '/v1/subnets/a/suggest', wish, notAllowed],
  ['GET an owner', '/embedded/pods/a/b', {}, notAllowed],
  ['POST an owner', '/embedded/pods/a/b', wish, notAllowed],
  ['POST healthz', '/healthz', wish, notAllowed],
  ['POST openapi.json', '/openapi.json', wish, notAllowed],
  ['POST docs', '/docs', wish, notAllowed],
  ['an unusual method', '/v1/reserve', { method: 'PROPFIND' }, notAllowed],
]

for (const [what, rows] of Object.entries({ HEADERS, QUERIES, PATHS, METHODS }))
  it.for(rows)(`${what.toLowerCase()}: %s is refused`, async ([, path, options, refusal]) => {
    await expectRefusal(path, options, refusal)
  })

it.for(METHODS)('%s is told what would do', async ([, path, options]) => {
  const reply = await fakeDoor().app.fetch(request(path, options))
  expect(reply.headers.get('allow')).toMatch(/^[A-Z, ]+$/)
  expect(reply.headers.get('allow')?.split(', ')).not.toContain(request(path, options).method)
})

it('refuses two Idempotency-Key headers', async () => {
  const door = fakeDoor()
  const twice = request('/v1/reserve', wish)
  twice.headers.append('Idempotency-Key', 'a')
  twice.headers.append('Idempotency-Key', 'b')
  const reply = await door.app.fetch(twice)
  expect(reply.status).toBe(400)
  expect(await reply.json()).toMatchObject({ code: 'invalid_field', field: 'Idempotency-Key' })
  expect(door.fake.calls).toEqual([])
})
