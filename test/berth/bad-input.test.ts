import { beforeAll, describe, expect, it } from 'vitest'
import { everything, makeSubnet, post, refused } from '../support/api.ts'

/** A Subnet of each family with one reservation in it; refusals must leave all of it as it is. */
const V4 = { subnet: 'bad-4', namespace: 'bad', podName: 'new' }
const V6 = { subnet: 'bad-6', namespace: 'bad', podName: 'new' }
const DUAL = { subnet: 'bad-dual', namespace: 'bad', podName: 'new' }
const TAKEN_MAC = '00:00:00:0a:0b:0c'

beforeAll(async () => {
  await makeSubnet('bad-4', '10.60.0.0/24', { gateway: '10.60.0.1' })
  await makeSubnet('bad-6', 'fd00:60::/120', { gateway: 'fd00:60::1' })
  await makeSubnet('bad-dual', '10.61.0.0/24,fd00:61::/120')
  await makeSubnet('bad-30', '10.62.0.0/30')
  for (const wish of [
    { ...V4, podName: 'old', v4IpAddress: '10.60.0.9', macAddress: TAKEN_MAC },
    { ...V6, podName: 'old-6', v6IpAddress: 'fd00:60::9' },
    { ...DUAL, podName: 'old-dual' },
    { subnet: 'bad-30', namespace: 'bad', podName: 'old-30' },
  ]) {
    expect((await post('/v1/reserve', wish)).status).toBe(201)
  }
})

const v4 = (v4IpAddress: string) => ({ ...V4, v4IpAddress })
const v6 = (v6IpAddress: string) => ({ ...V6, v6IpAddress })
const mac = (macAddress: string) => ({ ...V4, macAddress })
const manifest = (name: string | undefined, spec: object) => ({
  apiVersion: 'kubeovn.io/v1',
  kind: 'IP',
  metadata: name === undefined ? {} : { name },
  spec: { subnet: 'bad-4', namespace: 'bad', podName: 'new', ...spec },
})

type Row = readonly [what: string, body: object, status: number, code: string, field: string]

const ADDRESSES: readonly Row[] = [
  ['IPv4: 10.16.0.300', v4('10.16.0.300'), 400, 'invalid_address', 'v4IpAddress'],
  ['IPv4: leading zeroes', v4('010.060.000.005'), 400, 'invalid_address', 'v4IpAddress'],
  ['IPv4: one leading zero', v4('10.60.0.05'), 400, 'invalid_address', 'v4IpAddress'],
  ['IPv4: hexadecimal', v4('0x0a3c0005'), 400, 'invalid_address', 'v4IpAddress'],
  ['IPv4: hexadecimal octets', v4('0xa.0x3c.0.5'), 400, 'invalid_address', 'v4IpAddress'],
  ['IPv4: one number', v4('171704325'), 400, 'invalid_address', 'v4IpAddress'],
  ['IPv4: two parts', v4('10.5'), 400, 'invalid_address', 'v4IpAddress'],
  ['IPv4: three parts', v4('10.60.5'), 400, 'invalid_address', 'v4IpAddress'],
  ['IPv4: five parts', v4('10.60.0.5.1'), 400, 'invalid_address', 'v4IpAddress'],
  ['IPv4: a space behind', v4('10.60.0.5 '), 400, 'invalid_address', 'v4IpAddress'],
  ['IPv4: a space before', v4(' 10.60.0.5'), 400, 'invalid_address', 'v4IpAddress'],
  ['IPv4: a newline behind', v4('10.60.0.5\n'), 400, 'invalid_address', 'v4IpAddress'],
  ['IPv4: NUL', v4('10.60.0.5\u0000'), 400, 'malformed', 'v4IpAddress'],
  ['IPv4: full-width digits', v4('１０.６０.０.５'), 400, 'invalid_address', 'v4IpAddress'],
  ['IPv4: Arabic digits', v4('١٠.٦٠.٠.٥'), 400, 'invalid_address', 'v4IpAddress'],
  ['IPv4: ideographic full stops', v4('10。60。0。5'), 400, 'invalid_address', 'v4IpAddress'],
  ['IPv4: a prefix', v4('10.60.0.5/32'), 400, 'invalid_address', 'v4IpAddress'],
  ['IPv4: a range', v4('10.60.0.5..10.60.0.9'), 400, 'invalid_address', 'v4IpAddress'],
  ['IPv4: a pair', v4('10.60.0.5,10.60.0.6'), 400, 'invalid_address', 'v4IpAddress'],
  ['IPv4: signed', v4('+10.60.0.5'), 400, 'invalid_address', 'v4IpAddress'],
  ['IPv4: negative', v4('10.60.0.-5'), 400, 'invalid_address', 'v4IpAddress'],
  ['IPv4: an exponent', v4('1e1.60.0.5'), 400, 'invalid_address', 'v4IpAddress'],
  ['IPv4: a name', v4('localhost'), 400, 'invalid_address', 'v4IpAddress'],
  ['IPv4: __proto__', v4('__proto__'), 400, 'invalid_address', 'v4IpAddress'],
  ['IPv4: an IPv6 address', v4('fd00:60::5'), 400, 'invalid_address', 'v4IpAddress'],
  ['IPv4: mapped into IPv6', v4('::ffff:10.60.0.5'), 400, 'invalid_address', 'v4IpAddress'],
  ['IPv6: an IPv4 address', v6('10.60.0.5'), 400, 'invalid_address', 'v6IpAddress'],
  ['IPv6: a mapped address', v6('::ffff:10.60.0.5'), 400, 'invalid_address', 'v6IpAddress'],
  ['IPv6: a mapped address in hex', v6('::ffff:0a3c:5'), 400, 'invalid_address', 'v6IpAddress'],
  ['IPv6: a zone', v6('fd00:60::5%eth0'), 400, 'invalid_address', 'v6IpAddress'],
  ['IPv6: two gaps', v6('fd00::60::5'), 400, 'invalid_address', 'v6IpAddress'],
  ['IPv6: brackets', v6('[fd00:60::5]'), 400, 'invalid_address', 'v6IpAddress'],
  ['IPv6: a prefix', v6('fd00:60::5/128'), 400, 'invalid_address', 'v6IpAddress'],
  ['IPv6: nine groups', v6('1:2:3:4:5:6:7:8:9'), 400, 'invalid_address', 'v6IpAddress'],
  ['IPv6: five digits', v6('fd00:60::00005'), 400, 'invalid_address', 'v6IpAddress'],
  ['IPv6: not hexadecimal', v6('fd00:60::g'), 400, 'invalid_address', 'v6IpAddress'],
  ['IPv6: a space behind', v6('fd00:60::5 '), 400, 'invalid_address', 'v6IpAddress'],
]

