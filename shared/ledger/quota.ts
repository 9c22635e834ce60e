/** Whether a wish keeps the Subnet's terms (terms.ts): asked in the transaction that holds, so that no two pass the last place. */
import { parseAddress } from '../ipam/address.ts'
import type { Family, FamilyConfig } from '../ipam/types.ts'
import type { Finding } from '../problem.ts'
import type { LeaseRow } from './lease.ts'
import type { LeaseView, QuotaView, Wish } from './port.ts'
import type { Space } from './space.ts'
import { type Policy, type Quota, termsOf } from './terms.ts'

/** From this part of a quota on, replies warn. */
const NEAR = 0.8

/** What a quota is measured by. */
export interface Use {
  readonly subnet: string
  readonly namespace: string
  /** Reservations the namespace has in the Subnet. */
  readonly used: number
  /** Addresses a Subnet can give in all, of the family that has fewer. */
  readonly usable: bigint
}

/** How many reservations a quota leaves to a namespace in all; undefined where it does not limit them. */
export function limitOf({ addresses, share }: Quota, usable: bigint): number | undefined {
  if (share === undefined) return addresses
  const part = Number((usable * BigInt(share)) / 10_000n)
  return addresses === undefined ? part : Math.min(addresses, part)
}

/** Why one more reservation is over the limit. */
export function countFinding(quota: Quota, use: Use): Finding | undefined {
  const limit = limitOf(quota, use.usable)
  if (limit === undefined || use.used < limit) return undefined
  return {
    code: 'quota_exceeded',
    field: 'namespace',
    message: `namespace ${use.namespace} has ${use.used} of ${limit} reservations in Subnet ${use.subnet}`,
    hint: 'release some, or raise the quota of the Subnet',
  }
}

/** Why a lifetime is too long. @param lifetimeMs wished for; undefined: until somebody releases it */
export function lifetimeFinding(
  { maxTtlSeconds }: Quota,
  { namespace, subnet }: Pick<Use, 'namespace' | 'subnet'>,
  lifetimeMs: number | undefined,
): Finding | undefined {
  if (maxTtlSeconds === undefined || (lifetimeMs !== undefined && lifetimeMs <= maxTtlSeconds * 1_000)) {
    return undefined
  }
  const message = `reservations of namespace ${namespace} in Subnet ${subnet} last ${maxTtlSeconds} s at most`
  return { code: 'quota_exceeded', field: 'ttlSeconds', message }
}

/** Why the policy does not allow this. */
export function policyFinding(policy: Policy, subnet: string, wish: Wish): Finding | undefined {
  const refuse = (field: string, message: string): Finding => ({ code: 'outside_policy', field, message })
  const { namespaces, kinds, ranges } = policy
  if (namespaces && !namespaces.has(wish.namespace)) {
    return refuse('namespace', `Subnet ${subnet} is not open to namespace ${wish.namespace}`)
  }
  if (kinds && !([...kinds] as string[]).includes(wish.podType)) {
    return refuse('podType', `Subnet ${subnet} has no addresses for owners of kind ${wish.podType || 'Pod'}`)
  }
  for (const family of [4, 6] as const) {
    const field = family === 4 ? 'v4IpAddress' : 'v6IpAddress'
    const address = parseAddress(wish[field] ?? '')
    if (!ranges || !address.ok || address.value.family !== family) continue
    if (!isInside(ranges, family, address.value.value)) {
      return refuse(
        field,
        `${wish[field]} is in none of the ranges that Subnet ${subnet} gives addresses from`,
      )
    }
  }
  return undefined
}

function isInside(ranges: NonNullable<Policy['ranges']>, family: Family, address: number | bigint): boolean {
  if (family === 4) return ranges.v4.isEmpty || ranges.v4.has(Number(address))
  return ranges.v6.isEmpty || ranges.v6.has(BigInt(address))
}

/**
 * Why a new reservation is against the terms of the Subnet; undefined where it is not. Terms that cannot be read allow
 * nothing. What is there already is not asked about, and an adoption is counted and never refused.
 * @param lifetimeMs wished for; undefined: until somebody releases it
 */
