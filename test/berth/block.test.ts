import { expect, it } from 'vitest'
import { allIn, call, everything, get, makeSubnet, post, refused } from '../support/api.ts'

const subnet = 'blocks'
const owner = { subnet, namespace: 'shop' }
const block = { prefix: 'web', count: 1_000 }

it('a block of 1,000 is one call, and so is its release', async () => {
  await makeSubnet(subnet, '10.79.0.0/16,fd00:79::/112')
  const made = await post('/v1/reserve', { ...owner, podType: 'StatefulSet', block })
  expect(made.status).toBe(201)
  const items: { name: string; v4IpAddress: string; v6IpAddress: string }[] = made.body.items
  expect(items).toHaveLength(1_000)
  expect(items.map(({ name }) => name)).toEqual(items.map((_, n) => `web-${n}.shop`))
  expect([items[0], items[999]].map((one) => [one?.v4IpAddress, one?.v6IpAddress])).toEqual([
    ['10.79.0.2', 'fd00:79::2'],
    ['10.79.3.233', 'fd00:79::3e9'],
  ])
  expect((await get('/v1/reservations/web-999.shop')).body).toMatchObject({ state: 'bound' })
  const before = await everything()
  // One that is not there keeps all of them.
  refused(
    await post('/v1/release', { ...owner, block: { ...block, start: 1 } }),
    404,
    'not_found',
    'block.prefix',
  )
  refused(
    await post('/v1/reserve', { ...owner, block: { ...block, count: 1_001 } }),
    400,
    'invalid_field',
    'block.count',
  )
  expect(await everything()).toEqual(before)
  expect((await post('/v1/release', { ...owner, block })).status).toBe(200)
  expect(await allIn(subnet)).toEqual([])
})

it('an owner that lives keeps its block', async () => {
  await makeSubnet('kept-blocks', '10.81.0.0/24')
  const asked = {
    subnet: 'kept-blocks',
    namespace: 'kept',
    block: { prefix: 'web', count: 4, aligned: true },
  }
  const made = await post('/v1/reserve', asked)
  expect(made.body.items[0].v4IpAddress).toBe('10.81.0.4')
  await call('PUT', '/embedded/pods/kept/web-2', {})
  const release = { ...asked, block: { prefix: 'web', count: 4 } }
  const refusal = await post('/v1/release', release)
  expect([refusal.status, refusal.body.code]).toEqual([409, 'pod_alive'])
  expect(await allIn('kept-blocks')).toHaveLength(4)
  await call('DELETE', '/embedded/pods/kept/web-2')
  expect((await post('/v1/release', release)).status).toBe(200)
})

it('validate says what a block would be, or that there is no room for it', async () => {
  await makeSubnet('small-blocks', '10.82.0.0/28')
  const asked = (count: number) => ({
    subnet: 'small-blocks',
    namespace: 'shop',
    block: { prefix: 'web', count },
  })
  const seen = await post('/v1/validate', asked(3))
  expect(seen.body).toMatchObject({ allowed: true, findings: [] })
  expect(seen.body.preview.items.map(({ v4IpAddress }: { v4IpAddress: string }) => v4IpAddress)).toEqual([
    '10.82.0.2',
    '10.82.0.3',
    '10.82.0.4',
  ])
  const full = await post('/v1/validate', asked(14))
  expect(full.body).toMatchObject({ allowed: false, findings: [{ code: 'no_capacity', field: 'subnet' }] })
})
