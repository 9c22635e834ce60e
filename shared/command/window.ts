/** Making a window: ranges in the Subnet's excludeIps from which Berth gives addresses beside kube-ovn-controller. */
import { formatAddress, parseAddress } from '../ipam/address.ts'
import { parseRange } from '../ipam/config.ts'
import { ANNOTATION_WINDOW } from '../kube-ovn/names.ts'
import { plainOf, rangesOf } from '../ledger/facts.ts'
import type { LeaseView, SubnetFacts } from '../ledger/port.ts'
import { type Finding, type Problem, problem, problemOf } from '../problem.ts'
import { err, ok, type Result } from '../result.ts'
import { patchSubnet, readSubnetObject } from './exclude-ips.ts'
import { windowOf } from './facts.ts'
import type { CommandPorts } from './ports.ts'
import { windowDrift } from './repair/window.ts'
import { learnSubnet } from './subnets.ts'

/** Somebody else who has an address that a window takes from kube-ovn-controller's choice. */
export interface Displaced {
  readonly name: string
  readonly namespace: string
  readonly podName: string
  readonly state: string
  readonly addresses: readonly string[]
}

/** A window as it is, or would be. */
export interface WindowView {
  readonly subnet: string
  readonly window: readonly string[]
  readonly excludeIps: readonly string[]
  /** What is new in excludeIps. */
  readonly added: readonly string[]
  /**
   * Who has an address in what is new. They keep it, and after a restart of the controller too as long as their Pods
   * live; nobody gets it automatically any more.
   */
  readonly displaced: readonly Displaced[]
}

const MOST_TRIES = 4

/**
 * Widens the window of a Subnet by these ranges (`a` or `a..b`): into excludeIps, and into annotation berth/window, so
 * that every Berth knows it. A dry run says what it would displace.
 */
export async function widenWindow(
  ports: CommandPorts,
  name: string,
  ranges: readonly string[],
  dryRun: boolean,
): Promise<Result<WindowView, Problem>> {
  const known = await learnSubnet(ports, name, 'name')
  if (!known.ok) return known
  const findings = rangeFindings(known.value, ranges)
  if (findings.length > 0) return err(problemOf(findings))
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const object = await readSubnetObject(ports, name)
    if (!object.ok) return object
    const before = windowOf(object.value, ports.settings.windows) ?? []
    const window = [...before, ...windowDrift(ranges, before)]
    const excludeIps = object.value.spec?.excludeIps ?? []
    const added = windowDrift(window, excludeIps)
    const displaced = await displacedBy(ports, name, added)
    const view = { subnet: name, window, excludeIps: [...excludeIps, ...added], added, displaced }
    if (dryRun) return ok(view)
    const annotations = { [ANNOTATION_WINDOW]: window.join(',') }
    const patch = { metadata: { annotations }, spec: { excludeIps: view.excludeIps } }
    const written = await patchSubnet(ports, object.value, patch)
    if (!written.ok) return written
    if (written.value !== 'done') continue
    const learnt = await learnSubnet(ports, name, 'name')
    return learnt.ok ? ok(view) : learnt
  }
  return err(problem('unavailable', `somebody else keeps writing Subnet ${name}`, { retryAfterMs: 1_000 }))
}

/** What is wrong with ranges: each must be readable, and lie inside the CIDR without its gateway. */
function rangeFindings(facts: SubnetFacts, ranges: readonly string[]): Finding[] {
  const { v4, v6 } = plainOf(facts)
  const single = ranges.length === 1
  return ranges.flatMap((text, index): Finding[] => {
    const field = single ? 'ranges' : `ranges[${index}]`
    const range = parseRange(text, field)
    if (!range.ok) return [{ code: 'invalid_range', field, message: range.error.detail }]
    const { family, from, to } = range.value
    const config = family === 4 ? v4 : v6
    if (!config || from < config.first || to > config.last) {
      return [{ code: 'out_of_range', field, message: `${text} is not inside ${facts.cidrBlock}` }]
    }
    const { gateway } = config
    if (gateway === undefined || gateway < from || gateway > to) return []
    const message = `${text} contains the gateway ${formatAddress(family, gateway)}`
    return [{ code: 'excluded_gateway', field, message }]
  })
}

const PAGE = 1_000

/** Whoever holds an address in these ranges, by the ledger. */
async function displacedBy(
  ports: CommandPorts,
  subnet: string,
  ranges: readonly string[],
): Promise<readonly Displaced[]> {
  if (ranges.length === 0) return []
  const { v4, v6 } = rangesOf(ranges)
  const isIn = (text: string): boolean => {
    const address = parseAddress(text)
    if (!address.ok) return false
    return address.value.family === 4 ? v4.has(address.value.value) : v6.has(address.value.value)
  }
  const displaced: Displaced[] = []
  let after: readonly [string, string] | undefined = ['', '']
  while (after) {
    const page: { readonly leases: readonly LeaseView[]; readonly after?: readonly [string, string] } =
      await ports.ledger(subnet).page({}, after, PAGE)
    for (const { name, namespace, podName, state, v4: a, v6: b } of page.leases) {
      const addresses = [a, b].filter((text) => text !== '' && isIn(text))
      if (addresses.length > 0) displaced.push({ name, namespace, podName, state, addresses })
    }
    after = page.after
  }
  return displaced
}
