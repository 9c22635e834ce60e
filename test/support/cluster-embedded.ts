import { systemClock } from '../../shared/clock.ts'
import { EmbeddedCluster } from '../../shared/cluster/embedded/cluster.ts'
import { embeddedPort } from '../../shared/cluster/embedded/port.ts'
import { EmbeddedStore, type StoreParts } from '../../shared/cluster/embedded/store.ts'
import type {
  ClusterFailure,
  ClusterPort,
  ClusterReply,
  ClusterRequest,
  Kind,
  KubeObject,
  ListOptions,
} from '../../shared/cluster/port.ts'
import { systemRandom } from '../../shared/random.ts'
import type { Sql } from '../../shared/sql.ts'

/** An embedded store over `sql` whose clock stands at 2026-01-02T03:04:05.678Z. */
export function embeddedStore(sql: Sql, parts: Partial<StoreParts> = {}): EmbeddedStore {
  return new EmbeddedStore({
    sql,
    clock: { nowMs: () => Date.UTC(2026, 0, 2, 3, 4, 5, 678) },
    random: systemRandom,
    ...parts,
  })
}

/** The port over a store in the same isolate, watching in real time. */
export function portOver(store: EmbeddedStore): ClusterPort {
  const cluster = new EmbeddedCluster(store, systemClock)
  return embeddedPort(() => cluster, { waitMs: 1_000 })
}

/** One request's object, or an Error with the failure's reason. */
export function sent(store: EmbeddedStore, request: ClusterRequest): KubeObject {
  const [reply] = store.send([request])
  if (!reply?.ok) throw new Error(`${request.verb}: ${reply?.error.reason} ${reply?.error.message}`)
  return reply.value
}

/** One request's failure, or an Error because it succeeded. */
export function failed(store: EmbeddedStore, request: ClusterRequest): ClusterFailure {
  return failureOf(store.send([request])[0])
}

export function failureOf(reply: ClusterReply | undefined): ClusterFailure {
  if (!reply || reply.ok) throw new Error(`expected a failure, got ${JSON.stringify(reply)}`)
  return reply.error
}

/** The items of one page that must succeed. */
export function listed(store: EmbeddedStore, kind: Kind, options?: ListOptions): KubeObject[] {
  const list = store.list(kind, options)
  if (!list.ok) throw new Error(`list: ${list.error.reason}`)
  return list.value.items
}