const PLACES: readonly Row[] = [
  ['outside', v4('10.99.0.5'), 422, 'out_of_range', 'v4IpAddress'],
  ['one above the CIDR', v4('10.60.1.0'), 422, 'out_of_range', 'v4IpAddress'],
  ['one below the CIDR', v4('10.59.255.255'), 422, 'out_of_range', 'v4IpAddress'],
  ['the network address', v4('10.60.0.0'), 422, 'out_of_range', 'v4IpAddress'],
  ['the broadcast address', v4('10.60.0.255'), 422, 'out_of_range', 'v4IpAddress'],
  ['0.0.0.0', v4('0.0.0.0'), 422, 'out_of_range', 'v4IpAddress'],
  ['255.255.255.255', v4('255.255.255.255'), 422, 'out_of_range', 'v4IpAddress'],
  ['the gateway', v4('10.60.0.1'), 422, 'excluded_gateway', 'v4IpAddress'],
  ['a taken address', v4('10.60.0.9'), 409, 'address_taken', 'v4IpAddress'],
  ['IPv6 outside', v6('fd00:99::5'), 422, 'out_of_range', 'v6IpAddress'],
  ['IPv6: all zeroes of the CIDR', v6('fd00:60::'), 422, 'out_of_range', 'v6IpAddress'],
  ['IPv6: the unspecified address', v6('::'), 422, 'out_of_range', 'v6IpAddress'],
  ['IPv6: multicast', v6('ff02::1'), 422, 'out_of_range', 'v6IpAddress'],
  ['the IPv6 gateway', v6('fd00:60::1'), 422, 'excluded_gateway', 'v6IpAddress'],
  ['a taken IPv6 address', v6('fd00:60::9'), 409, 'address_taken', 'v6IpAddress'],
  ['the same, in capitals and in full', v6('FD00:0060:0:0:0:0:0:0009'), 409, 'address_taken', 'v6IpAddress'],
  ['IPv6 in an IPv4 Subnet', { ...V4, v6IpAddress: 'fd00:60::5' }, 422, 'out_of_range', 'v6IpAddress'],
  ['IPv4 in an IPv6 Subnet', { ...V6, v4IpAddress: '10.60.0.5' }, 422, 'out_of_range', 'v4IpAddress'],
  [
    'dual: IPv4 good, IPv6 taken',
    { ...DUAL, v4IpAddress: '10.61.0.77', v6IpAddress: 'fd00:61::2' },
    409,
    'address_taken',
    'v6IpAddress',
  ],
]

