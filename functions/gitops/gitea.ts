import type { Http } from '../../shared/http.ts'
import { isHmacSha256 } from '../hooks/signature.ts'
import { asker } from './ask.ts'
import { deliveryIn, hubApi, readHub, status } from './github.ts'
import type { GitApi, GitSender } from './provider.ts'
import type { Repository } from './settings.ts'

/** Forgejo sends its own names beside Gitea's. Signature: HMAC-SHA-256 of the body, hex [docs.gitea.com/usage/webhooks]. */
const header = (headers: Headers, name: string) =>
  headers.get(`X-Gitea-${name}`) ?? headers.get(`X-Forgejo-${name}`)

export const giteaSender: GitSender = {
  proof: 'X-Gitea-Signature',
  isFrom: async (secret, headers, raw) =>
    isHmacSha256(secret, header(headers, 'Signature') ?? undefined, raw),
  deliveryOf: (headers) => deliveryIn(header(headers, 'Delivery')),
  read: (headers, json) => readHub(header(headers, 'Event'), json),
}

export function giteaApi(http: Http, { api, project, token }: Repository): GitApi {
  const ask = asker({
    http,
    base: `${api}/repos/${project}`,
    credentials: { Authorization: `token ${token}` },
  }).json
  /** Commits that `head` has and `base` has not. */
  const ahead = async (base: string, head: string) =>
    (await ask<{ total_commits: number }>('GET', `/compare/${base}...${head}`)).total_commits
  return {
    ...hubApi(ask),
    relation: async (base, head) => {
      if (base === head) return 'same'
      const [forward, back] = await Promise.all([ahead(base, head), ahead(head, base)])
      if (forward > 0 && back === 0) return 'ahead'
      return forward === 0 && back > 0 ? 'behind' : 'diverged'
    },
    report: (commit, verdict) => status(ask, commit, verdict),
  }
}
