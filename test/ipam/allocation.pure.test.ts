import { describe, expect, it } from 'vitest'
import { MapLeaseIndex } from '../../shared/ipam/lease-index.ts'
import { contiguous, kubeOvnOrder, longestReleasedFirst } from '../../shared/ipam/strategy.ts'
import { SubnetAllocator } from '../../shared/ipam/subnet.ts'
import { picture, seededRandom, subnetOf } from './harness.ts'

function core(cidr: string, more: { strategy?: typeof kubeOvnOrder; excludeIps?: string[] } = {}) {
  const { strategy = kubeOvnOrder, ...rest } = more
  return new SubnetAllocator<string>(subnetOf(cidr, rest), {
    leases: new MapLeaseIndex(),
    random: seededRandom(),
    strategy,
  })
}

const port = (n: number | string) => ({ owner: `ns/${n}`, nic: `${n}.ns` })

describe('requests that are refused, and why', () => {
  const dual = () => {
    const subnet = core('10.0.0.0/29,fd00::/125', { excludeIps: ['10.0.0.5'] })
    subnet.gatewayMac = '02:00:00:00:00:fe'
    subnet.allocate({ ...port('a'), v4: '10.0.0.2', v6: 'fd00::2', mac: '02:00:00:00:00:0a' })
    return subnet
  }

  it.each([
    [{ v4: '10.0.0.2' }, 'conflict', 'address-held', 'v4'],
    [{ v6: 'fd00:0::2' }, 'conflict', 'address-held', 'v6'],
    [{ v4: '10.0.0.1' }, 'conflict', 'gateway', 'v4'],
    [{ v4: '10.0.0.0' }, 'out-of-range', 'network', 'v4'],
    [{ v4: '10.0.0.7' }, 'out-of-range', 'broadcast', 'v4'],
    [{ v6: 'fd00::7' }, 'out-of-range', 'broadcast', 'v6'],
    [{ v4: '10.0.0.8' }, 'out-of-range', 'outside', 'v4'],
    [{ v4: 'fd00::3' }, 'invalid-ip', undefined, 'v4'],
    [{ v4: '10.0.0.03' }, 'invalid-ip', undefined, 'v4'],
    [{ v4: -1 }, 'invalid-ip', undefined, 'v4'],
    [{ v6: 'fd00::/64' }, 'invalid-ip', undefined, 'v6'],
    [{ mac: '02:00:00:00:00:0A' }, 'conflict', 'mac-held', 'mac'],
    [{ mac: '02:00:00:00:00:FE' }, 'conflict', 'gateway-mac', 'mac'],
    [{ mac: 'x' }, 'invalid-mac', undefined, 'mac'],
    [{ pool: 'none' }, 'unknown-pool', undefined, 'pool'],
    [{ skip: ['10.0.0.3', '10.0.0.4', '10.0.0.6'] }, 'conflict', 'skipped', undefined],
    [{ family: 4 as const, v6: 'fd00::3' }, 'invalid-family', undefined, 'family'],
  ])('%j: %s %s', (request, kind, reason, field) => {
    const subnet = dual()
    const before = picture(subnet)
    const result = subnet.allocate({ ...port('b'), ...request })
    if (result.ok) throw new Error('it was not refused')
    expect([result.error.kind, result.error.reason, result.error.field]).toEqual([kind, reason, field])
    expect(picture(subnet)).toBe(before)
  })

  it('a port that holds a lease is refused another', () => {
    expect(dual().allocate(port('a'))).toMatchObject({
      ok: false,
      error: { kind: 'conflict', reason: 'nic-held' },
    })
  })

  it('the last address of one family: neither is taken (faults.md row 61)', () => {
    const subnet = core('10.0.0.0/30,fd00::/64')
    expect(subnet.allocate(port(1)).ok).toBe(true)
    const before = picture(subnet)
    expect(subnet.allocate(port(2))).toMatchObject({ ok: false, error: { kind: 'no-available', family: 4 } })
    expect(picture(subnet)).toBe(before)
    expect(subnet.allocate({ ...port(2), family: 6 }).ok).toBe(true)
  })

  it('excluded addresses can be wished for, are counted, and are not chosen after', () => {
    const subnet = dual()
    expect(subnet.allocate({ ...port('x'), v4: '10.0.0.5' }).ok).toBe(true)
    expect(subnet.capacity().v4).toMatchObject({ held: 2n, excluded: 1n, free: 3n })
    subnet.release('x.ns', 'ns/x')
    expect(subnet.capacity().v4).toMatchObject({ held: 1n, excluded: 2n, free: 3n })
    expect(subnet.releasedRanges(4)).toBe('')
  })

  it('a lease ends only for its owner', () => {
    const subnet = dual()
    expect(subnet.release('a.ns', 'ns/b')).toMatchObject({
      ok: false,
      error: { kind: 'conflict', reason: 'owner' },
    })
    expect(subnet.release('z.ns', 'ns/z')).toMatchObject({ ok: false, error: { kind: 'not-held' } })
    expect(subnet.release('a.ns', 'ns/a')).toMatchObject({ ok: true, value: { v4: 0x0a000002 } })
  })

  it('an occupied address is held by nobody known', () => {
    const subnet = dual()
    expect(subnet.occupy(4, 0x0a000003)).toBe(true)
    expect(subnet.occupy(4, 0x0a000003)).toBe(false)
    expect(subnet.occupy(4, 0x0b000003)).toBe(false)
    expect(subnet.allocate({ ...port('b'), v4: '10.0.0.3' })).toMatchObject({
      error: { reason: 'address-held' },
    })
    expect(subnet.allocate(port('b'))).toMatchObject({ value: { v4: 0x0a000004 } })
    expect(subnet.vacate(4, 0x0a000003)).toBe(true)
    expect(subnet.vacate(4, 0x0a000003)).toBe(false)
  })
})

