import { describe, expect, it } from 'vitest'
import { parseRange, parseRanges, parseSubnet } from '../../shared/ipam/config.ts'
import { MapLeaseIndex } from '../../shared/ipam/lease-index.ts'
import { RangeSet } from '../../shared/ipam/range.ts'
import { SubnetAllocator } from '../../shared/ipam/subnet.ts'
import { seededRandom, subnetOf } from './harness.ts'

const allocator = (cidr: string, more = {}) =>
  new SubnetAllocator(subnetOf(cidr, more), { leases: new MapLeaseIndex(), random: seededRandom() })

describe('a Subnet is normalised as the controller does it', () => {
  it.each([
    ['10.16.3.4/16', undefined, 'IPv4', '10.16.0.0/16', '10.16.0.1', ['10.16.0.1']],
    ['FD00::5/64', undefined, 'IPv6', 'fd00::/64', 'fd00::1', ['fd00::1']],
    [
      '10.0.0.0/24,fd00::/120',
      '10.0.0.254,FD00::fe',
      'Dual',
      '10.0.0.0/24,fd00::/120',
      '10.0.0.254,fd00::fe',
      ['10.0.0.254', 'fd00::fe'],
    ],
    ['10.0.0.0/31', undefined, 'IPv4', '10.0.0.0/31', '10.0.0.0', ['10.0.0.0']],
    ['10.0.0.1/32', undefined, 'IPv4', '10.0.0.1/32', '', []],
    ['', undefined, 'Mac', '', '', []],
  ])('%s', (cidrBlock, gateway, protocol, canonical, gateways, excludeIps) => {
    const parsed = parseSubnet({ cidrBlock, ...(gateway === undefined ? {} : { gateway }) })
    expect(parsed).toMatchObject({
      ok: true,
      value: { protocol, cidrBlock: canonical, gateway: gateways, excludeIps },
    })
  })

  it.each([
    ['fd00::/64,10.0.0.0/24', undefined, 'invalid-cidr', 'cidrBlock'],
    ['10.0.0.0/24,10.0.1.0/24', undefined, 'invalid-cidr', 'cidrBlock'],
    ['10.0.0.0/24,fd00::/64,fd01::/64', undefined, 'invalid-cidr', 'cidrBlock'],
    ['10.0.0.0/24, fd00::/64', undefined, 'invalid-cidr', 'cidrBlock'],
    ['::ffff:10.0.0.0/120', undefined, 'invalid-cidr', 'cidrBlock'],
    ['010.0.0.0/8', undefined, 'invalid-cidr', 'cidrBlock'],
    ['10.0.0.0/24,fd00::/64', '10.0.0.1', 'dual-gateway', 'gateway'],
    ['10.0.0.0/24', '10.0.0.1,fd00::1', 'invalid-gateway', 'gateway'],
    ['10.0.0.0/24', '10.0.1.1', 'invalid-gateway', 'gateway'],
    ['10.0.0.0/24', 'fd00::1', 'invalid-gateway', 'gateway'],
    ['10.0.0.0/24', 'fe80::1%eth0', 'invalid-ip', 'gateway'],
  ])('%s gateway %s: %s', (cidrBlock, gateway, kind, field) => {
    const parsed = parseSubnet({ cidrBlock, ...(gateway === undefined ? {} : { gateway }) })
    expect(parsed).toMatchObject({ ok: false, error: { kind, field } })
  })

  it('drops the excludes that Kube-OVN drops and joins the others', () => {
    const { excludeIps, v4, v6 } = subnetOf('10.0.0.0/24,fd00::/64', {
      excludeIps: [
        '10.0.0.9..10.0.0.5',
        '10.0.0.1..fd00::1',
        '10.0.0.1..10.0.0.2..10.0.0.3',
        'bad',
        '10.0.0.0/28',
        '10.0.1.1',
        '10.0.0.20..10.0.0.30',
        '10.0.0.25..10.0.0.40',
        '10.0.0.41',
        '10.0.0.0',
        '9.255.255.0..10.0.0.3',
        '10.0.0.250..10.9.9.9',
        'fd00::10..fd00::ffff:ffff:ffff',
      ],
    })
    expect(excludeIps).toEqual([
      '10.0.0.1..10.0.0.3',
      '10.0.0.20..10.0.0.41',
      '10.0.0.250..10.0.0.254',
      'fd00::1',
      'fd00::10..fd00::ffff:ffff:ffff',
    ])
    expect(v4!.excludes.size).toBe(30n)
    expect(v6!.excludes.size).toBe(2n ** 48n - 15n)
  })
})

