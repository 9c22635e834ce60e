/**
 * npm run simulate -- [--seeds N] [--from S] [--mode alone] [--threads T] [--replay <seed or file>] [--shrink] [--reach] [--until <invariants>]
 *
 * Runs seeds, each a world of its own (simulation.ts), and prints figures; a failed one with its way there. --reach: what
 * was never reached fails the run. --shrink writes the first failure, made small, where the command runs. --until: stops
 * when one of these is violated, and counts no other.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { type Batch, batch, type Failure, seeded } from './batch.ts'
import { Counters } from './counters.ts'
import { OUT_OF_REACH, REACH, unreached } from './reach.ts'
import { report } from './report.ts'
import { scenarioOf } from './scenario.ts'
import { type Recorded, replay, shrink } from './shrink.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    from: { type: 'string', default: '1' },
    mode: { type: 'string', default: 'alone' },
    threads: { type: 'string', default: '1' },
    replay: { type: 'string' },
    shrink: { type: 'boolean', default: false },
    reach: { type: 'boolean', default: false },
    ci: { type: 'boolean', default: false },
    until: { type: 'string', default: '' },
  },
})

if (values.mode !== 'alone') {
  console.error(`--mode ${values.mode}: only alone is there; the model controller is not plugged in yet`)
  process.exit(2)
}

process.exitCode = values.replay === undefined ? await seeds() : await again(values.replay)

async function seeds(): Promise<number> {
  const count = whole('seeds', values.seeds)
  // In CI the first hundred are always the same, the others come from the revision.
  const from = whole('from', values.from)
  const startMs = performance.now()
  const threads = whole('threads', values.threads)
  const done = values.ci
    ? await batch([...range(1, Math.min(100, count)), ...range(revisionSeed(), Math.max(0, count - 100))])
    : threads > 1
      ? await parallel(from, count, threads)
      : await batch(range(from, count), values.until.split(',').filter(Boolean))
  const spentS = (performance.now() - startMs) / 1_000
  for (const { seed, invariant } of values.until ? [] : done.failures.slice(0, 3)) {
    const outcome = await seeded(seed)
    const how = { run: `seed ${seed}`, revision: revision(), replay: `npm run simulate -- --replay ${seed}` }
    console.log(outcome.violations.length > 0 ? report(outcome, how) : `seed ${seed}: ${invariant}`)
    if (values.shrink && outcome.violations.length > 0)
      await small(seed, outcome.violations[0]?.invariant ?? '')
  }
  const missed = unreached(done.counters)
  if (values.reach) table(done)
  console.log(
    `${done.runs} seeds, ${done.events} events, ${spentS.toFixed(1)} s (${(done.runs / spentS).toFixed(1)} seeds/s), ` +
      `${REACH.length - missed.length} of ${REACH.length} things reached, ${done.failures.length} failures`,
  )
  for (const { seed, invariant } of done.failures.slice(0, 50))
    console.log(`  seed ${seed}: invariant ${invariant}`)
  if (values.reach) for (const what of missed) console.log(`never reached: ${what}`)
  return done.failures.length > 0 || (values.reach && missed.length > 0) ? 1 : 0
}

async function again(what: string): Promise<number> {
  const isSeed = /^\d+$/.test(what)
  const outcome = isSeed
    ? await seeded(Number(what))
    : await replay(JSON.parse(readFileSync(what, 'utf8')) as Recorded)
  const how = { run: what, revision: revision(), replay: `npm run simulate -- --replay ${what}` }
  console.log(report(outcome, how))
  if (isSeed && values.shrink && outcome.violations[0])
    await small(Number(what), outcome.violations[0].invariant)
  return outcome.violations.length > 0 ? 1 : 0
}

async function small(seed: number, invariant: string): Promise<void> {
  const { choices } = await seeded(seed)
  const shrunk = await shrink({ scenario: scenarioOf(seed), choices }, invariant)
  const file = `simulation-${seed}.json`
  writeFileSync(file, `${JSON.stringify({ invariant, ...shrunk })}\n`)
  console.log(`shrunk to ${shrunk.scenario.ops.length} deeds, ${shrunk.choices.length} choices: ${file}`)
}

function table({ runs, counters }: Batch): void {
  for (const what of REACH) {
    const times = counters.counts.get(what) ?? 0
    const share = ((counters.counts.get(`runs: ${what}`) ?? 0) / runs) * 100
    console.log(`${what.padEnd(40)} ${String(times).padStart(8)} times, in ${share.toFixed(1)} % of the runs`)
  }
  for (const [point, why] of Object.entries(OUT_OF_REACH))
    console.log(`${point.padEnd(40)} out of reach: ${why}`)
}

async function parallel(from: number, count: number, threads: number): Promise<Batch> {
  const parts = await Promise.all(
    Array.from({ length: threads }, (_, thread) => {
      const workerData = { from: from + thread, count: count - thread, step: threads }
      const worker = new Worker(join(import.meta.dirname, 'worker.ts'), { workerData })
      return new Promise<{ runs: number; events: number; counts: [string, number][]; failures: Failure[] }>(
        (resolve, reject) => worker.once('message', resolve).once('error', reject),
      )
    }),
  )
  const counters = new Counters()
  for (const { counts } of parts) for (const [what, times] of counts) counters.hit(what, times)
  return {
    runs: parts.reduce((sum, { runs }) => sum + runs, 0),
    events: parts.reduce((sum, { events }) => sum + events, 0),
    counters,
    failures: parts.flatMap(({ failures }) => failures).sort((one, other) => one.seed - other.seed),
  }
}

function* range(from: number, count: number): Generator<number> {
  for (let seed = from; seed < from + count; seed++) yield seed
}

function revision(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short=8', 'HEAD'], { encoding: 'utf8' }).trim()
  } catch {
    return 'unknown'
  }
}

function revisionSeed(): number {
  const number = Number.parseInt(revision(), 16)
  return Number.isNaN(number) ? 1_000 : 1_000 + (number % 1_000_000_000)
}

function whole(name: string, text: string): number {
  if (!/^\d+$/.test(text)) {
    console.error(`--${name} must be a whole number`)
    process.exit(2)
  }
  return Number(text)
}
