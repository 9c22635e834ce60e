import type { ManualClock } from '../../clock.ts'
import { settle } from '../virtual-time.ts'
import { plain } from './compare.ts'
import type { Guide, Parked } from './guide.ts'
import type { RecordedStep } from './recording.ts'
import { targetOf } from './user.ts'

/** A real process answers within this; the model's steps wait no longer in virtual time. */
export const SLACK_MS = 450
/** How long news is usually under way. */
const NEWS_MS = 3

/** A schedule cannot be the recording's; the message says why. */
export class Wrong extends Error {}

/** Lets the model's steps go on in virtual time, as the guide says. Times are the recording's: 0 is where it begins. */
export class Timing {
  readonly guide: Guide
  private readonly clock: ManualClock
  private readonly zeroMs: number

  constructor(guide: Guide, clock: ManualClock, zeroMs: number) {
    this.guide = guide
    this.clock = clock
    this.zeroMs = zeroMs
  }

  nowMs(): number {
    return this.clock.nowMs() - this.zeroMs
  }

  /** Since when a step waits. */
  sinceMs({ sinceMs }: Parked): number {
    return sinceMs - this.zeroMs
  }

  /** Steps that may go on now: arrivals first, then who may be about to write what is wanted, each in the order they came. */
  ready(wanted?: RecordedStep): Parked[] {
    const rank = ({ step, postponed }: Parked) => {
      if (postponed) return 3
      if (step.step === 'arrive' || step.step === 'hear') return 0
      return step.step === 'take' && wanted !== undefined && leadsTo(step, wanted) ? 1 : 2
    }
    return this.guide.parked
      .filter(({ step }) => step.step !== 'send')
      .map((parked, index) => ({ parked, index }))
      .sort((a, b) => rank(a.parked) - rank(b.parked) || a.index - b.index)
      .map(({ parked }) => parked)
  }

  /** Time goes on to `toMs`; nobody is kept waiting for longer than the slack. */
  async pass(toMs: number): Promise<void> {
    for (;;) {
      await settle()
      const overdue = this.guide.parked.filter(({ sinceMs }) => sinceMs - this.zeroMs + SLACK_MS < toMs)
      const stuck = overdue.find(({ step }) => step.step === 'send')
      const ready = this.ready().filter((parked) => overdue.includes(parked))
      if (ready.length > 0) {
        this.guide.pick(ready).go()
        continue
      }
      if (stuck !== undefined) throw new Wrong(`not in the recording at its time: ${show(stuck)}`)
      const nextMs = Math.min(toMs, (this.clock.nextWakeMs ?? Number.POSITIVE_INFINITY) - this.zeroMs)
      if (this.deliver(nextMs - NEWS_MS)) continue
      if (!(await this.wake(toMs))) break
    }
    if (this.nowMs() < toMs) this.clock.advance(toMs - this.nowMs())
    await settle()
  }

  /** What is still to do is done: nothing that writes may be among it. */
  async quiet(): Promise<void> {
    await this.pass(this.nowMs() + SLACK_MS)
    for (let ready = this.ready(); ready.length > 0; ready = this.ready()) {
      this.guide.pick(ready).go()
      await settle()
    }
  }

  /** News that is older than `sinceMs` arrives, unless it is late. @returns whether there was some */
  private deliver(sinceMs: number): boolean {
    const news = this.guide.parked.find(
      (parked) =>
        (parked.step.step === 'arrive' || parked.step.step === 'hear') &&
        !parked.postponed &&
        parked.sinceMs - this.zeroMs <= sinceMs,
    )
    if (news === undefined) return false
    if (this.guide.choose(2) === 0) news.go()
    else news.postponed = true
    return true
  }

  /** Goes on to the next timer, if there is one by `untilMs`. */
  async wake(untilMs: number): Promise<boolean> {
    const nextMs = this.clock.nextWakeMs
    if (nextMs === undefined || nextMs - this.zeroMs > untilMs) return false
    this.clock.advance(Math.max(nextMs - this.clock.nowMs(), 0))
    await settle()
    // What a timer woke goes on at once, and so does who stood behind it; or it is overtaken by what comes next.
    for (;;) {
      const woken = this.guide.parked.find(
        ({ step, sinceMs, postponed }) => step.step !== 'send' && sinceMs >= nextMs && !postponed,
      )
      if (woken === undefined) return true
      if (this.guide.choose(2) === 0) woken.go()
      else woken.postponed = true
      await settle()
    }
  }

  /** Everybody goes on at once until `untilMs`. */
  async drain(untilMs: number): Promise<void> {
    for (;;) {
      await settle()
      const [first] = this.guide.parked
      if (first !== undefined) first.go()
      else if (!(await this.wake(untilMs))) break
    }
    if (this.nowMs() < untilMs) this.clock.advance(untilMs - this.nowMs())
  }
}

/** Whether a worker with this key may write the wanted object. */
function leadsTo({ queue, key }: { queue: string; key: string }, { path = '' }: RecordedStep): boolean {
  const { kind, name = '' } = targetOf(path)
  if (kind === 'Subnet') return queue.includes('subnet') && key.startsWith(name)
  if (kind === 'IPPool') return queue.includes('ippool')
  if (kind === 'Pod') return queue.includes('pod') && key.endsWith(`/${name}`)
  return !queue.includes('subnet') && !queue.includes('ippool')
}

export function show({ step }: Parked): string {
  if (step.step === 'send') return `send ${JSON.stringify(plain(step.write))}`
  return Object.values(step).join(' ')
}
