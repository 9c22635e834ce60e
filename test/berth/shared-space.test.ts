import { runDurableObjectAlarm } from 'cloudflare:test'
import { exports } from 'cloudflare:workers'
import { beforeAll, expect, it } from 'vitest'
import { call, everything, get, post, type Reply, refused } from '../support/api.ts'

const PREFIXES = { default: '', west: '/clusters/west', east: '/clusters/east' } as const
type Cluster = keyof typeof PREFIXES
const CLUSTERS = Object.keys(PREFIXES) as Cluster[]

async function subnet(cluster: Cluster, name: string, cidrBlock: string): Promise<void> {
  const manifest = { apiVersion: 'kubeovn.io/v1', kind: 'Subnet', metadata: { name }, spec: { cidrBlock } }
  expect((await call('PUT', `${PREFIXES[cluster]}/v1/subnets/${name}`, manifest)).status).toBe(201)
}

const reserve = (cluster: Cluster, podName: string, more: object = {}, query = '') =>
  post(`${PREFIXES[cluster]}/v1/reserve${query}`, { subnet: 'underlay', namespace: 'vlan', podName, ...more })
const release = (cluster: Cluster, name: string) => post(`${PREFIXES[cluster]}/v1/release`, { name })
const addressesOf = ({ body }: Reply): string[] =>
  (body.items ?? [body]).map((one: { v4IpAddress: string }) => one.v4IpAddress)

/** Lets the ledger tell the shared space what it has and no longer has. */
async function settle(cluster: Cluster, name = 'underlay'): Promise<void> {
  const { Subnet } = exports as unknown as { Subnet: DurableObjectNamespace }
  await runDurableObjectAlarm(Subnet.getByName(`${cluster}/${name}`))
}

beforeAll(async () => {
  for (const cluster of CLUSTERS) await subnet(cluster, 'underlay', '10.200.0.0/26')
  for (const cluster of ['default', 'west'] as const)
    await subnet(cluster, 'dual-vlan', '10.201.0.0/28,fd00:201::/124')
})

it('nobody is given what another cluster has, and each goes on to the next', async () => {
  const given = []
  for (const cluster of [...CLUSTERS, ...CLUSTERS]) {
    const reply = await reserve(cluster, `auto-${given.length}`)
    expect(reply.status).toBe(201)
    given.push(reply.body)
  }
  expect(new Set(given.map(({ v4IpAddress }) => v4IpAddress)).size).toBe(6)
  expect(new Set(given.map(({ macAddress }) => macAddress)).size).toBe(6)
  for (const [index, one] of given.entries()) {
    expect((await release(CLUSTERS[index % 3]!, one.name)).status).toBe(200)
  }
  for (const cluster of CLUSTERS) await settle(cluster)
})

it('an address or MAC of another cluster is refused by name, and free again once it was given back', async () => {
  const address = { v4IpAddress: '10.200.0.40' }
  const mac = { macAddress: '00:00:00:20:00:40' }
  expect((await reserve('west', 'holder', { ...address, ...mac })).status).toBe(201)
  const before = await everything()

  refused(await reserve('default', 'late', address), 409, 'address_taken', 'v4IpAddress')
  const taken = await reserve('default', 'late', address)
  expect(taken.body.detail).toContain('holder.vlan of cluster west')
  refused(await reserve('default', 'late', mac), 409, 'mac_taken', 'macAddress')
  refused(await reserve('default', 'late', address, '?dryRun=All'), 409, 'address_taken', 'v4IpAddress')
  refused(await reserve('default', 'late', mac, '?dryRun=All'), 409, 'mac_taken', 'macAddress')
  const judged = await post('/v1/validate', {
    subnet: 'underlay',
    namespace: 'vlan',
    podName: 'late',
    ...address,
  })
  expect(judged.body).toMatchObject({
    allowed: false,
    findings: [{ code: 'address_taken', field: 'v4IpAddress' }],
  })
  expect(await everything()).toEqual(before)

  expect((await release('west', 'holder.vlan')).status).toBe(200)
  await settle('west')
  const after = await reserve('default', 'late', { ...address, ...mac })
  expect([after.status, after.body.v4IpAddress]).toEqual([201, '10.200.0.40'])
  expect((await release('default', 'late.vlan')).status).toBe(200)
  await settle('default')
})

it('of a storm from three clusters each address goes to one', async () => {
  const wishes = Array.from({ length: 15 }, (_, n) =>
    CLUSTERS.map((cluster) => [cluster, `storm-${n}`] as const),
  )
  const replies = await Promise.all(wishes.flat().map(([cluster, name]) => reserve(cluster, name)))
  expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 201))
  expect(new Set(replies.flatMap(addressesOf)).size).toBe(45)
  await Promise.all(wishes.flat().map(([cluster, name]) => release(cluster, `${name}.vlan`)))
  for (const cluster of CLUSTERS) await settle(cluster)
})

