import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatAddress } from '../../shared/ipam/address.ts'
import { Ipam } from '../../shared/ipam/kube-ovn.ts'
import { RangeSet } from '../../shared/ipam/range.ts'
import { seededRandom } from './harness.ts'

// Operations in the style of the traces, odd ones included, against what must hold whatever Kube-OVN's rules do.

const owner = fc.integer({ min: 0, max: 6 }).map((n) => `ns/p${n}`)
const nic = fc.integer({ min: 0, max: 9 }).map((n) => `p${n}.ns`)
const ip4 = fc.integer({ min: 0, max: 17 }).map((n) => `10.1.0.${n}`)
const ip6 = fc.integer({ min: 0, max: 17 }).map((n) => `fd00::${n.toString(16)}`)
const ip = fc.oneof(
  ip4,
  ip6,
  fc.tuple(ip4, ip6).map(String),
  fc.tuple(ip6, ip4).map(String),
  fc.tuple(ip4, ip4).map(String),
  fc.constantFrom('', 'x', '10.1.0.02'),
)
const mac = fc.constantFrom(
  undefined,
  undefined,
  undefined,
  '',
  '02:00:00:00:00:01',
  '02:00:00:00:00:0A',
  'junk',
)
const family = fc.constantFrom('', '', '', 'IPv4', 'ipv6', 'x')
const pool = fc.constantFrom('', '', '', 'p', 'q', 'none')
const common = { owner, nic, mac, family, check: fc.integer({ min: 0, max: 5 }).map((n) => n > 0) }
const op = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('random' as const),
      ...common,
      pool,
      skip: fc.array(fc.oneof(ip4, ip6), { maxLength: 4 }),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('static' as const), ...common, ip }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('release-nic' as const), owner, nic }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('release-owner' as const), owner }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('pool' as const),
      pool,
      ips: fc.array(fc.oneof(ip4, ip6), { maxLength: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pool-delete' as const), pool }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('subnet' as const),
      size: fc.constantFrom('28,124', '29,125', '27,64'),
      excludes: fc.array(fc.oneof(ip4, ip6), { maxLength: 3 }),
    }),
  },
)

function apply(ipam: Ipam, one: typeof op extends fc.Arbitrary<infer T> ? T : never): boolean {
  switch (one.do) {
    case 'random':
      return ipam.allocateRandom({ subnet: 's', ...one }).ok
    case 'static':
      return ipam.allocateStatic({ subnet: 's', ...one }).ok
    case 'release-nic':
      ipam.releaseNic(one.owner, one.nic, 's')
      return true
    case 'release-owner':
      ipam.releaseOwner(one.owner, '')
      return true
    case 'pool':
      return ipam.setPool('s', one.pool, one.ips).ok
    case 'pool-delete':
      ipam.removePool('s', one.pool)
      return true
    case 'subnet': {
      const [v4, v6] = one.size.split(',')
      return ipam.setSubnet('s', `10.1.0.0/${v4},fd00::/${v6}`, '10.1.0.1,fd00::1', one.excludes).ok
    }
  }
}

/** Addresses in use are those of leases, every counter adds up, and nobody but check: false shares. */
function audit(ipam: Ipam): void {
  const subnet = ipam.subnet('s')!
  const leases = [...subnet.leases.all()]
  for (const key of ['v4', 'v6'] as const) {
    const family = key === 'v4' ? 4 : 6
    const { usable, free, excluded, held } = subnet.capacity()[key]!
    expect(free + excluded + held).toBe(usable)
    const used = leases.flatMap((lease) => (lease[key] === undefined ? [] : [BigInt(lease[key])]))
    const set = RangeSet.of(used.map((address) => ({ from: address, to: address })))
    expect(subnet.usingRanges(family)).toBe(set.format(family, formatAddress))
    expect(held).toBe(set.size)
  }
  for (const lease of leases) expect(lease.v4 !== undefined || lease.v6 !== undefined).toBe(true)
}

describe("Kube-OVN's rules", () => {
  it('keep addresses, leases and counters together under random operations', () => {
    fc.assert(
      fc.property(fc.array(op, { minLength: 1, maxLength: 60 }), (ops) => {
        const ipam = new Ipam(seededRandom())
        ipam.setSubnet('s', '10.1.0.0/28,fd00::/124', '10.1.0.1,fd00::1', ['10.1.0.1'])
        for (const one of ops) {
          const subnet = ipam.subnet('s')!
          const nicName = 'nic' in one ? one.nic : ''
          const before = subnet.leases.byNic(nicName)
          const done = apply(ipam, one)
          if (!done) expect(subnet.leases.byNic(nicName)).toEqual(before)
          audit(ipam)
        }
        for (let n = 0; n < 7; n++) ipam.releaseOwner(`ns/p${n}`, '')
        audit(ipam)
        expect(ipam.subnet('s')!.usingRanges(4) + ipam.subnet('s')!.usingRanges(6)).toBe('')
      }),
      { numRuns: 300, seed: 17 },
    )
  })
})