describe('order', () => {
  const churn = (strategy: typeof kubeOvnOrder) => {
    const subnet = core('10.0.0.0/29', { strategy })
    for (let n = 2; n <= 5; n++) subnet.allocate(port(n))
    for (const n of [4, 2, 3]) subnet.release(`${n}.ns`, `ns/${n}`)
    return Array.from({ length: 5 }, (_, i) => {
      const got = subnet.allocate(port(`new${i}`))
      return got.ok ? got.value.v4! & 7 : got.error.kind
    })
  }

  it('of Kube-OVN: free ones, then the released ones, lowest first', () => {
    expect(churn(kubeOvnOrder)).toEqual([6, 2, 3, 4, 'no-available'])
  })

  it('contiguous: the lowest there is', () => {
    expect(churn(contiguous)).toEqual([2, 3, 4, 6, 'no-available'])
  })

  it('longest released first, after those never used', () => {
    expect(churn(longestReleasedFirst)).toEqual([6, 4, 2, 3, 'no-available'])
  })

  it.each([kubeOvnOrder, contiguous, longestReleasedFirst])(
    '$name: a suggestion is what comes, and changes nothing',
    (strategy) => {
      const subnet = core('10.0.0.0/28', { strategy })
      for (let n = 0; n < 8; n++) subnet.allocate(port(n))
      for (const n of [6, 1, 4]) subnet.release(`${n}.ns`, `ns/${n}`)
      const before = picture(subnet)
      const suggested = subnet.suggest(20)
      expect(picture(subnet)).toBe(before)
      if (!suggested.ok) throw new Error(suggested.error.detail)
      expect(suggested.value.length).toBe(8)
      for (const [i, v4] of suggested.value.entries()) {
        subnet.allocate(port(`s${i}`))
        expect(subnet.leases.byNic(`s${i}.ns`)?.v4).toBe(0x0a000000 + Number(v4.split('.')[3]))
      }
    },
  )
})

describe('blocks', () => {
  const ports = (count: number, from = 0) => Array.from({ length: count }, (_, i) => port(`b${from + i}`))

  it('are the lowest run, in both families', () => {
    const subnet = core('10.0.0.0/26,fd00::/64')
    subnet.allocate({ ...port('x'), v4: '10.0.0.5', v6: 'fd00::3' })
    const got = subnet.allocateBlock({ leases: ports(8) })
    if (!got.ok) throw new Error(got.error.detail)
    expect(got.value.map((lease) => lease.v4! & 63)).toEqual([6, 7, 8, 9, 10, 11, 12, 13])
    expect(got.value.map((lease) => Number(lease.v6! & 63n))).toEqual([4, 5, 6, 7, 8, 9, 10, 11])
  })

  it('can be aligned to their size', () => {
    const subnet = core('10.0.0.0/24')
    expect(subnet.allocateBlock({ leases: ports(16), aligned: true })).toMatchObject({
      ok: true,
      value: [{ v4: 0x0a000010 }, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}],
    })
    expect(subnet.suggest(32, { contiguous: true, aligned: true })).toMatchObject({
      value: expect.arrayContaining(['10.0.0.32']),
    })
    expect(subnet.allocateBlock({ leases: ports(3), aligned: true })).toMatchObject({
      error: { kind: 'invalid-range' },
    })
  })

  it('are found across free and released addresses', () => {
    const subnet = core('10.0.0.0/28')
    for (let n = 2; n <= 14; n++) subnet.allocate(port(n))
    for (const n of [3, 7, 8, 9]) subnet.release(`${n}.ns`, `ns/${n}`)
    expect(subnet.allocateBlock({ leases: ports(4) })).toMatchObject({
      error: { kind: 'no-available', reason: 'fragmented' },
    })
    expect(subnet.allocateBlock({ leases: ports(5) })).toMatchObject({ error: { reason: 'exhausted' } })
    expect(subnet.allocateBlock({ leases: ports(3) })).toMatchObject({
      ok: true,
      value: [{ v4: 0x0a000007 }, {}, {}],
    })
  })

  it('are all or nothing', () => {
    const subnet = core('10.0.0.0/28')
    subnet.allocate({ ...port('b2'), mac: '02:00:00:00:00:01' })
    const before = picture(subnet)
    expect(subnet.allocateBlock({ leases: ports(4) })).toMatchObject({
      error: { reason: 'nic-held', field: 'leases[2].nic' },
    })
    const macs = ports(2, 10).map((one) => ({ ...one, mac: '02:00:00:00:00:02' }))
    expect(subnet.allocateBlock({ leases: macs })).toMatchObject({
      error: { reason: 'mac-held', field: 'leases[1].mac' },
    })
    expect(picture(subnet)).toBe(before)
  })
})

