import type { ClusterRequest } from '../../shared/cluster/port.ts'
import { err } from '../../shared/result.ts'
import { busy, invalid, lost } from './drive.ts'
import type { World } from './world.ts'

/** What goes wrong with the next call of a verb: its reply is lost or late, it lands late, or it is refused. */
export interface Fault {
  readonly verb: ClusterRequest['verb']
  readonly how: 'lost' | 'applied' | 'straggles' | 'late' | 'invalid' | 'busy'
  readonly times: number
}

/** A straggler lands this long after its sender gave it up: within STRAGGLER_MS. */
const LATE_MS = 60_000
/** A driver this late has lost its operation to the alarm. */
const TAKEN_OVER_MS = 17_000

/** What a world's calls meet on their way, and its time. */
export class Weather {
  private readonly world: World
  private readonly subnets: readonly string[]
  private stragglers: { readonly atMs: number; readonly requests: readonly ClusterRequest[] }[] = []

  constructor(world: World, subnets: readonly string[]) {
    this.world = world
    this.subnets = subnets
  }

  heal(): void {
    this.world.intercept = (requests, pass) => pass(requests)
  }

  inject(fault: Fault | undefined): void {
    // A caller waits for one late reply, not for a hundred.
    let left = fault?.how === 'late' ? 1 : (fault?.times ?? 0)
    this.world.intercept = async (requests, pass) => {
      const hit = fault && left > 0 && requests.some(({ verb }) => verb === fault.verb)
      if (!hit) return pass(requests)
      left--
      if (fault.how === 'applied') await pass(requests)
      if (fault.how === 'late') {
        const replies = await pass(requests)
        // Time stands still while an alarm runs: only a caller's own call can be late.
        if (this.world.alarming) return replies
        await this.world.clock.sleep(TAKEN_OVER_MS)
        return replies
      }
      if (fault.how === 'straggles') {
        this.stragglers.push({ atMs: this.world.clock.passedMs + LATE_MS, requests })
      }
      const failure = fault.how === 'invalid' ? invalid : fault.how === 'busy' ? busy(1_000) : lost
      return requests.map(() => err(failure))
    }
  }

  /** Time goes by in every Subnet; stragglers land on their way. */
  async pass(ms: number): Promise<void> {
    const { clock } = this.world
    const untilMs = clock.passedMs + ms
    while (clock.passedMs < untilMs) {
      const due = this.stragglers.filter(({ atMs }) => atMs <= clock.passedMs)
      this.stragglers = this.stragglers.filter(({ atMs }) => atMs > clock.passedMs)
      for (const { requests } of due) this.world.store.send(requests)
      const waits = [
        ...this.subnets
          .flatMap((subnet) => this.world.alarmAtMs(subnet) ?? [])
          .map((at) => at - clock.nowMs()),
        ...this.stragglers.map(({ atMs }) => atMs - clock.passedMs),
        untilMs - clock.passedMs,
      ]
      clock.advance(Math.max(1, Math.min(...waits)))
      for (const subnet of this.subnets) {
        if ((this.world.alarmAtMs(subnet) ?? Infinity) <= clock.nowMs()) await this.world.alarm(subnet)
      }
    }
  }
}
