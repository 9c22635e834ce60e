import { z } from 'zod'
import type { Http } from '../../shared/http.ts'
import { isHmacSha256 } from '../hooks/signature.ts'
import { type Ask, asker } from './ask.ts'
import {
  type GitApi,
  GitRefused,
  type GitSender,
  NOWHERE,
  OBJECT_ID,
  type Relation,
  type Verdict,
} from './provider.ts'
import type { Repository } from './settings.ts'

const id = z.string().regex(OBJECT_ID)
const repository = z.object({ full_name: z.string() })
const push = z.object({
  ref: z.string(),
  before: id.optional().catch(undefined),
  after: z.string(),
  repository,
})
const pull = z.object({
  action: z.string(),
  number: z.int().positive(),
  pull_request: z.object({ head: z.object({ sha: id }), base: z.object({ ref: z.string() }) }),
  repository,
})
const any = z.object({ repository: repository.optional() })

/** When the plan of a request may be another than before. */
const PULL_ACTIONS = ['opened', 'synchronize', 'synchronized', 'reopened', 'edited']

/** GitHub's and Gitea's events have one form, by the names of their headers. */
export function readHub(event: string | null, json: unknown) {
  if (event === 'push') {
    const read = push.safeParse(json)
    if (!read.success) return undefined
    const { ref, before, after, repository } = read.data
    const project = repository.full_name
    if (!ref.startsWith('refs/heads/') || NOWHERE.test(after)) return { kind: 'other', project } as const
    return OBJECT_ID.test(after)
      ? ({
          kind: 'push',
          project,
          branch: ref.slice('refs/heads/'.length),
          after,
          ...(before ? { before } : {}),
        } as const)
      : undefined
  }
  if (event === 'pull_request' || event === 'pull_request_sync') {
    const read = pull.safeParse(json)
    if (!read.success) return undefined
    const { action, number, pull_request, repository } = read.data
    const project = repository.full_name
    if (!PULL_ACTIONS.includes(action)) return { kind: 'other', project } as const
    return {
      kind: 'pull',
      project,
      number,
      head: pull_request.head.sha,
      target: pull_request.base.ref,
    } as const
  }
  const project = any.safeParse(json).data?.repository?.full_name
  return { kind: 'other', ...(project === undefined ? {} : { project }) } as const
}

/** docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries: `sha256=` and HMAC-SHA-256 of the body. */
export const githubSender: GitSender = {
  proof: 'X-Hub-Signature-256',
  isFrom: async (secret, headers, raw) => {
    const signature = headers.get('X-Hub-Signature-256') ?? ''
    return signature.startsWith('sha256=') && isHmacSha256(secret, signature.slice(7), raw)
  },
  deliveryOf: (headers) => deliveryIn(headers.get('X-GitHub-Delivery')),
  read: (headers, json) => readHub(headers.get('X-GitHub-Event'), json),
}

export function deliveryIn(header: string | null): string | undefined {
  return header !== null && /^[\w-]{8,100}$/.test(header) ? header : undefined
}

/** Annotations of one call; more are told by their number. */
const ANNOTATIONS = 50

export function githubApi(http: Http, { api, project, token }: Repository): GitApi {
  const ask = asker({
    http,
    base: `${api}/repos/${project}`,
    credentials: { Authorization: `Bearer ${token}`, 'X-GitHub-Api-Version': '2022-11-28' },
  }).json
  return {
    ...hubApi(ask),
    relation: async (base, head) => {
      const { status } = await ask<{ status: string }>('GET', `/compare/${base}...${head}?per_page=1`)
      return RELATIONS[status] ?? 'diverged'
    },
    report: async (commit, verdict) => {
      // Only apps may make check runs; a token of a person's shows a status.
      const made = await checkRun(ask, commit, verdict).catch(() => false)
      if (!made) await status(ask, commit, verdict)
    },
  }
}

const RELATIONS: Readonly<Record<string, Relation>> = { identical: 'same', ahead: 'ahead', behind: 'behind' }

