import { portName } from '../kube-ovn/names.ts'
import type { Answer, Keyed, LeaseView } from '../ledger/port.ts'
import { type Finding, type Problem, problem, problemOf } from '../problem.ts'
import { err, ok, type Result } from '../result.ts'
import { TOO_LATE, withinWait } from './budget.ts'
import { locateAll } from './find.ts'
import { follow } from './follow.ts'
import { livingOwners } from './owners.ts'
import type { CommandPorts } from './ports.ts'
import { keyAnswer, permittedLeases, presentLeases } from './release.ts'
import { DRY_RUN, outcomeOf } from './render.ts'
import { clusterProblem } from './subnets.ts'
import type { TransferCommand, WriteOutcome } from './types.ts'

/**
 * Gives a reservation to another owner, with its address and MAC. Refused while either lives: the old one would lose what
 * it runs with, and the new one runs with something else. What takes longer than WAIT_MS is `pending` and goes on.
 */
export async function transfer(ports: CommandPorts, command: TransferCommand): Promise<WriteOutcome> {
  return withinWait(ports, async (budget) => {
    const told = (answer: Answer) => outcomeOf(answer, ports, command.dryRun ? [DRY_RUN] : [])
    const keyed: Keyed = {
      tenant: command.tenant,
      mode: ports.settings.authority,
      ...(command.idempotencyKey === undefined ? {} : { key: command.idempotencyKey }),
      bodyHash: command.bodyHash,
    }
    for (;;) {
      const located = await locateAll(ports, [command.target], keyed)
      if (!located.ok) return { kind: 'refused', problem: located.error }
      const { subnet, found } = located.value
      const known = command.dryRun ? undefined : keyAnswer(found)
      if (known) return told(known)
      const permitted = await permittedLeases(subnet, found.leases, command, 'transfer')
      if (!permitted.ok) return { kind: 'refused', problem: permitted.error }
      const mayTake = await command.permitTo?.(subnet)
      if (mayTake) return { kind: 'refused', problem: mayTake }
      const present = await transferable(ports, permitted.value, command)
      if (budget.isTooLate()) return TOO_LATE
      const askedMs = ports.clock.nowMs()
      const ledger = ports.ledger(subnet)
      if (!present.ok && command.dryRun) return { kind: 'refused', problem: present.error }
      const opened = present.ok
        ? await ledger.transfer({
            ...keyed,
            item: present.value,
            to: command.to,
            dryRun: command.dryRun,
            force: command.force,
            ...(command.reason === undefined ? {} : { reason: command.reason }),
          })
        : await ledger.refuse(keyed, present.error)
      if (opened.kind === 'unconfigured') {
        return {
          kind: 'refused',
          problem: problem('not_found', 'there is no such reservation', { field: 'name' }),
        }
      }
      const outcome = await follow(ports, ledger, opened, { askedMs, budget, told })
      if (outcome) return outcome
    }
  })
}

/** The reservation, there and with both owners gone, or what is wrong with it. */
async function transferable(
  ports: CommandPorts,
  leases: readonly (LeaseView | null)[],
  { target, to, force }: TransferCommand,
): Promise<Result<Pick<LeaseView, 'name' | 'id' | 'epoch'>, Problem>> {
  const present = presentLeases(leases, [target])
  if (!present.ok) return present
  const [lease] = present.value
  if (!lease) throw new Error('a present lease')
  const { name, id, epoch } = lease
  const nic = portName(to.podName, to.namespace, lease.provider)
  const old = force ? ok([]) : await livingOwners(ports, [lease])
  if (!old.ok) return old
  const young = await livingOwners(ports, [{ state: 'bound', ...to }])
  if (!young.ok) return young
  const objects = await ports.cluster.send([{ verb: 'get', ref: { kind: 'IP', name: nic } }])
  const [object] = objects
  const findings: Finding[] = [
    ...old.value,
    ...young.value.map(({ hint: _, ...finding }) => ({ ...finding, field: 'to.podName' })),
  ]
  if (object?.ok && nic !== name) {
    const message = `an IP object ${nic} exists`
    findings.push({ code: 'name_collision', field: 'to.podName', message })
  } else if (object && !object.ok && object.error.reason !== 'NotFound')
    return err(clusterProblem(object.error))
  return findings.length > 0 ? err(problemOf(findings)) : ok({ name, id, epoch })
}
