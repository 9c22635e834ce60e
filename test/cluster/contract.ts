import { describe } from 'vitest'
import { ContractBench, type MakeSubject } from '../support/cluster-contract.ts'
import { creating } from './contract-create.ts'
import { deleting } from './contract-delete.ts'
import { listing } from './contract-list.ts'
import { updating } from './contract-update.ts'
import { watching } from './contract-watch.ts'

/**
 * What every ClusterPort must do, whoever answers: the embedded store or a real API server with Kube-OVN's CRDs (and no
 * controller). The cluster need not be empty; resourceVersions are opaque; more server-set fields than named are fine.
 * Objects get names of their own and are taken away at the end. Namespaces `default` and `kube-public` must exist.
 */
export function clusterContract(name: string, make: MakeSubject): void {
  describe(`cluster contract: ${name}`, () => {
    const bench = new ContractBench().register(make)
    describe('create and get', () => creating(bench))
    describe('replace and patch', () => updating(bench))
    describe('delete', () => deleting(bench))
    describe('list', () => listing(bench))
    describe('watch', () => watching(bench))
  })
}
