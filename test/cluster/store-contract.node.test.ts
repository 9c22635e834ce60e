import { embeddedStore, portOver } from '../support/cluster-embedded.ts'
import { nodeSql } from '../support/node-sqlite.ts'
import { clusterContract } from './contract.ts'

clusterContract('store on node:sqlite', async () => ({ port: portOver(embeddedStore(nodeSql())) }))
