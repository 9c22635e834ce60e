import { inTime } from '../../shared/command/admission/budget.ts'
import { mutateIp, validateIp } from '../../shared/command/admission/ip.ts'
import { mutatePod, validatePod } from '../../shared/command/admission/pod.ts'
import { denied } from '../../shared/command/admission/types.ts'
import type { CommandPorts } from '../../shared/command/ports.ts'
import type { Mode } from '../../shared/ledger/port.ts'
import type { Problem } from '../../shared/problem.ts'
import type { Result } from '../../shared/result.ts'
import type { Berth } from '../berth.ts'

/**
 * The four questions of the API server, each answered within its time. While somebody else is in charge nothing new is
 * promised; what was promised is protected all the same.
 */
export function judges(
  ports: CommandPorts,
  inCharge: () => Promise<Result<Mode, Problem>>,
): Pick<Berth, 'mutateIp' | 'validateIp' | 'mutatePod' | 'validatePod'> {
  const { clock } = ports
  return {
    mutateIp: (review) => inTime(clock, ifInCharge(review)),
    validateIp: (review) => inTime(clock, validated(review)),
    mutatePod: (review) => inTime(clock, mutatePod(ports, review)),
    validatePod: (review) => inTime(clock, validatePod(ports, review)),
  }

  async function ifInCharge(review: Parameters<Berth['mutateIp']>[0]) {
    if (review.operation !== 'CREATE') return mutateIp(ports, review)
    const may = await inCharge()
    return may.ok ? mutateIp(as(may.value), review) : denied(may.error)
  }

  async function validated(review: Parameters<Berth['validateIp']>[0]) {
    if (review.operation === 'UPDATE') return validateIp(ports, review)
    const may = await inCharge()
    return validateIp(may.ok ? as(may.value) : ports, review)
  }

  function as(mode: Mode): CommandPorts {
    return { ...ports, settings: { ...ports.settings, authority: mode } }
  }
}
