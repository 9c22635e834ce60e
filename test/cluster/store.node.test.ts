import { expect, test } from 'vitest'
import { embeddedStore, sent } from '../support/cluster-embedded.ts'
import { nodeSql } from '../support/node-sqlite.ts'

test('a new cluster has the two Subnets of contract.md', () => {
  const store = embeddedStore(nodeSql())
  const list = store.list('Subnet')
  if (!list.ok) throw new Error(list.error.message)
  expect(list.value.items.map(({ metadata }) => metadata.name)).toEqual(['dual-stack', 'ovn-default'])
  expect(sent(store, { verb: 'get', ref: { kind: 'Subnet', name: 'ovn-default' } })).toEqual({
    apiVersion: 'kubeovn.io/v1',
    kind: 'Subnet',
    metadata: {
      name: 'ovn-default',
      uid: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
      resourceVersion: '1',
      generation: 1,
      creationTimestamp: '2026-01-02T03:04:05Z',
    },
    spec: {
      cidrBlock: '10.16.0.0/16',
      default: true,
      excludeIps: ['10.16.0.1'],
      gateway: '10.16.0.1',
      protocol: 'IPv4',
      provider: 'ovn',
      vpc: 'ovn-cluster',
    },
  })
})
