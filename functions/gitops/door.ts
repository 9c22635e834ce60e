import { z } from '@hono/zod-openapi'
import { problem } from '../../shared/problem.ts'
import { readRaw } from '../body/read.ts'
import type { DoorApp, DoorContext } from '../door.ts'
import { jsonAnswer, once } from '../hooks/once.ts'
import type { HookPorts } from '../hooks/ports.ts'
import { unproven } from '../hooks/unproven.ts'
import { mount } from '../mount.ts'
import { accepts } from '../reply/accept.ts'
import { replyJson } from '../reply/json.ts'
import { problemBody, refuse } from '../reply/problem.ts'
import { readPath } from '../schema/path.ts'
import { ANY_CALL, problemReply, refusals } from '../schema/problem.ts'
import { readQuery } from '../schema/query.ts'
import { noQuery } from '../schema/reads.ts'
import { reply } from '../schema/replies.ts'
import type { GitJob } from './job.ts'
import { driftNow } from './look.ts'
import type { PushOrPull } from './provider.ts'
import { SENDERS } from './providers.ts'
import { PROVIDERS, type ProviderName, type Repository } from './settings.ts'
import { shownTo } from './shown.ts'
import { type GitState, NO_STATE } from './state.ts'

/** A push with its commits and their file lists; GitHub's largest are 25 MB, which nobody's folder of manifests makes. */
const BODY_LIMIT_BYTES = 8 << 20
/** How long a job is tried again while the provider or the cluster is away. */
const JOB_MS = 24 * 3_600_000

const SIGNED: Readonly<Record<ProviderName, string>> = {
  github: 'signed by X-Hub-Signature-256',
  gitlab: 'with its secret in X-Gitlab-Token',
  gitea: 'signed by X-Gitea-Signature (or X-Forgejo-Signature)',
}

const hookRoute = (provider: ProviderName) =>
  ({
    method: 'post',
    path: `/hooks/git/${provider}`,
    summary: `Pushes and pull requests: ${provider}`,
    description: `A webhook of ${provider}, ${SIGNED[provider]}. Answered at once; the commit shows how it went.`,
    responses: {
      202: reply('Noted.', z.object({ accepted: z.boolean() })),
      ...refusals(
        'malformed',
        'unauthenticated',
        'not_found',
        'too_large',
        'idempotency_mismatch',
        'unavailable',
      ),
    },
  }) as const

const entryReply = z.looseObject({
  action: z.string(),
  namespace: z.string(),
  podName: z.string(),
  subnet: z.string(),
})
const findingReply = z.object({ level: z.string(), file: z.string(), line: z.int(), message: z.string() })
const stateReply = z
  .object({
    repository: z.string(),
    branch: z.string(),
    commit: z.string().optional(),
    appliedAt: z.iso.datetime().optional(),
    plan: z
      .object({ commit: z.string(), entries: z.array(entryReply), findings: z.array(findingReply) })
      .optional(),
    drift: z
      .array(z.string())
      .optional()
      .openapi({ description: 'Left out where a Subnet does not answer; `problem` says so.' }),
    problem: problemReply.omit({ instance: true }).optional(),
    trouble: z.string().optional(),
  })
  .openapi('GitOps')
const repositoryPath = z.object({
  repository: z.string().regex(/^[a-z0-9-]{1,63}$/, { error: 'is no name' }),
})

const stateRoute = {
  method: 'get',
  path: '/v1/gitops/{repository}',
  summary: 'The last plan of a repository, and what is not as it left it',
  request: { params: repositoryPath },
  responses: {
    200: reply('As far as the caller may see it.', stateReply),
    ...refusals('invalid_field', 'not_found', ...ANY_CALL),
  },
} as const

type Ports = (c: DoorContext) => HookPorts

/** POST /hooks/git/{github,gitlab,gitea}: before the door for callers, for each proves itself by its own signature. */
export function mountGitHooks(app: DoorApp, ports: Ports): void {
  for (const provider of PROVIDERS) mount(app, hookRoute(provider), (c) => receive(c, ports(c), provider))
}

