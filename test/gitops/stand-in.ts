/**
 * A Git server that is none: commits in memory, behind the documented APIs of GitHub, Gitea and GitLab as far as Berth
 * uses them, with webhooks signed by this file's own code.
 */
import { exports } from 'cloudflare:workers'
import { hmac } from '../chatops/speak.ts'

export type Provider = 'github' | 'gitea' | 'gitlab'
export type Files = Readonly<Record<string, string>>

interface Commit {
  readonly id: string
  readonly parent?: string
  readonly files: Files
}

export const BASE: Readonly<Record<Provider, string>> = {
  github: 'https://api.github.example',
  gitea: 'https://gitea.example/api/v1',
  gitlab: 'https://gitlab.example/api/v4',
}
export const PROJECT = 'org/infra'
export const SECRET = 'webhook-secret-of-the-test'
export const TOKEN = 'token-of-the-test'

const encoder = new TextEncoder()

async function idOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-1', encoder.encode(text))
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

let deliveries = 0

export class GitStandIn {
  readonly provider: Provider
  readonly commits = new Map<string, Commit>()
  readonly blobs = new Map<string, string>()
  readonly statuses: { commit: string; state: string; description: string }[] = []
  readonly checks: { head_sha: string; conclusion: string; output: { annotations: unknown[] } }[] = []
  readonly comments: { id: number; body: string }[] = []
  readonly calls: string[] = []
  branch = ''
  /** Answers everything with this, when set. */
  down: number | undefined
  /** GitHub lets only apps make check runs. */
  app = false

  constructor(provider: Provider) {
    this.provider = provider
  }

  /** A commit on top of the branch, or of another commit. */
  async commit(files: Files, parent: string | undefined = this.branch || undefined): Promise<string> {
    for (const text of Object.values(files)) this.blobs.set(await idOf(`blob ${text}`), text)
    const id = await idOf(JSON.stringify([parent, files, this.commits.size]))
    this.commits.set(id, { id, files, ...(parent === undefined ? {} : { parent }) })
    return id
  }

  async push(files: Files): Promise<string> {
    this.branch = await this.commit(files)
    return this.branch
  }

