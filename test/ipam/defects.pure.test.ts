import { beforeEach, describe, expect, it } from 'vitest'
import { Ipam } from '../../shared/ipam/kube-ovn.ts'
import { seededRandom } from './harness.ts'

// One test a row of docs/ipam.md, named after the defect (test/data/traces/README.md, "Defects").

let ipam: Ipam
const MAC = '02:00:00:00:00:01'

beforeEach(() => {
  ipam = new Ipam(seededRandom())
  ipam.setSubnet('v4', '10.1.0.0/28', '10.1.0.1', ['10.1.0.1'])
  ipam.setSubnet('v6', 'fd00:1::/124', 'fd00:1::1', ['fd00:1::1'])
  ipam.setSubnet('dual', '10.2.0.0/28,fd00:2::/126', '10.2.0.1,fd00:2::1', ['10.2.0.1', 'fd00:2::1'])
})

type More = Partial<Parameters<Ipam['allocateRandom']>[0]>
const random = (who: string, more: More = {}) =>
  ipam.allocateRandom({
    subnet: 'v4',
    owner: `ns/${who}`,
    nic: `${who}.ns`,
    mac: undefined,
    pool: '',
    skip: [],
    check: true,
    ...more,
  })
const fixed = (who: string, ip: string, more: More = {}) =>
  ipam.allocateStatic({
    subnet: 'v4',
    owner: `ns/${who}`,
    nic: `${who}.ns`,
    ip,
    mac: undefined,
    check: true,
    ...more,
  })
const addresses = (who: string) => ipam.ownerAddresses(`ns/${who}`)
const using = (subnet: string, family: 4 | 6 = 4) => ipam.subnet(subnet)!.usingRanges(family)
const refused = (kind: string) => ({ ok: false, error: { kind } })

describe('a refusal leaves what the port had', () => {
  it('static-fail-drops-lease, static-fail-drops-mac', () => {
    random('a', { mac: MAC })
    random('b')
    expect(fixed('a', '10.1.0.3')).toMatchObject(refused('conflict'))
    expect(addresses('a')).toEqual([{ subnet: 'v4', ip: '10.1.0.2', mac: MAC }])
    const both = { subnet: 'dual' }
    random('a', both)
    expect(fixed('a', '10.2.0.9,fd00:2::1', both)).toMatchObject(refused('conflict'))
    expect([using('dual'), using('dual', 6)]).toEqual(['10.2.0.2', 'fd00:2::2'])
  })

  it('static-fail-binds-mac, fail-lists-nic', () => {
    random('a')
    expect(fixed('b', '10.1.0.2', { mac: MAC })).toMatchObject(refused('conflict'))
    expect(random('c', { mac: MAC })).toMatchObject({ ok: true, value: { mac: MAC } })
    expect(addresses('b')).toEqual([])
  })

  it('dual-append-leak', () => {
    random('a', { subnet: 'dual' })
    expect(fixed('b', '10.2.0.9', { subnet: 'dual' })).toMatchObject(refused('no-available'))
    expect(ipam.contains('10.2.0.9')).toBe(false)
    expect(fixed('c', '10.2.0.9', { subnet: 'dual', family: 'IPv4' })).toMatchObject({ ok: true })
  })

  it('random-fail-drops-lease', () => {
    ipam.setSubnet('small', '10.9.0.0/30', '10.9.0.1', ['10.9.0.1'])
    random('a', { subnet: 'small' })
    expect(random('a', { subnet: 'small', skip: ['10.9.0.2'] }).ok).toBe(false)
    expect(ipam.contains('10.9.0.2')).toBe(true)
  })
})

describe('MACs', () => {
  it('stale-mac', () => {
    random('a', { mac: MAC })
    fixed('a', '10.1.0.2', { mac: '02:00:00:00:00:02' })
    expect(random('b', { mac: MAC })).toMatchObject({ ok: true })
  })

  it('mac-unprotected', () => {
    random('a', { mac: MAC })
    random('a2', { owner: 'ns/a', mac: MAC })
    ipam.releaseNic('ns/a', 'a.ns', 'v4')
    expect(random('b', { mac: MAC })).toMatchObject(refused('conflict'))
  })

  it('mac-case-duplicate', () => {
    random('a', { mac: '02:00:00:00:aa:bb' })
    expect(random('b', { mac: '02:00:00:00:AA:BB' })).toMatchObject(refused('conflict'))
  })

  it('mac-unvalidated', () => {
    expect(random('a', { mac: 'not-a-mac' })).toMatchObject(refused('invalid-mac'))
  })

  it('leftover-mac', () => {
    random('a')
    fixed('b', '10.1.0.2')
    expect(random('b', { mac: '' })).toMatchObject({ value: { mac: '' } })
    expect(random('b', { mac: '' })).toMatchObject({ value: { v4: '10.1.0.3', mac: '' } })
  })

  it('orphan-address', () => {
    random('a', { mac: '' })
    expect(random('a')).toMatchObject({
      ok: true,
      value: { v4: '10.1.0.2', mac: expect.stringMatching(/^..:/) },
    })
    expect(using('v4')).toBe('10.1.0.2')
  })
})