describe('pools', () => {
  it('are kept out of by automatic allocation and served by name', () => {
    const subnet = core('10.0.0.0/28')
    expect(subnet.setPool('p', ['10.0.0.2..10.0.0.4']).ok).toBe(true)
    expect(subnet.allocate(port(1))).toMatchObject({ value: { v4: 0x0a000005 } })
    expect(subnet.allocate({ ...port(2), pool: 'p' })).toMatchObject({ value: { v4: 0x0a000002 } })
    expect(subnet.allocate({ ...port(3), v4: '10.0.0.4' }).ok).toBe(true)
    expect(subnet.capacity().v4!.pools.get('p')).toEqual({ free: 1n, released: 0n, held: 2n })
    expect(subnet.removePool('p').ok).toBe(true)
    expect(subnet.allocate(port(4))).toMatchObject({ value: { v4: 0x0a000003 } })
  })

  it.each([
    ['', ['10.0.0.9'], 'unknown-pool'],
    ['q', ['10.0.0.4..10.0.0.9'], 'pool-overlap'],
    ['q', ['10.0.0.0/30'], 'pool-overlap'],
    ['q', ['10.0.0.15'], 'out-of-range'],
    ['q', ['10.9.0.1..10.9.0.9'], 'out-of-range'],
    ['q', ['10.0.0.5..10.0.0.6..10.0.0.9'], 'invalid-range'],
    ['q', ['10.0.0.9..10.0.0.5'], 'invalid-range'],
    ['q', ['junk', '10.0.0.9'], 'invalid-ip'],
    ['q', ['10.0.0.8/40'], 'invalid-cidr-text'],
  ])('%j %j: %s', (name, ips, kind) => {
    const subnet = core('10.0.0.0/28')
    subnet.setPool('p', ['10.0.0.2..10.0.0.4'])
    const before = picture(subnet)
    expect(subnet.setPool(name, ips)).toMatchObject({ ok: false, error: { kind } })
    expect(picture(subnet)).toBe(before)
  })
})

describe('live changes', () => {
  it('report what falls out and keep the leases', () => {
    const subnet = core('10.0.0.0/24,fd00::/64')
    for (const v4 of ['10.0.0.9', '10.0.0.200', '10.0.0.201']) subnet.allocate({ ...port(v4), v4 })
    const report = subnet.configure(subnetOf('10.0.0.0/25,fd00::/64'))
    expect(report.fellOut.map((lease) => lease.nic)).toEqual(['10.0.0.200.ns', '10.0.0.201.ns'])
    expect(subnet.capacity()).toMatchObject({ v4: { held: 1n, usable: 126n }, v6: { held: 3n } })
    const free = subnet.availableRanges(4)
    expect(subnet.release('10.0.0.200.ns', 'ns/10.0.0.200').ok).toBe(true)
    expect(subnet.availableRanges(4)).toBe(free)
    expect(subnet.capacity().v6).toMatchObject({ held: 2n })
    subnet.configure(subnetOf('10.0.0.0/24,fd00::/64'))
    expect(subnet.occupy(4, 0x0a0000c9)).toBe(true)
  })

  it('leave an unchanged family alone', () => {
    const subnet = core('10.0.0.0/28,fd00::/124')
    subnet.allocate(port(1))
    subnet.release('1.ns', 'ns/1')
    expect(subnet.configure(subnetOf('10.0.0.0/28,fd00::/124'))).toMatchObject({ changed: false })
    subnet.configure(subnetOf('10.0.0.0/28,fd00::/124', { excludeIps: ['fd00::9'] }))
    expect([subnet.releasedRanges(4), subnet.releasedRanges(6)]).toEqual(['10.0.0.2', ''])
  })

  it('drop and add a family', () => {
    const subnet = core('10.0.0.0/28,fd00::/124')
    subnet.allocate(port(1))
    expect(subnet.configure(subnetOf('10.0.0.0/28')).fellOut.map((lease) => lease.nic)).toEqual(['1.ns'])
    expect(subnet.allocate(port(2))).toMatchObject({ ok: true, value: { v4: 0x0a000003 } })
    expect(subnet.leases.byNic('2.ns')?.v6).toBeUndefined()
    subnet.configure(subnetOf('10.0.0.0/28,fd01::/124'))
    expect(subnet.allocate(port(3))).toMatchObject({ value: { v6: (0xfd01n << 112n) + 2n } })
  })
})
