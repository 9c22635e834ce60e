import { z } from 'zod'
import type { Http } from '../../shared/http.ts'
import { isToken } from '../hooks/signature.ts'
import { asker } from './ask.ts'
import { deliveryIn, described, idOf } from './github.ts'
import { type GitApi, GitRefused, type GitSender, NOWHERE, OBJECT_ID } from './provider.ts'
import type { Repository } from './settings.ts'

const project = z.object({ path_with_namespace: z.string() })
const push = z.object({
  ref: z.string(),
  before: z.string().regex(OBJECT_ID).optional().catch(undefined),
  after: z.string(),
  project,
})
const merge = z.object({
  project,
  object_attributes: z.object({
    iid: z.int().positive(),
    target_branch: z.string(),
    last_commit: z.object({ id: z.string().regex(OBJECT_ID) }),
  }),
})
/** Every event says what it is. */
const any = z.object({
  object_kind: z.string(),
  project: project.optional(),
  object_attributes: z
    .object({ action: z.string().optional().catch(undefined) })
    .optional()
    .catch(undefined),
})

const MERGE_ACTIONS = ['open', 'reopen', 'update']

/** GitLab signs nothing: its webhook carries the secret itself [docs.gitlab.com/user/project/integrations/webhooks]. */
export const gitlabSender: GitSender = {
  proof: 'X-Gitlab-Token',
  isFrom: async (secret, headers) => isToken(secret, headers.get('X-Gitlab-Token')),
  // The first stays the same when a delivery is tried again.
  deliveryOf: (headers) => deliveryIn(headers.get('Idempotency-Key') ?? headers.get('X-Gitlab-Event-UUID')),
  read: (_headers, json) => {
    const event = any.safeParse(json)
    if (!event.success) return undefined
    const { object_kind, project, object_attributes } = event.data
    const other = {
      kind: 'other',
      ...(project === undefined ? {} : { project: project.path_with_namespace }),
    } as const
    if (object_kind === 'push') {
      const pushed = push.safeParse(json)
      if (!pushed.success) return undefined
      const { ref, before, after } = pushed.data
      if (!ref.startsWith('refs/heads/') || NOWHERE.test(after)) return other
      if (!OBJECT_ID.test(after)) return undefined
      const name = pushed.data.project.path_with_namespace
      const branch = ref.slice('refs/heads/'.length)
      return { kind: 'push', project: name, branch, after, ...(before ? { before } : {}) }
    }
    if (object_kind !== 'merge_request') return other
    const action = object_attributes?.action
    if (action !== undefined && !MERGE_ACTIONS.includes(action)) return other
    const merged = merge.safeParse(json)
    if (!merged.success) return undefined
    const { iid, target_branch, last_commit } = merged.data.object_attributes
    const name = merged.data.project.path_with_namespace
    return { kind: 'pull', project: name, number: iid, head: last_commit.id, target: target_branch }
  },
}

export function gitlabApi(http: Http, { api, project: name, token }: Repository): GitApi {
  const { json: ask, bytes } = asker({
    http,
    base: `${api}/projects/${encodeURIComponent(name)}`,
    credentials: { 'PRIVATE-TOKEN': token },
  })
  const STATES = { success: 'success', failure: 'failed', pending: 'running' } as const
  return {
    head: async (branch) => {
      const { commit } = await ask<{ commit?: { id?: string } }>(
        'GET',
        `/repository/branches/${encodeURIComponent(branch)}`,
      )
      return idOf(commit?.id)
    },
    relation: async (base, head) => {
      if (base === head) return 'same'
      const { id } = await ask<{ id: string }>('GET', `/repository/merge_base?refs[]=${base}&refs[]=${head}`)
      if (id === base) return 'ahead'
      return id === head ? 'behind' : 'diverged'
    },
    tree: async (commit) => {
      const found: { path: string; blob: string }[] = []
      for (let page = 1; ; page++) {
        const part = await ask<{ path: string; type: string; id: string }[]>(
          'GET',
          `/repository/tree?ref=${commit}&recursive=true&per_page=100&page=${page}`,
        )
        for (const { path, type, id } of part) if (type === 'blob') found.push({ path, blob: idOf(id) })
        if (part.length < 100) return found
      }
    },
    blob: (id) => bytes(`/repository/blobs/${id}/raw`),
    report: async (commit, { state, summary, findings }) => {
      const status = { state: STATES[state], name: 'berth', description: described(summary, findings) }
      try {
        await ask('POST', `/statuses/${commit}`, status)
      } catch (error) {
        // GitLab refuses to go from a state to the same one [app/models/commit_status.rb, state_machine]: told before.
        if (!(error instanceof GitRefused) || error.status !== 400) throw error
        const there = await ask<{ status?: string }[]>(
          'GET',
          `/repository/commits/${commit}/statuses?name=berth`,
        )
        if (!there.some((one) => one.status === status.state)) throw error
      }
    },
    comment: async (number, marker, body) => {
      for (let page = 1; page <= 20; page++) {
        const found = await ask<{ id: number; body: string }[]>(
          'GET',
          `/merge_requests/${number}/notes?sort=asc&per_page=100&page=${page}`,
        )
        const own = found.find((note) => note.body.startsWith(marker))
        if (own && own.body === body) return
        if (own) {
          await ask('PUT', `/merge_requests/${number}/notes/${own.id}`, { body })
          return
        }
        if (found.length < 100) break
      }
      await ask('POST', `/merge_requests/${number}/notes`, { body })
    },
  }
}