describe('sharing', () => {
  beforeEach(() => {
    random('a')
    fixed('b', '10.1.0.2', { check: false })
  })

  it('shared-release-keeps-nic, stale-nic', () => {
    ipam.releaseNic('ns/b', 'b.ns', 'v4')
    expect(random('b')).toMatchObject({ value: { v4: '10.1.0.3' } })
  })

  it('shared-double-release', () => {
    ipam.releaseNic('ns/b', 'b.ns', 'v4')
    ipam.releaseNic('ns/b', 'b.ns', 'v4')
    expect(using('v4')).toBe('10.1.0.2')
    expect(fixed('c', '10.1.0.2')).toMatchObject(refused('conflict'))
  })

  it('second-nic-unbound', () => {
    expect(fixed('a2', '10.1.0.2', { owner: 'ns/a' })).toMatchObject(refused('conflict'))
  })

  it('foreign-nic', () => {
    expect(random('a', { owner: 'ns/stranger' })).toMatchObject(refused('conflict'))
    expect(fixed('a', '10.1.0.9', { owner: 'ns/stranger' })).toMatchObject(refused('conflict'))
    ipam.releaseOwner('ns/stranger', 'v4')
    expect(ipam.contains('10.1.0.2')).toBe(true)
  })

  it('foreign-release', () => {
    ipam.releaseNic('ns/stranger', 'a.ns', 'v4')
    expect(addresses('a')).toHaveLength(1)
  })
})

describe('requests', () => {
  it('static-multi-ip', () => {
    expect(fixed('a', '10.1.0.5,10.1.0.6')).toMatchObject(refused('invalid-ip'))
    expect(using('v4')).toBe('')
  })

  it('skip-ignores-released', () => {
    ipam.setSubnet('small', '10.9.0.0/29', '10.9.0.1', ['10.9.0.1'])
    for (const who of ['a', 'b', 'c', 'd']) random(who, { subnet: 'small' })
    ipam.releaseNic('ns/b', 'b.ns', 'small')
    expect(random('e', { subnet: 'small', skip: ['10.9.0.6'] })).toMatchObject({
      ok: true,
      value: { v4: '10.9.0.3' },
    })
  })

  it('echo-noncanonical', () => {
    expect(fixed('a', 'FD00:1::000A', { subnet: 'v6' })).toMatchObject({ value: { v6: 'fd00:1::a' } })
  })

  it('nil-address-listed, duplicate-address-listed', () => {
    fixed('a', '10.1.0.12')
    random('a2', { owner: 'ns/a' })
    random('a')
    expect(addresses('a').map(({ ip }) => ip)).toEqual(['10.1.0.12', '10.1.0.2'])
    ipam.setSubnet('v4', '10.1.0.0/29', '10.1.0.1', ['10.1.0.1'])
    expect(addresses('a').map(({ ip }) => ip)).toEqual(['10.1.0.2'])
  })
})

describe('Subnets and pools', () => {
  it('family-drop-keeps-state, wrong-family-slot', () => {
    random('a', { subnet: 'dual' })
    ipam.setSubnet('dual', '10.2.0.0/28', '10.2.0.1', ['10.2.0.1'])
    expect(ipam.contains('fd00:2::2')).toBe(false)
    expect(addresses('a').map(({ ip }) => ip)).toEqual(['10.2.0.2'])
    expect(fixed('b', 'fd00:2::2', { subnet: 'dual' })).toMatchObject(refused('out-of-range'))
  })

  it('reversed-dual-cidr, three-cidrs', () => {
    expect(ipam.setSubnet('x', 'fd00:9::/64,10.9.0.0/24', 'fd00:9::1,10.9.0.1', [])).toMatchObject(
      refused('invalid-cidr'),
    )
    expect(ipam.setSubnet('x', '10.9.0.0/24,fd00:9::/64,10.8.0.0/24', '10.9.0.1', [])).toMatchObject(
      refused('invalid-cidr'),
    )
  })

  it('low-v6-becomes-v4', () => {
    ipam.setSubnet('low', '::/112', '::1', [])
    expect(random('a', { subnet: 'low' })).toMatchObject({ value: { v4: '', v6: '::1' } })
    expect(fixed('b', '::5', { subnet: 'low' })).toMatchObject({ value: { v6: '::5' } })
  })

  it('v4-mapped, counter-drift', () => {
    expect(fixed('a', '::ffff:10.1.0.5')).toMatchObject(refused('invalid-ip'))
    expect(ipam.subnet('v4')!.capacity().v4).toMatchObject({ held: 0n, free: 13n })
  })

  it('pool-outside-cidr', () => {
    expect(ipam.setPool('v4', 'p', ['10.1.0.0/30'])).toMatchObject(refused('out-of-range'))
    expect(ipam.setPool('v4', 'p', ['10.9.0.1..10.9.0.9'])).toMatchObject(refused('out-of-range'))
  })

  it('pool-range-extra-part', () => {
    expect(ipam.setPool('v4', 'p', ['10.1.0.5..10.1.0.6..10.1.0.9'])).toMatchObject(refused('invalid-range'))
  })

  it('pool-junk-by-family', () => {
    expect(ipam.setPool('v4', 'p', ['junk', '10.1.0.5'])).toMatchObject(refused('invalid-ip'))
  })

  it('default-pool-deleted', () => {
    ipam.removePool('v4', '')
    expect(random('a')).toMatchObject({ ok: true })
  })

  it('v4-mask-panic', () => {
    expect(ipam.v4Mask('v6')).toMatchObject(refused('no-available'))
    expect(ipam.v4Mask('v4')).toEqual({ ok: true, value: '28' })
  })
})
