import { expect, it } from 'vitest'
import { isLoopbackHost, isLoopbackOrigin } from '../../functions/access/loopback.ts'
import { fakeDoor } from '../support/fake-berth.ts'
import { call, expectRefusal, WISH } from './call.ts'

const wish = JSON.stringify(WISH)
const forbidden = (field: string) => ({ status: 403, code: 'forbidden', field })

it.for([
  'http://evil.example',
  'http://evil.example:8787',
  'http://localhost.evil.example',
  'http://127.0.0.1.evil.example',
  'http://10.0.0.1:8787',
  'http://0.0.0.0:8787',
  'http://[::2]:8787',
  'http://[::ffff:127.0.0.1]:8787',
  'http://127.evil.example',
  'http://foo.localhost',
])('refuses the host of %s', async (origin) => {
  await expectRefusal('/v1/reserve', { body: wish, origin }, forbidden('Host'))
})

it.for([
  'evil.example',
  'localhost:8787:1',
  'localhost@evil.example',
  'evil.example#localhost',
  'localhost, evil.example',
  'localhost.',
  '127.0.0.256',
  '127.1',
  '0177.0.0.1',
  '[::1',
  '::1',
])('refuses the Host header %s', async (host) => {
  await expectRefusal('/v1/reserve', { body: wish, headers: { Host: host } }, forbidden('Host'))
})

it.for(['localhost', 'LOCALHOST:1', '127.0.0.1', '127.255.255.254:65535', '[::1]', '[::1]:8787'])(
  'takes %s for loopback',
  (host) => {
    expect(isLoopbackHost(host)).toBe(true)
    expect(isLoopbackOrigin(`http://${host}`)).toBe(true)
  },
)

it.for([
  'null',
  '',
  'http://evil.example',
  'https://evil.example:8787',
  'http://localhost.evil.example',
  'http://localhost/',
  'http://localhost@evil.example',
  'file://',
  'chrome-extension://abc',
  'http://localhost, http://evil.example',
])('refuses the origin "%s"', async (origin) => {
  await expectRefusal('/v1/reserve', { body: wish, headers: { Origin: origin } }, forbidden('Origin'))
})

it('refuses what a browser says comes from another site', async () => {
  const headers = { 'Sec-Fetch-Site': 'cross-site' }
  await expectRefusal('/v1/reserve', { body: wish, headers }, forbidden('Sec-Fetch-Site'))
})

it.for([
  '/v1/reservations',
  '/v1/subnets',
  '/v1/operations/op_a',
  '/openapi.json',
  '/docs',
  '/',
  '/v1/nothing',
])('guards %s, too', async (path) => {
  await expectRefusal(path, { origin: 'http://evil.example' }, forbidden('Host'))
})

it.for(['/v1/reservations', '/openapi.json', '/docs', '/', '/v1/nothing'])(
  'ACCESS=required asks who calls %s',
  async (path) => {
    const door = fakeDoor({}, 'required')
    const reply = await call(door, path)
    expect(reply.status).toBe(401)
    expect(await reply.json()).toMatchObject({ code: 'unauthenticated' })
    expect(door.fake.calls).toEqual([])
  },
)

it.for(['/healthz', '/readyz'])('%s is open to probes by any name', async (path) => {
  for (const access of ['required', 'loopback-anonymous'] as const) {
    const reply = await call(fakeDoor({}, access), path, { origin: 'http://10.1.2.3:8787' })
    expect(reply.status).toBe(200)
  }
})

it('a loopback page may call, and is the anonymous tenant', async () => {
  const door = fakeDoor()
  const headers = { Origin: 'http://127.0.0.1:8787', 'Sec-Fetch-Site': 'same-origin' }
  const reply = await call(door, '/v1/reserve', { body: wish, headers })
  expect(reply.status).toBe(201)
  expect(door.fake.calls[0]?.with[0]).toMatchObject({ tenant: 'anonymous' })
})
