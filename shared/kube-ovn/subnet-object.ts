import type { KubeObject } from '../cluster/port.ts'

/** The part of kubeovn.io/v1 Subnet's spec that Berth reads [pkg/apis/kubeovn/v1/subnet.go:66-214]. Dual values are `v4,v6`. */
export interface SubnetSpec {
  cidrBlock?: string
  gateway?: string
  excludeIps?: string[]
  protocol?: string
  provider?: string
  vpc?: string
  vlan?: string
  default?: boolean
  namespaces?: string[]
  /** Label selectors of further namespaces. */
  namespaceSelectors?: unknown[]
  allowSubnets?: string[]
}

export type SubnetObject = KubeObject<SubnetSpec>
