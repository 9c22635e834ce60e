import { runDurableObjectAlarm } from 'cloudflare:test'
import { exports } from 'cloudflare:workers'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Access } from '../../functions/objects/access.ts'
import { call, makeSubnet, post, type Reply } from '../support/api.ts'

/** Keys of two teams that must not know of each other, one reader of all and one who only reserves. */
const keys: Record<'a' | 'a2' | 'b' | 'reader' | 'writer', string> = {
  a: '',
  a2: '',
  b: '',
  reader: '',
  writer: '',
}
const made: Record<string, Reply['body']> = {}

const bearer = (key: string) => ({ Authorization: `Bearer ${key}` })
const as = (who: keyof typeof keys, method: string, path: string, body?: unknown, headers = {}) =>
  call(method, path, body, { ...bearer(keys[who]), ...headers })

async function makeKey(who: keyof typeof keys, tenant: string, verbs: string[], namespaces: string[]) {
  const grants = [{ verbs, subnets: ['acc-*'], namespaces }]
  const reply = await post('/v1/keys', { name: `key of ${who}`, tenant, grants })
  expect(reply.status).toBe(201)
  made[who] = reply.body
  keys[who] = reply.body.key
}

const wish = (namespace: string, podName: string, more: object = {}) => ({
  subnet: 'acc-blue',
  namespace,
  podName,
  ...more,
})

beforeAll(async () => {
  await makeSubnet('acc-blue', '10.61.0.0/24')
  await makeSubnet('other', '10.62.0.0/24')
  await makeKey('a', 'team-a', ['reserve', 'release', 'read'], ['a'])
  await makeKey('a2', 'team-a', ['reserve', 'release', 'read'], ['a'])
  await makeKey('b', 'team-b', ['reserve', 'release', 'read', 'force'], ['b'])
  await makeKey('reader', 'reader', ['read'], ['*'])
  await makeKey('writer', 'writer', ['reserve', 'release'], ['a'])
  expect(
    (await as('a', 'POST', '/v1/reserve', wish('a', 'web', { macAddress: '00:00:00:aa:aa:01' }))).status,
  ).toBe(201)
})

const SUBNET = {
  apiVersion: 'kubeovn.io/v1',
  kind: 'Subnet',
  metadata: { name: 'acc-new' },
  spec: { cidrBlock: '10.63.0.0/24' },
}
const forbidden = { status: 403, body: { code: 'forbidden' } }
const notFound = { status: 404, body: { code: 'not_found' } }

