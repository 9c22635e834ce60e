import type { ClusterFailure, KubeObject } from '../cluster/port.ts'
import { parseRange, parseSubnet } from '../ipam/config.ts'
import type { IpamError } from '../ipam/types.ts'
import { DEFAULT_PROVIDER, DEFAULT_VPC } from '../kube-ovn/names.ts'
import type { SubnetObject, SubnetSpec } from '../kube-ovn/subnet-object.ts'
import { checkSubnet, overlapping } from '../kube-ovn/subnet-rules.ts'
import type { PoolFacts, SpaceView, SubnetFacts } from '../ledger/port.ts'
import { findingOf } from '../ledger/refusals.ts'
import { inUse, isOccupied } from '../ledger/subnet.ts'
import { parseTerms, termsOf } from '../ledger/terms.ts'
import { type Problem, problem } from '../problem.ts'
import { err, ok, type Result } from '../result.ts'
import { factsOf, listAll, type PoolList, readPools, termTextsOf } from './facts.ts'
import type { CommandPorts } from './ports.ts'
import type { SubnetView } from './types.ts'

/** What a failed cluster call means to a caller who asked for something else. */
export function clusterProblem(failure: ClusterFailure): Problem {
  return problem('unavailable', `the cluster does not answer: ${failure.message}`, {
    retryAfterMs: failure.retryAfterMs ?? 1_000,
  })
}

/** The Subnet object and its pools; `unknown_subnet` where there is none, naming the caller's `field`. */
export async function readSubnet(
  ports: CommandPorts,
  name: string,
  field: 'subnet' | 'name' | 'spec.subnet' = 'subnet',
): Promise<Result<SubnetFacts, Problem>> {
  const [[reply], pools] = await Promise.all([
    ports.cluster.send([{ verb: 'get', ref: { kind: 'Subnet', name } }]),
    readPools(ports),
  ])
  if (!reply) throw new Error('no reply to one request')
  if (!reply.ok) {
    if (reply.error.reason !== 'NotFound') return err(clusterProblem(reply.error))
    return err(problem('unknown_subnet', `there is no Subnet ${name}`, { field }))
  }
  if (!pools.ok) return err(clusterProblem(pools.error))
  const object = reply.value as SubnetObject
  if (object.metadata.deletionTimestamp !== undefined) {
    return err(problem('unknown_subnet', `Subnet ${name} is being removed`, { field }))
  }
  return ok(factsOf(object, pools.value, ports.clusterName, ports.settings.windows))
}

/**
 * Reads the Subnet object and its pools and tells the ledger; where there is a mirror, that tells it of the IP objects.
 * @param token of an announced write that is known to be over
 */
export async function learnSubnet(
  ports: CommandPorts,
  name: string,
  field?: 'subnet' | 'name' | 'spec.subnet',
  token?: string,
): Promise<Result<SubnetFacts, Problem>> {
  const facts = await readSubnet(ports, name, field)
  if (!facts.ok) {
    if (facts.error.code === 'unknown_subnet') await tellGone(ports, name)
    return facts
  }
  const configured = await ports.ledger(name).configure(facts.value, token)
  if (!configured.ok) return configured
  const mirrored = await ports.mirror?.learn(name)
  return mirrored && !mirrored.ok ? mirrored : facts
}

/** One Subnet. */
export async function subnet(ports: CommandPorts, name: string): Promise<Result<SubnetView, Problem>> {
  const [[reply], pools] = await Promise.all([
    ports.cluster.send([{ verb: 'get', ref: { kind: 'Subnet', name } }]),
    readPools(ports),
  ])
  if (!reply) throw new Error('no reply to one request')
  if (!reply.ok && reply.error.reason !== 'NotFound') return err(clusterProblem(reply.error))
  if (!pools.ok) return err(clusterProblem(pools.error))
  if (reply.ok) return viewOf(ports, reply.value as SubnetObject, pools.value)
  await tellGone(ports, name)
  const left = await ports.ledger(name).view()
  return left
    ? ok(subnetView(left))
    : err(problem('unknown_subnet', `there is no Subnet ${name}`, { field: 'name' }))
}

/**
 * Tells the ledger of a Subnet object that was not found, as whoever removed it may have died before doing so. It is
 * looked for once more, after the ledger said which one it knows: the next of that name may just have been made.
 */
async function tellGone(ports: CommandPorts, name: string): Promise<void> {
  const ledger = ports.ledger(name)
  const known = await ledger.view()
  if (!known) return
  const [reply] = await ports.cluster.send([{ verb: 'get', ref: { kind: 'Subnet', name } }])
  if (!reply) throw new Error('no reply to one request')
  const gone = reply.ok
    ? reply.value.metadata.uid !== known.facts.uid
    : reply.error.outcome === 'refused' && reply.error.reason === 'NotFound'
  if (gone) await ledger.subnetGone(known.facts.uid)
}

