import type { AnswersPort } from '../../shared/cluster/answers.ts'
import type { EmbeddedCalls } from '../../shared/cluster/embedded/cluster.ts'
import { type EmbeddedPortOptions, embeddedPort } from '../../shared/cluster/embedded/port.ts'
import type { ClusterPort, KubeObject, ObjectRef } from '../../shared/cluster/port.ts'
import type { SerialPort } from '../../shared/command/dns/zone.ts'
import type { MirrorStatus } from '../../shared/command/mirror/mirror.ts'
import { type Problem, problem } from '../../shared/problem.ts'
import { err, ok, type Result } from '../../shared/result.ts'
import type { Cluster } from './cluster.ts'

/** The ClusterPort of the embedded cluster `name`, over RPC to its Durable Object. A fresh stub for every call. */
export function clusterClient(
  namespace: DurableObjectNamespace<Cluster>,
  name: string,
  options?: EmbeddedPortOptions,
): ClusterPort {
  // The RPC types cannot express `unknown` members (spec, status, patch); the object implements EmbeddedCalls.
  const calls = () => namespace.getByName(name) as unknown as EmbeddedCalls
  return embeddedPort(calls, options)
}

/** The mirror of cluster `name`, over RPC to its Durable Object. A fresh stub for every call. */
export interface MirrorClient {
  wake(): Promise<void>
  learn(subnet: string, waitMs: number): Promise<Result<undefined, Problem>>
  /** Nothing is known of any where the object does not answer. */
  peek(refs: readonly ObjectRef[]): Promise<readonly (KubeObject | undefined)[]>
  /** undefined: the object does not answer. */
  status(): Promise<MirrorStatus | undefined>
}

export function mirrorClient(namespace: DurableObjectNamespace<Cluster>, name: string): MirrorClient {
  const mirror = () => namespace.getByName(name) as unknown as Required<MirrorClient>
  return {
    wake: () => mirror().wake(),
    learn: async (subnet, waitMs) => {
      try {
        return await mirror().learn(subnet, waitMs)
      } catch {
        return err(
          problem('unavailable', 'the mirror of the cluster does not answer', { retryAfterMs: 1_000 }),
        )
      }
    },
    peek: async (refs) => {
      try {
        return await mirror().peek(refs)
      } catch {
        return refs.map(() => undefined)
      }
    },
    status: async () => {
      try {
        return await mirror().status()
      } catch {
        return undefined
      }
    },
  }
}

/** Serials of DNS zones, in the same object. */
export function serialsClient(namespace: DurableObjectNamespace<Cluster>, name: string): SerialPort {
  return {
    serial: async (key, digest) => {
      try {
        return ok(await namespace.getByName(name).serial(key, digest))
      } catch {
        return err(problem('unavailable', 'what keeps the serials does not answer', { retryAfterMs: 1_000 }))
      }
    },
  }
}

/** Answers under idempotency keys, in the same object. */
export function answersClient(namespace: DurableObjectNamespace<Cluster>, name: string): AnswersPort {
  return {
    claim: (request) => namespace.getByName(name).claim(request),
    keep: (request, answer) => namespace.getByName(name).keep(request, answer),
  }
}
