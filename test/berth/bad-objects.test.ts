import { beforeAll, describe, expect, it } from 'vitest'
import { call, everything, makeSubnet, post, refused } from '../support/api.ts'

beforeAll(async () => {
  await makeSubnet('odd-4', '10.60.0.0/24', { gateway: '10.60.0.1' })
  await makeSubnet('odd-p', '10.63.0.0/24', { provider: 'c' })
  for (const [subnet, namespace, podName] of [
    ['odd-4', 'odd', 'old'],
    ['odd-4', 'c', 'a.b'],
  ]) {
    expect((await post('/v1/reserve', { subnet, namespace, podName })).status).toBe(201)
  }
})

const subnet = (spec: object, metadata: object = {}) => ({
  apiVersion: 'kubeovn.io/v1',
  kind: 'Subnet',
  metadata: { name: 'odd-4', ...metadata },
  spec: { cidrBlock: '10.60.0.0/24', ...spec },
})
const cidr = (cidrBlock: string) => subnet({ cidrBlock })

type Row = readonly [what: string, body: object, status: number, code: string, field: string]

const SUBNETS: readonly Row[] = [
  ['no CIDR', cidr(''), 400, 'invalid_field', 'spec.cidrBlock'],
  ...[
    'x',
    '10.60.0.0/33',
    '10.60.0.0/024',
    '10.60.0.0/+24',
    '10.60.0.0/24 ',
    '10.60.0.0/255.255.255.0',
    '10.60.0.0',
    '10.60/16',
    '10.60.0.0/24,',
    '10.60.0.0/24;fd00::/64',
    '10.60.0.0/24,10.61.0.0/24',
    'fd00::/64,10.60.0.0/24',
    '10.60.0.0/24,fd00::/64,fd01::/64',
    '::ffff:10.60.0.0/120',
    'fe80::%eth0/64',
    '0.0.0.0/0',
    '0.0.0.0/8',
    '127.0.0.0/8',
    '127.0.0.0/31',
    '169.254.1.0/24',
    '224.0.0.0/24',
    '255.255.255.0/24',
    '::/0',
    '::/127',
    'fe80::/64',
    'ff02::/16',
    '10.60.0.0/24,ff02::/16',
  ].map((text): Row => [`CIDR ${text}`, cidr(text), 400, 'invalid_address', 'spec.cidrBlock']),
  ['a gateway outside', subnet({ gateway: '10.61.0.1' }), 400, 'invalid_address', 'spec.gateway'],
  ['a gateway that is none', subnet({ gateway: 'x' }), 400, 'invalid_address', 'spec.gateway'],
  ['a gateway of the other family', subnet({ gateway: 'fd00::1' }), 400, 'invalid_address', 'spec.gateway'],
  ['two gateways', subnet({ gateway: '10.60.0.1,10.60.0.2' }), 400, 'invalid_address', 'spec.gateway'],
  ...['10.60.0.9..10.60.0.5', '10.60.0.5..fd00::5', '10.60.0.5..10.60.0.6..10.60.0.7'].map(
    (range): Row => [
      `excludes ${range}`,
      subnet({ excludeIps: ['10.60.0.2', range] }),
      400,
      'invalid_range',
      'spec.excludeIps[1]',
    ],
  ),
  ...[
    '',
    '..',
    '10.60.0.5..',
    '10.60.0.5,10.60.0.6',
    '10.60.0.5-10.60.0.6',
    '10.60.0.0/28',
    '10.60.0.05',
  ].map(
    (text): Row => [
      `excludes "${text}"`,
      subnet({ excludeIps: [text] }),
      400,
      'invalid_address',
      'spec.excludeIps[0]',
    ],
  ),
  ['an odd gatewayType', subnet({ gatewayType: 'x' }), 400, 'invalid_field', 'spec.gatewayType'],
  [
    'an allowed Subnet that is no CIDR',
    subnet({ allowSubnets: ['x'] }),
    400,
    'invalid_range',
    'spec.allowSubnets[0]',
  ],
  ['another provider while in use', subnet({ provider: 'o' }), 409, 'immutable_field', 'spec.provider'],
  [
    'a label key with a space',
    subnet({}, { labels: { 'a b': 'c' } }),
    400,
    'invalid_field',
    'metadata.labels["a b"]',
  ],
  [
    'a label value with a space',
    subnet({}, { labels: { a: 'b c' } }),
    400,
    'invalid_field',
    'metadata.labels.a',
  ],
  [
    'a label value of 64',
    subnet({}, { labels: { a: 'b'.repeat(64) } }),
    400,
    'invalid_field',
    'metadata.labels.a',
  ],
  [
    'an annotation key that is none',
    subnet({}, { annotations: { '/': '' } }),
    400,
    'invalid_field',
    'metadata.annotations["/"]',
  ],
  [
    'annotations of 300 KB',
    subnet({}, { annotations: { a: 'b'.repeat(300_000) } }),
    400,
    'invalid_field',
    'metadata.annotations',
  ],
]

