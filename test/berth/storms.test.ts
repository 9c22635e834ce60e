import { describe, expect, it } from 'vitest'
import { allIn, call, everything, get, makeSubnet, post, refused, spread } from '../support/api.ts'

/** Object names are unique in the cluster, so each Subnet here has a namespace of its own. */
const wish = (subnet: string, podName: string, more: object = {}) => ({
  subnet,
  namespace: subnet,
  podName,
  ...more,
})

describe('1,000 parallel requests of one owner', () => {
  it('with one key get one reservation and equal replies', async () => {
    await makeSubnet('storm-key', '10.50.0.0/16')
    const replies = await Promise.all(
      Array.from({ length: 1_000 }, () =>
        post('/v1/reserve', wish('storm-key', 'one'), { 'Idempotency-Key': 'the-key' }),
      ),
    )
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([201]))
    expect(new Set(replies.map(({ body }) => JSON.stringify(body))).size).toBe(1)
    expect(await allIn('storm-key')).toHaveLength(1)
  })

  it('with 1,000 keys get one reservation, made once', async () => {
    await makeSubnet('storm-keys', '10.51.0.0/16')
    const replies = await Promise.all(
      Array.from({ length: 1_000 }, (_, n) =>
        post('/v1/reserve', wish('storm-keys', 'one'), { 'Idempotency-Key': `key-${n}` }),
      ),
    )
    const statuses = replies.map(({ status }) => status)
    expect(statuses.filter((status) => status === 201)).toHaveLength(1)
    expect(statuses.filter((status) => status === 200)).toHaveLength(999)
    expect(new Set(replies.map(({ body }) => JSON.stringify(body))).size).toBe(1)
    expect(await allIn('storm-keys')).toHaveLength(1)
  })
})

describe('5,000 parallel automatic requests', () => {
  it('get 5,000 addresses and MACs', { timeout: 240_000 }, async () => {
    await makeSubnet('storm-auto', '10.52.0.0/16')
    const owners = Array.from({ length: 5_000 }, (_, n) => `pod-${n}`)
    const replies = await spread(owners, 500, (podName) => post('/v1/reserve', wish('storm-auto', podName)))
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([201]))
    expect(new Set(replies.map(({ body }) => body.v4IpAddress)).size).toBe(5_000)
    expect(new Set(replies.map(({ body }) => body.macAddress)).size).toBe(5_000)
    expect((await get('/v1/subnets/storm-auto')).body).toMatchObject({ v4usingIPs: 5_000 })
    expect(await allIn('storm-auto', 777)).toHaveLength(5_000)
  })
})

describe('100 contenders for one address', () => {
  it('one wins, 99 are told why', async () => {
    await makeSubnet('storm-one', '10.53.0.0/24')
    const owners = Array.from({ length: 100 }, (_, n) => `pod-${n}`)
    const replies = await Promise.all(
      owners.map((podName) => post('/v1/reserve', wish('storm-one', podName, { v4IpAddress: '10.53.0.77' }))),
    )
    expect(replies.filter(({ status }) => status === 201)).toHaveLength(1)
    const losers = replies.filter(({ status }) => status === 409)
    expect(losers).toHaveLength(99)
    for (const { body } of losers) expect(body).toMatchObject({ code: 'address_taken', field: 'v4IpAddress' })
  })
})

describe('exhaustion', () => {
  it.each([
    ['a /30', 'last-30', '10.79.0.0/30'],
    ['a /30 beside a /64', 'last-dual', '10.79.1.0/30,fd00:79::/64'],
  ])(
    'of %s, two at once: one has it, the other its turn when that is given back (fault 61)',
    async (_, name, cidr) => {
      await makeSubnet(name, cidr)
      const ask = (podName: string) =>
        post('/v1/reserve', wish(name, podName), { 'Idempotency-Key': podName })
      const replies = await Promise.all(['a', 'b'].map(ask))
      expect(replies.map(({ status }) => status).sort()).toEqual([201, 507])
      const [winner, loser] = replies[0]?.status === 201 ? ['a', 'b'] : ['b', 'a']
      const { ledger } = (await get(`/v1/subnets/${name}`)).body
      for (const family of Object.values(ledger)) expect(family).toMatchObject({ bound: 1, held: 0 })
      expect((await post('/v1/release', { name: `${winner}.${name}` })).status).toBe(200)
      expect((await ask(loser)).status).toBe(201)
    },
  )

  it.each([
    ['a /24', 'full-24', '10.54.0.0/24', 253],
    ['a /30', 'full-30', '10.54.1.0/30', 1],
    ['dual, IPv6 short', 'full-d6', '10.54.2.0/24,fd00:54::/125', 5],
    ['dual, IPv4 short', 'full-d4', '10.54.3.0/29,fd00:55::/64', 5],
  ])('%s: exact, and usable again after a release', async (_, name, cidr, room) => {
    await makeSubnet(name, cidr)
    const owners = Array.from({ length: room + 10 }, (_, n) => `pod-${n}`)
    const replies = await Promise.all(owners.map((podName) => post('/v1/reserve', wish(name, podName))))
    const winners = replies.filter(({ status }) => status === 201)
    expect(winners).toHaveLength(room)
    for (const { status, body } of replies) {
      if (status !== 201) expect([status, body.code]).toEqual([507, 'no_capacity'])
    }
    const full = (await get(`/v1/subnets/${name}`)).body
    const families = Object.values(full.ledger) as { bound: number; held: number }[]
    for (const family of families) expect([family.bound, family.held]).toEqual([room, 0])
    const released = await post('/v1/release', { name: winners[0]?.body.name })
    expect(released.status).toBe(200)
    const again = await post('/v1/reserve', wish(name, 'newcomer'))
    // The family that is short has one address to give: the one that came back.
    const short = room === Number(full.ledger.v4.usable) - 1 ? 'v4IpAddress' : 'v6IpAddress'
    expect([again.status, again.body[short]]).toEqual([201, winners[0]?.body[short]])
    expect((await post('/v1/reserve', wish(name, 'another'))).status).toBe(507)
  })
})

