import { DurableObject } from 'cloudflare:workers'
import { systemClock } from '../../shared/clock.ts'
import type { Happening } from '../../shared/events/cloud-event.ts'
import { deliver } from '../../shared/events/deliver.ts'
import { EventStore, type Kept } from '../../shared/events/store.ts'
import { consoleLog } from '../../shared/log.ts'
import { systemRandom } from '../../shared/random.ts'
import { type Env, eventSettings } from '../env.ts'
import type { EventBox } from '../events/box.ts'
import { outward } from '../events/outward.ts'
import { systemHttp } from '../system-http.ts'
import { durableObjectSql } from './sql.ts'

const KEPT_MS = 7 * 86_400_000
const PRUNED_AT_ONCE = 1_000
/** Events of one subscriber in one run of the alarm; what is left makes the next one come at once. */
const TOLD_AT_ONCE = 300
const RETRY_MS = 5_000

/** What happened, of all spaces, for a week: readers ask for it here, and its alarm tells the subscribers. */
export class Events extends DurableObject<Env> implements EventBox {
  readonly #store: EventStore
  readonly #waiting = new Set<() => void>()

  constructor(state: DurableObjectState, env: Env) {
    super(state, env)
    this.#store = new EventStore(durableObjectSql(state.storage), systemClock)
    this.#store.subscribe(eventSettings(env).subscribers.map(({ name }) => name))
  }

  async accept(happenings: readonly Happening[]): Promise<void> {
    this.#store.accept(happenings)
    for (const wake of this.#waiting) wake()
    await this.#arm()
  }

  async after(n: number, limit: number, waitMs: number): Promise<Kept[]> {
    const found = this.#store.after(n, limit)
    if (found.length > 0 || waitMs === 0) return found
    const woken = new AbortController()
    const wake = () => woken.abort()
    this.#waiting.add(wake)
    await systemClock.sleep(waitMs, woken.signal)
    this.#waiting.delete(wake)
    return this.#store.after(n, limit)
  }

  async range(): Promise<{ first: number; last: number }> {
    return { first: this.#store.first(), last: this.#store.last() }
  }

  async deadLetters(limit: number): Promise<{ subscriber: string; id: string; why: string; at: number }[]> {
    return this.#store.deadLetters(limit)
  }

  /** Runs at least once; may run twice, late, or after a restart: what was told twice has the same id. */
  override async alarm(): Promise<void> {
    const { subscribers } = eventSettings(this.env)
    const parts = { store: this.#store, clock: systemClock, random: systemRandom }
    try {
      await Promise.all(
        subscribers.map((subscriber) => {
          const http = outward(this.env, subscriber, systemHttp)
          return deliver({ ...parts, http }, subscriber, TOLD_AT_ONCE)
        }),
      )
      const more = this.#store.prune(KEPT_MS, PRUNED_AT_ONCE)
      if (more) await this.ctx.storage.setAlarm(systemClock.nowMs())
      else await this.#arm()
    } catch (error) {
      const reason = error instanceof Error ? error.message : 'unknown'
      consoleLog.write('error', 'telling events failed', { reason })
      await this.ctx.storage.setAlarm(systemClock.nowMs() + RETRY_MS)
    }
  }

  async #arm(): Promise<void> {
    const names = eventSettings(this.env).subscribers.map(({ name }) => name)
    const nowMs = systemClock.nowMs()
    const nextMs = this.#store.nextLookMs(names, nowMs)
    if (nextMs === undefined) return
    const wantedMs = Math.max(nextMs, nowMs)
    const armedMs = await this.ctx.storage.getAlarm()
    if (armedMs === null || armedMs > wantedMs) await this.ctx.storage.setAlarm(wantedMs)
  }
}