const MACS: readonly Row[] = [
  ['zero', mac('00:00:00:00:00:00'), 400, 'invalid_mac', 'macAddress'],
  ['broadcast', mac('ff:ff:ff:ff:ff:ff'), 400, 'invalid_mac', 'macAddress'],
  ['multicast', mac('01:00:5e:00:00:01'), 400, 'invalid_mac', 'macAddress'],
  ['IPv6 multicast', mac('33:33:00:00:00:01'), 400, 'invalid_mac', 'macAddress'],
  ['five octets', mac('00:00:00:00:01'), 400, 'invalid_mac', 'macAddress'],
  ['eight octets', mac('02:00:00:00:00:00:00:01'), 400, 'invalid_mac', 'macAddress'],
  ['not hexadecimal', mac('00:00:00:00:00:0g'), 400, 'invalid_mac', 'macAddress'],
  ['a single digit', mac('00:00:00:00:00:1'), 400, 'invalid_mac', 'macAddress'],
  ['a space behind', mac('00:00:00:00:00:01 '), 400, 'invalid_mac', 'macAddress'],
  ['taken', mac(TAKEN_MAC), 409, 'mac_taken', 'macAddress'],
  ['taken, in capitals', mac(TAKEN_MAC.toUpperCase()), 409, 'mac_taken', 'macAddress'],
]

const old = (more: object) => ({ ...V4, podName: 'old', ...more })
const OWNERS: readonly Row[] = [
  ['another address', old({ v4IpAddress: '10.60.0.10' }), 409, 'already_reserved', 'v4IpAddress'],
  ['another MAC', old({ macAddress: '00:00:00:00:00:99' }), 409, 'already_reserved', 'macAddress'],
  ['another family', old({ v6IpAddress: 'fd00:60::5' }), 409, 'already_reserved', 'v6IpAddress'],
  ['a MAC that is none', old({ macAddress: 'x' }), 400, 'invalid_mac', 'macAddress'],
  ['an address that is none', old({ v4IpAddress: 'x' }), 400, 'invalid_address', 'v4IpAddress'],
  ['another podType', old({ podType: 'StatefulSet' }), 409, 'immutable_field', 'podType'],
  ['another ipPool', old({ ipPool: 'gold' }), 409, 'immutable_field', 'ipPool'],
  ['the same in another Subnet', { ...DUAL, podName: 'old' }, 409, 'already_reserved', 'podName'],
]

const REST: readonly Row[] = [
  ['podType Deployment', { ...V4, podType: 'Deployment' }, 400, 'invalid_field', 'podType'],
  ['an unknown ipPool', { ...V4, ipPool: 'gold' }, 400, 'invalid_field', 'ipPool'],
  ['ipPool constructor', { ...V4, ipPool: 'constructor' }, 400, 'invalid_field', 'ipPool'],
  ['an unknown Subnet', { ...V4, subnet: 'nowhere' }, 404, 'unknown_subnet', 'subnet'],
  ['Subnet constructor', { ...V4, subnet: 'constructor' }, 404, 'unknown_subnet', 'subnet'],
  ['a Subnet of 64 characters', { ...V4, subnet: 's'.repeat(64) }, 400, 'invalid_name', 'subnet'],
  ['Subnet ../../x', { ...V4, subnet: '../../x' }, 400, 'invalid_name', 'subnet'],
  ['Subnet __proto__', { ...V4, subnet: '__proto__' }, 400, 'invalid_name', 'subnet'],
  ['a port name too long', { ...V4, podName: 'p'.repeat(250) }, 400, 'invalid_name', 'podName'],
  ['a name that is not the port name', manifest('other.bad', {}), 400, 'invalid_name', 'metadata.name'],
  ['the name with the provider', manifest('new.bad.ovn', {}), 400, 'invalid_name', 'metadata.name'],
  [
    'a manifest with a bad address',
    manifest('new.bad', { v4IpAddress: '10.60.0.300' }),
    400,
    'invalid_address',
    'spec.v4IpAddress',
  ],
  ['a full Subnet', { subnet: 'bad-30', namespace: 'bad', podName: 'new' }, 507, 'no_capacity', 'subnet'],
]

describe.each([
  ['an address spelt', ADDRESSES],
  ['an address that cannot be had:', PLACES],
  ['a MAC:', MACS],
  ['a wish of an owner who has a reservation:', OWNERS],
  ['a wish with', REST],
])('%s', (_, rows) => {
  it.each(rows)('%s', async (_, body, status, code, field) => {
    const before = await everything()
    refused(await post('/v1/reserve', body), status, code, field)
    const said = await post('/v1/validate', body)
    if (said.status === 200) expect(said.body.allowed).toBe(false)
    else expect(said.status).toBe(status)
    const good = { ...V4, podName: 'good' }
    if (code !== 'malformed' && !('apiVersion' in body) && (body as typeof V4).subnet === V4.subnet) {
      const group = await post('/v1/reserve', { items: [good, body] })
      expect(group.status, 'as second of a group').toBe(status)
      expect(group.body.findings?.[0]?.item, 'as second of a group').toBe(1)
    }
    expect(await everything()).toEqual(before)
  })
})
