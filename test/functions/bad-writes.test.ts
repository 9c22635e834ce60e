import { it } from 'vitest'
import { type CallOptions, expectRefusal, manifest, type Refusal } from './call.ts'

const invalid = (field: string): Refusal => ({ status: 400, code: 'invalid_field', field })
const badName = (field: string): Refusal => ({ status: 400, code: 'invalid_name', field })
const json = (body: unknown, method = 'POST'): CallOptions => ({ method, body: JSON.stringify(body) })
const target = { name: 'web-1.default' }
const owner = { namespace: 'default', podName: 'web-1', subnet: 'ovn-default' }

const SUBNET = {
  apiVersion: 'kubeovn.io/v1',
  kind: 'Subnet',
  metadata: { name: 'lab' },
  spec: { cidrBlock: '10.18.0.0/24' },
}
const subnet = (parts: Record<string, unknown>) => json({ ...SUBNET, ...parts }, 'PUT')
const spec = (parts: Record<string, unknown>) => subnet({ spec: { ...SUBNET.spec, ...parts } })

type Row = readonly [string, string, CallOptions, Refusal]

const RELEASES: readonly Row[] = [
  ['nothing', '/v1/release', json({}), invalid('name')],
  ['a name that is a number', '/v1/release', json({ name: 1 }), invalid('name')],
  ['a name in capitals', '/v1/release', json({ name: 'Web' }), badName('name')],
  ['a name over-long', '/v1/release', json({ name: 'n'.repeat(254) }), badName('name')],
  ['an empty name', '/v1/release', json({ name: '' }), invalid('name')],
  [
    'an owner without namespace',
    '/v1/release',
    json({ ...owner, namespace: undefined }),
    invalid('namespace'),
  ],
  ['an owner without podName', '/v1/release', json({ ...owner, podName: '' }), invalid('podName')],
  ['an owner without subnet', '/v1/release', json({ ...owner, subnet: null }), invalid('subnet')],
  ['a subnet alone', '/v1/release', json({ subnet: 'a' }), invalid('namespace')],
  ['name and namespace', '/v1/release', json({ ...target, namespace: 'a' }), invalid('namespace')],
  ['name and podName', '/v1/release', json({ ...target, podName: 'a' }), invalid('podName')],
  ['an over-long subnet', '/v1/release', json({ ...owner, subnet: 's'.repeat(64) }), badName('subnet')],
  ['force as text', '/v1/release', json({ ...target, force: 'true' }), invalid('force')],
  ['force as a number', '/v1/release', json({ ...target, force: 1 }), invalid('force')],
  ['a reason that is a list', '/v1/release', json({ ...target, reason: [] }), invalid('reason')],
  ['a reason over-long', '/v1/release', json({ ...target, reason: 'r'.repeat(1025) }), invalid('reason')],
  ['an unknown field', '/v1/release', json({ ...target, purge: true }), invalid('purge')],
  ['an address', '/v1/release', json({ ...owner, v4IpAddress: '10.16.0.3' }), invalid('v4IpAddress')],
  [
    'force in an item',
    '/v1/release',
    json({ items: [{ ...target, force: true }] }),
    invalid('items[0].force'),
  ],
  ['no items', '/v1/release', json({ items: [] }), invalid('items')],
  ['an empty item', '/v1/release', json({ items: [target, {}] }), invalid('items[1].name')],
  [
    'two Subnets',
    '/v1/release',
    json({ items: [owner, { ...owner, subnet: 'b' }] }),
    invalid('items[1].subnet'),
  ],
  ['another kind', '/v1/release', json(manifest({ kind: 'Pod' })), invalid('kind')],
  [
    'a manifest of nothing',
    '/v1/release',
    json({ apiVersion: 'kubeovn.io/v1', kind: 'IP' }),
    invalid('metadata.name'),
  ],
  [
    'a manifest without podName',
    '/v1/release',
    json(manifest({ metadata: {} }, { podName: '' })),
    invalid('spec.podName'),
  ],
  ['force next to a manifest', '/v1/release', json({ items: [manifest()], forced: true }), invalid('forced')],
  [
    '1,001 items',
    '/v1/release',
    json({ items: Array(1001).fill(target) }),
    { status: 413, code: 'too_large', field: 'items' },
  ],
]

