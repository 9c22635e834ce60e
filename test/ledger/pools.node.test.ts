import { describe, expect, it } from 'vitest'
import { deletePool, putPool } from '../../shared/command/pools.ts'
import { release } from '../../shared/command/release.ts'
import { deleteSubnet, subnet, suggest } from '../../shared/command/subnets.ts'
import { expectAgreement } from '../support/agreement.ts'
import { put } from '../support/drive.ts'
import { addressOf, inCluster, members, pool, pooled, putGood, wish } from '../support/pools.ts'
import { snapshot } from '../support/snapshot.ts'
import { refusal, reserved, World } from '../support/world.ts'

describe('a pool', () => {
  it('is kept out of by what is automatic, also in suggestions', async () => {
    const world = await pooled()
    expect(await addressOf(world, 'a')).toBe('10.30.1.10')
    const suggested = await suggest(world.ports, 'lab', { count: 2, contiguous: false })
    expect(suggested).toEqual({ ok: true, value: ['10.30.1.11', '10.30.1.12'] })
    await expectAgreement(world, 'lab')
  })

  it('is chosen from by whoever names it, and a wished address of it may be had without', async () => {
    const world = await pooled()
    expect(await addressOf(world, 'a', { ipPool: 'web' })).toBe('10.30.1.2')
    expect(await addressOf(world, 'b', { v4IpAddress: '10.30.1.5' })).toBe('10.30.1.5')
    expect(await addressOf(world, 'c', { v4IpAddress: '10.30.1.77', ipPool: 'web' })).toBe('10.30.1.77')
    await expectAgreement(world, 'lab')
  })

  it('is kept with its reservation: the same or no ipPool finds it, another is refused', async () => {
    const world = await pooled()
    await putGood(world, 'db', ['10.30.1.20'])
    const made = await wish(world, 'a', { ipPool: 'web' })
    expect(made).toMatchObject({ kind: 'done', created: true })
    expect(await wish(world, 'a', { ipPool: 'web' })).toEqual({ ...made, created: false })
    expect(await wish(world, 'a')).toEqual({ ...made, created: false })
    const other = refusal(await wish(world, 'a', { ipPool: 'db' }))
    expect([other.code, other.field]).toEqual(['immutable_field', 'ipPool'])
  })

  it('nobody knows is refused, beside a wished address too', async () => {
    const world = await pooled()
    for (const more of [{}, { v4IpAddress: '10.30.1.5' }]) {
      const unknown = refusal(await wish(world, 'a', { ipPool: 'bew', ...more }))
      expect([unknown.code, unknown.field]).toEqual(['invalid_field', 'ipPool'])
    }
  })

  it('that is used up says so, while others have room', async () => {
    const world = await pooled('10.30.1.0/24', ['10.30.1.7'])
    reserved(await wish(world, 'a', { ipPool: 'web' }))
    expect(refusal(await wish(world, 'b', { ipPool: 'web' })).code).toBe('no_capacity')
    reserved(await release(world.ports, world.releaseCommand('a.default')))
    expect(await addressOf(world, 'b', { ipPool: 'web' })).toBe('10.30.1.7')
    await expectAgreement(world, 'lab')
  })

  // Fault 61, inside a pool.
  it.each([
    ['one family', '10.30.1.0/24', ['10.30.1.7']],
    ['two, of which one is short', '10.30.1.0/24,fd00:30::/120', ['10.30.1.7', 'fd00:30::70..fd00:30::7f']],
  ])(
    'its last address has one winner of two at once, and the loser has it later: %s',
    async (_, cidr, ips) => {
      const world = await pooled(cidr, ips)
      const outcomes = await Promise.all(['a', 'b'].map((name) => wish(world, name, { ipPool: 'web' })))
      expect(outcomes.map(({ kind }) => kind).sort()).toEqual(['done', 'refused'])
      const [winner, loser] = outcomes[0]?.kind === 'done' ? ['a', 'b'] : ['b', 'a']
      expect(refusal(outcomes.find(({ kind }) => kind === 'refused')!).code).toBe('no_capacity')
      await expectAgreement(world, 'lab')
      reserved(await release(world.ports, world.releaseCommand(`${winner}.default`)))
      // What was given back comes after what nobody had.
      const [made] = reserved(await wish(world, loser!, { ipPool: 'web' }))
      expect([made?.v4IpAddress, made?.v6IpAddress]).toEqual(['10.30.1.7', ips[1] ? 'fd00:30::71' : ''])
      await expectAgreement(world, 'lab')
    },
  )

  it('counts as free: the Subnet has no fewer addresses', async () => {
    const world = await pooled()
    reserved(await wish(world, 'a', { ipPool: 'web' }))
    reserved(await wish(world, 'b'))
    const view = await subnet(world.ports, 'lab')
    expect(view.ok && view.value.ledger.v4).toMatchObject({
      usable: 254n,
      bound: 2n,
      excluded: 1n,
      free: 251n,
    })
    expect(view.ok && view.value.v4usingIPs).toBe(2n)
    expect(view.ok && 'warnings' in view.value).toBe(false)
  })

  it('made over promises leaves them held, and a change moves its bounds only', async () => {
    const world = new World()
    await put(world, { cidrBlock: '10.30.1.0/24' })
    for (const name of ['a', 'b', 'c']) reserved(await wish(world, name))
    expect((await putGood(world, 'web', ['10.30.1.3..10.30.1.5'])).created).toBe(true)
    expect(await addressOf(world, 'd', { ipPool: 'web' })).toBe('10.30.1.5')
    expect(await addressOf(world, 'e')).toBe('10.30.1.6')
    expect((await putGood(world, 'web', ['10.30.1.3..10.30.1.8'])).created).toBe(false)
    expect(await addressOf(world, 'f')).toBe('10.30.1.9')
    expect(await addressOf(world, 'g', { ipPool: 'web' })).toBe('10.30.1.7')
    await expectAgreement(world, 'lab')
  })

  it('that goes gives its free addresses back and keeps its promises', async () => {
    const world = await pooled()
    reserved(await wish(world, 'a', { ipPool: 'web' }))
    expect((await deletePool(world.ports, 'web')).ok).toBe(true)
    expect(await addressOf(world, 'b')).toBe('10.30.1.3')
    expect(await wish(world, 'a', { ipPool: 'web' })).toMatchObject({ kind: 'done', created: false })
    expect(refusal(await wish(world, 'c', { ipPool: 'web' })).field).toBe('ipPool')
    const again = await deletePool(world.ports, 'web')
    expect(!again.ok && again.error.code).toBe('not_found')
    await expectAgreement(world, 'lab')
  })

  it('outlives its Subnet, goes without it, and is back with the next of that name', async () => {
    const world = await pooled()
    expect((await deleteSubnet(world.ports, 'lab', false)).ok).toBe(true)
    await put(world, { cidrBlock: '10.30.1.0/24' })
    expect(await addressOf(world, 'a')).toBe('10.30.1.10')
    reserved(await release(world.ports, world.releaseCommand('a.default')))
    expect((await deleteSubnet(world.ports, 'lab', false)).ok).toBe(true)
    expect((await deletePool(world.ports, 'web')).ok).toBe(true)
  })

  it('may take over what another gives up in the same news', async () => {
    const world = await pooled()
    const facts = (await world.ledger('lab').view())?.facts
    if (!facts) throw new Error('no facts')
    const pools = [
      { name: 'api', ips: ['10.30.1.2..10.30.1.4'] },
      { name: 'web', ips: ['10.30.1.5..10.30.1.9'] },
    ]
    expect((await world.ledger('lab').configure({ ...facts, pools })).ok).toBe(true)
    expect(members(world)).toEqual({ api: 'a1e0102-a1e0104', web: 'a1e0105-a1e0109' })
  })
})