// Fault 81: a token of one namespace against what is another's.
describe('a caller of another namespace', () => {
  it('reserves only in his own', async () => {
    expect(await as('b', 'POST', '/v1/reserve', wish('a', 'mine'))).toMatchObject(forbidden)
    expect(await as('b', 'POST', '/v1/validate', wish('a', 'mine'))).toMatchObject({
      body: { allowed: false },
    })
  })

  it('is told which item of a group is not his, and gets none of it', async () => {
    const group = { items: [wish('b', 'one'), wish('a', 'two')] }
    const reply = await as('b', 'POST', '/v1/reserve', group)
    expect(reply).toMatchObject({ status: 403, body: { findings: [{ code: 'forbidden', item: 1 }] } })
    expect(await as('reader', 'GET', '/v1/reservations/one.b')).toMatchObject(notFound)
  })

  it('finds nothing of the other, in the same words as where nothing is', async () => {
    const there = await as('b', 'GET', '/v1/reservations/web.a')
    const nowhere = await as('b', 'GET', '/v1/reservations/wob.a')
    expect(there).toMatchObject(notFound)
    expect(there.body.detail.replace('web', 'wob')).toBe(nowhere.body.detail)
    expect((await as('b', 'GET', '/v1/reservations?subnet=acc-blue')).body.items).toEqual([])
    expect((await as('b', 'GET', '/v1/reservations?mac=00:00:00:aa:aa:01')).body.items).toEqual([])
    expect((await as('a', 'GET', '/v1/reservations')).body.items).toHaveLength(1)
    expect((await as('reader', 'GET', '/v1/reservations?namespace=a')).body.items).toHaveLength(1)
  })

  it('does not release it, and does not learn that it is there', async () => {
    const there = await as('b', 'POST', '/v1/release', { name: 'web.a', force: true })
    const nowhere = await as('b', 'POST', '/v1/release', { name: 'wob.a', force: true })
    expect(there).toMatchObject(notFound)
    expect(there.body.detail.replace('web', 'wob')).toBe(nowhere.body.detail)
    const owner = { namespace: 'a', podName: 'web', subnet: 'acc-blue' }
    expect(await as('b', 'POST', '/v1/release', owner)).toMatchObject(notFound)
    expect((await as('a', 'GET', '/v1/reservations/web.a')).status).toBe(200)
  })

  it('who may see it hears that he may not release it', async () => {
    expect(await as('reader', 'POST', '/v1/release', { name: 'web.a' })).toMatchObject(forbidden)
  })

  it('does not force without that right', async () => {
    const forced = await as('a', 'POST', '/v1/release', { name: 'web.a', force: true, dryRun: undefined })
    expect(forced).toMatchObject(forbidden)
  })

  it('does not see its operations', async () => {
    const { operation } = (await as('a', 'GET', '/v1/reservations/web.a')).body
    const path = `/v1/operations/${operation}`
    expect((await as('a', 'GET', path)).body).not.toHaveProperty('tenant')
    expect((await as('a2', 'GET', path)).status).toBe(200)
    expect((await as('reader', 'GET', path)).status).toBe(200)
    expect(await as('b', 'GET', path)).toMatchObject(notFound)
  })

  it('does not learn who has the MAC or the address he asks for', async () => {
    const taken = await as('b', 'POST', '/v1/reserve', wish('b', 'spy', { macAddress: '00:00:00:aa:aa:01' }))
    expect(taken).toMatchObject({ status: 409, body: { code: 'mac_taken' } })
    expect(JSON.stringify(taken.body)).not.toMatch(/a\/web|web\.a/)
    const own = await as('a', 'POST', '/v1/reserve', wish('a', 'twin', { macAddress: '00:00:00:aa:aa:01' }))
    expect(own.body.code).toBe('mac_taken')
    const checked = await as(
      'b',
      'POST',
      '/v1/validate',
      wish('b', 'spy', { macAddress: '00:00:00:aa:aa:01' }),
    )
    expect(JSON.stringify(checked.body)).not.toMatch(/a\/web|web\.a/)
  })

  it('has idempotency keys of his own', async () => {
    const key = { 'Idempotency-Key': 'k1' }
    const first = await as('a', 'POST', '/v1/reserve', wish('a', 'keyed'), key)
    const same = await as('a2', 'POST', '/v1/reserve', wish('a', 'keyed'), key)
    const other = await as('b', 'POST', '/v1/reserve', wish('b', 'keyed'), key)
    expect([first.status, same.status, other.status]).toEqual([201, 201, 201])
    expect(same.body).toEqual(first.body)
    expect(other.body.owner.namespace).toBe('b')
  })

  it('neither sees nor suggests from a Subnet that is not his', async () => {
    expect((await as('a', 'GET', '/v1/subnets')).body.items.map((one: { name: string }) => one.name)).toEqual(
      ['acc-blue'],
    )
    for (const path of ['/v1/subnets/other', '/v1/subnets/nowhere', '/v1/subnets/other/suggest'])
      expect(await as('a', 'GET', path)).toMatchObject({ status: 404, body: { code: 'unknown_subnet' } })
  })

  it.each([
    ['PUT', '/v1/subnets/acc-new', SUBNET],
    ['DELETE', '/v1/subnets/acc-blue', undefined],
    ['PUT', '/embedded/pods/a/web', undefined],
    ['DELETE', '/embedded/pods/a/web', undefined],
    ['DELETE', '/embedded/ippools/p', undefined],
    ['GET', '/v1/keys', undefined],
    ['POST', '/v1/keys', { name: 'x', grants: [{ verbs: ['*'], subnets: ['*'], namespaces: ['*'] }] }],
    ['DELETE', '/v1/keys/0123456789abcdef', undefined],
  ])('may not %s %s', async (method, path, body) => {
    expect(await as('a', method, path, body)).toMatchObject(forbidden)
  })
})

it('whoever only writes still follows his operation', async () => {
  const reply = await as('writer', 'POST', '/v1/reserve', wish('a', 'blind'))
  expect(reply.status).toBe(201)
  expect(await as('writer', 'GET', '/v1/reservations/blind.a')).toMatchObject(notFound)
  expect((await as('writer', 'GET', `/v1/operations/${reply.body.operation}`)).status).toBe(200)
})