describe('a Subnet', () => {
  it.each(SUBNETS)('with %s is refused', async (_, body, status, code, field) => {
    const before = await everything()
    for (const query of ['', '?dryRun=All'])
      refused(await call('PUT', `/v1/subnets/odd-4${query}`, body), status, code, field, query)
    expect(await everything()).toEqual(before)
  })

  it('in use is not removed, one that is not there neither', async () => {
    const before = await everything()
    for (const query of ['', '?dryRun=All']) {
      refused(await call('DELETE', `/v1/subnets/odd-4${query}`), 409, 'subnet_in_use', 'name')
      refused(await call('DELETE', `/v1/subnets/nowhere${query}`), 404, 'unknown_subnet', 'name')
    }
    expect(await everything()).toEqual(before)
  })
})

const pool = (spec: object) => ({
  apiVersion: 'kubeovn.io/v1',
  kind: 'IPPool',
  metadata: { name: 'odd' },
  spec: { subnet: 'odd-4', ips: ['10.60.0.20..10.60.0.29'], ...spec },
})
const ips = (...list: unknown[]) => pool({ ips: list })

const POOLS: readonly Row[] = [
  ['an unknown Subnet', pool({ subnet: 'nowhere' }), 404, 'unknown_subnet', 'spec.subnet'],
  ['no Subnet', pool({ subnet: '' }), 400, 'invalid_field', 'spec.subnet'],
  ['no addresses', ips(), 400, 'invalid_field', 'spec.ips'],
  ['an empty entry', ips(''), 400, 'invalid_address', 'spec.ips[0]'],
  ['a range the wrong way round', ips('10.60.0.29..10.60.0.20'), 400, 'invalid_range', 'spec.ips[0]'],
  ['a range across families', ips('10.60.0.20..fd00::1'), 400, 'invalid_range', 'spec.ips[0]'],
  ['three ends', ips('10.60.0.2..10.60.0.3..10.60.0.4'), 400, 'invalid_range', 'spec.ips[0]'],
  ['a list in an entry', ips('10.60.0.2,10.60.0.3'), 400, 'invalid_address', 'spec.ips[0]'],
  ['a mapped address', ips('::ffff:10.60.0.20'), 400, 'invalid_address', 'spec.ips[0]'],
  ['addresses outside', ips('10.61.0.20'), 422, 'out_of_range', 'spec.ips'],
  ['a range half outside', ips('10.60.0.250..10.61.0.5'), 422, 'out_of_range', 'spec.ips'],
  ['the other family', ips('10.60.0.20', 'fd00::1'), 422, 'out_of_range', 'spec.ips[1]'],
  ['2^100 addresses of the other family', ips('::1..0:0:10::'), 422, 'out_of_range', 'spec.ips[0]'],
]

it.each(POOLS)('an IPPool with %s is refused', async (_, body, status, code, field) => {
  const before = await everything()
  refused(await call('PUT', '/embedded/ippools/odd', body), status, code, field)
  refused(await call('DELETE', '/embedded/ippools/odd'), 404, 'not_found', 'name')
  expect(await everything()).toEqual(before)
})

const OWNERS: readonly Row[] = [
  ['replicas as text', { spec: { replicas: '1' } }, 400, 'invalid_field', 'spec.replicas'],
  ['replicas below 0', { spec: { replicas: -1 } }, 400, 'invalid_field', 'spec.replicas'],
  ['replicas of a half', { spec: { replicas: 0.5 } }, 400, 'invalid_field', 'spec.replicas'],
  [
    'a first ordinal below 0',
    { spec: { ordinals: { start: -1 } } },
    400,
    'invalid_field',
    'spec.ordinals.start',
  ],
  ['running as text', { spec: { running: 'true' } }, 400, 'invalid_field', 'spec.running'],
  ['a phase that is a number', { status: { phase: 1 } }, 400, 'invalid_field', 'status.phase'],
  ['a bad finalizer', { metadata: { finalizers: ['a b'] } }, 400, 'invalid_field', 'metadata.finalizers[0]'],
  ['a bad label', { metadata: { labels: { a: 'b c' } } }, 400, 'invalid_field', 'metadata.labels.a'],
  [
    'an owner reference without a name',
    { metadata: { ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: '', uid: 'u' }] } },
    400,
    'invalid_field',
    'metadata.ownerReferences[0].name',
  ],
]

