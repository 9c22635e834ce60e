import type { Rights } from '../../shared/access/caller.ts'
import { rfc3339 } from '../../shared/clock.ts'
import { wordsWithoutNames } from '../access/redact.ts'
import { type GitFinding, keyOf } from './desired.ts'
import type { PlanEntry, Tracked } from './plan.ts'
import type { GitState } from './state.ts'

/** What a caller is shown of a repository. */
export interface Shown {
  readonly commit?: string
  /** RFC 3339. */
  readonly appliedAt?: string
  readonly plan?: {
    readonly commit: string
    readonly entries: readonly PlanEntry[]
    readonly findings: readonly Pick<GitFinding, 'level' | 'file' | 'line' | 'message'>[]
  }
  /** What drift is told of. */
  readonly tracked: readonly Tracked[]
  readonly trouble?: string
}

/** `trouble` is in the words of the provider's API, of the repository as a whole. */
const SOME_TROUBLE = 'the last look at the repository came to nothing'

/**
 * As far as a caller may read: entries, and findings about their owners. What is about a file or the commit as a whole is
 * for those who may read everything, and refusals that may name who is in the way for those who may read that Subnet. The
 * commit is shown to all who see an entry: it says nothing of others, and is how they know what theirs is of.
 * @returns undefined where the caller sees nothing of it
 */
export async function shownTo(
  rights: Rights,
  { commit, appliedAt, tracked, plan, trouble }: GitState,
): Promise<Shown | undefined> {
  const granted = async (where: { readonly subnet?: string; readonly namespace?: string }) =>
    (await rights.may({ verb: 'read', ...where })) === 'granted'
  const sees = ({ subnet, namespace }: Tracked | PlanEntry) => granted({ subnet, namespace })
  const all = await granted({})
  const entries = await filter(plan?.entries ?? [], sees)
  const own = await filter(tracked, sees)
  if (!all && entries.length === 0 && own.length === 0) return undefined
  const subnets = await filter([...new Set(entries.map(({ subnet }) => subnet))], (subnet) =>
    granted({ subnet }),
  )
  const whole = new Set(subnets)
  const subnetOf = new Map(entries.map((entry) => [keyOf(entry), entry.subnet]))
  const told = (subnet: string, words: string, code: GitFinding['code']) =>
    code === undefined || whole.has(subnet) ? words : wordsWithoutNames(code, words)
  const findings = (plan?.findings ?? []).flatMap(({ level, file, line, message, of, code }) => {
    const subnet = of === undefined ? undefined : subnetOf.get(of)
    if (subnet === undefined) return all ? [{ level, file, line, message }] : []
    return [{ level, file, line, message: told(subnet, message, code) }]
  })
  return {
    ...(commit === undefined ? {} : { commit }),
    ...(appliedAt === undefined ? {} : { appliedAt: rfc3339(appliedAt) }),
    ...(plan
      ? {
          plan: {
            commit: plan.commit,
            entries: entries.map(({ why, ...entry }) =>
              why === undefined ? entry : { ...entry, why: told(entry.subnet, why, entry.code) },
            ),
            findings,
          },
        }
      : {}),
    tracked: own,
    ...(trouble === undefined ? {} : { trouble: all ? trouble : SOME_TROUBLE }),
  }
}

async function filter<T>(items: readonly T[], keep: (item: T) => Promise<boolean>): Promise<T[]> {
  const kept = await Promise.all(items.map(keep))
  return items.filter((_, index) => kept[index])
}
