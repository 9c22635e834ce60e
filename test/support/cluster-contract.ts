import { afterAll, beforeAll } from 'vitest'
import {
  type ClusterPort,
  type ClusterReply,
  type ClusterRequest,
  type FailureReason,
  KINDS,
  type Kind,
  type KubeObject,
  type ListOptions,
  type ObjectList,
  type ObjectMeta,
  type ObjectRef,
  type WatchEvent,
} from '../../shared/cluster/port.ts'

/** What the contract suite runs over. `close` is called after the last test. */
export interface ContractSubject {
  readonly port: ClusterPort
  close?(): Promise<void>
}

export type MakeSubject = () => Promise<ContractSubject>
export type Meta = Partial<ObjectMeta>

/** The contract's view of a port: single requests, names nobody else has, and what was made is taken away again. */
export class ContractBench {
  #subject: ContractSubject | undefined
  readonly #made = new Map<string, ObjectRef>()

  get port(): ClusterPort {
    if (!this.#subject) throw new Error('the subject is made before the first test')
    return this.#subject.port
  }

  /** A fresh name; with several, they sort in the order asked for. */
  name(stem: string): string {
    return `${stem}-${crypto.randomUUID().slice(0, 13)}`
  }

  async reply(request: ClusterRequest): Promise<ClusterReply> {
    if (request.verb === 'create') this.willMake(request.object)
    const replies = await this.port.send([request])
    if (replies.length !== 1 || !replies[0]) throw new Error(`one request, ${replies.length} replies`)
    return replies[0]
  }

  /** The object of a request that must succeed. */
  async done(request: ClusterRequest): Promise<KubeObject> {
    const reply = await this.reply(request)
    if (!reply.ok) throw new Error(`${request.verb}: ${reply.error.reason}: ${reply.error.message}`)
    return reply.value
  }

  /** Why a request that must be refused was refused. */
  async refusal(request: ClusterRequest): Promise<FailureReason> {
    const reply = await this.reply(request)
    if (reply.ok) throw new Error(`${request.verb} should be refused, gave ${JSON.stringify(reply.value)}`)
    if (reply.error.outcome !== 'refused') throw new Error(`outcome ${reply.error.outcome}`)
    return reply.error.reason
  }

  create(object: KubeObject): Promise<KubeObject> {
    return this.done({ verb: 'create', object })
  }

  get(object: KubeObject): Promise<KubeObject> {
    return this.done({ verb: 'get', ref: refOf(object) })
  }

  patch(object: KubeObject, patch: unknown): Promise<KubeObject> {
    return this.done(patchOf(object, patch))
  }

  delete(object: KubeObject): Promise<KubeObject> {
    return this.done(deletionOf(object))
  }

  async list(kind: Kind, options?: ListOptions): Promise<ObjectList> {
    const list = await this.port.list(kind, options)
    if (!list.ok) throw new Error(`list: ${list.error.reason}: ${list.error.message}`)
    return list.value
  }

  /** Events about objects whose name is in `names`, from `resourceVersion` on, until there are `count` of them. */
  async events(
    kind: Kind,
    watch: { readonly resourceVersion: string; readonly namespace?: string },
    names: readonly string[],
    count: number,
  ): Promise<Extract<WatchEvent, { object: KubeObject }>[]> {
    const stop = new AbortController()
    const events: Extract<WatchEvent, { object: KubeObject }>[] = []
    try {
      for await (const event of this.port.watch(kind, { ...watch, signal: stop.signal })) {
        if (event.type === 'ERROR') throw new Error(`watch: ${event.failure.reason}`)
        if (event.type === 'BOOKMARK' || !names.includes(event.object.metadata.name)) continue
        events.push(event)
        if (events.length === count) break
      }
      return events
    } finally {
      stop.abort()
    }
  }

  willMake(object: KubeObject): void {
    this.#made.set(`${object.kind}/${object.metadata.namespace}/${object.metadata.name}`, refOf(object))
  }

  /** Registers making and taking down; call it inside describe. */
  register(make: MakeSubject): this {
    beforeAll(async () => {
      this.#subject = await make()
    })
    afterAll(async () => {
      for (const ref of this.#made.values()) await this.#takeAway(ref)
      await this.#subject?.close?.()
    })
    return this
  }

  async #takeAway(ref: ObjectRef): Promise<void> {
    const reply = await this.reply({ verb: 'get', ref })
    if (!reply.ok) return
    const bare = reply.value.metadata.finalizers?.length
      ? await this.reply(patchOf(reply.value, { metadata: { finalizers: null } }))
      : reply
    if (bare.ok) await this.reply(deletionOf(bare.value))
  }
}

export function refOf({ kind, metadata: { name, namespace } }: KubeObject): ObjectRef {
  return { kind: kind as Kind, name, ...(namespace === undefined ? {} : { namespace }) }
}

export function patchOf(object: KubeObject, patch: unknown): ClusterRequest {
  return { verb: 'patch', ref: refOf(object), patch, resourceVersion: object.metadata.resourceVersion ?? '' }
}

export function deletionOf(object: KubeObject): ClusterRequest {
  return { verb: 'delete', ref: refOf(object), uid: object.metadata.uid ?? '' }
}

/** An IP object that the CRD's schema accepts; no controller need exist. */
export function ip(name: string, metadata: Meta = {}, spec: Record<string, unknown> = {}): KubeObject {
  return {
    apiVersion: KINDS.IP.apiVersion,
    kind: 'IP',
    metadata: { ...metadata, name },
    spec: { subnet: 'contract', namespace: 'default', podName: name, podType: '', attachIps: [], ...spec },
  }
}

export function subnet(name: string, metadata: Meta = {}, spec: Record<string, unknown> = {}): KubeObject {
  return {
    apiVersion: KINDS.Subnet.apiVersion,
    kind: 'Subnet',
    metadata: { ...metadata, name },
    spec: { cidrBlock: '192.0.2.0/24', vpc: name, protocol: 'IPv4', excludeIps: ['192.0.2.1'], ...spec },
  }
}

/** A Pod that no scheduler can place, so that nothing but this suite changes it. */
export function pod(name: string, namespace: string, metadata: Meta = {}): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...metadata, name, namespace },
    spec: { schedulerName: 'nobody', containers: [{ name: 'main', image: 'registry.invalid/none' }] },
  }
}
