/**
 * Making a window, and pinning a single address: both write the Subnet's excludeIps, which is all of a Subnet that Berth
 * writes beside kube-ovn-controller (contract.md, "Who writes what").
 */
import { formatAddress, parseAddress } from '../ipam/address.ts'
import { parseRange } from '../ipam/config.ts'
import { ANNOTATION_WINDOW } from '../kube-ovn/names.ts'
import type { SubnetObject } from '../kube-ovn/subnet-object.ts'
import { plainOf, rangesOf } from '../ledger/facts.ts'
import type { LeaseView, SubnetFacts } from '../ledger/port.ts'
import { type Finding, type Problem, problem, problemOf } from '../problem.ts'
import { err, ok, type Result } from '../result.ts'
import { windowOf } from './facts.ts'
import type { CommandPorts } from './ports.ts'
import { windowDrift } from './repair/window.ts'
import { clusterProblem, learnSubnet } from './subnets.ts'

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
    const object = await readObject(ports, name)
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
    if (written.value === 'again') continue
    const learnt = await learnSubnet(ports, name, 'name')
    return learnt.ok ? ok(view) : learnt
  }
  return err(problem('unavailable', `somebody else keeps writing Subnet ${name}`, { retryAfterMs: 1_000 }))
}

/**
 * Puts addresses into excludeIps and waits until the controller shows that it will not choose them any more: its status
 * names them no longer as available (OUTSIDE_WINDOW=pin). Who has them already is seen by reading before and after (R4).
 * @param leftMs how long it may take; what is written stays, so a second try is quick
 */
export async function pin(
  ports: CommandPorts,
  name: string,
  addresses: readonly string[],
  leftMs: () => number,
): Promise<Result<undefined, Problem>> {
  for (let tries = 0; ; tries++) {
    const object = await readObject(ports, name)
    if (!object.ok) return object
    const excludeIps = object.value.spec?.excludeIps ?? []
    const missing = windowDrift(addresses, excludeIps)
    if (missing.length > 0) {
      const written = await patchSubnet(ports, object.value, {
        spec: { excludeIps: [...excludeIps, ...missing] },
      })
      if (!written.ok) return written
    } else if (!isAvailable(object.value, addresses)) {
      const learnt = await learnSubnet(ports, name)
      return learnt.ok ? ok(undefined) : learnt
    }
    if (leftMs() <= 0) {
      const detail = `${addresses.join(', ')} is in excludeIps of Subnet ${name}; kube-ovn-controller has yet to show that`
      return err(problem('unavailable', detail, { retryAfterMs: 1_000 }))
    }
    await ports.clock.sleep(Math.min(25 * 2 ** Math.min(tries, 5), Math.max(leftMs(), 1)))
  }
}

async function readObject(ports: CommandPorts, name: string): Promise<Result<SubnetObject, Problem>> {
  const [reply] = await ports.cluster.send([{ verb: 'get', ref: { kind: 'Subnet', name } }])
  if (!reply) throw new Error('no reply to one request')
  if (reply.ok) return ok(reply.value as SubnetObject)
  if (reply.error.reason !== 'NotFound') return err(clusterProblem(reply.error))
  return err(problem('unknown_subnet', `there is no Subnet ${name}`, { field: 'name' }))
}

/** Writes over what was read. `again`: somebody was faster, or nobody knows; what is there is read anew. */
async function patchSubnet(
  ports: CommandPorts,
  { metadata }: SubnetObject,
  patch: unknown,
): Promise<Result<'done' | 'again', Problem>> {
  const ref = { kind: 'Subnet', name: metadata.name } as const
  const resourceVersion = metadata.resourceVersion ?? ''
  const [reply] = await ports.cluster.send([{ verb: 'patch', ref, patch, resourceVersion }])
  if (!reply) throw new Error('no reply to one request')
  if (reply.ok) return ok('done')
  if (reply.error.reason === 'Conflict' || reply.error.outcome === 'unknown') return ok('again')
  return err(clusterProblem(reply.error))
}

/** Whether the controller still counts one of these as free to give. */
function isAvailable({ status }: SubnetObject, addresses: readonly string[]): boolean {
  const { v4availableIPrange = '', v6availableIPrange = '' } = (status ?? {}) as Record<string, string>
  const ranges = [v4availableIPrange, v6availableIPrange]
    .flatMap((text) => text.split(','))
    .filter((text) => text !== '')
    .map((text) => text.replace('-', '..'))
  const { v4, v6 } = rangesOf(ranges)
  const wanted = rangesOf(addresses)
  return !wanted.v4.intersect(v4).isEmpty || !wanted.v6.intersect(v6).isEmpty
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