describe('capacity, for the smallest and the largest (faults.md row 63)', () => {
  it.each([
    ['10.0.0.0/8', 4, 2n ** 24n - 2n, 1n],
    ['10.0.0.0/16', 4, 65_534n, 1n],
    ['10.0.0.0/30', 4, 2n, 1n],
    ['10.0.0.0/31', 4, 2n, 1n],
    ['10.0.0.0/32', 4, 0n, 0n],
    ['0.0.0.0/0', 4, 2n ** 32n - 2n, 1n],
    ['fd00::/64', 6, 2n ** 64n - 2n, 1n],
    ['fd00::/8', 6, 2n ** 120n - 2n, 1n],
    ['fd00::/126', 6, 2n, 1n],
    ['fd00::/127', 6, 2n, 1n],
    ['fd00::/128', 6, 0n, 0n],
    ['::/0', 6, 2n ** 128n - 2n, 1n],
  ] as const)('%s', (cidr, family, usable, excluded) => {
    const core = allocator(cidr)
    const capacity = core.capacity()[`v${family}`]!
    expect(capacity).toMatchObject({ usable, excluded, free: usable - excluded, held: 0n, released: 0n })
    const got = core.allocate({ owner: 'o/a', nic: 'a' })
    if (usable - excluded > 0n) expect(got.ok).toBe(true)
    else
      expect(got).toMatchObject({ ok: false, error: { kind: 'no-available', reason: 'exhausted', family } })
  })

  it('a range of 2^100 is a size, not a list', () => {
    const set = parseRanges(['fd00::..fd0f:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'fd00::5'])
    expect(set.ok && set.value.v6.size).toBe(2n ** 116n)
    const core = allocator('fd00::/16', { excludeIps: ['fd00::..fd00:fff::'] })
    expect(core.capacity().v6!.excluded).toBe(BigInt(0xfff) * 2n ** 96n)
    expect(core.setPool('p', ['fd00:1000::..fd00:1fff:ffff::'])).toMatchObject({ ok: true })
    expect(core.removePool('p').ok).toBe(true)
  })
})

describe('ranges (faults.md row 73)', () => {
  it.each([
    ['10.0.0.9..10.0.0.1', 'invalid-range'],
    ['10.0.0.1..fd00::1', 'invalid-range'],
    ['10.0.0.1..10.0.0.2..10.0.0.3', 'invalid-range'],
    ['10.0.0.1,10.0.0.2', 'invalid-ip'],
    ['10.0.0.1;10.0.0.2', 'invalid-ip'],
    ['10.0.0.1..', 'invalid-ip'],
    ['..', 'invalid-ip'],
    ['10.0.0.1-10.0.0.2', 'invalid-ip'],
  ])('%s: %s', (text, kind) => expect(parseRange(text)).toMatchObject({ ok: false, error: { kind } }))

  it('one address is a range of one', () => {
    expect(parseRange('10.0.0.1..10.0.0.1')).toEqual({
      ok: true,
      value: { family: 4, from: 0x0a000001, to: 0x0a000001 },
    })
  })

  it('overlapping lists become one set', () => {
    const set = parseRanges(['10.0.0.5..10.0.0.9', '10.0.0.0/29', '10.0.0.10', '10.0.0.20', 'fd00::1'])
    if (!set.ok) throw new Error(set.error.detail)
    expect(set.value.v4.ranges).toMatchObject([
      { from: 0x0a000000, to: 0x0a00000a },
      { from: 0x0a000014, to: 0x0a000014 },
    ])
    expect(set.value.v6.size).toBe(1n)
  })

  it('set arithmetic agrees with lists', () => {
    const pick = (seed: number) => {
      const bytes = seededRandom(seed).bytes(12)
      return RangeSet.of(
        Array.from({ length: 6 }, (_, i) => ({ from: bytes[i]! % 64, to: bytes[i + 6]! % 64 })),
      )
    }
    const list = (set: RangeSet<number>) =>
      set.ranges.flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, i) => from + i))
    for (let seed = 0; seed < 300; seed++) {
      const [a, b] = [pick(seed), pick(seed + 1000)]
      const [x, y] = [new Set(list(a)), new Set(list(b))]
      expect(list(a.union(b))).toEqual([...new Set([...x, ...y])].sort((p, q) => p - q))
      expect(list(a.intersect(b))).toEqual([...x].filter((n) => y.has(n)).sort((p, q) => p - q))
      expect(list(a.minus(b))).toEqual([...x].filter((n) => !y.has(n)).sort((p, q) => p - q))
      expect(a.size).toBe(BigInt(x.size))
      for (let n = 0; n < 64; n++) expect(a.has(n)).toBe(x.has(n))
    }
  })
})
