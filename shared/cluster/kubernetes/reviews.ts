import type { ClusterReviews, ClusterUser, ResourceAttributes } from '../../access/reviews.ts'
import { CustomObjectsApiRequestFactory, createConfiguration, ServerConfiguration } from './client.ts'
import { isRecord } from './evidence.ts'
import { KUBERNETES_LIMITS } from './limits.ts'
import { Transport, type TransportParts } from './transport.ts'

export interface ReviewParts extends Omit<TransportParts, 'limits'> {
  /** Of the API server, as for kubernetesPort. */
  readonly url: string
  /** One review from sending to the last byte. */
  readonly limitMs?: number
  /** Audiences a token must be meant for; without them, the API server's own. */
  readonly audiences?: readonly string[]
}

const REVIEW_LIMIT_MS = 3_000

/**
 * TokenReview and SubjectAccessReview over a real API server, under Berth's own account. Only a whole, fitting reply
 * that says yes is a yes; a lost reply, a 500 and one with an error inside are `unknown` (faults.md 83).
 */
export function kubernetesReviews(parts: ReviewParts): ClusterReviews {
  const limits = { ...KUBERNETES_LIMITS, callMs: parts.limitMs ?? REVIEW_LIMIT_MS }
  const transport = new Transport({ ...parts, limits })
  const baseServer = new ServerConfiguration(parts.url.replace(/\/+$/, ''), {})
  const requests = new CustomObjectsApiRequestFactory(createConfiguration({ baseServer }))
  const library = transport.library(limits.callMs)

  /** The status of a review that the server made, undefined where it did not. */
  const review = async (group: string, kind: string, spec: object) => {
    try {
      const body = { apiVersion: `${group}/v1`, kind, spec }
      const plural = `${kind.toLowerCase()}s`
      const context = await requests.createClusterCustomObject(group, 'v1', plural, body)
      const reply = await library.send(context)
      if (reply.httpStatusCode !== 201 && reply.httpStatusCode !== 200) return undefined
      const read: unknown = JSON.parse(await reply.body.text())
      return isRecord(read) && read.kind === kind && isRecord(read.status) ? read.status : undefined
    } catch {
      return undefined
    }
  }

  return {
    who: async (token) => {
      const { audiences } = parts
      const spec = { token, ...(audiences === undefined ? {} : { audiences }) }
      const status = await review('authentication.k8s.io', 'TokenReview', spec)
      if (!status) return 'unknown'
      // A real server puts into `error` what is wrong with a token, not only that it could not find out.
      if (status.authenticated !== true) return 'refused'
      if (status.error) return 'unknown'
      if (audiences && !fits(status.audiences, audiences)) return 'refused'
      return userOf(status.user) ?? 'unknown'
    },
    may: async (user, attributes) => {
      const status = await review('authorization.k8s.io', 'SubjectAccessReview', specOf(user, attributes))
      if (!status) return 'unknown'
      if (status.allowed === true && status.denied !== true && !status.evaluationError) return 'granted'
      return status.evaluationError ? 'unknown' : 'denied'
    },
  }
}

function specOf(user: ClusterUser, attributes: ResourceAttributes): object {
  const { username, uid, groups, extra } = user
  return {
    user: username,
    groups,
    extra,
    ...(uid === undefined ? {} : { uid }),
    resourceAttributes: Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== '')),
  }
}

/** A server that does not know audiences leaves them out of its answer; the token may be meant for anybody. */
function fits(given: unknown, wanted: readonly string[]): boolean {
  return Array.isArray(given) && wanted.some((audience) => given.includes(audience))
}

function userOf(user: unknown): ClusterUser | undefined {
  if (!isRecord(user) || typeof user.username !== 'string' || user.username === '') return undefined
  return {
    username: user.username,
    ...(typeof user.uid === 'string' ? { uid: user.uid } : {}),
    groups: texts(user.groups),
    extra: Object.fromEntries(
      Object.entries(isRecord(user.extra) ? user.extra : {}).map(([name, values]) => [name, texts(values)]),
    ),
  }
}

function texts(values: unknown): string[] {
  return Array.isArray(values) ? values.filter((value) => typeof value === 'string') : []
}
