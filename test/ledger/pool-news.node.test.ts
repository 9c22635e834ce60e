import { describe, expect, it } from 'vitest'
import { deletePool, putPool } from '../../shared/command/pools.ts'
import { release } from '../../shared/command/release.ts'
import { subnets } from '../../shared/command/subnet-list.ts'
import { putSubnet, subnet, suggest } from '../../shared/command/subnets.ts'
import { expectAgreement, ipObjects } from '../support/agreement.ts'
import { busy, first, lost, parked, put, refuse, subnetManifest } from '../support/drive.ts'
import { addressOf, inCluster, members, pool, pooled, putGood, wish, written } from '../support/pools.ts'
import { snapshot } from '../support/snapshot.ts'
import { Killed, refusal, reserved, World } from '../support/world.ts'

describe('a pool that no longer fits its Subnet', () => {
  it('has what fits, says what does not, and has all of it when it fits again', async () => {
    const world = await pooled('10.30.1.0/24', ['10.30.1.60..10.30.1.70'])
    await put(world, { cidrBlock: '10.30.1.0/26' })
    expect(members(world)).toEqual({ web: 'a1e013c-a1e013e' })
    expect(await addressOf(world, 'a', { ipPool: 'web' })).toBe('10.30.1.60')
    const view = await subnet(world.ports, 'lab')
    expect(view.ok && view.value.warnings).toEqual([
      "IPPool web: 10.30.1.63..10.30.1.70 is not usable in this Subnet, or another pool's",
    ])
    await expectAgreement(world, 'lab')
    await put(world, { cidrBlock: '10.30.1.0/24' })
    expect(members(world)).toEqual({ web: 'a1e013c-a1e0146' })
    const healed = await subnet(world.ports, 'lab')
    expect(healed.ok && healed.value.warnings).toBeUndefined()
    await expectAgreement(world, 'lab')
  })

  it('is there and empty where nothing fits', async () => {
    const world = await pooled()
    await put(world, { cidrBlock: '10.40.0.0/24' })
    expect(refusal(await wish(world, 'a', { ipPool: 'web' })).code).toBe('no_capacity')
    expect(await addressOf(world, 'b')).toBe('10.40.0.2')
    await expectAgreement(world, 'lab')
  })

  it('shows in the preview of the change, which changes nothing', async () => {
    const world = await pooled('10.30.1.0/24', ['10.30.1.60..10.30.1.70'])
    const before = [snapshot(world), members(world)]
    const tried = await putSubnet(world.ports, subnetManifest({ cidrBlock: '10.30.1.0/26' }), true)
    expect(tried.ok && tried.value.subnet.warnings).toHaveLength(1)
    expect([snapshot(world), members(world)]).toEqual(before)
    expect(await addressOf(world, 'a', { ipPool: 'web' })).toBe('10.30.1.60')
  })

  it('or that others wrote to overlap, or nobody can read, costs nobody the Subnet', async () => {
    const world = await pooled()
    written(world, pool('worse', ['10.30.1.8..10.30.1.12', 'nonsense']))
    const view = await subnet(world.ports, 'lab')
    expect(view.ok && view.value.warnings).toEqual([
      "IPPool worse: nonsense, 10.30.1.8..10.30.1.9 is not usable in this Subnet, or another pool's",
    ])
    expect(members(world)).toEqual({ web: 'a1e0102-a1e0109', worse: 'a1e010a-a1e010c' })
    expect(await addressOf(world, 'a')).toBe('10.30.1.13')
    await expectAgreement(world, 'lab')
  })
})