/** The Subnet objects in name order. */
export async function subnetObjects(ports: CommandPorts): Promise<Result<SubnetObject[], Problem>> {
  const listed = await listAll(ports, 'Subnet')
  return listed.ok ? ok(listed.value.items as SubnetObject[]) : err(clusterProblem(listed.error))
}

/** Makes or changes a Subnet (embedded only). The manifest's spec is normalised as Kube-OVN's controller does. */
export async function putSubnet(
  ports: CommandPorts,
  manifest: KubeObject,
  dryRun: boolean,
): Promise<Result<{ readonly created: boolean; readonly subnet: SubnetView }, Problem>> {
  const { name } = manifest.metadata
  const wanted = normalised(manifest.spec as SubnetSpec | undefined)
  if (!wanted.ok) return wanted
  const terms = parseTerms(termTextsOf(manifest.metadata) ?? {})
  if (!terms.ok) {
    const { annotation, message } = terms.error
    return err(problem('invalid_field', message, { field: `metadata.annotations["${annotation}"]` }))
  }
  const ledger = ports.ledger(name)
  const [[present], pools, others] = await Promise.all([
    ports.cluster.send([{ verb: 'get', ref: { kind: 'Subnet', name } }]),
    readPools(ports),
    subnetObjects(ports),
  ])
  if (!present) throw new Error('no reply to one request')
  if (!present.ok && present.error.reason !== 'NotFound') return err(clusterProblem(present.error))
  if (!pools.ok) return err(clusterProblem(pools.error))
  if (!others.ok) return others
  const taken = overlapping({ metadata: { name }, spec: wanted.value }, others.value)
  if (taken) return err(problem('address_taken', taken, { field: 'spec.cidrBlock' }))
  const facts = (object: SubnetObject) =>
    factsOf(object, pools.value, ports.clusterName, ports.settings.windows)
  if (dryRun) {
    const metadata = present.ok ? present.value.metadata : { name }
    const preview = { ...manifest, metadata, spec: wanted.value } as SubnetObject
    const view = await ledger.preview(facts(preview))
    return view.ok ? ok({ created: !present.ok, subnet: subnetView(view.value) }) : err(inSpec(view.error))
  }
  // The ledger must know the Subnet before it can judge the change.
  if (present.ok) {
    const known = await ledger.configure(facts(present.value as SubnetObject))
    if (!known.ok) return known
  }
  const token = await ledger.announce(wanted.value.provider ?? DEFAULT_PROVIDER)
  if (!token.ok) return err(inSpec(token.error))
  const [written] = await ports.cluster.send([
    present.ok
      ? {
          verb: 'replace',
          object: {
            ...present.value,
            metadata: { ...present.value.metadata, ...manifest.metadata },
            spec: wanted.value,
          },
        }
      : {
          verb: 'create',
          object: { ...manifest, spec: wanted.value },
        },
  ])
  if (!written) throw new Error('no reply to one request')
  if (!written.ok) return err(writeProblem(written.error, 'Subnet'))
  const object = written.value as SubnetObject
  const configured = await ledger.configure(facts(object), token.value)
  if (!configured.ok) return configured
  const view = await viewOf(ports, object, pools.value)
  return view.ok ? ok({ created: !present.ok, subnet: view.value }) : view
}

/** Removes a Subnet nobody has a reservation in (embedded only). */
export async function deleteSubnet(
  ports: CommandPorts,
  name: string,
  dryRun: boolean,
): Promise<Result<SubnetView, Problem>> {
  const known = await learnSubnet(ports, name, 'name')
  if (!known.ok) return known
  const ledger = ports.ledger(name)
  if (dryRun) {
    const view = await ledger.view()
    if (!view) return err(problem('unknown_subnet', `there is no Subnet ${name}`, { field: 'name' }))
    return isOccupied(view) ? err(inUse(name)) : ok(subnetView(view))
  }
  const retired = await ledger.retire()
  if (!retired.ok) return retired
  const [reply] = await ports.cluster.send([
    { verb: 'delete', ref: { kind: 'Subnet', name }, uid: known.value.uid },
  ])
  if (!reply) throw new Error('no reply to one request')
  if (!reply.ok && reply.error.reason !== 'NotFound') {
    if (reply.error.outcome === 'refused') await ledger.configure(known.value, retired.value.token)
    return err(clusterProblem(reply.error))
  }
  await ledger.subnetGone(known.value.uid)
  return ok(subnetView(retired.value.view))
}

/** Free addresses as they stand; nobody is promised any. */
export async function suggest(
  ports: CommandPorts,
  name: string,
  wish: { readonly count: number; readonly contiguous: boolean },
): Promise<Result<readonly string[], Problem>> {
  const known = await learnSubnet(ports, name, 'name')
  if (!known.ok) return known
  const suggested = await ports.ledger(name).suggest(wish.count, wish.contiguous)
  return suggested ?? err(problem('unknown_subnet', `there is no Subnet ${name}`, { field: 'name' }))
}

