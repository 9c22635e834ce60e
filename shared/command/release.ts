import type { Answer, Keyed, LeaseView, Located, Target } from '../ledger/port.ts'
import type { Problem } from '../problem.ts'
import { type Finding, problem, problemOf } from '../problem.ts'
import { err, ok, type Result } from '../result.ts'
import { drive } from './drive.ts'
import { locateAll, missing } from './find.ts'
import { livingOwners } from './owners.ts'
import type { CommandPorts } from './ports.ts'
import { DRY_RUN, outcomeOf } from './render.ts'
import type { ReleaseCommand, WriteOutcome } from './types.ts'

const NO_OVN = 'OVN_NB is none: no logical switch port was looked for'

/**
 * Gives addresses back: refused while an owner lives, then one way only: the object goes, its absence is proven, the
 * address cools down. All targets or none, all of one Subnet.
 */
export async function release(ports: CommandPorts, command: ReleaseCommand): Promise<WriteOutcome> {
  const startedMs = ports.clock.nowMs()
  const leftMs = () => Math.max(0, ports.settings.waitMs - (ports.clock.nowMs() - startedMs))
  const warnings = [...(ports.settings.ovn ? [] : [NO_OVN]), ...(command.dryRun ? [DRY_RUN] : [])]
  const told = (answer: Answer) => outcomeOf(answer, ports, warnings)
  const keyed: Keyed = {
    tenant: command.tenant,
    ...(command.idempotencyKey === undefined ? {} : { key: command.idempotencyKey }),
    bodyHash: command.bodyHash,
  }
  for (;;) {
    const located = await locateAll(ports, command.targets, keyed)
    if (!located.ok) return { kind: 'refused', problem: located.error }
    const { subnet, found } = located.value
    const ledger = ports.ledger(subnet)
    const known = command.dryRun ? undefined : keyAnswer(found)
    if (known) return told(known)
    if (found.running !== undefined && !command.dryRun) {
      const answer = await ledger.settled(found.running, leftMs())
      return answer ? told(answer) : { kind: 'pending', operation: found.running, retryAfterMs: 1_000 }
    }
    const present = await releasable(ports, found.leases, command)
    const askedMs = ports.clock.nowMs()
    if (!present.ok && command.dryRun) return { kind: 'refused', problem: present.error }
    const opened = present.ok
      ? await ledger.release({
          ...keyed,
          items: present.value.map(({ name, id, epoch }) => ({ name, id, epoch })),
          dryRun: command.dryRun,
          force: command.force,
          ...(command.reason === undefined ? {} : { reason: command.reason }),
        })
      : await ledger.refuse(keyed, present.error)
    switch (opened.kind) {
      case 'answer':
        return told(opened.answer)
      case 'drive': {
        const driven = await drive(
          { ledger, cluster: ports.cluster, clock: ports.clock, authority: ports.settings.authority },
          opened.leases,
          opened.next,
          { budgetMs: leftMs(), askedMs },
        )
        return driven.kind === 'answer'
          ? told(driven.answer)
          : { kind: 'pending', operation: opened.op, retryAfterMs: driven.retryAfterMs }
      }
      case 'join': {
        const answer = await ledger.settled(opened.op, leftMs())
        return answer ? told(answer) : { kind: 'pending', operation: opened.op, retryAfterMs: 1_000 }
      }
      case 'busy': {
        const waitMs = leftMs()
        const settled = waitMs > 0 ? await ledger.settled(opened.op, waitMs) : undefined
        if (!settled) return { kind: 'refused', problem: opened.problem }
        break
      }
      case 'unconfigured':
        return {
          kind: 'refused',
          problem: problem('not_found', 'there is no such reservation', { field: 'name' }),
        }
      default:
        return opened satisfies never
    }
  }
}

function keyAnswer(found: Located): Answer | undefined {
  if (found.mismatch) {
    const mismatch = problem('idempotency_mismatch', 'this Idempotency-Key was used for another request', {
      field: 'Idempotency-Key',
    })
    return { kind: 'refused', problem: mismatch }
  }
  return found.stored
}

/** The reservations meant, all there and none with a living owner (L1), or what is wrong with them. */
async function releasable(
  ports: CommandPorts,
  leases: readonly (LeaseView | null)[],
  { targets, force }: ReleaseCommand,
): Promise<Result<readonly LeaseView[], Problem>> {
  const present = presentLeases(leases, targets)
  if (!present.ok || force) return present
  const living = await livingOwners(ports, present.value)
  if (!living.ok) return living
  return living.value.length > 0 ? err(problemOf(living.value)) : present
}

function presentLeases(
  leases: readonly (LeaseView | null)[],
  targets: readonly Target[],
): Result<LeaseView[], Problem> {
  const present: LeaseView[] = []
  const findings: Finding[] = []
  const seen = new Map<string, number>()
  for (const [item, lease] of leases.entries()) {
    const target = targets[item]
    if (!lease) {
      if (!target) throw new Error('more leases than targets')
      findings.push(missing(target, leases.length > 1 ? item : undefined))
      continue
    }
    const twin = seen.get(lease.id)
    if (twin !== undefined) {
      findings.push({ code: 'invalid_field', field: 'name', message: `the same as item ${twin}`, item })
    }
    seen.set(lease.id, item)
    present.push(lease)
  }
  return findings.length > 0 ? { ok: false, error: problemOf(findings) } : ok(present)
}
