import type { ClusterPort } from '../cluster/port.ts'
import type { Call, Evidence } from '../ledger/operations.ts'
import type { LeaseView } from '../ledger/port.ts'
import { type CallSettings, ownerEvidence } from './evidence.ts'
import { runningReads } from './owners.ts'

/**
 * R2, before a POST beside kube-ovn-controller: a static request takes the NIC's present address away, even where it then
 * fails (F7), so an object whose owner runs is not posted. It is asked in the same step, for each step costs a flush.
 * @returns what the calls that are to be kept back mean
 */
export async function runningEvidence(
  cluster: ClusterPort,
  pairs: readonly { readonly call: Call; readonly lease: LeaseView }[],
  { keepVmIp }: CallSettings,
): Promise<Map<Call, Evidence>> {
  const kept = new Map<Call, Evidence>()
  const posts = pairs
    .filter(({ call }) => call.verb === 'create' && call.unlessRunning)
    .map((pair) => ({ ...pair, reads: runningReads(pair.lease, keepVmIp) }))
  if (posts.length === 0) return kept
  const replies = await cluster.send(posts.flatMap(({ reads }) => reads))
  let from = 0
  for (const { call, lease, reads } of posts) {
    const answers = replies.slice(from, from + reads.length)
    if (answers.length < reads.length) throw new Error('fewer replies than requests')
    from += reads.length
    const evidence = ownerEvidence(call.item, lease, answers)
    if (evidence.result !== 'owner' || evidence.alive !== undefined) kept.set(call, evidence)
  }
  return kept
}
