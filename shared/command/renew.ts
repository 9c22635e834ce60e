import type { Answer, Keyed, LeaseView } from '../ledger/port.ts'
import { problem } from '../problem.ts'
import { TOO_LATE, withinWait } from './budget.ts'
import { locateAll } from './find.ts'
import { follow } from './follow.ts'
import type { CommandPorts } from './ports.ts'
import { keyAnswer, permittedLeases, presentLeases } from './release.ts'
import { DRY_RUN, outcomeOf } from './render.ts'
import type { RenewCommand, WriteOutcome } from './types.ts'

/** Gives reservations another lifetime, counted from now. All targets or none, all of one Subnet. */
export async function renew(ports: CommandPorts, command: RenewCommand): Promise<WriteOutcome> {
  return withinWait(ports, async (budget) => {
    const told = (answer: Answer) => outcomeOf(answer, ports, command.dryRun ? [DRY_RUN] : [])
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
      const known = command.dryRun ? undefined : keyAnswer(found)
      if (known) return told(known)
      const permitted = await permittedLeases(subnet, found.leases, command, 'renew')
      if (!permitted.ok) return { kind: 'refused', problem: permitted.error }
      const present = presentLeases(permitted.value, command.targets)
      if (budget.isTooLate()) return TOO_LATE
      const askedMs = ports.clock.nowMs()
      const ledger = ports.ledger(subnet)
      if (!present.ok && command.dryRun) return { kind: 'refused', problem: present.error }
      const opened = present.ok
        ? await ledger.renew({
            ...keyed,
            items: present.value.map(({ name, id, epoch }: LeaseView) => ({ name, id, epoch })),
            dryRun: command.dryRun,
            lasting: command.lasting,
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