export function termsFinding(space: Space, wish: Wish, lifetimeMs?: number): Finding | undefined {
  const facts = space.subnet?.facts
  if (!facts?.terms) return undefined
  const terms = termsOf(facts)
  if (!terms.ok) {
    const { annotation, message } = terms.error
    const why = `annotation ${annotation} of Subnet ${facts.name} cannot be read: ${message}`
    return { code: 'unavailable', field: 'subnet', message: why }
  }
  const outside = policyFinding(terms.value.policy, facts.name, wish)
  if (outside) return outside
  const quota = quotaIn(space, wish.namespace)
  if (!quota) return undefined
  const use = useOf(space, facts.name, wish.namespace)
  return lifetimeFinding(quota, use, lifetimeMs) ?? countFinding(quota, use)
}

/** Why a reservation that is there may not last so long; undefined where it may. */
export function lastingFinding(
  space: Space,
  namespace: string,
  lifetimeMs: number | undefined,
): Finding | undefined {
  const facts = space.subnet?.facts
  const quota = quotaIn(space, namespace)
  return facts && quota ? lifetimeFinding(quota, { namespace, subnet: facts.name }, lifetimeMs) : undefined
}

/** Whether an owner who comes back may have his address: the policy may have changed since. */
export function mayReturn(space: Space, { v4, v6 }: LeaseRow): boolean {
  const terms = space.subnet && termsOf(space.subnet.facts)
  const ranges = terms?.ok ? terms.value.policy.ranges : undefined
  return !ranges || ((v4 === null || isInside(ranges, 4, v4)) && (v6 === null || isInside(ranges, 6, v6)))
}

/** What each namespace that a quota is about has, and may have. */
export function quotasOf(space: Space): readonly QuotaView[] | undefined {
  const facts = space.subnet?.facts
  const terms = facts && termsOf(facts)
  if (!facts || !terms?.ok || terms.value.quotas.size === 0) return undefined
  const { quotas } = terms.value
  const named = new Set(quotas.has('*') ? [...quotas.keys(), ...space.usage.namespaces()] : quotas.keys())
  named.delete('*')
  return [...named].sort().map((namespace) => {
    const quota = quotas.get(namespace) ?? quotas.get('*') ?? {}
    const { used, usable } = useOf(space, facts.name, namespace)
    const limit = limitOf(quota, usable)
    return {
      namespace,
      used,
      ...(limit === undefined ? {} : { limit }),
      ...(quota.maxTtlSeconds === undefined ? {} : { maxTtlSeconds: quota.maxTtlSeconds }),
    }
  })
}

function quotaIn(space: Space, namespace: string): Quota | undefined {
  const facts = space.subnet?.facts
  const terms = facts && termsOf(facts)
  return terms?.ok ? (terms.value.quotas.get(namespace) ?? terms.value.quotas.get('*')) : undefined
}

function useOf(space: Space, subnet: string, namespace: string): Use {
  const { v4, v6 } = space.plain
  const size = (family: FamilyConfig | undefined) => family && BigInt(family.last) - BigInt(family.first) + 1n
  const [size4, size6] = [size(v4), size(v6)]
  const usable = size4 === undefined || (size6 !== undefined && size6 < size4) ? (size6 ?? 0n) : size4
  return { subnet, namespace, used: space.usage.of(namespace), usable: usable < 0n ? 0n : usable }
}

/** The same with a note, on the first of each namespace that has used most of its quota. */
export function withUse(space: Space, leases: readonly LeaseView[]): LeaseView[] {
  const facts = space.subnet?.facts
  if (!facts?.terms) return [...leases]
  const told = new Set<string>()
  return leases.map((lease) => {
    const { namespace } = lease
    if (told.has(namespace)) return lease
    told.add(namespace)
    const quota = quotaIn(space, namespace)
    const use = quota && useOf(space, facts.name, namespace)
    const limit = quota && use && limitOf(quota, use.usable)
    if (limit === undefined || !use || use.used < limit * NEAR) return lease
    const note = `quota: namespace ${namespace} has ${use.used} of ${limit} reservations in Subnet ${facts.name}`
    return { ...lease, notes: [...(lease.notes ?? []), note] }
  })
}