describe.each(['pods', 'statefulsets', 'virtualmachines'])('an owner among %s', (plural) => {
  it.each(OWNERS)('with %s is refused', async (_, body, status, code, field) => {
    refused(await call('PUT', `/embedded/${plural}/odd/x`, body), status, code, field)
    refused(await call('DELETE', `/embedded/${plural}/odd/x`), 404, 'not_found', 'name')
  })
})

it('an owner that YAML makes longer than its body is refused', async () => {
  const text = `spec:\n  x: "${'\\a'.repeat(500_000)}"\n`
  const reply = await call('PUT', '/embedded/pods/odd/x', text, { 'Content-Type': 'application/yaml' })
  refused(reply, 413, 'too_large', 'body')
})

const OLD = { namespace: 'odd', podName: 'old', subnet: 'odd-4' }
const RELEASES: readonly Row[] = [
  ['an unknown name', { name: 'nobody.odd' }, 404, 'not_found', 'name'],
  ['an unknown owner', { ...OLD, podName: 'nobody' }, 404, 'not_found', 'podName'],
  ['an unknown Subnet', { ...OLD, subnet: 'nowhere' }, 404, 'unknown_subnet', 'subnet'],
  ['a name in an unknown Subnet', { name: 'old.odd', subnet: 'nowhere' }, 404, 'unknown_subnet', 'subnet'],
  ['a name in another Subnet', { name: 'old.odd', subnet: 'odd-p' }, 404, 'not_found', 'name'],
  [
    'an unknown Subnet, in a group',
    { items: [{ name: 'old.odd' }, { ...OLD, subnet: 'nowhere' }] },
    404,
    'unknown_subnet',
    'items[1].subnet',
  ],
  [
    'an unknown name, in a group',
    { items: [OLD, { name: 'nobody.odd' }] },
    404,
    'not_found',
    'items[1].name',
  ],
  ['one twice', { items: [{ name: 'old.odd' }, { name: 'old.odd' }] }, 400, 'invalid_field', 'items[1].name'],
  ['one twice, in two ways', { items: [{ name: 'old.odd' }, OLD] }, 400, 'invalid_field', 'items[1].podName'],
  [
    'whom another has the name of',
    { namespace: 'b', podName: 'a', subnet: 'odd-p' },
    404,
    'not_found',
    'podName',
  ],
]

it.each(RELEASES)('a release of %s is refused', async (_, body, status, code, field) => {
  const before = await everything()
  refused(await post('/v1/release', body), status, code, field)
  expect(await everything()).toEqual(before)
})

describe('a group names each bad item', () => {
  const wish = (podName: string, more: object = {}) => ({
    subnet: 'odd-4',
    namespace: 'odd',
    podName,
    ...more,
  })
  type Group = readonly [string, object[], readonly (readonly [number, string, string])[]]
  const GROUPS: readonly Group[] = [
    [
      'an unknown Subnet',
      [wish('a', { subnet: 'nowhere' }), wish('b', { subnet: 'nowhere' })],
      [
        [0, 'items[0].subnet', 'unknown_subnet'],
        [1, 'items[1].subnet', 'unknown_subnet'],
      ],
    ],
    [
      'a group of one',
      [wish('a', { v4IpAddress: '10.60.0.1' })],
      [[0, 'items[0].v4IpAddress', 'excluded_gateway']],
    ],
    [
      'two of three',
      [wish('a', { v4IpAddress: '10.60.0.1' }), wish('b'), wish('c', { v4IpAddress: '10.60.0.300' })],
      [
        [0, 'items[0].v4IpAddress', 'excluded_gateway'],
        [2, 'items[2].v4IpAddress', 'invalid_address'],
      ],
    ],
    [
      'whom another has the name of',
      [wish('x', { subnet: 'odd-p' }), wish('a', { subnet: 'odd-p', namespace: 'b' })],
      [[1, 'items[1].podName', 'name_collision']],
    ],
  ]
  it.each(GROUPS)('%s', async (_, items, expected) => {
    const before = await everything()
    const named = (findings: { item: number; field: string; code: string }[]) =>
      findings.map(({ item, field, code }) => [item, field, code])
    const reply = await post('/v1/reserve', { items })
    expect(named(reply.body.findings)).toEqual(expected)
    expect(named((await post('/v1/validate', { items })).body.findings)).toEqual(expected)
    expect(await everything()).toEqual(before)
  })
})