  async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url)
    const at = `${request.method} ${url.pathname}`
    this.calls.push(at)
    if (this.down !== undefined) return new Response('no', { status: this.down })
    if (!this.#knows(request.headers)) return new Response('who?', { status: 401 })
    const path = request.url.slice(BASE[this.provider].length)
    const body = request.method === 'GET' ? undefined : await request.json()
    const answer =
      this.provider === 'gitlab'
        ? await this.#gitlab(request.method, path, body)
        : await this.#hub(request.method, path, body)
    return answer ?? new Response('{"message":"Not Found"}', { status: 404 })
  }

  #knows(headers: Headers): boolean {
    if (this.provider === 'gitlab') return headers.get('PRIVATE-TOKEN') === TOKEN
    return headers.get('Authorization') === `${this.provider === 'github' ? 'Bearer' : 'token'} ${TOKEN}`
  }

  async #hub(method: string, whole: string, body: unknown): Promise<Response | undefined> {
    const prefix = `/repos/${PROJECT}`
    if (!whole.startsWith(prefix)) return undefined
    const [path = ''] = whole.slice(prefix.length).split('?')
    const one = (pattern: RegExp) => pattern.exec(path)?.[1] ?? ''
    if (path === '/branches/main') {
      const id = this.branch
      return Response.json({ name: 'main', commit: this.provider === 'github' ? { sha: id } : { id } })
    }
    if (path.startsWith('/compare/')) return this.#compare(path.slice('/compare/'.length))
    if (path.startsWith('/git/trees/')) {
      const tree = await this.#tree(one(/trees\/(.*)$/))
      return (
        tree &&
        Response.json({
          tree: tree.map(({ path, id }) => ({ path, type: 'blob', sha: id })),
          truncated: false,
        })
      )
    }
    if (path.startsWith('/git/blobs/')) {
      const text = this.blobs.get(one(/blobs\/(.*)$/))
      return text === undefined ? undefined : Response.json({ content: btoa(text), encoding: 'base64' })
    }
    if (method === 'POST' && path === '/check-runs' && this.provider === 'github') {
      if (!this.app) return new Response('{}', { status: 403 })
      this.checks.push(body as (typeof this.checks)[number])
      return Response.json({}, { status: 201 })
    }
    if (method === 'POST' && path.startsWith('/statuses/')) {
      const { state, description } = body as { state: string; description: string }
      if (description.length > 140) return new Response('{}', { status: 422 })
      this.statuses.push({ commit: one(/statuses\/(.*)$/), state, description })
      return Response.json({}, { status: 201 })
    }
    if (path.endsWith('/comments') && method === 'GET') return Response.json(this.comments)
    return this.#write(method, path, body, /comments\/(\d+)$/, 'PATCH')
  }

  async #gitlab(method: string, whole: string, body: unknown): Promise<Response | undefined> {
    const prefix = `/projects/${encodeURIComponent(PROJECT)}`
    if (!whole.startsWith(prefix)) return undefined
    const [path = '', query = ''] = whole.slice(prefix.length).split('?')
    const asked = new URLSearchParams(query)
    if (path === '/repository/branches/main') return Response.json({ commit: { id: this.branch } })
    if (path === '/repository/merge_base') {
      const [a = '', b = ''] = asked.getAll('refs[]')
      const line = new Set(this.#history(a))
      const id = this.#history(b).find((commit) => line.has(commit))
      return id === undefined ? undefined : Response.json({ id })
    }
    if (path === '/repository/tree') {
      const tree = await this.#tree(asked.get('ref') ?? '')
      return tree && Response.json(tree.map(({ path, id }) => ({ path, type: 'blob', id })))
    }
    const blob = /^\/repository\/blobs\/(\w+)\/raw$/.exec(path)?.[1]
    if (blob) return new Response(this.blobs.get(blob))
    const commit = /^\/statuses\/(\w+)$/.exec(path)?.[1]
    if (commit && method === 'POST') {
      const { state, description } = body as { state: string; description: string }
      // GitLab's state machine knows no way from a state to itself, nor from an end back to running.
      const last = this.statuses.findLast((one) => one.commit === commit)?.state
      if (last === state || (last !== undefined && state === 'running'))
        return Response.json(
          { message: `Cannot transition status via :${state} from :${last}` },
          { status: 400 },
        )
      this.statuses.push({ commit, state, description })
      return Response.json({}, { status: 201 })
    }
    const shown = /^\/repository\/commits\/(\w+)\/statuses$/.exec(path)?.[1]
    if (shown && method === 'GET')
      return Response.json(
        this.statuses.flatMap((one) => (one.commit === shown ? [{ status: one.state, name: 'berth' }] : [])),
      )
    if (path.endsWith('/notes') && method === 'GET') return Response.json(this.comments)
    return this.#write(method, path, body, /notes\/(\d+)$/, 'PUT')
  }

  #write(method: string, path: string, body: unknown, changed: RegExp, verb: string): Response | undefined {
    const id = Number(changed.exec(path)?.[1] ?? 0)
    const text = (body as { body: string } | undefined)?.body ?? ''
    if (method === 'POST' && /\/(?:comments|notes)$/.test(path))
      this.comments.push({ id: this.comments.length + 1, body: text })
    else if (method === verb && id > 0) this.comments[id - 1] = { id, body: text }
    else return undefined
    return Response.json({}, { status: 201 })
  }

  #compare(range: string): Response | undefined {
    const [base = '', head = ''] = range.split('...')
    if (!this.commits.has(base) || !this.commits.has(head)) return undefined
    const count = (from: string, to: string) => {
      const known = new Set(this.#history(from))
      return this.#history(to).filter((commit) => !known.has(commit)).length
    }
    const ahead = count(base, head)
    const behind = count(head, base)
    const status = ahead > 0 ? (behind > 0 ? 'diverged' : 'ahead') : behind > 0 ? 'behind' : 'identical'
    return Response.json(this.provider === 'github' ? { status } : { total_commits: ahead })
  }

  #history(id: string): string[] {
    const line: string[] = []
    for (let commit = this.commits.get(id); commit; commit = this.commits.get(commit.parent ?? ''))
      line.push(commit.id)
    return line
  }

  async #tree(commit: string): Promise<{ path: string; id: string }[] | undefined> {
    const files = this.commits.get(commit)?.files
    if (!files) return undefined
    return Promise.all(
      Object.entries(files).map(async ([path, text]) => ({ path, id: await idOf(`blob ${text}`) })),
    )
  }

  /** A push webhook as the provider sends it. */
  async pushed(after: string, ref = 'refs/heads/main', before = '0'.repeat(40)): Promise<Webhook> {
    const repository = { full_name: PROJECT }
    const body =
      this.provider === 'gitlab'
        ? { object_kind: 'push', ref, before, after, project: { path_with_namespace: PROJECT } }
        : { ref, before, after, repository }
    return signed(this.provider, 'push', JSON.stringify(body))
  }

  /** A pull or merge request webhook. */
  async asked(number: number, head: string, target = 'main'): Promise<Webhook> {
    const body =
      this.provider === 'gitlab'
        ? {
            object_kind: 'merge_request',
            project: { path_with_namespace: PROJECT },
            object_attributes: {
              iid: number,
              target_branch: target,
              action: 'open',
              last_commit: { id: head },
            },
          }
        : {
            action: 'opened',
            number,
            pull_request: { head: { sha: head }, base: { ref: target } },
            repository: { full_name: PROJECT },
          }
    return signed(this.provider, 'pull_request', JSON.stringify(body))
  }
}

export interface Webhook {
  readonly path: string
  readonly body: string
  readonly headers: Record<string, string>
}

export async function signed(
  provider: Provider,
  event: string,
  body: string,
  secret = SECRET,
): Promise<Webhook> {
  const id = `0000-delivery-${++deliveries}`
  const common = { 'Content-Type': 'application/json' }
  const path = `/hooks/git/${provider}`
  switch (provider) {
    case 'github':
      return {
        path,
        body,
        headers: {
          ...common,
          'X-GitHub-Event': event,
          'X-GitHub-Delivery': id,
          'X-Hub-Signature-256': `sha256=${await hmac(secret, body)}`,
        },
      }
    case 'gitea':
      return {
        path,
        body,
        headers: {
          ...common,
          'X-Gitea-Event': event,
          'X-Gitea-Delivery': id,
          'X-Gitea-Signature': await hmac(secret, body),
        },
      }
    case 'gitlab':
      return { path, body, headers: { ...common, 'X-Gitlab-Token': secret, 'X-Gitlab-Event-UUID': id } }
  }
}

export async function deliver({
  path,
  body,
  headers,
}: Webhook): Promise<{ status: number; body: Record<string, unknown> }> {
  const worker = (exports as unknown as { default: Fetcher }).default
  const reply = await worker.fetch(`https://berth.example${path}`, { method: 'POST', headers, body })
  return { status: reply.status, body: await reply.json() }
}
