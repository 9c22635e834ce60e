/**
 * Reading and writing the Subnet object beside kube-ovn-controller: its excludeIps and Berth's own annotations are all that
 * Berth writes of it there (contract.md, "Who writes what").
 */
import type { SubnetObject } from '../kube-ovn/subnet-object.ts'
import { type Problem, problem } from '../problem.ts'
import { err, ok, type Result } from '../result.ts'
import type { CommandPorts } from './ports.ts'
import { clusterProblem } from './subnets.ts'

/** The Subnet object as it is now. */
export async function readSubnetObject(
  ports: CommandPorts,
  name: string,
): Promise<Result<SubnetObject, Problem>> {
  const [reply] = await ports.cluster.send([{ verb: 'get', ref: { kind: 'Subnet', name } }])
  if (!reply) throw new Error('no reply to one request')
  if (reply.ok) return ok(reply.value as SubnetObject)
  if (reply.error.reason !== 'NotFound') return err(clusterProblem(reply.error))
  return err(problem('unknown_subnet', `there is no Subnet ${name}`, { field: 'name' }))
}

/** conflict: somebody was faster, and nothing was written. unknown: it may have been, and may be yet. */
export type Written = 'done' | 'conflict' | 'unknown'

/** Writes over what was read. */
export async function patchSubnet(
  ports: CommandPorts,
  { metadata }: SubnetObject,
  patch: unknown,
): Promise<Result<Written, Problem>> {
  const ref = { kind: 'Subnet', name: metadata.name } as const
  const resourceVersion = metadata.resourceVersion ?? ''
  const [reply] = await ports.cluster.send([{ verb: 'patch', ref, patch, resourceVersion }])
  if (!reply) throw new Error('no reply to one request')
  if (reply.ok) return ok('done')
  if (reply.error.outcome === 'unknown') return ok('unknown')
  return reply.error.reason === 'Conflict' ? ok('conflict') : err(clusterProblem(reply.error))
}