async function checkRun(ask: Ask, commit: string, { state, summary, findings }: Verdict): Promise<boolean> {
  const more = findings.length > ANNOTATIONS ? `\n\n${findings.length - ANNOTATIONS} more findings.` : ''
  await ask('POST', '/check-runs', {
    name: 'berth',
    head_sha: commit,
    ...(state === 'pending' ? { status: 'in_progress' } : { status: 'completed', conclusion: state }),
    output: {
      title: summary.slice(0, 200),
      summary: `${summary}${more}`,
      annotations: findings.slice(0, ANNOTATIONS).map(({ file, line, level, message }) => ({
        path: file,
        start_line: line,
        end_line: line,
        annotation_level: level === 'error' ? 'failure' : 'warning',
        message,
      })),
    },
  })
  return true
}

/** What GitHub and Gitea have alike, under /repos/{owner}/{repository}. */
export function hubApi(ask: Ask): Pick<GitApi, 'head' | 'tree' | 'blob' | 'comment'> {
  return {
    head: async (branch) => {
      const path = `/branches/${branch.split('/').map(encodeURIComponent).join('/')}`
      const { commit } = await ask<{ commit?: { sha?: string; id?: string } }>('GET', path)
      return idOf(commit?.sha ?? commit?.id)
    },
    tree: async (commit) => {
      const found: { path: string; blob: string; bytes?: number }[] = []
      for (let page = 1; ; page++) {
        const reply = await ask<HubTree>('GET', `/git/trees/${commit}?recursive=1&per_page=1000&page=${page}`)
        for (const { path, type, sha, size } of reply.tree)
          if (type === 'blob')
            found.push({ path, blob: idOf(sha), ...(size === undefined ? {} : { bytes: size }) })
        // GitHub has one page and says whether that was all; Gitea counts, and says `truncated` where more follow.
        if (reply.truncated !== true) return found
        if (reply.total_count === undefined || reply.tree.length === 0)
          throw new GitRefused('the repository has too many files to be listed')
      }
    },
    blob: async (id) => {
      const { content, encoding } = await ask<{ content: string; encoding: string }>(
        'GET',
        `/git/blobs/${id}`,
      )
      if (encoding !== 'base64') throw new GitRefused(`a file came in encoding ${encoding}`)
      return Uint8Array.from(atob(content.replaceAll('\n', '')), (character) => character.charCodeAt(0))
    },
    comment: async (number, marker, body) => {
      for (let page = 1; page <= 20; page++) {
        const found = await ask<{ id: number; body: string }[]>(
          'GET',
          `/issues/${number}/comments?per_page=50&limit=50&page=${page}`,
        )
        const own = found.find((comment) => comment.body.startsWith(marker))
        if (own && own.body === body) return
        if (own) {
          await ask('PATCH', `/issues/comments/${own.id}`, { body })
          return
        }
        if (found.length < 50) break
      }
      await ask('POST', `/issues/${number}/comments`, { body })
    },
  }
}

/** The state of a commit; what was found first, with its place, for there is one line. */
export async function status(ask: Ask, commit: string, { state, summary, findings }: Verdict): Promise<void> {
  await ask('POST', `/statuses/${commit}`, {
    state,
    context: 'berth',
    description: described(summary, findings),
  })
}

/** Within the 140 characters that GitHub takes: the first error with its place, and how many more there are. */
export function described(summary: string, findings: Verdict['findings']): string {
  const [first, ...others] = findings.filter(({ level }) => level === 'error')
  if (!first) return summary.slice(0, 140)
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`
  return `${first.file}:${first.line}: ${first.message}`.slice(0, 140 - more.length) + more
}

interface HubTree {
  readonly tree: readonly { path: string; type: string; sha: string; size?: number }[]
  readonly truncated?: boolean
  readonly total_count?: number
}

export function idOf(text: unknown): string {
  if (typeof text !== 'string' || !OBJECT_ID.test(text)) throw new GitRefused('an id is none')
  return text
}