describe('a pool of a dual-stack Subnet', () => {
  const DUAL = '10.30.1.0/24,fd00:30::/120'

  it('of both families gives both', async () => {
    const world = await pooled(DUAL, ['10.30.1.50..10.30.1.59', 'fd00:30::50/124'])
    const [made] = reserved(await wish(world, 'a', { ipPool: 'web' }))
    expect([made?.v4IpAddress, made?.v6IpAddress]).toEqual(['10.30.1.50', 'fd00:30::50'])
    const [other] = reserved(await wish(world, 'b'))
    expect([other?.v4IpAddress, other?.v6IpAddress]).toEqual(['10.30.1.2', 'fd00:30::2'])
    await expectAgreement(world, 'lab')
  })

  it('of one family has nothing in the other: used up, unless that address is wished for', async () => {
    const world = await pooled(DUAL, ['10.30.1.50..10.30.1.59'])
    expect(refusal(await wish(world, 'a', { ipPool: 'web' })).code).toBe('no_capacity')
    const [made] = reserved(await wish(world, 'a', { ipPool: 'web', v6IpAddress: 'fd00:30::9' }))
    expect([made?.v4IpAddress, made?.v6IpAddress]).toEqual(['10.30.1.50', 'fd00:30::9'])
    await expectAgreement(world, 'lab')
  })

  it('loses a family with the Subnet and has it again with it', async () => {
    const world = await pooled(DUAL, ['10.30.1.50..10.30.1.59', 'fd00:30::50/124'])
    const both = members(world)
    await put(world, { cidrBlock: '10.30.1.0/24' })
    expect(await addressOf(world, 'a', { ipPool: 'web' })).toBe('10.30.1.50')
    await put(world, { cidrBlock: DUAL })
    expect(members(world)).toEqual(both)
    await expectAgreement(world, 'lab')
  })
})

