import { EmbeddedStore } from '../../shared/cluster/embedded/store.ts'
import type {
  ClusterFailure,
  ClusterPort,
  ClusterReply,
  ClusterRequest,
  Kind,
  KubeObject,
  ListOptions,
  ObjectList,
  WatchEvent,
  WatchOptions,
} from '../../shared/cluster/port.ts'
import type { Random } from '../../shared/random.ts'
import { err, type Result } from '../../shared/result.ts'
import { nodeSql } from '../support/node-sqlite.ts'
import type { Call } from '../support/world.ts'
import type { Counters } from './counters.ts'
import type { Faults } from './faults.ts'
import type { Process, Waiting } from './process.ts'
import type { Schedule } from './schedule.ts'

/** What the adapter waits for a reply (shared/cluster/kubernetes/limits.ts). */
const CALL_MS = 10_000
const BOOKMARK_MS = 55_000
/** An open watch without a line for this long is given up by its reader. */
const IDLE_MS = 120_000

/** One call of Berth's to the API server. */
export interface NotedCall extends Call {
  readonly by: string
}

/**
 * An API server: the embedded one behind a network that delays, refuses, loses replies, and lets writes take effect long
 * after their sender gave up. Watches are delivered late, in order, and may stall, break, or be too old.
 */
export class ApiServer {
  readonly store: EmbeddedStore
  /** Every call of Berth's, with the reply it had, if any. */
  readonly calls: NotedCall[] = []
  /** Watches are still until then. */
  stalledUntilMs = 0
  /** Watches that begin at or before this version are told that it is too old. */
  compactedAt = 0
  /** Lets an object in, as admission would have it; undefined lets it through as it is. */
  admit: ((object: KubeObject) => Promise<KubeObject | ClusterFailure>) | undefined
  private readonly schedule: Schedule
  private readonly faults: Faults
  private readonly counters: Counters
  private readonly watchers = new Set<() => void>()

  constructor(schedule: Schedule, faults: Faults, counters: Counters, random: Random) {
    this.schedule = schedule
    this.faults = faults
    this.counters = counters
    this.store = new EmbeddedStore({ sql: nodeSql(), clock: schedule, random })
  }

  /** One request as it takes effect. */
  apply(request: ClusterRequest): ClusterReply {
    const [reply] = this.store.send([request])
    if (!reply) throw new Error('no reply to one request')
    if (request.verb !== 'get') for (const wake of [...this.watchers]) wake()
    return reply
  }

  get(kind: Kind, name: string, namespace?: string): KubeObject | undefined {
    const ref = namespace === undefined ? { kind, name } : { kind, name, namespace }
    const [reply] = this.store.send([{ verb: 'get', ref }])
    return reply?.ok ? reply.value : undefined
  }

  /** The newest version there is. */
  position(): string {
    const list = this.store.list('Subnet', { limit: 1 })
    return list.ok ? list.value.resourceVersion : '0'
  }

  all(kind: Kind): KubeObject[] {
    const list = this.store.list(kind, { limit: 10_000 })
    if (!list.ok) throw new Error(list.error.message)
    return [...list.value.items]
  }

  /** The API server as a process of Berth's has it. `gate`: what must be flushed before a call leaves. */
  port(process: Process, gate: () => Promise<void> = () => Promise.resolve()): ClusterPort {
    return {
      send: async (requests) => {
        await gate()
        return Promise.all(requests.map((request) => this.call(process, request)))
      },
      list: async (kind, options) => {
        await gate()
        return this.list(process, kind, options)
      },
      watch: (kind, options) => this.watch(process, kind, options),
    }
  }

  private call(process: Process, request: ClusterRequest): Promise<ClusterReply> {
    const { schedule, faults } = this
    const target = nameOf(request)
    const label = `${request.verb} ${target}`
    const noted: NotedCall = { request, sentMs: schedule.passedMs, by: process.at }
    this.calls.push(noted)
    const waiting: Waiting = { seam: 'cluster', verb: label, stage: 'asked' }
    process.waiting.add(waiting)
    const fault = faults.call(request)
    if (fault !== 'none') schedule.note(`${process.name} ${label}: ${fault}`)
    return new Promise((resolve) => {
      let answered = false
      const answer = (reply: ClusterReply, ms: number, what: string) =>
        process.later(ms, `${label}: ${what}`, () => {
          if (answered) return
          answered = true
          process.waiting.delete(waiting)
          noted.reply = reply
          resolve(structuredClone(reply))
        })
      const isRead = request.verb === 'get' || (request.verb === 'create' && request.dryRun === true)
      const lost = err(unavailable('no reply', isRead ? 'refused' : 'unknown'))
      const giveUp = () => answer(lost, noted.sentMs + CALL_MS - schedule.passedMs, 'given up')
      if (faults.dies('a call leaves')) this.dies(process)
      if (fault === 'busy' || fault === 'unavailable') {
        const retryAfterMs = faults.retryAfterMs()
        const reason = fault === 'busy' ? 'TooManyRequests' : 'Unavailable'
        const more = retryAfterMs === undefined ? {} : { retryAfterMs }
        answer(err({ reason, outcome: 'refused', message: fault, ...more }), faults.delay(), fault)
        return
      }
      if (fault === 'dropped') {
        giveUp()
        return
      }
      const arrivesMs = fault === 'straggles' ? faults.lateMs() : faults.delay()
      if (arrivesMs >= CALL_MS) giveUp()
      schedule.at(arrivesMs, `API server: ${label}`, () => {
        const reply = this.apply(request)
        waiting.stage = 'done'
        schedule.note(
          `${label} ${reply.ok ? `rv ${reply.value.metadata.resourceVersion}` : reply.error.reason}`,
        )
        if (faults.dies('a call was carried out')) this.dies(process)
        const spentMs = schedule.passedMs - noted.sentMs
        const backMs = faults.delay()
        if (fault === 'reply_lost' || fault === 'straggles') giveUp()
        else if (fault === 'failed_after') answer(lost, backMs, 'a 500')
        else if (spentMs + backMs >= CALL_MS) giveUp()
        else answer(reply, backMs, 'reply')
      })
    })
  }

