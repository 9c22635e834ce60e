import { runDurableObjectAlarm } from 'cloudflare:test'
import { expect, it } from 'vitest'
import { call, get, ledgerObject, makeSubnet, post, refused } from '../support/api.ts'

const wish = (podName: string, more: object = {}) => ({
  subnet: 'leased',
  namespace: 'leases',
  podName,
  ...more,
})
const lastsMs = ({ expiresAt }: { expiresAt: string }) => Date.parse(expiresAt) - Date.now()

it('a reservation with an end ends by itself', async () => {
  await makeSubnet('leased', '10.83.0.0/24')
  const made = await post('/v1/reserve', wish('short', { ttlSeconds: 1 }))
  expect([made.status, made.body.object.metadata.annotations['berth/expires']]).toEqual([
    201,
    made.body.expiresAt,
  ])
  expect((await get('/v1/reservations/short.leases')).body.expiresAt).toBe(made.body.expiresAt)
  await expect
    .poll(
      async () => {
        await runDurableObjectAlarm(ledgerObject('leased'))
        return (await get('/v1/reservations/short.leases')).status
      },
      { timeout: 20_000 },
    )
    .toBe(404)
  const { body } = await get('/v1/audit?subnet=leased&name=short.leases&verb=release')
  expect(body.items).toMatchObject([{ actor: 'berth', reason: 'lease_expired' }])
})

it('is renewed, by name or owner, alone or in a group', async () => {
  expect((await post('/v1/reserve', wish('a', { ttlSeconds: 600 }))).status).toBe(201)
  expect(
    (await post('/v1/reserve', wish('b', { expiresAt: new Date(Date.now() + 600_000).toISOString() })))
      .status,
  ).toBe(201)
  const one = await post('/v1/renew', { name: 'a.leases', ttlSeconds: 7_200 })
  expect(one.status).toBe(200)
  expect(lastsMs(one.body)).toBeGreaterThan(7_000_000)
  const owner = { subnet: 'leased', namespace: 'leases', podName: 'a' }
  expect(lastsMs((await post('/v1/renew', owner)).body)).toBeGreaterThan(7_000_000)
  const both = await post('/v1/renew', {
    ttlSeconds: 60,
    items: [{ name: 'a.leases' }, { name: 'b.leases' }],
  })
  expect(both.body.items.map(lastsMs).every((ms: number) => ms > 0 && ms <= 60_000)).toBe(true)
  const end = new Date(Date.now() + 86_400_000).toISOString()
  expect((await post('/v1/renew', { name: 'a.leases', expiresAt: end })).body.expiresAt).toBe(end)
  expect((await post('/v1/renew', { name: 'a.leases', ttlSeconds: null })).body.expiresAt).toBeUndefined()
  expect(
    (await post('/v1/renew?dryRun=All', { name: 'b.leases', ttlSeconds: 9_999 })).body.expiresAt,
  ).toBeDefined()
  expect(lastsMs((await get('/v1/reservations/b.leases')).body)).toBeLessThanOrEqual(60_000)
})

it('is asked for by annotation, and goes out and comes in with files', async () => {
  const manifest = {
    apiVersion: 'kubeovn.io/v1',
    kind: 'IP',
    metadata: { name: 'm.leases', annotations: { 'berth/ttl': '2h' } },
    spec: wish('m'),
  }
  const made = await post('/v1/reserve', manifest)
  expect(lastsMs(made.body)).toBeGreaterThan(7_000_000)
  const file = await call('GET', '/v1/export?subnet=leased', undefined, { Accept: 'text/csv' })
  const [header, ...rows] = file.body.trim().split(/\r?\n/)
  expect(header).toBe('subnet,namespace,podName,podType,v4IpAddress,v6IpAddress,macAddress,reason,expiresAt')
  const row = rows.find((one: string) => one.includes(',m,'))
  expect(row).toContain(made.body.expiresAt)
  await post('/v1/release', { name: 'm.leases' })
  const back = await call('POST', '/v1/import', `${header}\n${row}\n`, { 'Content-Type': 'text/csv' })
  expect(back.status).toBe(200)
  expect((await get('/v1/reservations/m.leases')).body.expiresAt).toBe(made.body.expiresAt)
})

it('is found where it is overdue', async () => {
  expect((await get('/v1/reservations?subnet=leased&overdue=true')).body.items).toEqual([])
  expect((await get('/v1/reservations?subnet=leased&overdue=false')).body.items.length).toBeGreaterThan(0)
})

it.each([
  [{ name: 'a.leases', ttlSeconds: 0 }, 'ttlSeconds'],
  [{ name: 'a.leases', ttlSeconds: 60, expiresAt: '2099-01-01T00:00:00Z' }, 'expiresAt'],
  [{ name: 'a.leases', expiresAt: '2001-01-01T00:00:00Z' }, 'expiresAt'],
  [{ name: 'a.leases', expiresAt: 'soon' }, 'expiresAt'],
  [{ name: 'a.leases', for: '1h' }, 'for'],
  [{ ttlSeconds: 60 }, 'name'],
])('a renewal by %j is refused', async (body, field) => {
  refused(await post('/v1/renew', body), 400, 'invalid_field', field)
})

it('a renewal of nobody, or by somebody who may not, is refused', async () => {
  expect((await post('/v1/renew', { name: 'nobody.leases', ttlSeconds: 60 })).body.code).toBe('not_found')
  const grants = [{ verbs: ['read', 'release'], subnets: ['leased'], namespaces: ['*'] }]
  const { body } = await post('/v1/keys', { name: 'reader', grants })
  const reply = await post(
    '/v1/renew',
    { name: 'a.leases', ttlSeconds: 60 },
    { Authorization: `Bearer ${body.key}` },
  )
  expect([reply.status, reply.body.code]).toEqual([403, 'forbidden'])
})

it.each(['0', '-1h', '1w', 'soon', '99999999999d'])('berth/ttl "%s" is refused', async (ttl) => {
  const manifest = {
    apiVersion: 'kubeovn.io/v1',
    kind: 'IP',
    metadata: { name: 'x.leases', annotations: { 'berth/ttl': ttl } },
    spec: wish('x'),
  }
  refused(await post('/v1/reserve', manifest), 400, 'invalid_field', 'metadata.annotations["berth/ttl"]')
})
