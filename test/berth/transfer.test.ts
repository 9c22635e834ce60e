import { expect, it } from 'vitest'
import { call, get, makeSubnet, post, refused } from '../support/api.ts'

const wish = (podName: string) => ({ subnet: 'moving', namespace: 'old', podName })
const move = (podName: string, to: object, more: object = {}, headers?: Record<string, string>) =>
  post('/v1/transfer', { ...wish(podName), to, ...more }, headers)

it('a reservation passes to another owner, and its name with it', async () => {
  await makeSubnet('moving', '10.84.0.0/24')
  const made = await post('/v1/reserve', wish('a'))
  const moved = await move('a', { namespace: 'new', podName: 'b' }, { reason: 'renamed' })
  expect(moved.status).toBe(200)
  const { id, v4IpAddress, macAddress } = made.body
  expect(moved.body).toMatchObject({
    id,
    v4IpAddress,
    macAddress,
    name: 'b.new',
    state: 'bound',
    reason: 'renamed',
  })
  expect((await get('/v1/reservations/a.old')).status).toBe(404)
  expect((await get('/v1/reservations/b.new')).body.id).toBe(id)
  const { body } = await get('/v1/audit?subnet=moving&verb=transfer')
  expect(body.items.map(({ name }: { name: string }) => name)).toEqual(['a.old', 'b.new'])
  const back = await post('/v1/transfer', { name: 'b.new', to: { namespace: 'old', podName: 'a' } })
  expect(back.body).toMatchObject({ id, name: 'a.old' })
})

it('is refused while the new owner lives', async () => {
  await call('PUT', '/embedded/pods/new/alive', undefined)
  refused(await move('a', { namespace: 'new', podName: 'alive' }), 409, 'pod_alive', 'to.podName')
})

it.each([
  [{ namespace: 'new' }, {}, 'to.podName'],
  [{ namespace: 'New', podName: 'b' }, {}, 'to.namespace'],
  [{ namespace: 'new', podName: 'b', podType: 'Job' }, {}, 'to.podType'],
  [{ namespace: 'new', podName: 'b', subnet: 'x' }, {}, 'to.subnet'],
  [undefined, {}, 'to'],
  [{ namespace: 'new', podName: 'b' }, { ttlSeconds: 5 }, 'ttlSeconds'],
])('%j and %j are refused', async (to, more, field) => {
  const reply = await post('/v1/transfer', { ...wish('a'), ...(to ? { to } : {}), ...more })
  expect([reply.status, reply.body.field]).toEqual([400, field])
})

it('needs the right to transfer, and to reserve for the new owner', async () => {
  const bearer = async (grants: object[]) => {
    const { body } = await post('/v1/keys', { name: 'mover', grants })
    return { Authorization: `Bearer ${body.key}` }
  }
  const grant = (verbs: string[], namespaces: string[]) => ({ verbs, subnets: ['moving'], namespaces })
  const to = { namespace: 'new', podName: 'c' }
  const without = await move('a', to, {}, await bearer([grant(['reserve', 'read'], ['*'])]))
  expect([without.status, without.body.code]).toEqual([403, 'forbidden'])
  const half = await move('a', to, {}, await bearer([grant(['transfer', 'reserve', 'read'], ['old'])]))
  expect([half.status, half.body.code, half.body.field]).toEqual([403, 'forbidden', 'to.namespace'])
  const both = [grant(['transfer', 'read'], ['old']), grant(['reserve'], ['new'])]
  expect((await move('a', to, {}, await bearer(both))).status).toBe(200)
})
