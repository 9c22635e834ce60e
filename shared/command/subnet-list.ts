import { LATE, within } from '../clock.ts'
import type { SubnetFacts } from '../ledger/port.ts'
import { type Problem, problem } from '../problem.ts'
import { err, ok, type Result } from '../result.ts'
import { factsOf, readPools } from './facts.ts'
import type { CommandPorts } from './ports.ts'
import { clusterProblem, subnetObjects, viewOf } from './subnets.ts'
import type { SubnetView, UncountedSubnet } from './types.ts'

/** How long a list waits for one ledger. */
const LEDGER_MS = 5_000

/**
 * All Subnets with their counts, in name order. One whose ledger does not answer costs the list its own counts only; it is
 * there, with the reason.
 */
export async function subnets(
  ports: CommandPorts,
): Promise<Result<readonly (SubnetView | UncountedSubnet)[], Problem>> {
  const [objects, pools] = await Promise.all([subnetObjects(ports), readPools(ports)])
  if (!objects.ok) return objects
  if (!pools.ok) return err(clusterProblem(pools.error))
  const list = objects.value.map(async (object) => {
    const view = await answered(ports, viewOf(ports, object, pools.value))
    return view.ok
      ? view.value
      : uncounted(factsOf(object, pools.value, ports.clusterName, ports.settings.windows), view.error)
  })
  return ok(await Promise.all(list))
}

async function answered<T>(
  ports: CommandPorts,
  asked: Promise<Result<T, Problem>>,
): Promise<Result<T, Problem>> {
  const silent = problem('unavailable', 'its ledger does not answer', { retryAfterMs: 1_000 })
  try {
    const answer = await within(ports.clock, LEDGER_MS, asked)
    return answer === LATE ? err(silent) : answer
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'unknown'
    ports.log.write('warn', 'a ledger does not answer', { reason })
    return err(silent)
  }
}

/** Whether a Subnet of a list lacks its counts because nobody answered. */
export function isSilent(subnet: SubnetView | UncountedSubnet): boolean {
  return 'problem' in subnet && subnet.problem.code === 'unavailable'
}

function uncounted(facts: SubnetFacts, why: Problem): UncountedSubnet {
  const { name, cidrBlock, gateway, excludeIps, provider, vpc } = facts
  return { name, cidrBlock, gateway, excludeIps, provider, vpc, default: facts.default, problem: why }
}
