import type { Caller } from '../../shared/access/caller.ts'
import type { WriteOutcome } from '../../shared/command/types.ts'
import { isRetryable } from '../../shared/problem.ts'
import type { Berth } from '../berth.ts'
import { type Desired, type GitFinding, keyOf } from './desired.ts'
import { actualOf, eachOf } from './look.ts'
import type { Plan, PlanEntry, Tracked } from './plan.ts'

export interface Applied {
  readonly entries: readonly PlanEntry[]
  readonly findings: readonly GitFinding[]
  readonly tracked: readonly Tracked[]
  /** Something goes on, or may go better later: look again. */
  readonly unfinished: boolean
}

/**
 * Carries a plan out under the repository's identity. Each step can be repeated: a reserve is of its owner, a release
 * of the reservation that was planned. So neither needs a key, and a commit that failed can succeed later.
 */
export async function apply(
  berth: Berth,
  { tenant }: Caller,
  commit: string,
  plan: Plan,
  desired: readonly Desired[],
  tracked: readonly Tracked[],
): Promise<Applied> {
  const context = { tenant, requestId: `git/${commit.slice(0, 12)}`, dryRun: false, bodyHash: '' }
  const asked = new Map(desired.map((wish) => [wish.key, wish]))
  const findings: GitFinding[] = []
  const entries: PlanEntry[] = [...plan.entries]
  let unfinished = false

  /** What became of an entry; undefined where it came out as planned. */
  const settle = (
    index: number,
    entry: PlanEntry,
    outcome: WriteOutcome,
    lineOf: (field?: string) => number,
  ) => {
    if (outcome.kind === 'pending') unfinished = true
    if (outcome.kind !== 'refused') return
    const { code, detail, field } = outcome.problem
    if (isRetryable(code)) unfinished = true
    // Not there any more is what was wanted.
    if (entry.action === 'release' && code === 'not_found') return
    findings.push({
      level: 'error',
      file: entry.file,
      line: lineOf(field),
      message: detail,
      of: keyOf(entry),
      code,
    })
    entries[index] = { ...entry, action: entry.action === 'release' ? 'keep' : 'refuse', why: detail, code }
  }

  await eachOf(plan.entries, async (entry, index) => {
    const wish = asked.get(keyOf(entry))
    if (entry.action === 'reserve' && wish)
      settle(index, entry, await berth.reserve({ ...context, items: [wish.item] }), (field) =>
        wish.lineOf(field),
      )
    const { reservation } = entry
    if (entry.action === 'release' && reservation) {
      const outcome = await berth.release({
        ...context,
        targets: [{ name: reservation.name, subnet: entry.subnet }],
        force: false,
        reason: `removed in ${commit.slice(0, 12)}`,
        permit: async ({ id }) => (id === reservation.id ? 'granted' : 'unseen'),
      })
      settle(index, entry, outcome, () => 1)
    }
  })
  const standing = entries.filter(({ action }) => action === 'reserve' || action === 'unchanged')
  const actual = await actualOf(berth, standing)
  const before = new Map(tracked.map((one) => [keyOf(one), one]))
  return {
    entries,
    findings,
    unfinished,
    tracked: entries.flatMap((entry): Tracked[] => {
      const key = keyOf(entry)
      // What stays without being asked for, or though another thing is asked for, is remembered as it was.
      const old = entry.action === 'keep' || entry.action === 'refuse' ? before.get(key) : undefined
      if (old) return [old]
      const there = actual.get(key)
      if (!there) return []
      const { subnet, namespace, podName, file } = entry
      return [{ subnet, namespace, podName, file, name: there.name, id: there.id }]
    }),
  }
}
