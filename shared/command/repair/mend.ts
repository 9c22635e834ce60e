import type { Opened, SubnetFacts } from '../../ledger/port.ts'
import { problem } from '../../problem.ts'
import { withinWait } from '../budget.ts'
import { follow } from '../follow.ts'
import { unpin } from '../pin.ts'
import type { CommandPorts } from '../ports.ts'
import type { WriteOutcome } from '../types.ts'
import type { Drift, Mend, RepairFinding } from './types.ts'

/** Operations driven side by side: a repair must not be what the cluster suffers from. */
const AT_ONCE = 4

type Outcome = Pick<RepairFinding, 'outcome' | 'operation' | 'problem'>

export interface Mending {
  readonly tenant: string
  readonly subnet: string
  /** The Subnet as it is now. */
  readonly facts: SubnetFacts
  readonly drifts: readonly Drift[]
  /** Wall time after which nothing new is begun, ms. */
  readonly untilMs: number
}

/** Mends what can be mended, as far as the time goes; what several findings need is done once. @returns in their order */
export async function mend(ports: CommandPorts, mending: Mending): Promise<readonly Outcome[]> {
  const { drifts, untilMs } = mending
  const done = new Map<string, Outcome>()
  const waiting = new Map<string, Drift>()
  for (const drift of drifts) if (drift.mend) waiting.set(keyOf(drift.mend), drift)
  // What the ledger is told first may have mended the others.
  for (const [key, drift] of waiting) {
    if (drift.mend?.act !== 'configure' && drift.mend?.act !== 'learn') continue
    done.set(key, await told(ports, mending, drift.mend))
    waiting.delete(key)
  }
  const queue = [...waiting]
  const lane = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const [key, drift] = next
      if (ports.clock.nowMs() >= untilMs) return
      if (drift.mend) done.set(key, await mendOne(ports, mending, drift.mend))
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane))
  return drifts.map((drift) => {
    const outcome = drift.mend && done.get(keyOf(drift.mend))
    if (outcome) return isMarked(drift, outcome) ? { ...outcome, outcome: 'repaired' } : outcome
    return { outcome: drift.mend ? 'left' : 'not_repaired' }
  })
}

/** A promise whose name is another's: that it is marked contested is all there was to do. */
function isMarked({ kind }: Drift, { outcome, problem: why }: Outcome): boolean {
  return kind === 'foreign_holder' && outcome === 'failed' && why?.code === 'contested'
}

function keyOf(how: Mend): string {
  if (how.act === 'adopt') return `adopt ${how.object.name}`
  return 'lease' in how ? `${how.act} ${how.lease.id}` : how.act
}

async function told(ports: CommandPorts, { subnet, facts }: Mending, { act }: Mend): Promise<Outcome> {
  const configured = await ports.ledger(subnet).configure(facts)
  if (!configured.ok) return { outcome: 'failed', problem: configured.error }
  if (act === 'configure') return { outcome: 'repaired' }
  const learnt = await ports.mirror?.learn(subnet)
  return learnt && !learnt.ok ? { outcome: 'failed', problem: learnt.error } : { outcome: 'under_way' }
}

async function mendOne(ports: CommandPorts, mending: Mending, how: Mend): Promise<Outcome> {
  const { tenant, subnet, facts } = mending
  const ledger = ports.ledger(subnet)
  switch (how.act) {
    case 'reassert':
    case 'mend': {
      const { name, id, epoch } = how.lease
      const row = { tenant, name, id, epoch }
      const finalizer = ports.settings.authority === 'alone'
      return driven(ports, subnet, () =>
        ledger.repair(how.act === 'mend' ? { ...row, act: 'mend', finalizer } : { ...row, act: 'reassert' }),
      )
    }
    case 'adopt': {
      const { subnet: _in, subnetLabel: _label, ...seen } = how.object
      // The Subnet was read just now: what was announced of it need not be waited for.
      const known = await ledger.configure(facts)
      if (!known.ok) return { outcome: 'failed', problem: known.error }
      return driven(ports, subnet, () =>
        ledger.adopt({ tenant, bodyHash: '', seen, dryRun: false, verified: true }),
      )
    }
    case 'counters':
      await ledger.repair({ act: 'counters' })
      return { outcome: 'under_way' }
    case 'unpin': {
      const out = await unpin(ports, subnet)
      return out.ok ? { outcome: 'repaired' } : { outcome: 'failed', problem: out.error }
    }
    case 'learn':
    case 'configure':
      return { outcome: 'under_way' }
    default:
      return how satisfies never
  }
}

/** Drives what the ledger opened to its end, within WAIT_MS; its alarm finishes what is left. */
async function driven(ports: CommandPorts, subnet: string, open: () => Promise<Opened>): Promise<Outcome> {
  let operation: string | undefined
  const ledger = ports.ledger(subnet)
  const outcome = await withinWait(ports, async (budget): Promise<WriteOutcome> => {
    const askedMs = ports.clock.nowMs()
    const opened = await open()
    if (opened.kind === 'unconfigured') {
      return { kind: 'refused', problem: problem('unavailable', `the ledger of ${subnet} knows no Subnet`) }
    }
    if (opened.kind !== 'answer') operation = opened.op
    const followed = await follow(ports, ledger, opened, {
      askedMs,
      budget,
      told: (answer) =>
        answer.kind === 'refused'
          ? { kind: 'refused', problem: answer.problem }
          : { kind: 'done', created: answer.created, reservations: [] },
    })
    return (
      followed ?? {
        kind: 'refused',
        problem: problem('releasing', 'another operation was in the way', { retryAfterMs: 1_000 }),
      }
    )
  })
  const by = operation === undefined ? {} : { operation }
  switch (outcome.kind) {
    case 'done':
      return { outcome: 'repaired', ...by }
    case 'pending':
      return { outcome: 'under_way', operation: outcome.operation }
    case 'refused':
      return { outcome: 'failed', problem: outcome.problem, ...by }
    default:
      return outcome satisfies never
  }
}
