import type { Reservation } from '../../shared/command/types.ts'
import { type History, isFinal, madeBy, placeOf } from './history.ts'
import { unexplained } from './linear.ts'
import { type Logical, logical, type Read } from './logical.ts'
import type { Violated } from './quiet.ts'
import type { Scenario } from './scenario.ts'
import type { SimulatedWorld } from './world.ts'
import { bodyHashOf, portOf } from './write.ts'

/** Invariants over the whole of a run's history: 1, 2, 5, 6, 9, 10, 18, 21. */
export function atEnd(
  world: SimulatedWorld,
  scenario: Scenario,
  history: History,
  reads: readonly Read[],
  violated: Violated,
): void {
  const operations = logical(history, scenario, reads, START_MS)
  promisesOverlap(operations, violated)
  keysRepeat(history, violated)
  wellFormed(scenario, history, violated)
  ordered(operations, violated, world)
}

/** When the scenario's clients begin. */
export const START_MS = 2_000

interface Stood {
  readonly name: string
  readonly reservation: Reservation
  readonly fromMs: number
  readonly untilMs: number
}

/** From the 2xx of a reserve to the first thing that may have ended it: a promise certainly stands so long. */
function stood(operations: readonly Logical[]): readonly Stood[] {
  return operations.flatMap((op) => {
    const { kind, reservation, name, fromMs, toMs } = op
    if (kind !== 'reserve' || !reservation) return []
    const ends = operations.flatMap((other) =>
      other.kind === 'release' && other.name === name && other.toMs > fromMs
        ? [Math.max(other.fromMs, toMs)]
        : [],
    )
    const untilMs = Math.min(...ends, Number.POSITIVE_INFINITY)
    // An answer that was told late may be of a promise that had ended by then.
    return untilMs > toMs ? [{ name, reservation, fromMs: toMs, untilMs }] : []
  })
}

/** 1, 2: one owner per address and MAC; 6: one reservation per owner. */
function promisesOverlap(operations: readonly Logical[], violated: Violated): void {
  const all = stood(operations)
  for (const [index, one] of all.entries()) {
    for (const other of all.slice(index + 1)) {
      if (one.reservation.subnet !== other.reservation.subnet) continue
      if (one.fromMs >= other.untilMs || other.fromMs >= one.untilMs) continue
      if (one.name === other.name) {
        if (text(one.reservation) !== text(other.reservation)) {
          violated('6', `${one.name} was told ${text(one.reservation)} and ${text(other.reservation)}`)
        }
        continue
      }
      for (const [invariant, what] of SHARED) {
        const value = one.reservation[what]
        if (value === '' || value.toLowerCase() !== other.reservation[what].toLowerCase()) continue
        violated(invariant, `${value} was promised to ${one.name} and ${other.name} at one time`)
      }
    }
  }
}

const SHARED = [
  ['1', 'v4IpAddress'],
  ['1', 'v6IpAddress'],
  ['2', 'macAddress'],
] as const

const text = ({ id, v4IpAddress, v6IpAddress, macAddress }: Reservation) =>
  [id, v4IpAddress, v6IpAddress, macAddress].join(' ')

/** 5: the same call under a key has the same answer; another under it is refused. */
function keysRepeat({ seen }: History, violated: Violated): void {
  const answers = new Map<string, string>()
  for (const each of seen) {
    if (each.write.key === undefined || !isFinal(each.answered)) continue
    if (each.write.do !== 'reserve' || each.write.dryRun) continue
    const place = placeOf(each)
    const answer = JSON.stringify(bare(each.answered))
    const known = answers.get(place)
    // Who asked before the first had its answer may have joined it, which is told as 200.
    if (known !== undefined && known !== answer) violated('5', `${place}: first ${known}, then ${answer}`)
    answers.set(place, known ?? answer)
  }
  for (const first of seen) {
    if (first.answered?.kind !== 'done' || first.write.do !== 'reserve' || first.write.key === undefined)
      continue
    if (first.write.dryRun) continue
    for (const later of seen) {
      const { write, tenant, answered, invokedMs } = later
      if (write.do !== 'reserve' || write.dryRun || write.key !== first.write.key || tenant !== first.tenant)
        continue
      if (write.items[0]?.subnet !== first.write.items[0]?.subnet || invokedMs <= (first.returnedMs ?? 0))
        continue
      if (bodyHashOf(write) === bodyHashOf(first.write) || !isFinal(answered)) continue
      if (answered?.kind === 'refused' && answered.problem.code === 'idempotency_mismatch') continue
      violated('5', `${write.key} was answered for another body: ${JSON.stringify(answered)}`)
    }
  }
}

