import type { ClusterRequest } from '../../shared/cluster/port.ts'
import type { Choices } from './choices.ts'
import type { Counters } from './counters.ts'

/** What happens to one call on its way to the API server. */
export type CallFault =
  | 'none'
  /** Refused before anything was done. */
  | 'busy'
  | 'unavailable'
  /** Done, and answered with a 500 or not at all. */
  | 'failed_after'
  | 'reply_lost'
  /** Never arrives; the client gives up. */
  | 'dropped'
  /** The client has given up long before it is done. */
  | 'straggles'

const CALL_FAULTS: readonly CallFault[] = [
  'none',
  'busy',
  'unavailable',
  'failed_after',
  'reply_lost',
  'dropped',
  'straggles',
]

/** ms; the first is the calm one. */
const DELAYS = [1, 0, 3, 40, 900, 4_000, 8_000] as const
const DELAY_WEIGHTS = [60, 12, 12, 8, 4, 2, 1]
const FLUSHES = [1, 0, 6, 60, 700] as const
const FLUSH_WEIGHTS = [60, 20, 12, 6, 2]

/** How rough a run is: a fault in so many chances for one. */
export interface Roughness {
  /** Of a call to the API server; 0 for never. */
  readonly call: number
  /** That something dies at a point where it may. */
  readonly death: number
  readonly slow: boolean
}

/** Everything that goes wrong while it is allowed to, by choice. */
export class Faults {
  /** From here on nothing goes wrong any more. */
  healed = false
  deaths = 0
  /** Kills an object, or everything of Berth's. */
  kill: (what: string) => void = () => {}
  private readonly choices: Choices
  private readonly counters: Counters
  private readonly rough: Roughness

  constructor(choices: Choices, counters: Counters, rough: Roughness) {
    this.choices = choices
    this.counters = counters
    this.rough = rough
  }

  /** How long a message is on its way. */
  delay(): number {
    if (this.healed || !this.rough.slow) return DELAYS[this.choices.weighted([6, 1, 1])] ?? 1
    return DELAYS[this.choices.weighted(DELAY_WEIGHTS)] ?? 1
  }

  flushDelay(): number {
    if (this.healed || !this.rough.slow) return FLUSHES[this.choices.weighted([6, 1, 1])] ?? 1
    return FLUSHES[this.choices.weighted(FLUSH_WEIGHTS)] ?? 1
  }

  call(request: ClusterRequest): CallFault {
    if (this.healed || this.rough.call === 0) return 'none'
    // A fault more often where a call changes something.
    const calm = this.rough.call * (request.verb === 'get' ? 2 : 1)
    const fault = CALL_FAULTS[this.choices.weighted([calm * 6, 6, 6, 6, 6, 6, 6])] ?? 'none'
    if (fault !== 'none') this.counters.hit(`fault ${fault}`)
    return fault
  }

  retryAfterMs(): number | undefined {
    return [undefined, 0, 1_000, 30_000, 1e9][this.choices.pick(5)]
  }

  /** How late a straggler is done: within a minute of its sending. */
  lateMs(): number {
    return [11_000, 25_000, 45_000, 60_000][this.choices.pick(4)] ?? 60_000
  }

  /** Whether something dies here, at a point of that name; so many times rarer than elsewhere. */
  dies(point: string, rarer = 1): boolean {
    if (this.healed || this.rough.death === 0 || this.deaths >= 6) return false
    if (!this.choices.chance(this.rough.death * rarer)) return false
    this.deaths++
    this.counters.hit(`death ${point}`)
    return true
  }

  /** Which of several. */
  which(count: number): number {
    return this.choices.pick(count)
  }

  /** Where a call that changes a ledger may be when its object, its caller or everything dies. @returns whether one did */
  callDies(object: string, caller: string, at: 'heard' | 'done' | 'flushed'): boolean {
    if (!this.dies(`a ledger call is ${at}`)) return false
    this.kill([object, caller, 'everything'][this.which(3)] ?? object)
    return true
  }

  overloaded(_object: string): boolean {
    if (this.healed || this.rough.death === 0 || !this.choices.chance(this.rough.death * 8)) return false
    this.counters.hit('fault overloaded')
    return true
  }

  flushDies(object: string): boolean {
    if (!this.dies('before a flush', 3)) return false
    this.kill(object)
    return true
  }

  alarmDies(object: string): boolean {
    if (!this.dies('before an alarm', 8)) return false
    this.counters.hit('P12')
    this.kill(object)
    return true
  }

  ringsTwice(_object: string): boolean {
    if (this.healed || this.rough.death === 0 || !this.choices.chance(this.rough.death * 2)) return false
    this.counters.hit('fault alarm runs twice')
    return true
  }
}
