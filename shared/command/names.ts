import type { ClusterRequest } from '../cluster/port.ts'
import { formatAddress } from '../ipam/address.ts'
import type { LeaseView, SeenIp } from '../ledger/port.ts'
import { agrees, saidBy } from '../ledger/said.ts'
import type { Finding, Problem } from '../problem.ts'
import { err, ok, type Result } from '../result.ts'
import { evidenceOf } from './evidence.ts'
import type { CommandPorts } from './ports.ts'
import { previewPorts } from './preview-ports.ts'
import { clusterProblem } from './subnets.ts'
import type { ReserveItem } from './types.ts'

/** What a reserve would give, as far as the names go: an owner's own object that is there keeps its address. */
export interface NamedPreview {
  readonly findings: readonly Finding[]
  readonly leases: readonly LeaseView[]
}

/** Who has these object names already, and which ports are in the way, for a preview; a reserve finds out on its way. */
export async function previewNames(
  ports: CommandPorts,
  leases: readonly LeaseView[],
  items: readonly ReserveItem[],
): Promise<Result<NamedPreview, Problem>> {
  const fresh = leases.flatMap((lease, item) => (lease.uid === undefined ? [{ lease, item }] : []))
  if (fresh.length === 0) return ok({ findings: [], leases })
  const requests = fresh.map(
    ({ lease }): ClusterRequest => ({ verb: 'get', ref: { kind: 'IP', name: lease.name } }),
  )
  const replies = await ports.cluster.send(requests)
  const findings: Finding[] = []
  const previews = [...leases]
  for (const [index, { lease, item }] of fresh.entries()) {
    const reply = replies[index]
    if (!reply) throw new Error('fewer replies than requests')
    if (!reply.ok) {
      if (reply.error.reason === 'NotFound') continue
      return err(clusterProblem(reply.error))
    }
    const evidence = evidenceOf({ item, verb: 'read' }, lease, [reply])
    if (evidence.result !== 'object' || evidence.object.whose === 'ours') continue
    const { sameOwner, description, terminating, content } = evidence.object
    const keeps = content && sameOwner && !terminating && leases.length === 1
    if (keeps && fits(content, lease, items[item])) {
      previews[item] = kept(lease, content)
      continue
    }
    findings.push({
      code: terminating ? 'releasing' : sameOwner ? 'already_reserved' : 'name_collision',
      field: 'name',
      message: `the name ${lease.name} belongs to ${description}`,
      ...(leases.length > 1 ? { item } : {}),
    })
  }
  // What keeps its object's address has its port, too.
  const others = previews.map((lease, item) => (lease === leases[item] ? lease : { ...lease, uid: '' }))
  return ok({ findings: [...findings, ...(await previewPorts(ports, others, items))], leases: previews })
}

/** Whether the object has what its owner asks for. */
function fits(seen: SeenIp, lease: LeaseView, item: ReserveItem | undefined): boolean {
  return agrees(seen, {
    v4: item?.v4IpAddress === undefined ? '' : lease.v4,
    v6: item?.v6IpAddress === undefined ? '' : lease.v6,
    mac: item?.macAddress === undefined ? '' : lease.mac,
  })
}

function kept(lease: LeaseView, seen: SeenIp): LeaseView {
  const { v4, v6, mac } = saidBy(seen)
  if (v4 === null && v6 === null) return lease
  return {
    ...lease,
    v4: v4 === null ? '' : formatAddress(4, v4),
    v6: v6 === null ? '' : formatAddress(6, v6),
    mac,
  }
}
