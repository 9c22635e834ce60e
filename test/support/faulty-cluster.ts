import type { Clock } from '../../shared/clock.ts'
import { openMirrorSchema } from '../../shared/cluster/mirror/schema.ts'
import { MirrorStore } from '../../shared/cluster/mirror/store.ts'
import type {
  ClusterFailure,
  ClusterPort,
  ClusterRequest,
  Kind,
  KubeObject,
  WatchEvent,
} from '../../shared/cluster/port.ts'
import { err, ok } from '../../shared/result.ts'
import type { Sql } from '../../shared/sql.ts'
import { deletionOf, patchOf, refOf } from './cluster-contract.ts'
import { embeddedStore, portOver } from './cluster-embedded.ts'
import { nodeSql } from './node-sqlite.ts'

export const failure = (reason: ClusterFailure['reason']): ClusterFailure => ({
  reason,
  message: reason,
  outcome: 'refused',
})

/** A mirror's store over `sql`, as the object opens it. */
export function mirrorStore(sql: Sql = nodeSql()): MirrorStore {
  const opened = openMirrorSchema(sql)
  if (!opened.ok) throw new Error(`version ${opened.error.stored}`)
  return new MirrorStore(sql)
}

/** Wall time in the test's hands; nobody sleeps longer than a turn. */
export class TurnClock implements Clock {
  ms = Date.UTC(2026, 0, 1)
  readonly sleeps: number[] = []

  nowMs(): number {
    return this.ms
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (!signal?.aborted) this.sleeps.push(ms)
    return new Promise((resolve) => setImmediate(resolve))
  }

  after(ms: number, wake: () => void): () => void {
    this.sleeps.push(ms)
    const turn = setImmediate(wake)
    return () => clearImmediate(turn)
  }
}

/** An embedded cluster that can be told to fail, with everything that was asked of it. */
export class FaultyCluster implements ClusterPort {
  readonly #port: ClusterPort = portOver(embeddedStore(nodeSql()))
  /** `list IP`, `list IP 2` (second page), `watch IP 17`. */
  readonly asked: string[] = []
  /** What the next request of that name is answered with, instead of what is true. */
  readonly faults = new Map<string, ClusterFailure>()
  readonly #breaks = new Map<Kind, (failure: ClusterFailure) => void>()

  send(requests: readonly ClusterRequest[]) {
    return this.#port.send(requests)
  }

  async list(kind: Kind, options: Parameters<ClusterPort['list']>[1] = {}) {
    const page = options.continue === undefined ? 1 : Number(options.continue.split('#')[1])
    const name = page === 1 ? `list ${kind}` : `list ${kind} ${page}`
    this.asked.push(name)
    const fault = this.#takeFault(name)
    if (fault) return err(fault)
    const token = options.continue?.split('#')[0]
    const list = await this.#port.list(kind, {
      limit: this.pageItems,
      ...(token === undefined ? {} : { continue: token }),
    })
    if (!list.ok || list.value.continue === undefined) return list
    return ok({ ...list.value, continue: `${list.value.continue}#${page + 1}` })
  }

  pageItems = 500

  async *watch(kind: Kind, options: Parameters<ClusterPort['watch']>[1]): AsyncGenerator<WatchEvent, void> {
    this.asked.push(`watch ${kind} ${options.resourceVersion}`)
    const fault = this.#takeFault(`watch ${kind}`)
    if (fault) return yield { type: 'ERROR', failure: fault }
    const broken = new Promise<ClusterFailure>((resolve) => this.#breaks.set(kind, resolve))
    const ends = { signal: options.signal ?? new AbortController().signal }
    const events = this.#port.watch(kind, { ...options, ...ends })[Symbol.asyncIterator]()
    for (;;) {
      const next = events.next()
      const first = await Promise.race([next, broken])
      if ('reason' in first) return yield { type: 'ERROR', failure: first }
      if (first.done) return
      yield first.value
    }
  }

  /** Ends the watch of that kind. */
  break(kind: Kind, reason: ClusterFailure['reason']): void {
    this.#breaks.get(kind)?.(failure(reason))
  }

  create(object: KubeObject): Promise<KubeObject> {
    return this.#write({ verb: 'create', object })
  }

  async patch(object: KubeObject, patch: unknown): Promise<KubeObject> {
    return this.#write(patchOf(await this.get(object), patch))
  }

  async delete(object: KubeObject): Promise<KubeObject> {
    return this.#write(deletionOf(await this.get(object)))
  }

  get(object: KubeObject): Promise<KubeObject> {
    return this.#write({ verb: 'get', ref: refOf(object) })
  }

  async #write(request: ClusterRequest): Promise<KubeObject> {
    const [reply] = await this.#port.send([request])
    if (!reply?.ok) throw new Error(`${request.verb}: ${reply?.error.message}`)
    return reply.value
  }

  #takeFault(name: string): ClusterFailure | undefined {
    const fault = this.faults.get(name)
    this.faults.delete(name)
    return fault
  }
}