  /** Kills whoever made a call: by its name, or all there is. */
  private dies(process: Process): void {
    this.faults.kill(this.faults.which(3) === 0 ? 'everything' : process.name)
  }

  private async list(
    process: Process,
    kind: Kind,
    options?: ListOptions,
  ): Promise<Result<ObjectList, ClusterFailure>> {
    await process.pause(this.faults.delay(), `list ${kind} is heard`)
    const probe: ClusterRequest = { verb: 'get', ref: { kind: 'Subnet', name: '' } }
    const fault = this.faults.call(probe)
    const page = this.store.list(kind, options)
    await process.pause(
      fault === 'dropped' || fault === 'straggles' ? CALL_MS : this.faults.delay(),
      `list ${kind}`,
    )
    if (fault === 'none') return page
    // A continue token that is too old, or a server that does not answer.
    if (fault === 'busy' && options?.continue !== undefined)
      return err({ reason: 'Expired', outcome: 'refused', message: 'token too old' })
    return err(unavailable(fault, 'refused'))
  }

  private async *watch(
    process: Process,
    kind: Kind,
    { resourceVersion, namespace, signal }: WatchOptions,
  ): AsyncGenerator<WatchEvent, void> {
    let from = resourceVersion
    let silentSinceMs = this.schedule.passedMs
    while (!signal?.aborted && process.alive) {
      if (Number(from) < this.compactedAt) {
        this.counters.hit('fault watch too old')
        yield { type: 'ERROR', failure: { reason: 'Expired', outcome: 'refused', message: 'too old' } }
        return
      }
      const query = { kind, resourceVersion: from, ...(namespace === undefined ? {} : { namespace }) }
      const page = this.store.eventsSince(query)
      if (!page.ok) {
        yield { type: 'ERROR', failure: page.error }
        return
      }
      const stalledMs = this.stalledUntilMs - this.schedule.passedMs
      if (stalledMs > 0) {
        if (this.schedule.passedMs - silentSinceMs >= IDLE_MS) {
          yield { type: 'ERROR', failure: unavailable('half open', 'refused') }
          return
        }
        await this.untilNews(process, Math.min(stalledMs, IDLE_MS), signal, false)
        continue
      }
      if (page.value.events.length === 0) {
        const isIdle = await this.untilNews(process, BOOKMARK_MS, signal, true)
        if (!isIdle || signal?.aborted) continue
        const now = this.store.eventsSince(query)
        if (!now.ok || now.value.events.length > 0) continue
        from = now.value.resourceVersion
        silentSinceMs = this.schedule.passedMs
        yield { type: 'BOOKMARK', resourceVersion: from }
        continue
      }
      await process.pause(this.faults.delay(), `news of ${kind}`)
      if (signal?.aborted) return
      silentSinceMs = this.schedule.passedMs
      for (const event of page.value.events) yield structuredClone(event)
      from = page.value.resourceVersion
    }
  }

  /** Until something was written, the time is over or the signal aborts. @returns whether it was the time */
  private untilNews(
    process: Process,
    ms: number,
    signal: AbortSignal | undefined,
    listens: boolean,
  ): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (timeIsUp: boolean) => {
        this.watchers.delete(news)
        signal?.removeEventListener('abort', aborted)
        callOff()
        resolve(timeIsUp)
      }
      const news = () => {
        this.watchers.delete(news)
        process.later(0, 'watch', () => end(false))
      }
      const aborted = () => end(false)
      const callOff = process.later(ms, 'watch is silent', () => end(true))
      if (listens) this.watchers.add(news)
      signal?.addEventListener('abort', aborted, { once: true })
    })
  }
}

export const unavailable = (message: string, outcome: ClusterFailure['outcome']): ClusterFailure => ({
  reason: 'Unavailable',
  outcome,
  message,
})

export function nameOf(request: ClusterRequest): string {
  if (request.verb === 'create' || request.verb === 'replace') {
    return `${request.object.kind} ${request.object.metadata.name}`
  }
  return `${request.ref.kind} ${request.ref.name}`
}
