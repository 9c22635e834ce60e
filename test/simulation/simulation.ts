import { Steps } from '../support/steps.ts'
import { Choices } from './choices.ts'
import { Counters } from './counters.ts'
import { atEnd, START_MS } from './end.ts'
import { byHand } from './hands.ts'
import { History } from './history.ts'
import type { Read } from './logical.ts'
import { quiet } from './quiet.ts'
import type { Break, Op, Scenario } from './scenario.ts'
import type { Happened } from './schedule.ts'
import { SimulatedWorld } from './world.ts'
import { portOf, type Write } from './write.ts'

/** What is wrong: which invariant of faults.md (b), and the states that disagree. */
export interface Violation {
  readonly invariant: string
  readonly what: string
  readonly atMs: number
}

export interface Outcome {
  readonly violations: readonly Violation[]
  /** Of all events; equal runs have equal ones. */
  readonly hash: string
  readonly events: number
  /** The choices taken, to do it again. */
  readonly choices: readonly number[]
  readonly counters: Counters
  /** The last events before the first violation, or the end. */
  readonly last: readonly Happened[]
}

/** T_q of faults.md (a) alone: deadline, straggler, cool-down and their leeway, and a minute. */
const QUIET_MS = 30_000 + 75_000 + 300_000 + 60_000 + 120_000
const CRON_MS = 60_000

/** One run of a scenario: rough first, then healed and left alone until it is quiet, then judged. */
export async function simulate(scenario: Scenario, choices: Choices): Promise<Outcome> {
  const counters = new Counters()
  const world = new SimulatedWorld(scenario, choices, counters)
  const { schedule, faults } = world
  const violations: Violation[] = []
  let last: readonly Happened[] | undefined
  const violated = (invariant: string, what: string) => {
    if (violations.length === 0) last = [...schedule.last]
    if (violations.length < 20) violations.push({ invariant, what, atMs: schedule.passedMs })
  }
  const steps = new Steps(world)
  const look = world.flushed
  world.flushed = (subnet) => {
    look(subnet)
    for (const what of steps.violations.splice(0))
      violated(/^[\d, ]+(?=:)/.exec(what)?.[0] ?? 'transition', what)
  }
  world.kept = (subnet) => steps.keep(subnet)
  world.lost = (subnet) => steps.lose(subnet)
  world.deniedChanged = (what) => violated('22', what)
  const history = new History(world)
  const reads: Read[] = []
  const changes = new Map(scenario.shapes.map(({ name, changes }) => [name, changes]))
  const begin = () => {
    world.wake()
    for (const op of scenario.ops)
      schedule.at(START_MS + op.atMs, op.do, () => doing(world, history, op, changes, reads))
    for (const one of scenario.breaks) schedule.at(START_MS + one.atMs, one.what, () => breaking(world, one))
  }
  begin()
  const endMs = START_MS + Math.max(0, ...scenario.ops.map(({ atMs }) => atMs)) + 60_000
  await schedule.run(endMs)
  faults.healed = true
  world.api.stalledUntilMs = 0
  const rest = async (ms: number) => {
    const untilMs = schedule.passedMs + ms
    while (schedule.passedMs < untilMs) {
      world.wake()
      await schedule.run(Math.min(untilMs, schedule.passedMs + CRON_MS))
    }
  }
  // An alarm that was given up, or put far ahead by a clock that was set back, is set anew by the next write.
  for (const { name } of scenario.shapes) {
    world.handle(
      { do: 'reserve', items: [{ subnet: name, podName: 'nobody' }], dryRun: true },
      'healer',
      () => {},
    )
  }
  await rest(60_000)
  history.insist()
  await rest(QUIET_MS)
  history.insist()
  await rest(30_000)
  if (history.waiting > 0) violated('17', `${history.waiting} calls were never answered`)
  await quiet(world, scenario, violated)
  for (const call of world.calls) if (call.reply === undefined) counters.hit('calls without a reply')
  steps.blindWrites(
    new Set(scenario.ops.flatMap((op) => (op.do === 'release' && op.force ? op.pods.map(portOf) : []))),
  )
  for (const what of steps.violations.splice(0))
    violated(/^[\d, ]+(?=:)/.exec(what)?.[0] ?? 'transition', what)
  for (const [transition, times] of steps.reached) counters.hit(`transition ${transition}`, times)
  atEnd(world, scenario, history, reads, violated)
  return {
    violations,
    events: schedule.count,
    hash: schedule.hash(),
    choices: choices.taken,
    counters,
    last: last ?? [...schedule.last],
  }
}

function doing(
  world: SimulatedWorld,
  history: History,
  op: Op,
  changes: ReadonlyMap<string, readonly object[]>,
  reads: Read[],
): void {
  world.counters.hit(`op ${op.do}`)
  switch (op.do) {
    case 'reserve':
    case 'release':
    case 'adopt':
      history.send(op as Op & Write)
      return
    case 'find':
      {
        const fromMs = world.schedule.passedMs
        const name = portOf(op.pod)
        world.find(name, op.subnet, (found) => {
          const code = found.ok ? undefined : found.error.code
          if (code !== undefined && code !== 'not_found') return
          const reservation = found.ok ? found.value : undefined
          reads.push({ name, subnet: op.subnet, fromMs, toMs: world.schedule.passedMs, reservation })
        })
      }
      return
    default:
      byHand(world, op, changes)
      return
  }
}

function breaking(world: SimulatedWorld, one: Break): void {
  world.counters.hit(`break ${one.what}`)
  switch (one.what) {
    case 'kill':
    case 'evict': {
      const objects = world.objects()
      const object = objects[one.object % objects.length]
      if (!object) return
      if (one.what === 'kill') world.kill(object.name)
      else if (object.evict()) world.counters.hit('evicted')
      return
    }
    case 'kill everything':
      world.kill('everything')
      return
    case 'compact':
      world.api.compactedAt = Number(world.api.position())
      return
    case 'clock':
      world.schedule.jump(one.ms)
      return
    case 'stall':
      world.api.stalledUntilMs = world.schedule.passedMs + one.ms
      return
    default:
      one satisfies never
  }
}

/** The scenario of a seed, with its choices. */
export const choicesOf = (seed: number): Choices =>
  new Choices({ seed: Math.imul(seed, 0x85ebca6b) ^ 0xc2b2ae35 })
