import { expect, it } from 'vitest'
import { call, get, makeSubnet, post } from '../support/api.ts'

const wish = (podName: string, more: object = {}) => ({
  subnet: 'ovn-default',
  namespace: 'clusters',
  podName,
  ...more,
})
const west = '/clusters/west'

it('two clusters have each their own Subnets, reservations and operations', async () => {
  const here = await post('/v1/reserve', wish('same', { v4IpAddress: '10.16.9.9' }))
  const there = await post(`${west}/v1/reserve`, wish('same', { v4IpAddress: '10.16.9.9' }))
  expect([here.status, there.status]).toEqual([201, 201])
  expect([here.body.cluster, there.body.cluster]).toEqual(['default', 'west'])
  expect(here.headers.get('Location')).toBe('/v1/reservations/same.clusters')
  expect(there.headers.get('Location')).toBe(`${west}/v1/reservations/same.clusters`)
  expect((await get(there.headers.get('Location')!)).body.id).toBe(there.body.id)
  expect((await get(`/v1/operations/${there.body.operation}`)).status).toBe(404)
  expect((await get(`${west}/v1/operations/${there.body.operation}`)).body.state).toBe('done')

  expect((await post(`${west}/v1/release`, { name: 'same.clusters' })).status).toBe(200)
  expect((await get('/v1/reservations/same.clusters')).body.state).toBe('bound')
})

it('an idempotency key of one cluster says nothing in another', async () => {
  const key = { 'Idempotency-Key': 'one-key' }
  const here = await post('/v1/reserve', wish('keyed'), key)
  const there = await post(`${west}/v1/reserve`, wish('keyed-other'), key)
  expect([here.status, there.status]).toEqual([201, 201])
  expect(there.body.name).toBe('keyed-other.clusters')
})

it('Subnets and owners of an embedded cluster are its own', async () => {
  await makeSubnet('only-here', '10.99.1.0/24')
  expect((await get('/v1/subnets/only-here')).status).toBe(200)
  expect((await get(`${west}/v1/subnets/only-here`)).body.code).toBe('unknown_subnet')
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'alive', namespace: 'clusters' } }
  expect((await post('/v1/reserve', wish('alive'))).status).toBe(201)
  expect((await post(`${west}/v1/reserve`, wish('alive'))).status).toBe(201)
  expect((await call('PUT', `${west}/embedded/pods/clusters/alive`, pod)).status).toBe(201)
  expect((await post('/v1/release', { name: 'alive.clusters' })).status).toBe(200)
  expect((await post(`${west}/v1/release`, { name: 'alive.clusters' })).body.code).toBe('pod_alive')
})

it('says which clusters there are', async () => {
  const { body } = await get('/v1/clusters')
  expect(body.items.slice(0, 2)).toEqual([
    { name: 'default', prefix: '' },
    { name: 'west', prefix: west },
  ])
  expect(body.sharedSpaces[0]).toEqual({
    name: 'vlan100',
    subnets: ['default/underlay', 'west/underlay', 'east/underlay'],
  })
  expect((await get(`${west}/readyz`)).status).toBe(200)
})

it.each([
  ['/clusters/north/v1/subnets', 'cluster'],
  ['/clusters/default/v1/subnets', 'cluster'],
  ['/clusters/__proto__/v1/subnets', 'cluster'],
  [`${west}/v1/keys`, 'path'],
  [`${west}/v1/gitops/infra`, 'path'],
  [`${west}/v1/events/dead-letters`, 'path'],
  [`${west}/v1/clusters`, 'path'],
  [`${west}/hooks/chat/slack`, 'path'],
  [`${west}/clusters/east/v1/subnets`, 'path'],
  [`${west}/../v1/nothing`, 'path'],
])('%s is not found', async (path, field) => {
  const reply = await get(path)
  expect([reply.status, reply.body.code, reply.body.field]).toEqual([404, 'not_found', field])
})

it('a problem says the path that was called', async () => {
  const reply = await post(`${west}/v1/reserve`, wish('x', { v4IpAddress: '10.16.0.300' }))
  expect(reply.body.instance).toBe(`${west}/v1/reserve`)
})

it('a key opens the default cluster alone, unless its grants name others', async () => {
  const grant = { verbs: ['reserve', 'read'], subnets: ['*'], namespaces: ['*'] }
  const bearer = async (grants: object[]) => {
    const made = await post('/v1/keys', { name: 'clusters', grants })
    expect(made.status).toBe(201)
    return { Authorization: `Bearer ${made.body.key}` }
  }
  const plain = await bearer([grant])
  const western = await bearer([{ ...grant, clusters: ['we*'] }])
  const ask = async (headers: Record<string, string>, prefix: string, podName: string) =>
    (await post(`${prefix}/v1/reserve`, wish(podName), headers)).status
  expect(await ask(plain, '', 'p1')).toBe(201)
  expect(await ask(plain, west, 'p1')).toBe(403)
  expect(await ask(western, '', 'p2')).toBe(403)
  expect(await ask(western, west, 'p2')).toBe(201)
  expect((await call('GET', `${west}/v1/reservations/p2.clusters`, undefined, plain)).status).toBe(404)
})
