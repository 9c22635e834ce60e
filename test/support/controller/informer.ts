import type { ClusterPort, Kind, KubeObject } from '../../../shared/cluster/port.ts'
import type { Life } from './life.ts'
import type { Change } from './turns.ts'

export interface Handlers {
  added?(object: KubeObject): void
  updated?(old: KubeObject, object: KubeObject): void
  removed?(object: KubeObject): void
}

/** `namespace/name`, or the name alone. */
export function keyOf({ metadata }: KubeObject): string {
  return metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`
}

/** The reflector's first back-off. */
const WATCH_AGAIN_MS = 800
/** Resumed watches in a row that fail before the informer lists after all. */
const RESUMES = 20

/**
 * client-go's shared informer: a list, then a watch, into a cache that lags by as much as the turns say. A watch that
 * can no longer be resumed is followed by a new list: what happened in between is seen as one change (Q2).
 */
export class Informer {
  readonly kind: Kind
  private readonly port: ClusterPort
  private readonly life: Life
  private readonly coalesces: boolean
  private readonly objects = new Map<string, KubeObject>()
  private handlers: Handlers = {}
  private told: Promise<void> = Promise.resolve()
  /** Changes in the cache that the handlers have not heard yet. */
  private untold = 0

  constructor(kind: Kind, port: ClusterPort, life: Life, coalesces: boolean) {
    this.kind = kind
    this.port = port
    this.life = life
    this.coalesces = coalesces
  }

  get(key: string): KubeObject | undefined {
    return this.objects.get(key)
  }

  list(): KubeObject[] {
    return [...this.objects.values()]
  }

  /** Whether the handlers have heard of everything in the cache. */
  get hasTold(): boolean {
    return this.untold === 0
  }

  /** The first list; the cache is filled, nobody is told. @returns where to watch from */
  async sync(): Promise<string> {
    const { items, resourceVersion } = await this.listed()
    for (const object of items) this.objects.set(keyOf(object), object)
    return resourceVersion
  }

  /** Every object in the cache is told as added; from now on the handlers hear of changes. */
  handle(handlers: Handlers): void {
    this.handlers = handlers
    for (const object of this.objects.values()) handlers.added?.(object)
  }

  /** Follows the watch until the process ends. */
  async follow(from: string): Promise<void> {
    let resourceVersion = from
    let failures = 0
    for (;;) {
      const watch = this.port.watch(this.kind, { resourceVersion, signal: this.life.signal })
      let expired = false
      for await (const event of watch) {
        if (event.type === 'ERROR') {
          expired = event.failure.reason === 'Expired'
          failures++
          break
        }
        failures = 0
        if (event.type === 'BOOKMARK') {
          resourceVersion = event.resourceVersion
          continue
        }
        await this.take(event.type === 'DELETED' ? 'removed' : undefined, event.object)
        resourceVersion = event.object.metadata.resourceVersion ?? resourceVersion
      }
      await this.life.running()
      if (expired && (this.coalesces || failures > RESUMES)) resourceVersion = await this.relist()
      else if (!expired) await this.life.sleep(WATCH_AGAIN_MS)
    }
  }

  private async relist(): Promise<string> {
    const { items, resourceVersion } = await this.listed()
    const gone = new Map(this.objects)
    for (const object of items) {
      gone.delete(keyOf(object))
      await this.take(undefined, object)
    }
    for (const object of gone.values()) await this.take('removed', object)
    return resourceVersion
  }

  /** client-go's reflector tries until it can. */
  private async listed() {
    for (;;) {
      const list = await this.port.list(this.kind)
      await this.life.running()
      if (list.ok) return list.value
      await this.life.sleep(WATCH_AGAIN_MS)
    }
  }

  private async take(removed: 'removed' | undefined, object: KubeObject): Promise<void> {
    const key = keyOf(object)
    const known = this.objects.get(key)
    if (known === undefined && removed) return
    if (known !== undefined && !removed && sameVersion(known, object)) return
    const change: Change = removed ?? (known === undefined ? 'added' : 'updated')
    await this.life.turn({ step: 'arrive', kind: this.kind, name: key, change })
    if (removed) this.objects.delete(key)
    else this.objects.set(key, object)
    this.tell(key, change, () => {
      if (removed) this.handlers.removed?.(object)
      else if (known === undefined) this.handlers.added?.(object)
      else this.handlers.updated?.(known, object)
    })
  }

  /** The cache may be ahead of what the handlers have heard, never behind; they hear in order. */
  private tell(name: string, change: Change, call: () => void): void {
    this.untold++
    this.told = this.told.then(() =>
      this.life.run(async () => {
        await this.life.turn({ step: 'hear', kind: this.kind, name, change })
        call()
        this.untold--
      }),
    )
  }
}

const sameVersion = (a: KubeObject, b: KubeObject) =>
  a.metadata.resourceVersion === b.metadata.resourceVersion