describe('news of pools', () => {
  it('older than what is known is ignored, though the Subnet is newer; and the other way round', async () => {
    const world = await pooled()
    const facts = (await world.ledger('lab').view())?.facts
    if (!facts) throw new Error('no facts')
    const older = String(Number(facts.poolsVersion) - 1)
    const later = String(Number(facts.resourceVersion) + 1)
    const newer = { ...facts, resourceVersion: later, excludeIps: ['10.30.1.10'] }
    await world.ledger('lab').configure({ ...newer, pools: [], poolsVersion: older })
    expect(await addressOf(world, 'a')).toBe('10.30.1.11')
    const pools = [{ name: 'web', ips: ['10.30.1.2..10.30.1.19'] }]
    await world
      .ledger('lab')
      .configure({ ...facts, pools, poolsVersion: String(Number(facts.poolsVersion) + 1) })
    expect((await world.ledger('lab').view())?.facts.excludeIps).toEqual(['10.30.1.10'])
    expect(await addressOf(world, 'b')).toBe('10.30.1.20')
    await expectAgreement(world, 'lab')
  })

  it('that is no news lays nothing out anew', async () => {
    const world = await pooled()
    for (const name of ['a', 'b']) reserved(await wish(world, name))
    reserved(await release(world.ports, world.releaseCommand('a.default')))
    const pages = () => world.sql('lab').all(`SELECT key, bytes FROM page ORDER BY key`)
    const before = pages()
    expect((await suggest(world.ports, 'lab', { count: 1, contiguous: false })).ok).toBe(true)
    await putGood(world, 'web', ['10.30.1.2..10.30.1.9'])
    expect(pages()).toEqual(before)
    expect(await addressOf(world, 'c')).toBe('10.30.1.12')
  })

  it('comes with all Subnets in one list', async () => {
    const world = await pooled()
    await put(world, { cidrBlock: '10.40.0.0/24' }, 'other')
    const listed: string[] = []
    const ports = { ...world.ports, cluster: { ...world.ports.cluster } }
    ports.cluster.list = (kind, options) => {
      listed.push(kind)
      return world.ports.cluster.list(kind, options)
    }
    written(world, pool('more', ['10.40.0.2..10.40.0.5'], { subnet: 'other' }))
    expect((await subnets(ports)).ok).toBe(true)
    expect(listed.sort()).toEqual(['IPPool', 'Subnet'])
    expect(await addressOf(world, 'x', { subnet: 'other' })).toBe('10.40.0.6')
  })

  it('is not asked for by a hold whose ledger knows its Subnet', async () => {
    const world = await pooled()
    world.sent.length = 0
    world.ports.cluster.list = () => {
      throw new Error('the hot path lists nothing')
    }
    reserved(await wish(world, 'a', { ipPool: 'web' }))
    reserved(await wish(world, 'b'))
    expect(world.sent.map(({ verb }) => verb)).toEqual(['create', 'create'])
  })

  it('is that there are none where the cluster does not know the kind', async () => {
    const world = new World()
    const { list } = world.ports.cluster
    world.ports.cluster.list = async (kind, options) =>
      kind === 'IPPool'
        ? { ok: false, error: { reason: 'NotFound', outcome: 'refused', message: 'no such kind' } }
        : list(kind, options)
    await put(world, { cidrBlock: '10.30.1.0/24' })
    expect(await addressOf(world, 'a')).toBe('10.30.1.2')
  })
})

