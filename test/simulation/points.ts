import type { DurableObject } from './durable-object.ts'
import type { Process, Waiting } from './process.ts'
import type { SimulatedWorld } from './world.ts'

/**
 * The crash points of faults.md (a) that a kill of these objects and handlers hits, by what each was waiting for and how
 * far that had come. P3 is P2 here: reads come before the hold, and the first attempt is written with it.
 */
export function pointsOf(
  world: SimulatedWorld,
  objects:
    | readonly DurableObject<never>[]
    | readonly { readonly process: Process | undefined; readonly name: string }[],
  handlers: readonly Process[],
): readonly string[] {
  const points = new Set<string>()
  const processes = [...objects.flatMap(({ process }) => process ?? []), ...handlers]
  for (const process of processes) {
    for (const waiting of process.waiting) {
      const point = waiting.seam === 'ledger' ? ledgerPoint(process, waiting) : clusterPoint(world, waiting)
      if (point) points.add(point)
    }
  }
  // An object that dies under somebody's call: what the caller waits for is not flushed.
  const names = new Set(objects.map(({ name }) => name))
  for (const handler of world.handlersNow()) {
    for (const waiting of handler.waiting) {
      if (waiting.seam !== 'ledger' || waiting.stage === 'flushed' || names.size === 0) continue
      const point = ledgerPoint(handler, waiting)
      if (point) points.add(point)
    }
  }
  for (const { name } of objects) {
    if (name === 'cluster') continue
    const object = world.space(name)
    const table = object.sql.first(`SELECT 1 FROM sqlite_master WHERE name = 'lease'`)
    if (object.isRinging && object.isDirty && table) {
      const cooling = object.sql.first(`SELECT 1 FROM lease WHERE free_ms IS NOT NULL`)
      if (cooling) points.add('P21')
    }
  }
  return [...points]
}

function ledgerPoint({ at }: Process, { verb, stage }: Waiting): string | undefined {
  switch (verb) {
    case 'hold':
      return at === 'admission' ? (stage === 'flushed' ? 'P22' : 'P1') : stage === 'flushed' ? 'P2' : 'P1'
    case 'release':
      return stage === 'flushed' ? 'P14' : 'P13'
    case 'report':
      if (at === 'release') return stage === 'asked' ? 'P19' : stage === 'done' ? 'P19' : 'P20'
      return stage === 'asked' ? 'P5' : stage === 'done' ? 'P7' : 'P8'
    default:
      return undefined
  }
}

function clusterPoint(world: SimulatedWorld, { verb }: Waiting): string | undefined {
  const [what, kind, name = ''] = verb.split(' ')
  if (kind !== 'IP') return undefined
  const phase = phaseOf(world, name)
  switch (what) {
    case 'create':
      return 'P4'
    case 'delete':
      return phase === 'fence' ? 'P10' : 'P16'
    case 'patch':
      return phase === 'fence' || phase === 'delete' ? 'P18' : undefined
    case 'get':
      return phase === 'fence' ? 'P11' : phase === 'delete' ? 'P19' : undefined
    default:
      return undefined
  }
}

function phaseOf(world: SimulatedWorld, nic: string): string | undefined {
  for (const subnet of world.subnets()) {
    const sql = world.sql(subnet)
    if (!sql.first(`SELECT 1 FROM sqlite_master WHERE name = 'lease'`)) continue
    const row = sql.first<{ phase: string }>(
      `SELECT op.phase FROM lease JOIN op ON op.id = lease.op WHERE nic = ? AND op.state = 'running'`,
      nic,
    )
    if (row) return row.phase
  }
  return undefined
}