/** GET /v1/gitops/{repository} */
export function mountGitOps(app: DoorApp, ports: Ports): void {
  mount(app, stateRoute, accepts('json'), (c) => show(c, ports(c)))
}

async function receive(c: DoorContext, ports: HookPorts, provider: ProviderName): Promise<Response> {
  const own = ports.git.filter((repository) => repository.provider === provider)
  if (own.length === 0)
    return refuse(c, problem('not_found', 'no repository of this provider is configured', { field: 'path' }))
  const read = await readRaw(c.req.raw, BODY_LIMIT_BYTES)
  if (!read.ok) return refuse(c, read.error)
  const sender = SENDERS[provider]
  const { headers } = c.req.raw
  // The body tells whose it is, and is not believed before: so each secret is tried, good or not.
  const good = await Promise.all(own.map((one) => sender.isFrom(one.webhookSecret, headers, read.value)))
  const proven = own.filter((_, index) => good[index])
  if (proven.length === 0) return refuse(c, unproven(sender.proof))
  const delivery = sender.deliveryOf(headers)
  if (delivery === undefined)
    return refuse(c, problem('malformed', 'the delivery has no id', { field: 'headers' }))
  const event = sender.read(headers, jsonOf(read.value))
  if (!event) return refuse(c, problem('malformed', `this is no event of ${provider}`, { field: 'body' }))
  if (event.kind === 'other') return replyJson(c, { accepted: false })
  const repository = proven.find(({ project }) => project.toLowerCase() === event.project.toLowerCase())
  if (!repository) {
    const detail = `${sender.proof} is not of the repository that the body names`
    return refuse(c, problem('unauthenticated', detail, { field: sender.proof }))
  }
  const job = jobOf(event, repository)
  if (!job) return replyJson(c, { accepted: false })
  const box = ports.boxOf(`git/${repository.name}`)
  const source = `git/${provider}`
  return once(c, { box, clock: ports.clock }, { source, id: delivery, raw: read.value }, async () => {
    // One job a branch: what counts is where the branch is when it is done.
    const id = job.kind === 'git' ? 'push' : `pull/${job.number}`
    await box.later(id, JSON.stringify(job), 0, JOB_MS)
    return { answer: jsonAnswer({ accepted: true }, 202), keep: true }
  })
}

/** What an event asks the repository's object to do; undefined where it is about another branch. */
function jobOf(event: PushOrPull, { name, branch }: Repository): GitJob | undefined {
  if (event.kind === 'push') {
    const { after, before } = event
    const job: GitJob = { kind: 'git', repository: name, after, ...(before ? { before } : {}) }
    return event.branch === branch ? job : undefined
  }
  return event.target === branch
    ? { kind: 'git-pull', repository: name, number: event.number, head: event.head }
    : undefined
}

function jsonOf(raw: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(raw))
  } catch {
    return undefined
  }
}

async function show(c: DoorContext, ports: HookPorts): Promise<Response> {
  const path = readPath(c, repositoryPath)
  if (!path.ok) return refuse(c, path.error)
  const query = readQuery(c, noQuery)
  if (!query.ok) return refuse(c, query.error)
  const { repository: name } = path.value
  const repository = ports.git.find((one) => one.name === name)
  const absent = problem('not_found', `there is no repository ${name}`, { field: 'repository' })
  if (!repository) return refuse(c, absent)
  const text = await ports.boxOf(`git/${name}`).document('git')
  const state = text === undefined ? NO_STATE : (JSON.parse(text) as GitState)
  const { rights } = c.var.caller
  const shown = await shownTo(rights, state)
  // Whoever sees nothing of it need not know that it is there.
  if (!shown) return refuse(c, absent)
  const { tracked, ...rest } = shown
  const now = await driftNow(c.var.berth(), tracked)
  const drift = now.ok ? { drift: now.value } : { problem: problemBody(now.error) }
  return replyJson(c, { repository: name, branch: repository.branch, ...rest, ...drift })
}
