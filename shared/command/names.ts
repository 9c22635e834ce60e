import type { ClusterRequest } from '../cluster/port.ts'
import type { LeaseView } from '../ledger/port.ts'
import type { Finding, Problem } from '../problem.ts'
import { err, ok, type Result } from '../result.ts'
import { evidenceOf } from './evidence.ts'
import type { CommandPorts } from './ports.ts'
import { clusterProblem } from './subnets.ts'

/** Who has these object names already, for a preview; a reserve finds out by its POST. */
export async function nameFindings(
  ports: CommandPorts,
  leases: readonly LeaseView[],
): Promise<Result<Finding[], Problem>> {
  const fresh = leases.flatMap((lease, item) => (lease.uid === undefined ? [{ lease, item }] : []))
  if (fresh.length === 0) return ok([])
  const requests = fresh.map(
    ({ lease }): ClusterRequest => ({ verb: 'get', ref: { kind: 'IP', name: lease.name } }),
  )
  const replies = await ports.cluster.send(requests)
  const findings: Finding[] = []
  for (const [index, { lease, item }] of fresh.entries()) {
    const reply = replies[index]
    if (!reply) throw new Error('fewer replies than requests')
    if (!reply.ok) {
      if (reply.error.reason === 'NotFound') continue
      return err(clusterProblem(reply.error))
    }
    const evidence = evidenceOf({ item, verb: 'read' }, lease, reply)
    if (evidence.result !== 'object' || evidence.object.whose === 'ours') continue
    const { sameOwner, description, terminating } = evidence.object
    findings.push({
      code: terminating ? 'releasing' : sameOwner ? 'already_reserved' : 'name_collision',
      field: 'name',
      message: `the name ${lease.name} belongs to ${description}`,
      ...(leases.length > 1 ? { item } : {}),
    })
  }
  return ok(findings)
}
