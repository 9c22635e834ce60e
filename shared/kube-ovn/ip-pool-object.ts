import type { KubeObject } from '../cluster/port.ts'

/** The part of kubeovn.io/v1 IPPool's spec that Berth reads [pkg/apis/kubeovn/v1/ippool.go:43-73]. */
export interface IpPoolSpec {
  subnet?: string
  /** Addresses, `a..b` ranges and CIDRs. */
  ips?: string[]
  namespaces?: string[]
}

export type IpPoolObject = KubeObject<IpPoolSpec>
