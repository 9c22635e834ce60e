import { EmbeddedCluster } from '../../../../shared/cluster/embedded/cluster.ts'
import { embeddedPort } from '../../../../shared/cluster/embedded/port.ts'
import { EmbeddedStore } from '../../../../shared/cluster/embedded/store.ts'
import type {
  ClusterFailure,
  ClusterPort,
  ClusterReply,
  ClusterRequest,
  Kind,
  KubeObject,
  ObjectRef,
  WatchEvent,
  WatchOptions,
} from '../../../../shared/cluster/port.ts'
import { FINALIZER, LABEL_RESERVED } from '../../../../shared/kube-ovn/names.ts'
import { err } from '../../../../shared/result.ts'
import type { Sql } from '../../../../shared/sql.ts'
import type { ManualClock } from '../../clock.ts'
import { nodeSql } from '../../node-sqlite.ts'
import { seededRandom } from '../../random.ts'

type Policy = (request: ClusterRequest, present: KubeObject | undefined) => boolean

/** Admission policies of the recordings, by name: which of the controller's writes to IP objects each denies. */
const POLICIES: Readonly<Record<string, Policy>> = {
  'keep-reserved-ips': ({ verb }, present) =>
    verb === 'delete' && present?.metadata.labels?.[LABEL_RESERVED] === 'true',
  'deny-write-1': (request) =>
    request.verb === 'replace' && request.object.metadata.finalizers?.includes(FINALIZER) === true,
  'deny-write-2': (request) => request.verb === 'patch' && hasLabels(request.patch),
  'hold-finalizer': ({ verb }, present) =>
    (verb === 'patch' || verb === 'replace') && present?.metadata.deletionTimestamp !== undefined,
}

const hasLabels = (patch: unknown) =>
  (patch as { metadata?: { labels?: unknown } }).metadata?.labels !== undefined

/** An API server under virtual time: the embedded store, with policies against the controller, and outages. */
export class RecordedServer {
  readonly store: EmbeddedStore
  /** Policies in force: true, or only where the recording says so, because they were just made or taken away. */
  readonly policies = new Map<string, 'in force' | 'unsettled'>()
  /** What an unsettled policy says to the write that comes next. */
  denies = false
  /** The controller stands still: what its watches bring waits on the line. */
  paused = false
  private readonly sql: Sql
  private readonly port: ClusterPort
  private readonly cluster: EmbeddedCluster
  private up = true
  private outage = new AbortController()
  /** Kinds whose next watch is told that the past is gone. */
  private readonly forgetful = new Set<Kind>()
  private proceed: () => void = () => {}

  constructor(clock: ManualClock, random = seededRandom(11)) {
    this.sql = nodeSql()
    this.store = new EmbeddedStore({ sql: this.sql, clock, random })
    this.cluster = new EmbeddedCluster(this.store, clock)
    this.port = embeddedPort(() => this.cluster)
  }

  /** The controller's way in. */
  readonly forController: ClusterPort = {
    send: async (requests) => {
      const replies: ClusterReply[] = []
      for (const request of requests) replies.push(await this.answer(request))
      return replies
    },
    list: async (kind, options) => (this.up ? this.port.list(kind, options) : err(DOWN)),
    watch: (kind, options) => this.watch(kind, options),
  }

  /** The user's way in: no policy stands there. The request is carried out before this returns. */
  async forUser(request: ClusterRequest): Promise<ClusterReply> {
    return (await this.cluster.send([request]))[0]!
  }

  /**
   * A deletion that read the object before its finalizer was written, and removes it after: its second try checks the
   * preconditions, not the finalizers [k8s.io/apiserver registry/generic/registry/store.go Delete; storage/etcd3 Delete].
   */
  removeUnseen({ kind, name, namespace = '' }: ObjectRef): boolean {
    const where = [kind, namespace, name]
    const present = this.present({ verb: 'get', ref: { kind, name } })
    if (present === undefined) return false
    const { finalizers: _, ...metadata } = present.metadata
    const bare = JSON.stringify({ ...present, metadata })
    this.sql.run(
      'UPDATE embedded_object SET body = ? WHERE kind = ? AND namespace = ? AND name = ?',
      bare,
      ...where,
    )
    const [reply] = this.store.send([
      { verb: 'delete', ref: { kind, name }, uid: present.metadata.uid ?? '' },
    ])
    if (!reply?.ok) throw new Error('removed neither')
    const { resourceVersion = '' } = reply.value.metadata
    const last = JSON.stringify({ ...present, metadata: { ...present.metadata, resourceVersion } })
    this.sql.run('UPDATE embedded_event SET body = ? WHERE rv = ?', last, Number(resourceVersion))
    this.wake()
    return true
  }

  /** Watches look again. */
  private wake(): void {
    void this.cluster.send([{ verb: 'delete', ref: { kind: 'IP', name: 'nobody' }, uid: 'none' }])
  }

  stop(): void {
    this.up = false
    this.outage.abort()
    this.proceed()
  }

  /** After a restart no watch can be resumed from before it. */
  ready(): void {
    this.up = true
    this.outage = new AbortController()
    for (const kind of ['IP', 'Subnet', 'IPPool', 'Pod', 'Vip', 'VirtualMachine'] as const)
      this.forgetful.add(kind)
  }

  continue(): void {
    this.paused = false
    this.proceed()
  }

  private async answer(request: ClusterRequest): Promise<ClusterReply> {
    if (!this.up) return err(DOWN)
    for (const [name, state] of this.policies) {
      if (state === 'unsettled' && !this.denies) continue
      const policy = POLICIES[name]
      if (policy === undefined) throw new Error(`policy ${name} is not known`)
      if (policy(request, this.present(request)))
        return err({ reason: 'Invalid', message: `policy ${name} denied the request`, outcome: 'refused' })
    }
    return (await this.port.send([request]))[0]!
  }

  private present(request: ClusterRequest): KubeObject | undefined {
    const ref = 'ref' in request ? request.ref : ({ kind: 'IP', name: request.object.metadata.name } as const)
    if (ref.kind !== 'IP') return undefined
    const [reply] = this.store.send([{ verb: 'get', ref }])
    return reply?.ok ? reply.value : undefined
  }

  private async *watch(kind: Kind, options: WatchOptions): AsyncGenerator<WatchEvent, void> {
    const outage = this.outage.signal
    if (!this.up) return yield { type: 'ERROR', failure: DOWN }
    if (this.forgetful.delete(kind)) return yield { type: 'ERROR', failure: GONE }
    const signal = AbortSignal.any([outage, ...(options.signal ? [options.signal] : [])])
    for await (const event of this.port.watch(kind, { ...options, signal })) {
      while (this.paused && !outage.aborted) await this.news(outage)
      if (outage.aborted) break
      yield event
    }
    if (outage.aborted) yield { type: 'ERROR', failure: DOWN }
  }

  private news(outage: AbortSignal): Promise<void> {
    const before = this.proceed
    return new Promise((resolve) => {
      this.proceed = () => {
        before()
        resolve()
      }
      outage.addEventListener('abort', () => resolve(), { once: true })
    })
  }
}

const DOWN: ClusterFailure = { reason: 'Unavailable', message: 'the API server is down', outcome: 'refused' }
const GONE: ClusterFailure = { reason: 'Expired', message: 'too old resource version', outcome: 'refused' }