/** Of an answer, what must be the same each time. */
function bare(answered: unknown): unknown {
  const { kind, reservations, problem } = answered as {
    kind: string
    reservations?: readonly Reservation[]
    problem?: { code: string; detail: string }
  }
  return { kind, reservations: reservations?.map(text), code: problem?.code }
}

/** 9, 10: no address that is nobody's to give, and both families or none, where the Subnet stayed as it was. */
function wellFormed(scenario: Scenario, { seen }: History, violated: Violated): void {
  const changed = new Set(scenario.ops.flatMap((op) => (op.do === 'subnet changed' ? [op.subnet] : [])))
  // What somebody else wrote is made ours as it is.
  const written = new Set(scenario.ops.flatMap((op) => (op.do === 'ip written' ? [portOf(op.pod)] : [])))
  for (const each of seen) {
    if (each.answered?.kind !== 'done' || !each.answered.created) continue
    for (const made of madeBy(each)) {
      if (written.has(made.name)) continue
      const shape = scenario.shapes.find(({ name }) => name === made.subnet)
      if (!shape || changed.has(made.subnet)) continue
      const { cidrBlock = '', gateway = '' } = shape.spec as { cidrBlock?: string; gateway?: string }
      const forbidden = [
        ...gateway.split(','),
        ...cidrBlock.split(',').map((cidr) => cidr.split('/')[0]),
        BROADCAST[made.subnet],
      ]
      for (const address of [made.v4IpAddress, made.v6IpAddress]) {
        if (address !== '' && forbidden.includes(address)) violated('9', `${made.name} was given ${address}`)
      }
      const families = cidrBlock.split(',').length
      const has = [made.v4IpAddress, made.v6IpAddress].filter((address) => address !== '').length
      if (has !== families) violated('10', `${made.name} has ${has} of ${families} families`)
    }
  }
}

const BROADCAST: Readonly<Record<string, string>> = {
  tiny: '10.9.0.3',
  small: '10.7.0.7',
  dual: '10.8.0.7',
  wide: '10.20.0.63',
  huge: '10.30.255.255',
}

/** 18: some order explains what each name's clients were told. 21: what stands at the end was read at the end. */
function ordered(operations: readonly Logical[], violated: Violated, world: SimulatedWorld): void {
  const places = new Map<string, { readonly name: string; readonly subnet: string }>()
  for (const { name, subnet } of operations) {
    if (subnet !== undefined) places.set(`${name} in ${subnet}`, { name, subnet })
  }
  for (const [place, { name, subnet }] of places) {
    const ops = operations.flatMap((op) => {
      if (op.name !== name || (op.subnet !== undefined && op.subnet !== subnet)) return []
      return op.subnet === undefined ? [{ ...op, isOptional: true }] : [op]
    })
    world.counters.hit('names explained')
    const why = unexplained(ops)
    if (why !== undefined) violated('18', `${place}: no order explains ${why}`)
  }
  for (const { name, reservation, untilMs } of stood(operations)) {
    if (untilMs !== Number.POSITIVE_INFINITY) continue
    world.counters.hit('promises that stood to the end')
    const row = lastRow(world, reservation)
    if (row !== reservation.id)
      violated('21', `${name} was promised ${text(reservation)}, and is ${row ?? 'gone'}`)
  }
}

/** The promise of that name there is now. */
function lastRow(world: SimulatedWorld, { subnet, name }: Reservation): string | undefined {
  return world
    .sql(subnet)
    .first<{ id: string }>(`SELECT id FROM lease WHERE nic = ? AND state IN ('bound', 'stranded')`, name)?.id
}
