import { Choices } from './choices.ts'
import type { Scenario } from './scenario.ts'
import { type Outcome, simulate } from './simulation.ts'

/** A run as a value: what is needed to do it again. */
export interface Recorded {
  readonly scenario: Scenario
  readonly choices: readonly number[]
}

/** The run of a record. Past the end of its choices everything is calm. */
export const replay = ({ scenario, choices }: Recorded): Promise<Outcome> =>
  simulate(scenario, new Choices({ stream: choices }))

/** Whether a run violates this invariant. */
export const violates = ({ violations }: Outcome, invariant: string): boolean =>
  violations.some((one) => one.invariant === invariant)

/**
 * A smaller run that violates the same invariant: fewer deeds, fewer breaks, a shorter and calmer stream. Greedy, in at
 * most `tries` runs.
 */
export async function shrink(failing: Recorded, invariant: string, tries = 400): Promise<Recorded> {
  let best = failing
  let left = tries
  const accepts = async (candidate: Recorded): Promise<boolean> => {
    if (left <= 0) return false
    left--
    if (!violates(await replay(candidate), invariant)) return false
    best = candidate
    return true
  }
  for (let before = ''; before !== sizeOf(best) && left > 0; ) {
    before = sizeOf(best)
    await fewer(
      () => best.scenario.ops,
      (ops) => accepts({ ...best, scenario: { ...best.scenario, ops } }),
    )
    await fewer(
      () => best.scenario.breaks,
      (breaks) => accepts({ ...best, scenario: { ...best.scenario, breaks } }),
    )
    for (let length = best.choices.length >> 1; length > 0; length >>= 1) {
      const shorter = best.choices.slice(0, best.choices.length - length)
      if (shorter.length > 0) await accepts({ ...best, choices: shorter })
    }
    for (let size = Math.max(1, best.choices.length >> 2); size >= 8; size >>= 1) {
      for (let from = 0; from < best.choices.length; from += size) {
        if (best.choices.slice(from, from + size).every((choice) => choice === 0)) continue
        const calmer = best.choices.map((choice, at) => (at >= from && at < from + size ? 0 : choice))
        await accepts({ ...best, choices: calmer })
      }
    }
  }
  return { ...best, choices: trimmed(best.choices) }
}

/** Leaves out halves, quarters, … and single ones, as long as that is accepted. */
async function fewer<T>(
  now: () => readonly T[],
  accepts: (list: readonly T[]) => Promise<boolean>,
): Promise<void> {
  for (let size = Math.max(1, now().length >> 1); size > 0; size >>= 1) {
    for (let from = 0; from < now().length; ) {
      const list = [...now().slice(0, from), ...now().slice(from + size)]
      if (!(await accepts(list))) from += size
    }
  }
}

/** The calm end of a stream need not be written. */
export function trimmed(choices: readonly number[]): readonly number[] {
  return choices.slice(0, choices.findLastIndex((choice) => choice !== 0) + 1)
}

const sizeOf = ({ scenario, choices }: Recorded): string =>
  `${scenario.ops.length} ${scenario.breaks.length} ${choices.filter((choice) => choice !== 0).length}`
