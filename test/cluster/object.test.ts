import { clusterClient } from '../../functions/objects/cluster-client.ts'
import { clusterNamespace } from '../support/cluster-object.ts'
import { clusterContract } from './contract.ts'

clusterContract('Durable Object', async () => ({
  port: clusterClient(clusterNamespace, 'contract', { waitMs: 1_000 }),
}))
