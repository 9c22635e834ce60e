import { exports } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import type { Cluster } from '../../functions/objects/cluster.ts'
import { clusterClient } from '../../functions/objects/cluster-client.ts'

const namespace = (exports as unknown as { Cluster: DurableObjectNamespace<Cluster> }).Cluster

test('smoke', async () => {
  const port = clusterClient(namespace, 'smoke')
  const list = await port.list('Subnet')
  expect(list).toMatchObject({ ok: true, value: { items: [{}, {}] } })
})
