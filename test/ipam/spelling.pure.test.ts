import { describe, expect, it } from 'vitest'
import { formatAddress, parseAddress, parseCidr } from '../../shared/ipam/address.ts'
import { MAC_DRAWS, MacSource, parseMac, randomMac } from '../../shared/ipam/mac.ts'
import { seededRandom } from './harness.ts'

describe('addresses (faults.md row 65)', () => {
  it.each([
    '010.0.0.1',
    '0x0a000001',
    '167772161',
    '10.1',
    '10.0.0',
    '10.0.0.1 ',
    ' 10.0.0.1',
    '10.0.0.1\0',
    '１０.0.0.1',
    '::ffff:10.0.0.1',
    '::ffff:a00:1',
    '10.0.0.1/32',
    '10.0.0.256',
    '10.0.0.-1',
    '10.0.0.1.',
    '1.2.3.4.5',
    '',
    'fe80::1%eth0',
    'fd00::1/64',
    '[fd00::1]',
    'fd00:::1',
    'fd00::1::2',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    'fd00::12345',
    'fd00::1 ',
    '1:2:3:4:5:6:7::8:9',
    '::10.0.0.01',
    '::1.2.3',
    'localhost',
    '+1.2.3.4',
    '1e1.0.0.1',
    '10.0.0.1\n',
  ])('%j is refused', (text) => {
    expect(parseAddress(text)).toMatchObject({ ok: false, error: { kind: 'invalid-ip' } })
  })

  it.each([
    ['10.0.0.1', 4, '10.0.0.1'],
    ['0.0.0.0', 4, '0.0.0.0'],
    ['255.255.255.255', 4, '255.255.255.255'],
    ['FD00::0001', 6, 'fd00::1'],
    ['fd00:0:0:0:0:0:0:1', 6, 'fd00::1'],
    ['::', 6, '::'],
    ['::1', 6, '::1'],
    ['0:0:0:0:0:0:0:0', 6, '::'],
    ['1:0:0:2:0:0:0:3', 6, '1:0:0:2::3'],
    ['1:0:2:3:4:5:6:7', 6, '1:0:2:3:4:5:6:7'],
    ['1:0:0:2:3:0:0:4', 6, '1::2:3:0:0:4'],
    ['64:ff9b::10.0.0.1', 6, '64:ff9b::a00:1'],
    ['ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 6, 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ])('%s is %i %s', (text, family, canonical) => {
    const parsed = parseAddress(text)
    if (!parsed.ok) throw new Error(parsed.error.detail)
    expect(parsed.value.family).toBe(family)
    expect(formatAddress(parsed.value.family, parsed.value.value)).toBe(canonical)
  })

  it.each([
    '10.0.0.0/33',
    '10.0.0.0',
    '10.0.0.0/-1',
    '10.0.0.0/08',
    '10.0.0.0/8/8',
    'fd00::/129',
    '::ffff:1.2.3.4/120',
    '/8',
    'a/8',
  ])('CIDR %s is refused', (text) => {
    expect(parseCidr(text)).toMatchObject({ ok: false, error: { kind: 'invalid-cidr' } })
  })

  it.each([
    ['10.1.2.3/8', 0x0a000000, 0x0affffff],
    ['0.0.0.0/0', 0, 0xffffffff],
    ['255.255.255.255/32', 0xffffffff, 0xffffffff],
    ['::/0', 0n, (1n << 128n) - 1n],
    ['fd00::1/127', 0xfd00n << 112n, (0xfd00n << 112n) + 1n],
  ])('CIDR %s is masked', (text, network, top) => {
    expect(parseCidr(text)).toMatchObject({ ok: true, value: { network, top } })
  })
})

describe('MACs', () => {
  it.each([
    ['02:00:00:00:AA:bb', '02:00:00:00:aa:bb'],
    ['00:00:00:86:C6:36', '00:00:00:86:c6:36'],
  ])('%s is %s', (text, mac) => expect(parseMac(text)).toEqual({ ok: true, value: mac }))

  it.each([
    '',
    'not-a-mac',
    '02:00:00:00:00',
    '02:00:00:00:00:01:02',
    '02-00-00-00-00-01',
    '0200.0000.0001',
    '2:0:0:0:0:1',
    '01:00:5e:00:00:01',
    '33:33:00:00:00:01',
    'ff:ff:ff:ff:ff:ff',
    '00:00:00:00:00:00',
    '02:00:00:00:00:0g',
    ' 02:00:00:00:00:01',
    '02:00:00:00:00:01\n',
    '02:00:00:00:00:0İ',
  ])('%j is refused', (text) => {
    expect(parseMac(text)).toMatchObject({ ok: false, error: { kind: 'invalid-mac', field: 'mac' } })
  })

  it('a random one is unicast and locally administered, and not a taken one', () => {
    const taken = new Set<string>()
    for (let i = 0; i < 200; i++) {
      const mac = randomMac(new MacSource(seededRandom(i)), (m) => taken.has(m))
      if (!mac.ok) throw new Error(mac.error.detail)
      expect(mac.value).toMatch(/^[0-9a-f][26ae](:[0-9a-f]{2}){5}$/)
      taken.add(mac.value)
    }
  })

  it('drawing gives up after a hundred taken ones (faults.md row 63)', () => {
    let draws = 0
    const mac = randomMac(new MacSource(seededRandom()), () => ++draws > 0)
    expect(mac).toMatchObject({ ok: false, error: { kind: 'no-mac' } })
    expect(draws).toBe(MAC_DRAWS)
  })
})
