import { DurableObject } from 'cloudflare:workers'
import { systemClock } from '../../shared/clock.ts'
import { type EmbeddedCalls, EmbeddedCluster } from '../../shared/cluster/embedded/cluster.ts'
import type { EventPage, EventQuery } from '../../shared/cluster/embedded/event-log.ts'
import { EmbeddedStore } from '../../shared/cluster/embedded/store.ts'
import type {
  ClusterFailure,
  ClusterReply,
  ClusterRequest,
  Kind,
  ListOptions,
  ObjectList,
} from '../../shared/cluster/port.ts'
import { consoleLog } from '../../shared/log.ts'
import { systemRandom } from '../../shared/random.ts'
import type { Result } from '../../shared/result.ts'
import { durableObjectSql } from './sql.ts'

/**
 * One cluster, by name. Its methods are the embedded cluster's calls over RPC; `cluster-client.ts` makes a ClusterPort of
 * them. The store opens (and seeds) at the first call, so an object that is never asked stays empty.
 */
export class Cluster extends DurableObject implements EmbeddedCalls {
  #embedded: EmbeddedCluster | undefined

  /** All requests in one turn: nothing comes between them, and the reply leaves after the flush. */
  send(requests: readonly ClusterRequest[]): Promise<ClusterReply[]> {
    return this.#open().send(requests)
  }

  list(kind: Kind, options?: ListOptions): Promise<Result<ObjectList, ClusterFailure>> {
    return this.#open().list(kind, options)
  }

  eventsSince(query: EventQuery, waitMs: number): Promise<Result<EventPage, ClusterFailure>> {
    return this.#open().eventsSince(query, waitMs)
  }

  #open(): EmbeddedCluster {
    this.#embedded ??= new EmbeddedCluster(
      new EmbeddedStore({
        sql: durableObjectSql(this.ctx.storage),
        clock: systemClock,
        random: systemRandom,
        log: consoleLog,
      }),
      systemClock,
    )
    return this.#embedded
  }
}
