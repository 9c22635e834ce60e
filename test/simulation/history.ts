import type { Reservation } from '../../shared/command/types.ts'
import { isRetryable } from '../../shared/problem.ts'
import type { Op } from './scenario.ts'
import type { SimulatedWorld } from './world.ts'
import { type Answered, bodyHashOf, type Write } from './write.ts'

/** One call as its client saw it; without an answer it was cut off, or is outstanding. */
export interface Seen {
  readonly write: Write
  readonly tenant: string
  readonly invokedMs: number
  returnedMs?: number
  answered?: Answered
}

/** What is asked again, with its key, until there is a final answer. */
const AGAIN_MS = 2_000
const TRIES = 4

/** Clients: each sends what the scenario says, and insists where it has a key. Everything they see is kept. */
export class History {
  readonly seen: Seen[] = []
  private readonly world: SimulatedWorld
  private outstanding = 0

  constructor(world: SimulatedWorld) {
    this.world = world
  }

  get waiting(): number {
    return this.outstanding
  }

  send(op: Op & Write): void {
    const { atMs: _at, client, ...write } = op
    this.ask(write as Write, `tenant-${client % 3}`, TRIES)
  }

  /** Once more under each key that had no final answer: what it says now is what became of it. */
  insist(): void {
    const open = new Map<string, Seen>()
    for (const seen of this.seen) {
      if (seen.write.key === undefined) continue
      const place = placeOf(seen)
      if (isFinal(seen.answered)) open.delete(place)
      else open.set(place, seen)
    }
    for (const { write, tenant } of open.values()) this.ask(write, tenant, 1)
  }

  private ask(write: Write, tenant: string, tries: number): void {
    const { schedule } = this.world
    const seen: Seen = { write, tenant, invokedMs: schedule.passedMs }
    this.seen.push(seen)
    this.outstanding++
    schedule.note(`${tenant} asks ${JSON.stringify(write)}`)
    this.world.handle(write, tenant, (answered) => {
      if (seen.answered) return
      seen.answered = answered
      seen.returnedMs = schedule.passedMs
      this.outstanding--
      schedule.note(`${tenant} hears ${told(answered)}`)
      if (isFinal(answered) || write.key === undefined || tries <= 1) return
      schedule.at(AGAIN_MS, 'a client asks again', () => this.ask(write, tenant, tries - 1))
    })
  }
}

/** A key belongs to a tenant, and to the ledger it was used in. */
export function placeOf({ tenant, write }: Seen): string {
  const subnet = write.do === 'reserve' ? write.items[0]?.subnet : write.do
  return `${tenant} ${write.key} ${subnet} ${bodyHashOf(write)}`
}

/** A 202 counts as its operation's final answer, which is not known yet. */
export function isFinal(answered: Answered | undefined): boolean {
  if (!answered) return false
  if (answered.kind === 'refused') return !isRetryable(answered.problem.code)
  return answered.kind === 'done'
}

export function madeBy({ answered }: Seen): readonly Reservation[] {
  return answered?.kind === 'done' ? answered.reservations : []
}

function told(answered: Answered): string {
  switch (answered.kind) {
    case 'refused':
      return answered.problem.code
    case 'done':
      return `${answered.created ? 'made' : 'done'} ${answered.reservations.map(
        ({ name, v4IpAddress, v6IpAddress }) => `${name} ${v4IpAddress} ${v6IpAddress}`,
      )}`
    case 'pending':
      return `202 ${answered.operation}`
    default:
      return answered.kind
  }
}