const SUBNETS: readonly Row[] = [
  ['no body', '/v1/subnets/lab', { method: 'PUT' }, { status: 400, code: 'malformed', field: 'body' }],
  ['no manifest', '/v1/subnets/lab', json({ cidrBlock: '10.18.0.0/24' }, 'PUT'), invalid('apiVersion')],
  ['a list', '/v1/subnets/lab', json([SUBNET], 'PUT'), invalid('body')],
  ['another kind', '/v1/subnets/lab', subnet({ kind: 'IP' }), invalid('kind')],
  ['another version', '/v1/subnets/lab', subnet({ apiVersion: 'v1' }), invalid('apiVersion')],
  ['another name', '/v1/subnets/lab', subnet({ metadata: { name: 'other' } }), invalid('metadata.name')],
  ['a bad name', '/v1/subnets/lab', subnet({ metadata: { name: 'Lab' } }), badName('metadata.name')],
  ['no spec', '/v1/subnets/lab', subnet({ spec: undefined }), invalid('spec')],
  ['no cidrBlock', '/v1/subnets/lab', subnet({ spec: {} }), invalid('spec.cidrBlock')],
  ['an empty cidrBlock', '/v1/subnets/lab', spec({ cidrBlock: '' }), invalid('spec.cidrBlock')],
  ['cidrBlock a list', '/v1/subnets/lab', spec({ cidrBlock: ['10.18.0.0/24'] }), invalid('spec.cidrBlock')],
  [
    'cidrBlock over-long',
    '/v1/subnets/lab',
    spec({ cidrBlock: '1'.repeat(129) }),
    { status: 400, code: 'invalid_range', field: 'spec.cidrBlock' },
  ],
  ['gateway a number', '/v1/subnets/lab', spec({ gateway: 1 }), invalid('spec.gateway')],
  ['excludeIps a string', '/v1/subnets/lab', spec({ excludeIps: '10.18.0.1' }), invalid('spec.excludeIps')],
  ['excludeIps of numbers', '/v1/subnets/lab', spec({ excludeIps: [1] }), invalid('spec.excludeIps[0]')],
  [
    '1,001 excludeIps',
    '/v1/subnets/lab',
    spec({ excludeIps: Array(1001).fill('10.18.0.1') }),
    invalid('spec.excludeIps'),
  ],
  ['protocol Mac', '/v1/subnets/lab', spec({ protocol: 'Mac' }), invalid('spec.protocol')],
  ['default as text', '/v1/subnets/lab', spec({ default: 'true' }), invalid('spec.default')],
  ['provider in capitals', '/v1/subnets/lab', spec({ provider: 'OVN' }), badName('spec.provider')],
  [
    'two documents',
    '/v1/subnets/lab',
    { method: 'PUT', type: 'application/yaml', body: 'a: 1\n---\nb: 2\n' },
    invalid('body'),
  ],
]

const OWNERS: readonly Row[] = [
  ['another kind', '/embedded/pods/a/b', json({ kind: 'VirtualMachine' }, 'PUT'), invalid('kind')],
  ['another version', '/embedded/statefulsets/a/b', json({ apiVersion: 'v1' }, 'PUT'), invalid('apiVersion')],
  ['another name', '/embedded/pods/a/b', json({ metadata: { name: 'c' } }, 'PUT'), invalid('metadata.name')],
  [
    'another namespace',
    '/embedded/pods/a/b',
    json({ metadata: { namespace: 'c' } }, 'PUT'),
    invalid('metadata.namespace'),
  ],
  ['spec a string', '/embedded/pods/a/b', json({ spec: 'x' }, 'PUT'), invalid('spec')],
  [
    'an owner reference without uid',
    '/embedded/pods/a/b',
    json({ metadata: { ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'a' }] } }, 'PUT'),
    invalid('metadata.ownerReferences[0].uid'),
  ],
  ['a list', '/embedded/pods/a/b', json([], 'PUT'), invalid('body')],
  [
    'a bad body',
    '/embedded/pods/a/b',
    { method: 'PUT', body: '{' },
    { status: 400, code: 'malformed', field: 'body' },
  ],
  [
    'a body of another type',
    '/embedded/pods/a/b',
    { method: 'PUT', body: 'x', type: 'text/plain' },
    { status: 415, code: 'unsupported_media_type', field: 'Content-Type' },
  ],
]

for (const [what, rows] of Object.entries({ RELEASES, SUBNETS, OWNERS }))
  it.for(rows)(`${what.toLowerCase()}: %s is refused`, async ([, path, options, refusal]) => {
    await expectRefusal(path, options, refusal)
  })