it('of contenders for one address one wins, and nothing of the others is left', async () => {
  const wish = { v4IpAddress: '10.200.0.50' }
  const replies = await Promise.all(CLUSTERS.map((cluster) => reserve(cluster, 'contender', wish)))
  expect(replies.map(({ status }) => status).sort()).toEqual([201, 409, 409])
  const winner = CLUSTERS[replies.findIndex(({ status }) => status === 201)]!
  for (const cluster of CLUSTERS) {
    const there = await get(`${PREFIXES[cluster]}/v1/reservations/contender.vlan`)
    expect(there.status).toBe(cluster === winner ? 200 : 404)
  }
  await release(winner, 'contender.vlan')
  await settle(winner)
})

it('a group gets addresses that no other cluster has, all or none', async () => {
  expect((await reserve('east', 'in-the-way', { v4IpAddress: '10.200.0.60' })).status).toBe(201)
  const items = ['a', 'b'].map((podName) => ({ subnet: 'underlay', namespace: 'vlan', podName }))
  const good = await post('/v1/reserve', { items })
  expect([good.status, new Set(addressesOf(good)).size]).toEqual([201, 2])
  const before = await everything()
  const fixed = [
    { subnet: 'underlay', namespace: 'vlan', podName: 'c' },
    { subnet: 'underlay', namespace: 'vlan', podName: 'd', v4IpAddress: '10.200.0.60' },
  ]
  const bad = await post('/v1/reserve', { items: fixed })
  expect([bad.status, bad.body.findings[0].item]).toEqual([409, 1])
  expect(await everything()).toEqual(before)
})

it('both families are taken together or not at all', async () => {
  const dual = (cluster: Cluster, podName: string, more: object = {}) =>
    reserve(cluster, podName, { subnet: 'dual-vlan', ...more })
  expect((await dual('west', 'six', { v6IpAddress: 'fd00:201::9' })).status).toBe(201)
  refused(await dual('default', 'six', { v6IpAddress: 'fd00:201::9' }), 409, 'address_taken', 'v6IpAddress')
  await settle('default', 'dual-vlan')
  const [own] = addressesOf(await get('/clusters/west/v1/reservations/six.vlan'))
  const free = Array.from({ length: 12 }, (_, n) => `10.201.0.${n + 2}`).filter((address) => address !== own)
  for (const v4IpAddress of free.slice(0, 3))
    expect((await dual('west', `four-${v4IpAddress.split('.')[3]}`, { v4IpAddress })).status).toBe(201)
})

it('many that others have are passed over in a few turns', async () => {
  for (const cluster of ['west', 'east'] as const) await subnet(cluster, 'long', '10.202.0.0/22')
  const items = Array.from({ length: 700 }, (_, n) => ({
    subnet: 'long',
    namespace: 'vlan',
    podName: `many-${n}`,
  }))
  const many = await post('/clusters/west/v1/reserve', { items })
  expect(many.status).toBe(201)
  const next = await reserve('east', 'next', { subnet: 'long' })
  expect(next.status).toBe(201)
  expect(addressesOf(many)).not.toContain(next.body.v4IpAddress)
})

it('a family that was chosen stays, and of the other another is taken', async () => {
  const dual = (cluster: Cluster, podName: string, more: object = {}) =>
    reserve(cluster, podName, { subnet: 'dual-vlan', ...more })
  const first = (await dual('west', 'first', { v6IpAddress: 'fd00:201::a' })).body
  const other = await dual('default', 'other', { v6IpAddress: 'fd00:201::b' })
  expect([other.status, other.body.v6IpAddress]).toEqual([201, 'fd00:201::b'])
  expect(other.body.v4IpAddress).not.toBe(first.v4IpAddress)
})

it('exhaustion is exact, and what was given back in one cluster is to be had in the other at once', async () => {
  for (const cluster of ['west', 'east'] as const) await subnet(cluster, 'tiny', '10.203.0.0/29')
  const tiny = (cluster: Cluster, podName: string, more: object = {}) =>
    reserve(cluster, podName, { subnet: 'tiny', ...more })
  for (const [n, cluster] of (['west', 'east', 'west', 'east', 'west'] as const).entries())
    expect((await tiny(cluster, `t-${n}`)).status).toBe(201)
  for (const cluster of ['west', 'east'] as const)
    expect((await tiny(cluster, 'over')).body.code).toBe('no_capacity')
  const given = (await get('/clusters/west/v1/reservations/t-2.vlan')).body.v4IpAddress
  expect((await release('west', 't-2.vlan')).status).toBe(200)
  await settle('west', 'tiny')
  const now = await tiny('east', 'over')
  expect([now.status, now.body.v4IpAddress]).toEqual([201, given])
  expect((await release('east', 'over.vlan')).status).toBe(200)
  await settle('east', 'tiny')
  expect((await tiny('west', 'chosen', { v4IpAddress: given })).status).toBe(201)
})