describe('a write of a pool', () => {
  const WRITES: readonly [string, (world: World) => Promise<{ ok: boolean }>][] = [
    ['made', (world) => putPool(world.ports, pool('db', ['10.30.1.10..10.30.1.12']))],
    ['grown', (world) => putPool(world.ports, pool('web', ['10.30.1.2..10.30.1.12']))],
    ['removed', (world) => deletePool(world.ports, 'web')],
  ]

  it.each(WRITES)(
    '(%s) that dies at any point is whole or not there at the next promise',
    async (_, write) => {
      for (let n = 0; ; n++) {
        const world = await pooled()
        let passed = 0
        let died = false
        world.point = () => {
          if (died || passed++ === n) {
            died = true
            throw new Killed()
          }
        }
        await write(world).catch(() => {})
        world.point = () => {}
        if (!died) {
          expect(n).toBeGreaterThan(8)
          return
        }
        world.restart('lab')
        const list = world.store.list('IPPool', {})
        const taken = new Set<string>()
        for (const { spec } of list.ok ? list.value.items : []) {
          for (const ip of (spec as { ips: string[] }).ips) {
            const [from = 0, to = 0] = ip.split('..').map((text) => Number(text.split('.')[3]))
            for (let host = from; host <= to; host++) taken.add(`10.30.1.${host}`)
          }
        }
        let lowest = 2
        while (taken.has(`10.30.1.${lowest}`)) lowest++
        expect(await addressOf(world, 'a'), `dead at ${n}`).toBe(`10.30.1.${lowest}`)
        await expectAgreement(world, 'lab')
        expect((await write(world)).ok || inCluster(world).length === 0, `again after ${n}`).toBe(true)
        await expectAgreement(world, 'lab')
      }
    },
  )

  it('the cluster refuses is taken back in the ledger', async () => {
    const world = await pooled()
    for (const verb of ['create', 'delete'] as const) {
      world.intercept = first(1, verb, refuse(busy()))
      const refused =
        verb === 'create'
          ? await putPool(world.ports, pool('db', ['10.30.1.10..10.30.1.12']))
          : await deletePool(world.ports, 'web')
      expect(!refused.ok && refused.error.code).toBe('unavailable')
      expect(members(world)).toEqual({ web: 'a1e0102-a1e0109' })
    }
    world.sent.length = 0
    expect(await addressOf(world, 'a')).toBe('10.30.1.10')
    expect(world.sent.map(({ verb }) => verb)).toEqual(['create'])
  })

  it('whose reply is lost is looked at again before each promise, until it cannot land any more', async () => {
    const world = await pooled()
    let late = () => {}
    world.intercept = first(1, 'create', async (requests) => {
      late = () => world.store.send(requests)
      return requests.map(() => ({ ok: false, error: lost }))
    })
    expect((await putPool(world.ports, pool('db', ['10.30.1.11..10.30.1.20']))).ok).toBe(false)
    expect(await addressOf(world, 'a')).toBe('10.30.1.10')
    expect(await addressOf(world, 'b')).toBe('10.30.1.11')
    late()
    expect(await addressOf(world, 'c')).toBe('10.30.1.21')
    expect(await addressOf(world, 'd', { ipPool: 'db' })).toBe('10.30.1.12')
    await world.pass(200_000, 'lab')
    reserved(await wish(world, 'e'))
    world.sent.length = 0
    reserved(await wish(world, 'f'))
    expect(world.sent.map(({ verb }) => verb)).toEqual(['create'])
    await expectAgreement(world, 'lab')
  })

  it('makes another pool wait, and its own repetition not', async () => {
    const world = await pooled()
    const held = parked(world, 'create')
    const pending = putPool(world.ports, pool('db', ['10.30.1.20..10.30.1.29']))
    await held.arrived
    const waits = await putPool(world.ports, pool('api', ['10.30.1.25']))
    expect(!waits.ok && [waits.error.code, waits.error.retryAfterMs]).toEqual(['unavailable', 1_000])
    expect((await putPool(world.ports, pool('db', ['10.30.1.20..10.30.1.29']))).ok).toBe(true)
    held.go()
    const late = await pending
    expect(!late.ok && late.error.code).toBe('unavailable')
    const overlaps = await putPool(world.ports, pool('api', ['10.30.1.25']))
    expect(!overlaps.ok && overlaps.error.code).toBe('invalid_range')
    expect(inCluster(world)).toEqual(['db', 'web'])
    await expectAgreement(world, 'lab')
  })
})

describe('a ledger with pools', () => {
  it.each([
    ['as they are', undefined],
    ['lost', `DELETE FROM page`],
    ['damaged', `UPDATE page SET bytes = zeroblob(length(bytes))`],
    [
      'damaged where nobody looked yet',
      `UPDATE page SET bytes = zeroblob(length(bytes)) WHERE key <> 'layout'`,
    ],
  ])('restarts with its pools, its pages %s', async (_, damage) => {
    const world = await pooled()
    reserved(await wish(world, 'a', { ipPool: 'web' }))
    reserved(await wish(world, 'b'))
    if (damage) world.damage(damage, 'lab')
    world.restart('lab')
    expect(await addressOf(world, 'c')).toBe('10.30.1.11')
    expect(await addressOf(world, 'd', { ipPool: 'web' })).toBe('10.30.1.3')
    await expectAgreement(world, 'lab')
    expect(ipObjects(world, 'lab')).toHaveLength(4)
  })

  it('that has no reservation yet keeps them though its pages are lost', async () => {
    const world = await pooled()
    world.damage(`DELETE FROM page`, 'lab')
    world.restart('lab')
    expect(await addressOf(world, 'a')).toBe('10.30.1.10')
    await expectAgreement(world, 'lab')
  })
})
