import { type Clock, LATE, within } from '../shared/clock.ts'
import { failed } from '../shared/command/admission/types.ts'
import { TOO_LATE } from '../shared/command/budget.ts'
import type { Problem } from '../shared/problem.ts'
import { err, type Result } from '../shared/result.ts'
import type { Berth } from './berth.ts'

/** How long anything but a reserve, release, renew, transfer or adoption may take, which keep WAIT_MS themselves. */
export const ANSWER_MS = 15_000
/** The same for a repair: it lists the cluster, for which it allows itself a minute, and then asks each ledger. */
export const REPAIR_MS = 120_000

/**
 * A Berth that answers in time though a part of it hangs: 503 then. What was asked may still happen; every call here
 * may be repeated.
 */
export function timely(berth: Berth, clock: Clock): Berth {
  type Ask<A extends unknown[], T> = (...args: A) => Promise<T>
  const or =
    <A extends unknown[], T>(ask: Ask<A, T>, late: T, limitMs = ANSWER_MS): Ask<A, T> =>
    async (...args) => {
      const answer = await within(clock, limitMs, ask(...args))
      return answer === LATE ? late : answer
    }
  const result = <A extends unknown[], T>(ask: Ask<A, Result<T, Problem>>) => or(ask, err(TOO_LATE.problem))
  const { code, detail } = TOO_LATE.problem
  const unjudged = failed(TOO_LATE.problem)
  const silent = { ready: false, detail }
  return {
    reserve: berth.reserve,
    release: berth.release,
    renew: berth.renew,
    transfer: berth.transfer,
    adopt: berth.adopt,
    repair: or(berth.repair, { kind: 'refused', problem: TOO_LATE.problem }, REPAIR_MS),
    validate: or(berth.validate, { allowed: false, findings: [{ code, message: detail }] }),
    reservation: result(berth.reservation),
    reservations: result(berth.reservations),
    audit: result(berth.audit),
    zone: result(berth.zone),
    operation: result(berth.operation),
    subnets: result(berth.subnets),
    subnet: result(berth.subnet),
    putSubnet: result(berth.putSubnet),
    deleteSubnet: result(berth.deleteSubnet),
    widenWindow: result(berth.widenWindow),
    suggest: result(berth.suggest),
    putOwner: result(berth.putOwner),
    deleteOwner: result(berth.deleteOwner),
    putPool: result(berth.putPool),
    deletePool: result(berth.deletePool),
    // The API server is answered sooner (command/admission/budget.ts).
    mutateIp: or(berth.mutateIp, unjudged),
    validateIp: or(berth.validateIp, unjudged),
    mutatePod: or(berth.mutatePod, unjudged),
    validatePod: or(berth.validatePod, unjudged),
    ready: or(berth.ready, [
      { part: 'ledger', ...silent },
      { part: 'cluster', ...silent },
    ]),
  }
}
