import { formatAddress } from './address.ts'
import { familyName } from './config.ts'
import type { Pool } from './layout.ts'
import type { Family, FamilyConfig, IpamError } from './types.ts'

export const conflict = (reason: 'gateway' | 'address-held', family: Family, detail: string): IpamError => ({
  kind: 'conflict',
  reason,
  family,
  detail,
})

export function outOfRange(
  config: FamilyConfig | undefined,
  family: Family,
  address: number | bigint,
): IpamError {
  const text = formatAddress(family, address)
  if (config === undefined) {
    const detail = `${text}: the Subnet has no ${familyName(family)} CIDR`
    return { kind: 'out-of-range', reason: 'no-family', family, detail }
  }
  const inside = address >= config.network && address <= config.top
  const reason = !inside ? 'outside' : address === config.network ? 'network' : 'broadcast'
  return {
    kind: 'out-of-range',
    reason,
    family,
    detail: `${text} is not usable in ${config.cidr} (${reason})`,
  }
}

export const nicHeld = (nic: string): IpamError => ({
  kind: 'conflict',
  field: 'nic',
  reason: 'nic-held',
  detail: `${nic} holds a lease already`,
})

export const unknownPool = (name: string): IpamError => ({
  kind: 'unknown-pool',
  field: 'pool',
  detail: name === '' ? 'the default pool has no name' : `the Subnet has no pool ${name}`,
})

export const wrongFamily = (family: Family | undefined): IpamError => ({
  kind: 'invalid-family',
  field: 'family',
  ...(family === undefined ? {} : { family }),
  detail:
    family === undefined
      ? 'the Subnet has no addresses'
      : `the Subnet or the wish is not ${familyName(family)}`,
})

export function nothingLeft(family: Family, pool: Pool<number | bigint>): IpamError {
  const where = pool.name === '' ? 'the Subnet' : `pool ${pool.name}`
  return pool.free.isEmpty && pool.released.isEmpty
    ? {
        kind: 'no-available',
        reason: 'exhausted',
        family,
        detail: `${where} has no free ${familyName(family)} address`,
      }
    : {
        kind: 'conflict',
        reason: 'skipped',
        family,
        detail: `every free ${familyName(family)} address of ${where} is to be skipped`,
      }
}
