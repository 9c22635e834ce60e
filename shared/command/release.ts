import type { Answer, Keyed, LeaseView, Located, Target } from '../ledger/port.ts'
import type { Problem } from '../problem.ts'
import { type Finding, problem, problemOf } from '../problem.ts'
import { err, ok, type Result } from '../result.ts'
import { type Budget, pending, TOO_LATE, withinWait } from './budget.ts'
import { locateAll, missing } from './find.ts'
import { follow } from './follow.ts'
import { livingOwners } from './owners.ts'
import type { CommandPorts } from './ports.ts'
import { DRY_RUN, outcomeOf, releaseWarnings } from './render.ts'
import type { ReleaseCommand, WriteOutcome } from './types.ts'

/**
 * Gives addresses back: refused while an owner lives, then one way only: the object goes, its absence is proven, the
 * address cools down. All targets or none, all of one Subnet.
 */
export async function release(ports: CommandPorts, command: ReleaseCommand): Promise<WriteOutcome> {
  return withinWait(ports, (budget) => releaseWithin(ports, command, budget))
}

async function releaseWithin(
  ports: CommandPorts,
  command: ReleaseCommand,
  budget: Budget,
): Promise<WriteOutcome> {
  const { leftMs, isTooLate, otherwise } = budget
  const warnings = [...releaseWarnings(ports), ...(command.dryRun ? [DRY_RUN] : [])]
  const told = (answer: Answer) => outcomeOf(answer, ports, warnings)
  const keyed: Keyed = {
    tenant: command.tenant,
    mode: ports.settings.authority,
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
      otherwise(pending(found.running))
      const answer = await ledger.settled(found.running, leftMs())
      return answer ? told(answer) : pending(found.running)
    }
    const permitted = await permittedLeases(subnet, found.leases, command)
    if (!permitted.ok) return { kind: 'refused', problem: permitted.error }
    const present = await releasable(ports, permitted.value, command)
    if (isTooLate()) return TOO_LATE
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
    if (opened.kind === 'unconfigured') {
      const none = problem('not_found', 'there is no such reservation', { field: 'name' })
      return { kind: 'refused', problem: none }
    }
    const outcome = await follow(ports, ledger, opened, { askedMs, budget, told })
    if (outcome) return outcome
  }
}

export function keyAnswer(found: Located): Answer | undefined {
  if (found.mismatch) {
    const mismatch = problem('idempotency_mismatch', 'this Idempotency-Key was used for another request', {
      field: 'Idempotency-Key',
    })
    return { kind: 'refused', problem: mismatch }
  }
  return found.stored
}

/** Fails closed: nobody said yes. */
export const UNDECIDED = problem('unavailable', 'whoever decides about rights does not answer')

/**
 * What the caller may release (or renew) of what was found; what he may not see is as good as absent. A refusal is not kept under
 * the key, for rights may change. What is released is what was asked about: the ledger goes by id and epoch.
 */
export async function permittedLeases(
  subnet: string,
  leases: readonly (LeaseView | null)[],
  { permit }: Pick<ReleaseCommand, 'permit'>,
  what: 'release' | 'renew' | 'transfer' = 'release',
): Promise<Result<readonly (LeaseView | null)[], Problem>> {
  if (!permit) return ok(leases)
  const permitted: (LeaseView | null)[] = []
  const findings: Finding[] = []
  for (const [item, lease] of leases.entries()) {
    const { id = '', name = '', namespace = '' } = lease ?? {}
    const permission = lease ? await permit({ id, subnet, namespace, name }) : 'unseen'
    if (permission === 'unknown') return err(UNDECIDED)
    permitted.push(permission === 'granted' ? lease : null)
    if (permission !== 'refused') continue
    const message = `this caller may not ${what} ${name}`
    findings.push({ code: 'forbidden', field: 'name', message, ...(leases.length > 1 ? { item } : {}) })
  }
  return findings.length > 0 ? err(problemOf(findings)) : ok(permitted)
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

export function presentLeases(
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
      const field = target && 'name' in target ? 'name' : 'podName'
      findings.push({ code: 'invalid_field', field, message: `the same as item ${twin}`, item })
    }
    seen.set(lease.id, item)
    present.push(lease)
  }
  return findings.length > 0 ? { ok: false, error: problemOf(findings) } : ok(present)
}
