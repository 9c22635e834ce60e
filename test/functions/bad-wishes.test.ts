import { expect, it } from 'vitest'
import { fakeDoor } from '../support/fake-berth.ts'
import { type CallOptions, call, expectRefusal, manifest, type Refusal, SPEC, WISH } from './call.ts'

const invalid = (field: string): Refusal => ({ status: 400, code: 'invalid_field', field })
const badName = (field: string): Refusal => ({ status: 400, code: 'invalid_name', field })
const refused = (code: string, field: string): Refusal => ({ status: 400, code, field })
const plain = (parts: Record<string, unknown>) => ({ ...WISH, ...parts })
const many = (count: number) => Array.from({ length: count }, (_, i) => plain({ podName: `web-${i}` }))
const without = (name: string) => Object.fromEntries(Object.entries(WISH).filter(([key]) => key !== name))

/** Bodies that can be read and are still not a wish; issue "Bad input", faults 69, 75, 77. */
const ROWS: readonly (readonly [string, unknown, Refusal])[] = [
  ['nothing', {}, invalid('subnet')],
  // Plain: what must be there
  ['no subnet', without('subnet'), invalid('subnet')],
  ['subnet null', plain({ subnet: null }), invalid('subnet')],
  ['subnet ""', plain({ subnet: '' }), invalid('subnet')],
  ['no namespace', without('namespace'), invalid('namespace')],
  ['namespace ""', plain({ namespace: '' }), invalid('namespace')],
  ['no podName', without('podName'), invalid('podName')],
  ['podName null', plain({ podName: null }), invalid('podName')],
  // Plain: types
  ['subnet a number', plain({ subnet: 5 }), invalid('subnet')],
  ['subnet a list', plain({ subnet: ['ovn-default'] }), invalid('subnet')],
  ['subnet an object', plain({ subnet: { name: 'ovn-default' } }), invalid('subnet')],
  ['namespace true', plain({ namespace: true }), invalid('namespace')],
  ['podName a number', plain({ podName: 1 }), invalid('podName')],
  ['v4IpAddress a number', plain({ v4IpAddress: 167772161 }), invalid('v4IpAddress')],
  ['v4IpAddress a list', plain({ v4IpAddress: ['10.16.0.3'] }), invalid('v4IpAddress')],
  ['v6IpAddress false', plain({ v6IpAddress: false }), invalid('v6IpAddress')],
  ['macAddress a number', plain({ macAddress: 0 }), invalid('macAddress')],
  ['ipPool an object', plain({ ipPool: {} }), invalid('ipPool')],
  ['reason a number', plain({ reason: 7 }), invalid('reason')],
  // Plain: names
  ['subnet of 64 characters', plain({ subnet: 's'.repeat(64) }), badName('subnet')],
  ['subnet of 300,000 characters', plain({ subnet: 's'.repeat(300_000) }), badName('subnet')],
  ['subnet in capitals', plain({ subnet: 'Ovn-Default' }), badName('subnet')],
  ['subnet ../../x', plain({ subnet: '../../x' }), badName('subnet')],
  ['subnet a?dryRun=All', plain({ subnet: 'a?dryRun=All' }), badName('subnet')],
  ['subnet a%2fb', plain({ subnet: 'a%2fb' }), badName('subnet')],
  ['subnet a,b!=c', plain({ subnet: 'a,b!=c' }), badName('subnet')],
  ['subnet with a space behind', plain({ subnet: 'ovn-default ' }), badName('subnet')],
  ['subnet with a newline', plain({ subnet: 'ovn-default\n' }), badName('subnet')],
  ['subnet with an underscore', plain({ subnet: 'ovn_default' }), badName('subnet')],
  ['subnet ending in -', plain({ subnet: 'ovn-' }), badName('subnet')],
  ['subnet beginning with .', plain({ subnet: '.ovn' }), badName('subnet')],
  ['subnet with two dots', plain({ subnet: 'ovn..default' }), badName('subnet')],
  ['subnet __proto__', plain({ subnet: '__proto__' }), badName('subnet')],
  ['namespace of 64 characters', plain({ namespace: 'n'.repeat(64) }), badName('namespace')],
  ['namespace with a dot', plain({ namespace: 'a.b' }), badName('namespace')],
  ['namespace in capitals', plain({ namespace: 'Default' }), badName('namespace')],
  ['namespace in Cyrillic', plain({ namespace: 'dеfault' }), badName('namespace')],
  ['namespace toString', plain({ namespace: 'toString' }), badName('namespace')],
  ['podName of 254 characters', plain({ podName: 'p'.repeat(254) }), badName('podName')],
  ['podName =cmd()', plain({ podName: '=cmd()' }), badName('podName')],
  ['podName with ANSI', plain({ podName: '\u001b[31mred' }), badName('podName')],
  ['podName of Markdown', plain({ podName: '[a](http://b)' }), badName('podName')],
  ['podName with a slash', plain({ podName: 'a/b' }), badName('podName')],
  ['podName with a NUL-like space', plain({ podName: 'a\u2028b' }), badName('podName')],
  ['ipPool in capitals', plain({ ipPool: 'Pool' }), badName('ipPool')],
  ['ipPool of 254 characters', plain({ ipPool: 'p'.repeat(254) }), badName('ipPool')],
  // Plain: values
  ['podType Deployment', plain({ podType: 'Deployment' }), invalid('podType')],
  ['podType statefulset', plain({ podType: 'statefulset' }), invalid('podType')],
  ['podType Pod', plain({ podType: 'Pod' }), invalid('podType')],
  ['podType a number', plain({ podType: 1 }), invalid('podType')],
  ['podType constructor', plain({ podType: 'constructor' }), invalid('podType')],
  [
    'v4IpAddress over-long',
    plain({ v4IpAddress: '1'.repeat(65) }),
    refused('invalid_address', 'v4IpAddress'),
  ],
  [
    'v6IpAddress over-long',
    plain({ v6IpAddress: 'f'.repeat(65) }),
    refused('invalid_address', 'v6IpAddress'),
  ],
  ['macAddress over-long', plain({ macAddress: '0'.repeat(65) }), refused('invalid_mac', 'macAddress')],
  ['reason of 1025 characters', plain({ reason: 'r'.repeat(1025) }), invalid('reason')],
  ['reason with ANSI', plain({ reason: 'a\u001b[2J' }), invalid('reason')],
  ['reason with a carriage return', plain({ reason: 'a\rb' }), invalid('reason')],
  ['reason with C1', plain({ reason: 'a\u0085b' }), invalid('reason')],
  // Plain: unknown and not yet
  ['an unknown field', plain({ colour: 'red' }), invalid('colour')],
  ['a misspelt field', plain({ v4ipAddress: '10.16.0.3' }), invalid('v4ipAddress')],
  ['an unknown field that is null', plain({ colour: null }), invalid('colour')],
  ['constructor as a field', plain({ constructor: 'x' }), invalid('constructor')],
  ['toString as a field', plain({ toString: 'x' }), invalid('toString')],
  ['name in plain form', plain({ name: 'web-1.default' }), invalid('name')],
  ['ipAddress in plain form', plain({ ipAddress: '10.16.0.3' }), invalid('ipAddress')],
  ['spec without kind', { spec: SPEC }, invalid('subnet')],
  ['ttlSeconds of nothing', plain({ ttlSeconds: 0 }), invalid('ttlSeconds')],
  ['ttlSeconds before now', plain({ ttlSeconds: -60 }), invalid('ttlSeconds')],
  ['half of ttlSeconds', plain({ ttlSeconds: 1.5 }), invalid('ttlSeconds')],
  ['ttlSeconds of eleven years', plain({ ttlSeconds: 347_000_000 }), invalid('ttlSeconds')],
  ['expiresAt as a number', plain({ expiresAt: 1_800_000_000 }), invalid('expiresAt')],
  ['expiresAt in words', plain({ expiresAt: 'tomorrow' }), invalid('expiresAt')],
  [
    'expiresAt next to ttlSeconds',
    plain({ ttlSeconds: 60, expiresAt: '2099-01-01T00:00:00Z' }),
    invalid('expiresAt'),
  ],
  ['ttlSeconds as text', plain({ ttlSeconds: '60' }), invalid('ttlSeconds')],
  ['an unknown field with a strange name', plain({ 'a b"c': 1 }), invalid('["a b\\"c"]')],
  // Manifest
  ['other apiVersion', manifest({ apiVersion: 'v1' }), invalid('apiVersion')],
  ['apiVersion kubeovn.io/v2', manifest({ apiVersion: 'kubeovn.io/v2' }), invalid('apiVersion')],
  ['apiVersion null', manifest({ apiVersion: null }), invalid('apiVersion')],
  ['other kind', manifest({ kind: 'Vip' }), invalid('kind')],
  ['kind Subnet', manifest({ kind: 'Subnet' }), invalid('kind')],
  ['kind ip', manifest({ kind: 'ip' }), invalid('kind')],
  ['kind Pod', { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' } }, invalid('apiVersion')],
  ['only kind', { kind: 'IP' }, invalid('apiVersion')],
  ['only apiVersion', { apiVersion: 'kubeovn.io/v1' }, invalid('kind')],
  ['plain with kind', plain({ kind: 'IP' }), invalid('apiVersion')],
  ['no spec', { apiVersion: 'kubeovn.io/v1', kind: 'IP', metadata: { name: 'a' } }, invalid('spec')],
  ['spec null', manifest({ spec: null }), invalid('spec')],
  ['spec a list', manifest({ spec: [] }), invalid('spec')],
  ['spec a string', manifest({ spec: 'a' }), invalid('spec')],
  ['metadata a string', manifest({ metadata: 'a' }), invalid('metadata')],
  ['metadata a list', manifest({ metadata: [] }), invalid('metadata')],
  ['metadata.name a number', manifest({ metadata: { name: 1 } }), invalid('metadata.name')],
  ['metadata.name in capitals', manifest({ metadata: { name: 'Web-1.default' } }), badName('metadata.name')],
  ['metadata.name over-long', manifest({ metadata: { name: 'n'.repeat(254) } }), badName('metadata.name')],
  ['metadata.name ../x', manifest({ metadata: { name: '../x' } }), badName('metadata.name')],
  ['labels a list', manifest({ metadata: { labels: ['a'] } }), invalid('metadata.labels')],
  ['a label that is a number', manifest({ metadata: { labels: { a: 1 } } }), invalid('metadata.labels.a')],
  ['annotations a string', manifest({ metadata: { annotations: 'a' } }), invalid('metadata.annotations')],
  [
    'an annotation that is true',
    manifest({ metadata: { annotations: { 'berth/reason': true } } }),
    invalid('metadata.annotations["berth/reason"]'),
  ],
  [
    'a reason that is too long',
    manifest({ metadata: { annotations: { 'berth/reason': 'r'.repeat(1025) } } }),
    invalid('metadata.annotations["berth/reason"]'),
  ],
  [
    'an expiry in words',
    manifest({ metadata: { annotations: { 'berth/expires': 'next year' } } }),
    invalid('metadata.annotations["berth/expires"]'),
  ],
  ['spec.subnet missing', manifest({}, { subnet: undefined }), invalid('spec.subnet')],
  ['spec.subnet null', manifest({}, { subnet: null }), invalid('spec.subnet')],
  ['spec.subnet over-long', manifest({}, { subnet: 's'.repeat(64) }), badName('spec.subnet')],
  ['spec.namespace missing', manifest({}, { namespace: undefined }), invalid('spec.namespace')],
  ['spec.namespace in capitals', manifest({}, { namespace: 'X' }), badName('spec.namespace')],
  ['spec.podName ""', manifest({}, { podName: '' }), invalid('spec.podName')],
  ['spec.podName with a space', manifest({}, { podName: 'a b' }), badName('spec.podName')],
  ['spec.podType DaemonSet', manifest({}, { podType: 'DaemonSet' }), invalid('spec.podType')],
  [
    'spec.podType VirtualMachineInstance',
    manifest({}, { podType: 'VirtualMachineInstance' }),
    invalid('spec.podType'),
  ],
  ['spec.v4IpAddress a number', manifest({}, { v4IpAddress: 10.16 }), invalid('spec.v4IpAddress')],
  ['spec.attachIps a string', manifest({}, { attachIps: 'a' }), invalid('spec.attachIps')],
  ['spec.attachIps of numbers', manifest({}, { attachIps: [1] }), invalid('spec.attachIps[0]')],
  ['spec.nodeName a number', manifest({}, { nodeName: 1 }), invalid('spec.nodeName')],
  ['ipAddress alone', manifest({}, { ipAddress: '10.16.0.3' }), invalid('spec.ipAddress')],
  [
    'ipAddress against v4IpAddress',
    manifest({}, { ipAddress: '10.16.0.3', v4IpAddress: '10.16.0.4' }),
    invalid('spec.ipAddress'),
  ],
  [
    'ipAddress with half of a pair',
    manifest({}, { ipAddress: '10.16.0.3', v4IpAddress: '10.16.0.3', v6IpAddress: 'fd00::3' }),
    invalid('spec.ipAddress'),
  ],
  // Groups
  ['no items', { items: [] }, invalid('items')],
  ['items null', { items: null }, invalid('items')],
  ['items an object', { items: { 0: WISH } }, invalid('items')],
  ['items a string', { items: 'ab' }, invalid('items')],
  ['an unknown field next to items', { items: [WISH], colour: 'red' }, invalid('colour')],
  ['a wish next to items', { ...WISH, items: [WISH] }, invalid('subnet')],
  ['an item that is a string', { items: [WISH, 'a'] }, invalid('items[1]')],
  ['an item that is null', { items: [null] }, invalid('items[0]')],
  ['an item that is a list', { items: [[WISH]] }, invalid('items[0]')],
  ['an item without podName', { items: [WISH, without('podName')] }, invalid('items[1].podName')],
  [
    'a bad item in third place',
    { items: [...many(2), plain({ podType: 'x' })] },
    invalid('items[2].podType'),
  ],
  [
    'a bad manifest among items',
    { items: [WISH, manifest({}, { podName: 'A' })] },
    badName('items[1].spec.podName'),
  ],
  ['two Subnets', { items: [WISH, plain({ subnet: 'other', podName: 'b' })] }, invalid('items[1].subnet')],
  [
    'two Subnets in manifests',
    { items: [manifest(), manifest({}, { subnet: 'other' })] },
    invalid('items[1].spec.subnet'),
  ],
  ['a group in a group', { items: [{ items: [WISH] }] }, invalid('items[0].subnet')],
  ['a List without items', { apiVersion: 'v1', kind: 'List' }, invalid('items')],
  ['a List without any', { apiVersion: 'v1', kind: 'List', items: [] }, invalid('items')],
  [
    'a List of the wrong version',
    { apiVersion: 'v2', kind: 'List', items: [manifest()] },
    invalid('apiVersion'),
  ],
  ['an IPList of v1', { apiVersion: 'v1', kind: 'IPList', items: [manifest()] }, invalid('apiVersion')],
  ['a PodList', { apiVersion: 'v1', kind: 'PodList', items: [manifest()] }, invalid('kind')],
  [
    'a List of Pods',
    { apiVersion: 'v1', kind: 'List', items: [{ apiVersion: 'v1', kind: 'Pod' }] },
    invalid('items[0].apiVersion'),
  ],
  ['1,001 items', { items: many(1001) }, { status: 413, code: 'too_large', field: 'items' }],
  [
    '20,000 empty items',
    { items: Array(20_000).fill({}) },
    { status: 413, code: 'too_large', field: 'items' },
  ],
]

const post = (body: unknown): CallOptions => ({ body: JSON.stringify(body) })

it.for(ROWS)('reserve refuses %s', async ([, body, refusal]) => {
  await expectRefusal('/v1/reserve', post(body), refusal)
})

it.for(ROWS.filter(([, , { status }]) => status === 400))('validate finds %s', async ([, body, refusal]) => {
  const door = fakeDoor()
  const reply = await call(door, '/v1/validate', post(body))
  const answer: { allowed: boolean; findings: unknown[] } = await reply.json()
  expect(reply.status).toBe(200)
  expect(answer.allowed).toBe(false)
  expect(answer.findings[0]).toMatchObject({ code: refusal.code, field: refusal.field })
  expect(door.fake.calls).toEqual([])
})

const documents = (...texts: string[]) => ({ body: texts.join('\n---\n'), type: 'application/yaml' })
const DOCUMENT = 'subnet: ovn-default\nnamespace: default\npodName: a'

const YAML_ROWS: readonly (readonly [string, CallOptions, Refusal])[] = [
  ['the second of two', documents(DOCUMENT, 'subnet: ovn-default'), invalid('[1].namespace')],
  [
    'a number as a name',
    documents('subnet: ovn-default\nnamespace: default\npodName: 0o17'),
    invalid('podName'),
  ],
  ['a yes-like name kept a string', documents('subnet: no\nnamespace: NO\npodName: a'), badName('namespace')],
  ['a time kept a string', documents('subnet: 1:30\nnamespace: default\npodName: a'), badName('subnet')],
  ['two Subnets', documents(DOCUMENT, DOCUMENT.replace('ovn-default', 'other')), invalid('[1].subnet')],
  ['a List in the second', documents(DOCUMENT, 'items:\n- podName: B'), invalid('[1].items[0].subnet')],
  ['a list in the second', documents(DOCUMENT, '- a'), { status: 400, code: 'malformed', field: 'body' }],
  [
    '1,001 documents',
    documents(...Array(1001).fill(DOCUMENT)),
    { status: 413, code: 'too_large', field: 'body' },
  ],
]

it.for(YAML_ROWS)('reserve refuses YAML: %s', async ([, options, refusal]) => {
  await expectRefusal('/v1/reserve', options, refusal)
})

it('names every bad item of a group', async () => {
  const body = { items: [WISH, plain({ podName: 'B' }), plain({ podName: 'c' }), plain({ podType: 'x' })] }
  const reply = await call(fakeDoor(), '/v1/reserve', post(body))
  expect(await reply.json()).toMatchObject({
    status: 400,
    findings: [
      { item: 1, field: 'items[1].podName', code: 'invalid_name' },
      { item: 3, field: 'items[3].podType', code: 'invalid_field' },
    ],
  })
})
