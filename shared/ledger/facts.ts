import { parseSubnet } from '../ipam/config.ts'
import type { IpamError, SubnetConfig } from '../ipam/types.ts'
import type { Result } from '../result.ts'
import type { SubnetFacts } from './port.ts'

/** The Subnet as the allocator takes it. */
export function configOf(facts: SubnetFacts): Result<SubnetConfig, IpamError> {
  return parseSubnet({ cidrBlock: facts.cidrBlock, gateway: facts.gateway, excludeIps: facts.excludeIps })
}
