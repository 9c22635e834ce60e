import type { ClusterFailure, KubeObject } from '../cluster/port.ts'
import { parseRange, parseSubnet } from '../ipam/config.ts'
import type { IpamError } from '../ipam/types.ts'
import { DEFAULT_PROVIDER } from '../kube-ovn/names.ts'
import type { SubnetObject, SubnetSpec } from '../kube-ovn/subnet-object.ts'
import type { SpaceView, SubnetFacts } from '../ledger/port.ts'
import { findingOf } from '../ledger/refusals.ts'
import { inUse, isOccupied } from '../ledger/subnet.ts'
import { type Problem, problem } from '../problem.ts'
import { err, ok, type Result } from '../result.ts'
import type { CommandPorts } from './ports.ts'
import type { SubnetView } from './types.ts'

const DEFAULT_VPC = 'ovn-cluster'

/** What the ledger needs of a Subnet object. */
export function factsOf(object: SubnetObject, cluster: string): SubnetFacts {
  const { spec = {}, metadata } = object
  return {
    cluster,
    name: metadata.name,
    uid: metadata.uid ?? '',
    resourceVersion: metadata.resourceVersion ?? '',
    cidrBlock: spec.cidrBlock ?? '',
    gateway: spec.gateway ?? '',
    excludeIps: spec.excludeIps ?? [],
    provider: spec.provider || DEFAULT_PROVIDER,
    vpc: spec.vpc || DEFAULT_VPC,
    default: spec.default ?? false,
  }
}

/** What a failed cluster call means to a caller who asked for something else. */
export function clusterProblem(failure: ClusterFailure): Problem {
  return problem('unavailable', `the cluster does not answer: ${failure.message}`, {
    retryAfterMs: failure.retryAfterMs ?? 1_000,
  })
}

/** Reads the Subnet object and tells the ledger; `unknown_subnet` where there is none, naming the caller's `field`. */
export async function learnSubnet(
  ports: CommandPorts,
  name: string,
  field: 'subnet' | 'name' = 'subnet',
): Promise<Result<SubnetFacts, Problem>> {
  const [reply] = await ports.cluster.send([{ verb: 'get', ref: { kind: 'Subnet', name } }])
  if (!reply) throw new Error('no reply to one request')
  if (!reply.ok) {
    if (reply.error.reason !== 'NotFound') return err(clusterProblem(reply.error))
    return err(problem('unknown_subnet', `there is no Subnet ${name}`, { field }))
  }
  const object = reply.value as SubnetObject
  if (object.metadata.deletionTimestamp !== undefined) {
    return err(problem('unknown_subnet', `Subnet ${name} is being removed`, { field }))
  }
  const facts = factsOf(object, ports.clusterName)
  const configured = await ports.ledger(name).configure(facts)
  return configured.ok ? ok(facts) : configured
}

/** All Subnets with their counts, in name order. A ledger that is behind its Subnet object learns on the way. */
export async function subnets(ports: CommandPorts): Promise<Result<readonly SubnetView[], Problem>> {
  const objects = await subnetObjects(ports)
  if (!objects.ok) return objects
  const views = await Promise.all(objects.value.map((object) => viewOf(ports, object)))
  return ok(views.flatMap((view) => (view.ok ? [view.value] : [])))
}

/** One Subnet. */
export async function subnet(ports: CommandPorts, name: string): Promise<Result<SubnetView, Problem>> {
  const [reply] = await ports.cluster.send([{ verb: 'get', ref: { kind: 'Subnet', name } }])
  if (!reply) throw new Error('no reply to one request')
  if (reply.ok) return viewOf(ports, reply.value as SubnetObject)
  if (reply.error.reason !== 'NotFound') return err(clusterProblem(reply.error))
  const left = await ports.ledger(name).view()
  return left
    ? ok(subnetView(left))
    : err(problem('unknown_subnet', `there is no Subnet ${name}`, { field: 'name' }))
}

/** The Subnet objects in name order. */
export async function subnetObjects(ports: CommandPorts): Promise<Result<SubnetObject[], Problem>> {
  const objects: SubnetObject[] = []
  let token: string | undefined
  do {
    const page = await ports.cluster.list('Subnet', {
      limit: 500,
      ...(token === undefined ? {} : { continue: token }),
    })
    if (!page.ok) return err(clusterProblem(page.error))
    objects.push(...(page.value.items as SubnetObject[]))
    token = page.value.continue
  } while (token !== undefined)
  return ok(objects.sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1)))
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
  const ledger = ports.ledger(name)
  const [present] = await ports.cluster.send([{ verb: 'get', ref: { kind: 'Subnet', name } }])
  if (!present) throw new Error('no reply to one request')
  if (!present.ok && present.error.reason !== 'NotFound') return err(clusterProblem(present.error))
  if (dryRun) {
    const metadata = present.ok ? present.value.metadata : { name }
    const preview = { ...manifest, metadata, spec: wanted.value } as SubnetObject
    const view = await ledger.preview(factsOf(preview, ports.clusterName))
    return view.ok ? ok({ created: !present.ok, subnet: subnetView(view.value) }) : err(inSpec(view.error))
  }
  // The ledger must know the Subnet before it can judge the change.
  if (present.ok) {
    const known = await ledger.configure(factsOf(present.value as SubnetObject, ports.clusterName))
    if (!known.ok) return known
  }
  const token = await ledger.announce(wanted.value.provider ?? DEFAULT_PROVIDER)
  if (!token.ok) return err(inSpec(token.error))
  const [written] = await ports.cluster.send([
    present.ok
      ? { verb: 'replace', object: { ...present.value, spec: wanted.value } }
      : {
          verb: 'create',
          object: { apiVersion: 'kubeovn.io/v1', kind: 'Subnet', metadata: { name }, spec: wanted.value },
        },
  ])
  if (!written) throw new Error('no reply to one request')
  if (!written.ok) return err(writeProblem(written.error))
  const object = written.value as SubnetObject
  const configured = await ledger.configure(factsOf(object, ports.clusterName), token.value)
  if (!configured.ok) return configured
  const view = await viewOf(ports, object)
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

async function viewOf(ports: CommandPorts, object: SubnetObject): Promise<Result<SubnetView, Problem>> {
  const facts = factsOf(object, ports.clusterName)
  const ledger = ports.ledger(facts.name)
  const view = await ledger.view()
  if (view && view.facts.uid === facts.uid && view.facts.resourceVersion === facts.resourceVersion) {
    return ok(subnetView(view))
  }
  const configured = await ledger.configure(facts)
  if (!configured.ok) return configured
  const learnt = await ledger.view()
  return learnt ? ok(subnetView(learnt)) : err(problem('unknown_subnet', `there is no Subnet ${facts.name}`))
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

function writeProblem(failure: ClusterFailure): Problem {
  if (failure.reason === 'Invalid') return problem('invalid_field', failure.message)
  if (failure.reason === 'Conflict' || failure.reason === 'AlreadyExists') {
    return problem('unavailable', 'somebody else wrote this Subnet at the same time', { retryAfterMs: 1_000 })
  }
  return clusterProblem(failure)
}

function subnetView(view: SpaceView): SubnetView {
  const { v4, v6, using } = view
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
  }
}
