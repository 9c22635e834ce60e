import { expect, it } from 'vitest'
import seedDynamic from '../data/seed/01-dynamic.yaml?raw'
import seedStatic from '../data/seed/02-static.yaml?raw'
import { granted } from '../support/fake-berth.ts'
import { type CallOptions, commandOf, ITEM, json, manifest, WISH, yaml } from './call.ts'

const NAMED = { ...ITEM, name: 'web-1.default' }
const deep = (open: string, close: string) => open.repeat(64 - 1) + close.repeat(64 - 1)

/** What the core is asked for by a body. */
async function itemsOf(options: CallOptions): Promise<readonly unknown[]> {
  return (await commandOf('/v1/reserve', options)).items
}

const FORMS: readonly (readonly [string, CallOptions, readonly unknown[]])[] = [
  [
    'the seed, dynamic',
    yaml(seedDynamic),
    [
      {
        subnet: 'ovn-default',
        namespace: 'default',
        podName: 'vm-dynamic-01',
        podType: 'VirtualMachine',
        name: 'vm-dynamic-01.default',
      },
    ],
  ],
  [
    'the seed, static',
    yaml(seedStatic),
    [
      {
        subnet: 'ovn-default',
        namespace: 'default',
        podName: 'pod-static-01',
        podType: '',
        name: 'pod-static-01.default',
        v4IpAddress: '10.16.0.3',
      },
    ],
  ],
  ['plain', json(WISH), [ITEM]],
  [
    'plain with everything',
    json({
      ...WISH,
      podType: 'StatefulSet',
      v4IpAddress: '10.16.0.3',
      v6IpAddress: 'FD00::3',
      macAddress: '00:00:00:4D:B4:36',
      ipPool: 'pool-a',
      reason: 'a\tb\nc',
    }),
    [
      {
        ...ITEM,
        podType: 'StatefulSet',
        v4IpAddress: '10.16.0.3',
        v6IpAddress: 'FD00::3',
        macAddress: '00:00:00:4D:B4:36',
        ipPool: 'pool-a',
        reason: 'a\tb\nc',
      },
    ],
  ],
  [
    'null and "" as absent',
    json({
      ...WISH,
      podType: null,
      v4IpAddress: '',
      v6IpAddress: null,
      macAddress: '',
      ipPool: '',
      reason: null,
      ttlSeconds: null,
    }),
    [ITEM],
  ],
  ['plain YAML', yaml('subnet: ovn-default\nnamespace: default\npodName: web-1\nv6IpAddress:\n'), [ITEM]],
  [
    'text/x-yaml in capitals',
    { body: 'subnet: ovn-default\nnamespace: default\npodName: web-1', type: 'Text/X-YAML; charset="UTF-8"' },
    [ITEM],
  ],
  ['JSON as YAML', yaml(JSON.stringify(WISH)), [ITEM]],
  ['YAML with a byte order mark', yaml(`\ufeff${seedStatic}`), await itemsOf(yaml(seedStatic))],
  ['YAML with CRLF', yaml(seedStatic.replaceAll('\n', '\r\n')), await itemsOf(yaml(seedStatic))],
  [
    'YAML with an alias',
    yaml('subnet: &s ovn-default\nnamespace: default\npodName: *s\n'),
    [{ ...ITEM, podName: 'ovn-default' }],
  ],
  ['YAML 1.2 said', yaml(`%YAML 1.2\n---\n${seedStatic}`), await itemsOf(yaml(seedStatic))],
  [
    'a no that stays a string',
    yaml('subnet: no\nnamespace: "on"\npodName: y'),
    [{ subnet: 'no', namespace: 'on', podName: 'y', podType: '' }],
  ],
  ['a manifest', json(manifest()), [NAMED]],
  ['a manifest without a name', json(manifest({ metadata: null })), [ITEM]],
  [
    'a manifest with a reason',
    json(manifest({ metadata: { annotations: { 'berth/reason': 'why' } } })),
    [{ ...ITEM, reason: 'why' }],
  ],
  [
    'a manifest as Berth shows it',
    json(granted(NAMED).object),
    [{ ...NAMED, v4IpAddress: '10.16.0.10', macAddress: '00:00:00:4d:b4:36' }],
  ],
  [
    'a pair whose ipAddress is spelled otherwise',
    json(
      manifest({}, { v4IpAddress: '10.17.0.3', v6IpAddress: 'fd00::3', ipAddress: '10.17.0.3,FD00:0::3' }),
    ),
    [{ ...NAMED, v4IpAddress: '10.17.0.3', v6IpAddress: 'fd00::3' }],
  ],
  [
    'several documents',
    yaml(`---\n${seedDynamic}---\n\n---\n${seedStatic}...\n`),
    [...(await itemsOf(yaml(seedDynamic))), ...(await itemsOf(yaml(seedStatic)))],
  ],
  ['items of both forms', json({ items: [WISH, manifest()] }), [ITEM, NAMED]],
  [
    'a List',
    json({ apiVersion: 'v1', kind: 'List', metadata: {}, items: [manifest(), manifest()] }),
    [NAMED, NAMED],
  ],
  ['an IPList', json({ apiVersion: 'kubeovn.io/v1', kind: 'IPList', items: [manifest()] }), [NAMED]],
  [
    'a List in several documents',
    yaml(`${JSON.stringify({ items: [WISH] })}\n---\n${JSON.stringify(manifest())}`),
    [ITEM, NAMED],
  ],
  ['1,000 items', json({ items: Array(1000).fill(WISH) }), Array(1000).fill(ITEM)],
  [
    'names at their limits',
    json({ subnet: 's'.repeat(63), namespace: 'n'.repeat(63), podName: 'p'.repeat(253) }),
    [{ subnet: 's'.repeat(63), namespace: 'n'.repeat(63), podName: 'p'.repeat(253), podType: '' }],
  ],
  ['depth 64', { body: `${JSON.stringify(manifest()).slice(0, -1)},"x":${deep('[', ']')}}` }, [NAMED]],
  ['1 MiB', { body: JSON.stringify(WISH).padEnd(1 << 20) }, [ITEM]],
  [
    'dangerous names that are only labels',
    json(manifest({ metadata: { labels: { constructor: 'a', toString: 'b' } } })),
    [ITEM],
  ],
]

it.for(FORMS)('reads %s', async ([, options, items]) => {
  expect(await itemsOf(options)).toEqual(items)
})