describe('a group of 1,000', () => {
  it('is bound as one, and refused as one', async () => {
    await makeSubnet('group', '10.56.0.0/16')
    const items = Array.from({ length: 1_000 }, (_, n) => wish('group', `pod-${n}`))
    const bad = await post('/v1/reserve', {
      items: [...items.slice(0, 999), wish('group', 'x', { v4IpAddress: '10.57.0.1' })],
    })
    expect(bad).toMatchObject({ status: 422, body: { code: 'out_of_range', findings: [{ item: 999 }] } })
    expect(await allIn('group')).toHaveLength(0)
    const good = await post('/v1/reserve', { items })
    expect(good.status).toBe(201)
    expect(good.body.items).toHaveLength(1_000)
    const names = items.map(({ podName }) => ({ name: `${podName}.group` }))
    const gone = await post('/v1/release', { items: names })
    expect([gone.status, gone.body.items?.length]).toEqual([200, 1_000])
    expect(await allIn('group')).toHaveLength(0)
  })

  it('is too many with one more', async () => {
    const items = Array.from({ length: 1_001 }, (_, n) => wish('ovn-default', `pod-${n}`))
    const before = await everything()
    refused(await post('/v1/reserve', { items }), 413, 'too_large', 'items')
    expect(await everything()).toEqual(before)
  })
})

describe('paging', () => {
  it('misses nothing that was there throughout, whatever is done to the rows meanwhile', async () => {
    await makeSubnet('paging', '10.58.0.0/22')
    const stays = Array.from({ length: 100 }, (_, n) => `stay-${n}`)
    const comes = Array.from({ length: 100 }, (_, n) => `come-${n}`)
    await spread(stays, 50, (podName) => post('/v1/reserve', wish('paging', podName)))
    const seen: string[] = []
    const given: string[] = []
    let token: string | undefined
    let page = 0
    do {
      const more = token === undefined ? '' : `&continue=${token}`
      const reply = await get(`/v1/reservations?subnet=paging&limit=7${more}`)
      for (const item of reply.body.items) seen.push(item.name)
      token = reply.body.continue
      const podName = comes[page]
      if (podName !== undefined) {
        // A row comes; every other one goes again. One that stays is written: refused to another address, renewed by
        // its owner, given back and taken anew.
        await post('/v1/reserve', wish('paging', podName))
        if (page % 2 === 0) await post('/v1/release', { name: `${podName}.paging` })
        const written = stays[(page * 37) % stays.length]!
        await post('/v1/reserve', wish('paging', written, { v4IpAddress: '10.58.3.250' }))
        await post('/v1/reserve', wish('paging', written))
        const back = `stay-${(page * 31 + 5) % stays.length}`
        given.push(`${back}.paging`)
        await post('/v1/release', { name: `${back}.paging` })
        await post('/v1/reserve', wish('paging', back))
      }
      page++
    } while (token !== undefined)
    expect(page).toBeGreaterThan(10)
    for (const podName of stays.filter((one) => !given.includes(`${one}.paging`)))
      expect(seen).toContain(`${podName}.paging`)
    // The order is by name, so one that was given back and taken anew keeps its place, too.
    for (const name of given) expect(seen).toContain(name)
    expect(new Set(seen).size).toBe(seen.length)
    expect(await allIn('paging')).toHaveLength(100 + Math.floor(Math.min(page, 100) / 2))
  })
})

describe('owners', () => {
  it('keep their address while they live', async () => {
    await makeSubnet('owners', '10.59.0.0/24')
    await post('/v1/reserve', wish('owners', 'web-0', { podType: 'StatefulSet' }))
    await call('PUT', '/embedded/statefulsets/owners/web', { spec: { replicas: 1 } })
    const refused = await post('/v1/release', { name: 'web-0.owners' })
    expect([refused.status, refused.body.code]).toEqual([409, 'pod_alive'])
    await call('DELETE', '/embedded/statefulsets/owners/web')
    expect((await post('/v1/release', { name: 'web-0.owners' })).status).toBe(200)
  })
})
