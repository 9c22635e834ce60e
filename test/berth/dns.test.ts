import { expect, it } from 'vitest'
import { call, get, makeSubnet, post, refused } from '../support/api.ts'

const serialOf = (file: string) => Number(/ SOA \S+ \S+ (\d+) /.exec(file)?.[1])

async function reserve(podName: string, subnet: string): Promise<string> {
  const reply = await post('/v1/reserve', { subnet, namespace: 'names', podName })
  expect(reply.status).toBe(201)
  return reply.body.v4IpAddress
}

it('a zone follows the ledger, and its serial only its content', async () => {
  await makeSubnet('names', '10.79.0.0/24')
  const zone = '/v1/dns/pods.example.org?subnet=names'
  const empty = await get(zone)
  expect(empty.headers.get('Content-Type')).toBe('text/dns')
  expect(empty.body).not.toMatch(/ IN A /)

  const address = await reserve('web', 'names')
  const one = await get(zone)
  expect(one.body).toContain(`\nweb.names.pods.example.org. IN A ${address}\n`)
  expect(serialOf(one.body)).toBeGreaterThan(serialOf(empty.body))
  expect((await get(zone)).body).toBe(one.body)
  const cached = await call('GET', zone, undefined, { 'If-None-Match': one.headers.get('ETag')! })
  expect([cached.status, cached.body]).toEqual([304, ''])

  const back = await get('/v1/dns/79.10.in-addr.arpa?domain=pods.example.org&subnet=names')
  const [, , third, last] = address.split('.')
  expect(back.body).toContain(`\n${last}.${third}.79.10.in-addr.arpa. IN PTR web.names.pods.example.org.\n`)

  expect((await post('/v1/release', { name: 'web.names' })).status).toBe(200)
  const gone = await get(zone)
  expect(gone.body).not.toMatch(/ IN A /)
  expect(serialOf(gone.body)).toBeGreaterThan(serialOf(one.body))
})

it('a zone goes over the pages of all Subnets', async () => {
  await makeSubnet('many-names', '10.80.0.0/20')
  const items = Array.from({ length: 1_000 }, (_, n) => ({
    subnet: 'many-names',
    namespace: 'many',
    podName: `pod-${n}`,
  }))
  expect((await post('/v1/reserve', { items })).status).toBe(201)
  await reserve('one-more', 'many-names')
  const { body } = await get('/v1/dns/example.net')
  expect(body.match(/^pod-\d+\.many\.example\.net\. IN A 10\.80\.\d+\.\d+$/gm)).toHaveLength(1_000)
  expect(body).toMatch(/^one-more\.names\.example\.net\. IN A /m)
})

it.each([
  ['/v1/dns/Example.org', 400, 'invalid_name', 'zone'],
  ['/v1/dns/example.org.', 400, 'invalid_name', 'zone'],
  [`/v1/dns/${'a'.repeat(64)}.org`, 400, 'invalid_name', 'zone'],
  ['/v1/dns/300.in-addr.arpa?domain=a.org', 400, 'invalid_name', 'zone'],
  ['/v1/dns/10.in-addr.arpa', 400, 'invalid_field', 'domain'],
  ['/v1/dns/10.in-addr.arpa?domain=in-addr.arpa', 400, 'invalid_name', 'domain'],
  ['/v1/dns/10.in-addr.arpa?domain=a;b', 400, 'invalid_name', 'domain'],
  ['/v1/dns/example.org?domain=a.org', 400, 'invalid_field', 'domain'],
  ['/v1/dns/example.org?server=a_b', 400, 'invalid_name', 'server'],
])('refuses %s', async (path, status, code, field) => {
  refused(await get(path), status, code, field)
})