/** A Subnet with its counts. A ledger that is behind the object learns on the way. */
export async function viewOf(
  ports: CommandPorts,
  object: SubnetObject,
  pools: PoolList,
): Promise<Result<SubnetView, Problem>> {
  const facts = factsOf(object, pools, ports.clusterName, ports.settings.windows)
  const ledger = ports.ledger(facts.name)
  const view = await ledger.view()
  if (view && isSame(view.facts, facts)) return ok(subnetView(view))
  const configured = await ledger.configure(facts)
  if (!configured.ok) return configured
  const learnt = await ledger.view()
  return learnt ? ok(subnetView(learnt)) : err(problem('unknown_subnet', `there is no Subnet ${facts.name}`))
}

/** Whether the ledger knows what the cluster says. The pools' list has a new version with every write there is. */
function isSame(known: SubnetFacts, facts: SubnetFacts): boolean {
  if (known.uid !== facts.uid || known.resourceVersion !== facts.resourceVersion) return false
  return JSON.stringify(known.pools) === JSON.stringify(facts.pools)
}

function normalised(spec: SubnetSpec | undefined): Result<SubnetSpec, Problem> {
  // Kube-OVN passes over an entry it cannot read; whoever writes one here wants those addresses left out.
  for (const [index, text] of (spec?.excludeIps ?? []).entries()) {
    const range = parseRange(text, `excludeIps[${index}]`)
    if (!range.ok) return err(unreadable(range.error))
  }
  const config = parseSubnet({
    cidrBlock: spec?.cidrBlock ?? '',
    gateway: spec?.gateway ?? '',
    excludeIps: spec?.excludeIps ?? [],
  })
  if (!config.ok) return err(unreadable(config.error))
  if (config.value.protocol === 'Mac') {
    return err(problem('invalid_field', 'a Subnet needs a CIDR', { field: 'spec.cidrBlock' }))
  }
  const checked = checkSubnet(spec ?? {})
  if (!checked.ok) return err(unreadable(checked.error))
  return ok({
    ...spec,
    cidrBlock: config.value.cidrBlock,
    gateway: config.value.gateway,
    excludeIps: [...config.value.excludeIps],
    protocol: config.value.protocol,
    provider: spec?.provider || DEFAULT_PROVIDER,
    vpc: spec?.vpc || DEFAULT_VPC,
  })
}

function unreadable(error: IpamError): Problem {
  const { code, message, field } = findingOf(error)
  return inSpec(problem(code, message, field === undefined ? {} : { field }))
}

/** The ledger names a field of the Subnet; in a manifest it stands under spec. */
function inSpec(why: Problem): Problem {
  return why.field === undefined ? why : { ...why, field: `spec.${why.field}` }
}

/** What a failed write of an object means to whoever asked for it. */
export function writeProblem(failure: ClusterFailure, kind: 'Subnet' | 'IPPool'): Problem {
  if (failure.reason === 'Invalid') return problem('invalid_field', failure.message, { field: 'body' })
  if (failure.reason === 'Conflict' || failure.reason === 'AlreadyExists') {
    return problem('unavailable', `somebody else wrote this ${kind} at the same time`, {
      retryAfterMs: 1_000,
    })
  }
  return clusterProblem(failure)
}

function subnetView(view: SpaceView): SubnetView {
  const { v4, v6, using } = view
  const warnings = warningsOf(view)
  return {
    name: view.facts.name,
    cidrBlock: view.cidrBlock,
    gateway: view.gateway,
    excludeIps: view.excludeIps,
    protocol: view.protocol,
    provider: view.facts.provider,
    vpc: view.facts.vpc,
    default: view.facts.default,
    ...(view.orphaned ? { orphaned: true as const } : {}),
    v4usingIPs: v4 ? using : 0n,
    v4availableIPs: view.v4Available,
    v6usingIPs: v6 ? using : 0n,
    v6availableIPs: view.v6Available,
    ledger: { ...(v4 ? { v4 } : {}), ...(v6 ? { v6 } : {}) },
    ...(view.quotas ? { quotas: view.quotas } : {}),
    ...(warnings.length > 0 ? { warnings } : {}),
  }
}

function warningsOf({ v4, v6, poolsLeftOut, facts }: SpaceView): string[] {
  const terms = termsOf(facts)
  const stranded = (v4?.stranded ?? 0n) > (v6?.stranded ?? 0n) ? v4?.stranded : v6?.stranded
  return [
    ...(stranded
      ? [`${stranded} reserved outside the CIDR: kept, and in force again where it grows back`]
      : []),
    ...poolsLeftOut.map(leftOut),
    ...(terms.ok
      ? []
      : [`nothing is reserved here: annotation ${terms.error.annotation}: ${terms.error.message}`]),
  ]
}

function leftOut({ name, ips }: PoolFacts): string {
  return `IPPool ${name}: ${ips.join(', ')} is not usable in this Subnet, or another pool's`
}