describe('a pool the core refuses', () => {
  it.each([
    ['overlaps another', ['10.30.1.9..10.30.1.20'], 'invalid_range', 'spec.ips'],
    ['lies outside', ['10.30.2.7'], 'out_of_range', 'spec.ips'],
    ['holds the broadcast address', ['10.30.1.255'], 'out_of_range', 'spec.ips'],
    ['is no address', ['10.30.1.20', '10.30.1.300'], 'invalid_address', 'spec.ips[1]'],
    ['begins above its end', ['10.30.1.30..10.30.1.20'], 'invalid_range', 'spec.ips[0]'],
    ['is no CIDR', ['10.30.1.0/40'], 'invalid_range', 'spec.ips[0]'],
  ])('because it %s changes nothing', async (_, ips, code, field) => {
    const world = await pooled()
    const [made] = reserved(await wish(world, 'a', { ipPool: 'web' }))
    for (const name of ['db', 'api']) {
      const before = [snapshot(world), inCluster(world), members(world)]
      const refused = await putPool(world.ports, pool(name, ips))
      expect(!refused.ok && [refused.error.code, refused.error.field]).toEqual([code, field])
      expect([snapshot(world), inCluster(world), members(world)]).toEqual(before)
    }
    expect(await addressOf(world, 'b')).toBe('10.30.1.10')
    expect(made?.v4IpAddress).toBe('10.30.1.2')
    await expectAgreement(world, 'lab')
  })

  it('keeps its old addresses where it was there before', async () => {
    const world = await pooled()
    const before = [snapshot(world), members(world)]
    const refused = await putPool(world.ports, pool('web', ['10.30.1.2..10.30.1.9', '10.30.2.1']))
    expect(!refused.ok && refused.error.code).toBe('out_of_range')
    expect([snapshot(world), members(world)]).toEqual(before)
    expect(await addressOf(world, 'b')).toBe('10.30.1.10')
  })

  it('wants its Subnet, and no other later', async () => {
    const world = await pooled()
    await put(world, { cidrBlock: '10.40.0.0/24' }, 'other')
    const unknown = await putPool(world.ports, pool('db', ['10.30.1.20'], { subnet: 'nowhere' }))
    expect(!unknown.ok && [unknown.error.code, unknown.error.field]).toEqual([
      'unknown_subnet',
      'spec.subnet',
    ])
    const moved = await putPool(world.ports, pool('web', ['10.40.0.20'], { subnet: 'other' }))
    expect(!moved.ok && [moved.error.code, moved.error.field]).toEqual(['immutable_field', 'spec.subnet'])
    expect(inCluster(world)).toEqual(['web'])
  })
})

describe('the ranges of a pool (fault 73)', () => {
  const DUAL = '10.30.1.0/24,fd00:30::/16'
  it.each<readonly [string, readonly string[], string]>([
    ['one address to itself', ['10.30.1.20..10.30.1.20'], 'a1e0114-a1e0114'],
    [
      'that overlap, touch and repeat',
      ['10.30.1.20..10.30.1.29', '10.30.1.25..10.30.1.30', '10.30.1.31', '10.30.1.20'],
      'a1e0114-a1e011f',
    ],
    [
      'of both families',
      ['10.30.1.20', 'fd00:30::20..fd00:30::2f'],
      'a1e0114-a1e0114,fd000030000000000000000000000020-fd00003000000000000000000000002f',
    ],
    [
      'of 2^100 addresses',
      ['fd00:30:1::..fd00:30:1fff:ffff:ffff:ffff:ffff:ffff'],
      'fd000030000100000000000000000000-fd0000301fffffffffffffffffffffff',
    ],
  ])('%s are in force as one set', async (_, ips, set) => {
    const world = await pooled(DUAL)
    await putGood(world, 'db', ips)
    expect(members(world).db).toBe(set)
    await expectAgreement(world, 'lab')
  })

  it.each([
    ['half outside', ['10.30.1.250..10.30.2.5'], 'out_of_range', 'spec.ips'],
    ['of two families', ['10.30.1.20..fd00:30::20'], 'invalid_range', 'spec.ips[0]'],
    ['of three ends', ['10.30.1.20..10.30.1.21..10.30.1.22'], 'invalid_range', 'spec.ips[0]'],
    ['joined by a comma', ['10.30.1.20,10.30.1.21'], 'invalid_address', 'spec.ips[0]'],
    ['joined by a semicolon', ['10.30.1.20;10.30.1.21'], 'invalid_address', 'spec.ips[0]'],
    ['without an end', ['10.30.1.20..'], 'invalid_address', 'spec.ips[0]'],
    ['with a dash', ['10.30.1.20-10.30.1.30'], 'invalid_address', 'spec.ips[0]'],
    ['of CIDRs', ['10.30.1.0/28..10.30.1.32/28'], 'invalid_address', 'spec.ips[0]'],
  ])('%s are refused, and nothing changes', async (_, ips, code, field) => {
    const world = await pooled(DUAL)
    const before = [snapshot(world), inCluster(world), members(world)]
    const refused = await putPool(world.ports, pool('db', ips))
    expect(!refused.ok && [refused.error.code, refused.error.field]).toEqual([code, field])
    expect([snapshot(world), inCluster(world), members(world)]).toEqual(before)
  })
})
