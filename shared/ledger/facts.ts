import { parseRanges, parseSubnet } from '../ipam/config.ts'
import { RangeSet } from '../ipam/range.ts'
import type { FamilyConfig, IpamError, SubnetConfig } from '../ipam/types.ts'
import { err, ok, type Result } from '../result.ts'
import type { SubnetFacts } from './port.ts'
import { termsOf } from './terms.ts'

/**
 * The Subnet as the allocator takes it. Where there is a window, everything else is excluded from automatic choice (a
 * wish may name it), and of the window what excludeIps do not list as well: that is kube-ovn-controller's to give away
 * (semantics.md D2, R7). The ranges of a policy narrow that further (terms.ts).
 */
export function configOf(facts: SubnetFacts): Result<SubnetConfig, IpamError> {
  const plain = parsed(facts)
  if (!plain.ok) return plain
  const windowed = facts.window ? inWindow(plain.value, facts.window) : plain.value
  const terms = termsOf(facts)
  const ranges = terms.ok ? terms.value.policy.ranges : undefined
  if (!ranges) return ok(windowed)
  const { v4, v6 } = windowed
  return ok({
    ...windowed,
    ...(v4 && !ranges.v4.isEmpty ? { v4: keptTo(v4, ranges.v4) } : {}),
    ...(v6 && !ranges.v6.isEmpty ? { v6: keptTo(v6, ranges.v6) } : {}),
  })
}

/** Of a family only what a policy's ranges have is chosen. */
function keptTo<N extends number | bigint>(family: FamilyConfig<N>, ranges: RangeSet<N>): FamilyConfig<N> {
  const { first, last, excludes } = family
  if (last < first) return family
  return { ...family, excludes: excludes.union(RangeSet.single(first, last).minus(ranges)) }
}

function inWindow(plain: SubnetConfig, texts: readonly string[]): SubnetConfig {
  const { v4, v6 } = plain
  const window = rangesOf(texts)
  return {
    ...plain,
    ...(v4 ? { v4: chosenFrom(v4, window.v4) } : {}),
    ...(v6 ? { v6: chosenFrom(v6, window.v6) } : {}),
  }
}

/** The same as the cluster has it. */
export function plainOf(facts: SubnetFacts): SubnetConfig {
  const plain = parsed(facts)
  if (!plain.ok) throw new Error(`a stored Subnet cannot be read: ${plain.error.detail}`)
  return plain.value
}

function parsed({ cidrBlock, gateway, excludeIps }: SubnetFacts): Result<SubnetConfig, IpamError> {
  return parseSubnet({ cidrBlock, gateway, excludeIps })
}

/** What of a window Berth may choose: usable, listed in excludeIps, and no gateway. */
export function windowIn<N extends number | bigint>(
  { first, last, gateway, excludes }: FamilyConfig<N>,
  window: RangeSet<N>,
): RangeSet<N> {
  const listed = window.intersect(excludes).intersect(RangeSet.single(first, last))
  return gateway === undefined ? listed : listed.minus(RangeSet.single(gateway, gateway))
}

function chosenFrom<N extends number | bigint>(
  family: FamilyConfig<N>,
  window: RangeSet<N>,
): FamilyConfig<N> {
  const rest = RangeSet.single(family.first, family.last).minus(windowIn(family, window))
  return { ...family, excludes: rest }
}

/** Ranges as written; what nobody can read, or is empty, is no part of a window. */
export function rangesOf(texts: readonly string[]) {
  const read = parseRanges(texts.filter((text) => parseRanges([text]).ok))
  return read.ok ? read.value : { v4: RangeSet.empty<number>(), v6: RangeSet.empty<bigint>() }
}

/** What is wrong with a window as it is written; undefined where nothing is. */
export function windowError(texts: readonly string[]): IpamError | undefined {
  const read = parseRanges(texts, 'window')
  return read.ok ? undefined : err(read.error).error
}
