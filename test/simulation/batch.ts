import { Counters } from './counters.ts'
import { scenarioOf } from './scenario.ts'
import { choicesOf, type Outcome, simulate } from './simulation.ts'

/** Every so many seeds one is run twice: equal seeds, equal events. */
const TWICE = 50

export interface Batch {
  readonly runs: number
  readonly events: number
  readonly counters: Counters
  readonly failures: readonly Failure[]
}

export interface Failure {
  readonly seed: number
  readonly invariant: string
}

export const seeded = (seed: number): Promise<Outcome> => simulate(scenarioOf(seed), choicesOf(seed))

/** Runs seeds one after another; `until` one violates one of these invariants, of which alone is told then. */
export async function batch(seeds: Iterable<number>, until: readonly string[] = []): Promise<Batch> {
  const counters = new Counters()
  const failures: Failure[] = []
  let runs = 0
  let events = 0
  for (const seed of seeds) {
    const outcome = await seeded(seed)
    runs++
    events += outcome.events
    for (const [what, times] of outcome.counters.counts) {
      counters.hit(what, times)
      counters.hit(`runs: ${what}`)
    }
    const listed = outcome.violations.filter(
      ({ invariant }) => until.length === 0 || invariant.split(', ').some((one) => until.includes(one)),
    )
    for (const { invariant } of listed.slice(0, 1)) failures.push({ seed, invariant })
    if (seed % TWICE === 0 && (await seeded(seed)).hash !== outcome.hash) {
      failures.push({ seed, invariant: 'same seed, other events' })
    }
    if (until.length > 0 && failures.length > 0) break
  }
  return { runs, events, counters, failures }
}
