import type { SubnetObject } from '../../kube-ovn/subnet-object.ts'
import { KINDS } from '../port.ts'

/** The Subnets a new embedded cluster starts with (contract.md "Variables"). Deleted ones stay deleted. */
export const SEED_SUBNETS: readonly SubnetObject[] = [
  {
    apiVersion: KINDS.Subnet.apiVersion,
    kind: 'Subnet',
    metadata: { name: 'ovn-default' },
    spec: {
      cidrBlock: '10.16.0.0/16',
      default: true,
      excludeIps: ['10.16.0.1'],
      gateway: '10.16.0.1',
      protocol: 'IPv4',
      provider: 'ovn',
      vpc: 'ovn-cluster',
    },
  },
  {
    apiVersion: KINDS.Subnet.apiVersion,
    kind: 'Subnet',
    metadata: { name: 'dual-stack' },
    spec: {
      cidrBlock: '10.17.0.0/16,fd00:10:17::/112',
      excludeIps: ['10.17.0.1', 'fd00:10:17::1'],
      gateway: '10.17.0.1,fd00:10:17::1',
      protocol: 'Dual',
      provider: 'ovn',
      vpc: 'ovn-cluster',
    },
  },
]
