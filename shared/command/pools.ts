import type { KubeObject } from '../cluster/port.ts'
import { quote } from '../ipam/address.ts'
import { parseCidrBlock, parseRanges } from '../ipam/config.ts'
import type { IpPoolObject } from '../kube-ovn/ip-pool-object.ts'
import type { SubnetFacts } from '../ledger/port.ts'
import { type Problem, problem } from '../problem.ts'
import { err, ok, type Result } from '../result.ts'
import type { CommandPorts } from './ports.ts'
import { clusterProblem, learnSubnet, readSubnet, writeProblem } from './subnets.ts'

/**
 * Makes or changes an IPPool (embedded only). The ledger judges it first and takes it, then it is written, then the
 * ledger learns what is there: nothing it refuses reaches the cluster, and whoever dies in between leaves a ledger that
 * asks the cluster before its next promise.
 */
export async function putPool(
  ports: CommandPorts,
  manifest: KubeObject,
): Promise<Result<{ readonly created: boolean; readonly object: KubeObject }, Problem>> {
  const { metadata, spec } = manifest as IpPoolObject
  const { name } = metadata
  const subnet = spec?.subnet ?? ''
  const present = await readPool(ports, name)
  if (!present.ok) return present
  const before = present.value
  if (before && before.spec?.subnet !== subnet) {
    return err(
      problem('immutable_field', `${name} is a pool of ${before.spec?.subnet}`, { field: 'spec.subnet' }),
    )
  }
  const facts = await readSubnet(ports, subnet, 'spec.subnet')
  if (!facts.ok) return facts
  const other = otherFamily(facts.value, spec?.ips ?? [])
  if (other) return err(other)
  const token = await ports.ledger(subnet).propose(facts.value, { name, ips: spec?.ips ?? [] })
  if (!token.ok) return token
  const [written] = await ports.cluster.send([
    before
      ? {
          verb: 'replace',
          object: { ...before, metadata: { ...before.metadata, ...metadata }, spec: manifest.spec },
        }
      : { verb: 'create', object: manifest },
  ])
  if (!written) throw new Error('no reply to one request')
  if (!written.ok) {
    if (written.error.outcome === 'refused') await learnSubnet(ports, subnet, 'spec.subnet', token.value)
    return err(writeProblem(written.error, 'IPPool'))
  }
  const learnt = await learnSubnet(ports, subnet, 'spec.subnet', token.value)
  return learnt.ok ? ok({ created: !before, object: written.value }) : learnt
}

/** Removes an IPPool (embedded only). Its reservations stay; its free addresses are anybody's again. */
export async function deletePool(ports: CommandPorts, name: string): Promise<Result<KubeObject, Problem>> {
  const missing = problem('not_found', `there is no IPPool ${name}`, { field: 'name' })
  const present = await readPool(ports, name)
  if (!present.ok) return present
  if (!present.value) return err(missing)
  const subnet = present.value.spec?.subnet ?? ''
  const facts = await readSubnet(ports, subnet)
  // A pool may outlive its Subnet; then nobody is left to be told.
  if (!facts.ok && facts.error.code !== 'unknown_subnet') return facts
  const token = facts.ok ? await ports.ledger(subnet).propose(facts.value, { name }) : undefined
  if (token && !token.ok) return token
  const [removed] = await ports.cluster.send([
    { verb: 'delete', ref: { kind: 'IPPool', name }, uid: present.value.metadata.uid ?? '' },
  ])
  if (!removed) throw new Error('no reply to one request')
  const known = removed.ok || removed.error.outcome === 'refused'
  if (token && known) {
    const learnt = await learnSubnet(ports, subnet, 'spec.subnet', token.value)
    if (removed.ok && !learnt.ok) return learnt
  }
  if (removed.ok) return removed
  return err(removed.error.reason === 'NotFound' ? missing : writeProblem(removed.error, 'IPPool'))
}

/** An entry of a family the Subnet lacks. Kube-OVN passes over it; whoever writes one here wants those addresses. */
function otherFamily({ cidrBlock }: SubnetFacts, ips: readonly string[]): Problem | undefined {
  const cidrs = parseCidrBlock(cidrBlock)
  const families = cidrs.ok ? cidrs.value.map(({ family }) => family) : []
  for (const [index, text] of ips.entries()) {
    const read = parseRanges([text])
    if (!cidrs.ok || !read.ok) continue
    const family = read.value.v4.size > 0n ? 4 : 6
    if (families.includes(family)) continue
    const field = `spec.ips[${index}]`
    return problem('out_of_range', `${quote(text)}: the Subnet has no IPv${family} CIDR`, { field })
  }
  return undefined
}

async function readPool(
  ports: CommandPorts,
  name: string,
): Promise<Result<IpPoolObject | undefined, Problem>> {
  const [reply] = await ports.cluster.send([{ verb: 'get', ref: { kind: 'IPPool', name } }])
  if (!reply) throw new Error('no reply to one request')
  if (reply.ok) return ok(reply.value as IpPoolObject)
  return reply.error.reason === 'NotFound' ? ok(undefined) : err(clusterProblem(reply.error))
}