describe('keys', () => {
  it('are shown once, and listed without what opens them', async () => {
    expect(made.a).toMatchObject({ name: 'key of a', tenant: 'team-a', madeBy: 'anonymous' })
    const listed = await call('GET', '/v1/keys')
    expect(listed.status).toBe(200)
    expect(listed.body.items.map((item: { name: string }) => item.name)).toContain('key of a')
    expect(JSON.stringify(listed.body)).not.toContain(keys.a.slice(-43))
  })

  it('revoked are refused from then on', async () => {
    const { body } = await post('/v1/keys', {
      name: 'short',
      grants: [{ verbs: ['read'], subnets: ['*'], namespaces: ['*'] }],
    })
    expect((await call('GET', '/v1/subnets', undefined, bearer(body.key))).status).toBe(200)
    expect(await call('DELETE', `/v1/keys/${body.id}`)).toMatchObject({ status: 200, body: { id: body.id } })
    expect((await call('GET', '/v1/subnets', undefined, bearer(body.key))).status).toBe(401)
    expect(await call('DELETE', '/v1/keys/0123456789abcdef')).toMatchObject(notFound)
  })

  it('that end are watched by an alarm, so that no clock set back gives them longer', async () => {
    const access = (exports as unknown as { Access: DurableObjectNamespace<Access> }).Access.getByName(
      'default',
    )
    const grants = [{ verbs: ['read'], subnets: ['*'], namespaces: ['*'] }]
    await post('/v1/keys', { name: 'endless', grants })
    expect(await runDurableObjectAlarm(access)).toBe(false)
    const { body } = await post('/v1/keys', { name: 'ending', grants, expiresAt: '2999-01-01T00:00:00Z' })
    expect(await runDurableObjectAlarm(access)).toBe(true)
    expect(await runDurableObjectAlarm(access)).toBe(true)
    await call('DELETE', `/v1/keys/${body.id}`)
    await runDurableObjectAlarm(access)
    expect(await runDurableObjectAlarm(access)).toBe(false)
  })

  it.each([
    ['grants nothing', { grants: [] }],
    ['unknown verb', { grants: [{ verbs: ['reed'], subnets: ['*'], namespaces: ['*'] }] }],
    ['pattern in the middle', { grants: [{ verbs: ['read'], subnets: ['a*b'], namespaces: ['*'] }] }],
    ['has expired', { expiresAt: '2020-01-01T00:00:00Z' }],
    ['tenant with a slash', { tenant: 'kubernetes/root' }],
    ['unknown field', { scope: 'all' }],
  ])('a wish that %s is refused', async (_, wrong) => {
    const grants = [{ verbs: ['read'], subnets: ['*'], namespaces: ['*'] }]
    expect(await post('/v1/keys', { name: 'x', grants, ...wrong })).toMatchObject({
      status: 400,
      body: { code: 'invalid_field' },
    })
  })
})

describe('a credential', () => {
  it.each([
    ['unknown', () => `Bearer berth_0123456789abcdef_${'A'.repeat(43)}`],
    ['with another secret', () => `Bearer ${keys.a.slice(0, -43)}${'A'.repeat(43)}`],
    ['of another id', () => `Bearer berth_0123456789abcdef_${keys.a.slice(-43)}`],
    ['cut short', () => `Bearer ${keys.a.slice(0, -1)}`],
    ['upper-case', () => `Bearer ${keys.a.toUpperCase()}`],
    ['given twice', () => `Bearer ${keys.a}, Bearer ${keys.b}`],
    ['of Basic', () => `Basic ${btoa(`x:${keys.a}`)}`],
    ['without a scheme', () => keys.a],
    ['empty', () => 'Bearer '],
    ['some JWT', () => 'Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.'],
    ['very long', () => `Bearer ${'x'.repeat(20_000)}`],
  ])('%s is refused even where anonymous calls are not', async (_, header) => {
    const reply = await call('GET', '/v1/subnets', undefined, { Authorization: header() })
    expect(reply).toMatchObject({ status: 401, body: { code: 'unauthenticated' } })
    expect(reply.headers.get('WWW-Authenticate')).toMatch(/^Bearer/)
  })

  it.each(['access_token', 'api_key', 'token', 'KEY', 'anything'])(
    'in the query as %s is refused',
    async (name) => {
      const reply = await call('GET', `/v1/subnets?${name}=${keys.a}`)
      expect(reply).toMatchObject({ status: 401, body: { code: 'unauthenticated', field: 'query' } })
      expect(JSON.stringify(reply.body)).not.toContain(keys.a.slice(-20))
    },
  )

  it('opens from anywhere, with its limit told', async () => {
    const reply = await as('a', 'GET', '/v1/subnets', undefined, {
      Host: 'berth.example',
      Origin: 'https://x.example',
    })
    expect(reply.status).toBe(200)
    expect(reply.headers.get('RateLimit-Policy')).toBe('"default";q=6000;w=60')
    expect(reply.headers.get('RateLimit')).toMatch(/^"default";r=\d+;t=\d+$/)
  })
})
