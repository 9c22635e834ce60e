import { ALL_QUIRKS, type Quirks } from '../quirks.ts'
import { Search } from './guide.ts'
import { type Recording, timeline } from './recording.ts'
import { Run, type Surroundings } from './run.ts'

/** How many schedules are tried before a recording counts as not reproduced. */
const MAX_RUNS = 1_500

export interface ReplayResult {
  readonly reproduced: boolean
  /** Schedules tried. */
  readonly runs: number
  /** How far the best of them came, and what was in its way. */
  readonly reached: number
  readonly of: number
  readonly why: string
}

/**
 * Whether some schedule of the model makes exactly the recording's writes in its order, with its answers, and ends as it
 * ends. The recording itself says early when a schedule is wrong; what is searched then is said in guide.ts.
 */
export async function replay(
  recording: Recording,
  { quirks = ALL_QUIRKS, maxRuns = MAX_RUNS, surroundings = {} }: ReplayOptions = {},
): Promise<ReplayResult> {
  const of = timeline(recording).length
  let best = { reached: -1, why: '' }
  const search = new Search()
  let runs = 0
  for (let choices = search.next(); choices !== undefined && runs < maxRuns; choices = search.next()) {
    runs++
    const run: Run = new Run(recording, quirks, surroundings, choices)
    const why = await run.play()
    if (why === undefined) return { reproduced: true, runs, reached: of, of, why: '' }
    if (run.reached > best.reached) best = { reached: run.reached, why }
    search.failed(choices, run.guide.taken, run.reached)
  }
  return { reproduced: false, runs, of, ...best }
}

export interface ReplayOptions {
  readonly quirks?: Quirks
  readonly maxRuns?: number
  readonly surroundings?: Surroundings
}
