import type {
  ClusterPort,
  ClusterReply,
  ClusterRequest,
  Kind,
  KubeObject,
  ObjectRef,
} from '../../../shared/cluster/port.ts'
import { err } from '../../../shared/result.ts'
import type { Life } from './life.ts'

/** A write as the controller sends it. None but an update carries a resourceVersion, no delete a uid. */
export type Write =
  | { readonly verb: 'create'; readonly object: KubeObject }
  | { readonly verb: 'update'; readonly object: KubeObject }
  /** JSON patch `replace /metadata/labels`. */
  | { readonly verb: 'labels'; readonly ref: ObjectRef; readonly labels: Readonly<Record<string, string>> }
  /** JSON merge patch, of the status where named. */
  | {
      readonly verb: 'merge'
      readonly ref: ObjectRef
      readonly patch: Readonly<Record<string, unknown>>
      readonly subresource?: 'status'
    }
  | { readonly verb: 'delete'; readonly ref: ObjectRef }

/** How often an unconditional patch is read and sent anew when somebody else writes in between. */
const PATCH_TRIES = 50

/** The controller's client: each write waits for its turn. The port asks for preconditions, which are read just before. */
export class Writes {
  private readonly port: ClusterPort
  private readonly life: Life
  private readonly sent: (write: Write, reply: ClusterReply) => void

  constructor(port: ClusterPort, life: Life, sent: (write: Write, reply: ClusterReply) => void) {
    this.port = port
    this.life = life
    this.sent = sent
  }

  async send(write: Write): Promise<ClusterReply> {
    await this.life.turn({ step: 'send', write })
    const reply = await this.perform(write)
    this.sent(write, reply)
    await this.life.running()
    return reply
  }

  /** A write that is no work of the handlers: nobody schedules it or hears of it. */
  async quietly(write: Write): Promise<ClusterReply> {
    const reply = await this.perform(write)
    await this.life.running()
    return reply
  }

  /** Everything of a kind, past the cache; nothing where the server does not tell. */
  async list(kind: Kind): Promise<KubeObject[]> {
    const list = await this.port.list(kind)
    await this.life.running()
    return list.ok ? list.value.items : []
  }

  /** Merge patch of an object's own fields, null where they are to go. */
  merge(ref: ObjectRef, patch: Readonly<Record<string, unknown>>): Promise<ClusterReply> {
    return this.send({ verb: 'merge', ref, patch })
  }

  status(ref: ObjectRef, status: Readonly<Record<string, unknown>>): Promise<ClusterReply> {
    return this.send({ verb: 'merge', ref, patch: { status }, subresource: 'status' })
  }

  delete(ref: ObjectRef): Promise<ClusterReply> {
    return this.send({ verb: 'delete', ref })
  }

  /** A read past the cache. */
  async get(ref: ObjectRef): Promise<ClusterReply> {
    const reply = await this.one({ verb: 'get', ref })
    await this.life.running()
    return reply
  }

  private perform(write: Write): Promise<ClusterReply> {
    switch (write.verb) {
      case 'create':
        return this.one({ verb: 'create', object: write.object })
      case 'update':
        return this.one({ verb: 'replace', object: write.object })
      case 'labels':
        return this.unconditional(write.ref, ({ metadata }) => ({
          verb: 'patch',
          ref: write.ref,
          patch: { metadata: { labels: { ...cleared(metadata.labels), ...write.labels } } },
          resourceVersion: metadata.resourceVersion ?? '',
        }))
      case 'merge':
        return this.unconditional(write.ref, ({ metadata }) => ({
          verb: 'patch',
          ref: write.ref,
          patch: write.patch,
          resourceVersion: metadata.resourceVersion ?? '',
          ...(write.subresource === undefined ? {} : { subresource: write.subresource }),
        }))
      case 'delete':
        return this.unconditional(write.ref, ({ metadata }) => ({
          verb: 'delete',
          ref: write.ref,
          uid: metadata.uid ?? '',
        }))
      default:
        throw new Error(`no such verb: ${JSON.stringify(write satisfies never)}`)
    }
  }

  private async unconditional(
    ref: ObjectRef,
    request: (object: KubeObject) => ClusterRequest,
  ): Promise<ClusterReply> {
    for (let tries = 1; ; tries++) {
      const read = await this.one({ verb: 'get', ref })
      if (!read.ok) return read
      const reply = await this.one(request(read.value))
      if (reply.ok || reply.error.reason !== 'Conflict' || tries === PATCH_TRIES) return reply
    }
  }

  private async one(request: ClusterRequest): Promise<ClusterReply> {
    const [reply] = await this.port.send([request])
    return reply ?? err({ reason: 'Unavailable', message: 'no reply', outcome: 'unknown' })
  }
}

const cleared = (labels: Readonly<Record<string, string>> = {}) =>
  Object.fromEntries(Object.keys(labels).map((key) => [key, null]))
