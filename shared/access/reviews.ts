import type { Ask, Rights, Verdict } from './caller.ts'

/** Who a token of the cluster belongs to, as TokenReview tells it. */
export interface ClusterUser {
  readonly username: string
  readonly uid?: string
  readonly groups: readonly string[]
  readonly extra: Readonly<Record<string, readonly string[]>>
}

/** resourceAttributes of a SubjectAccessReview (authorization.k8s.io/v1). "" means all. */
export interface ResourceAttributes {
  readonly group: 'kubeovn.io'
  readonly resource: 'ips' | 'subnets'
  readonly verb: string
  readonly namespace: string
  readonly name: string
}

/** What is asked of the API server before a token of its own may do anything. Neither call throws. */
export interface ClusterReviews {
  /** `refused`: not a token of this cluster. `unknown`: the server did not say. */
  who(token: string): Promise<ClusterUser | 'refused' | 'unknown'>
  may(user: ClusterUser, attributes: ResourceAttributes): Promise<Verdict>
}

/** contract.md "Access by Kubernetes token": an IP object in the namespace of its owner. */
export function attributesOf(ask: Ask): ResourceAttributes {
  const on = (resource: 'ips' | 'subnets', verb: string, namespace = '', name = ''): ResourceAttributes => ({
    group: 'kubeovn.io',
    resource,
    verb,
    namespace,
    name,
  })
  const { namespace, name } = ask
  switch (ask.verb) {
    case 'reserve':
      return on('ips', 'create', namespace, name)
    case 'release':
      return on('ips', 'delete', namespace, name)
    case 'read':
      return on('ips', name === undefined ? 'list' : 'get', namespace, name)
    case 'adopt':
    case 'transfer':
      return on('ips', 'update', namespace, name)
    case 'force':
      return on('ips', 'force', namespace, name)
    case 'configure':
      return on('ips', 'configure', namespace)
    case 'keys':
      // Who makes keys can give any right away, so nothing less than all of it will do.
      return on('ips', '*')
    case 'look':
      return on('subnets', ask.subnet === undefined ? 'list' : 'get', '', ask.subnet)
    default:
      return ask.verb satisfies never
  }
}

/** Rights as the cluster's own authorizer sees them. One request asks each question once; the next asks anew. */
export function reviewedRights(reviews: ClusterReviews, user: ClusterUser): Rights {
  const asked = new Map<string, Promise<Verdict>>()
  return {
    narrows: false,
    names: true,
    may: (ask) => {
      const attributes = attributesOf(ask)
      const question = JSON.stringify(attributes)
      let answer = asked.get(question)
      if (!answer) {
        answer = reviews.may(user, attributes)
        asked.set(question, answer)
      }
      return answer
    },
  }
}
