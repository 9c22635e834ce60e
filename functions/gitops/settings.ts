import { z } from 'zod'
import type { Caller } from '../../shared/access/caller.ts'
import { grantedRights } from '../../shared/access/grants.ts'
import { grantSchema } from '../access/grant-schema.ts'
import { isFetchable } from '../access/oidc-discovery.ts'
import { jsonOf, listOf, type Variable } from '../variable.ts'

export const PROVIDERS = ['github', 'gitlab', 'gitea'] as const
export type ProviderName = (typeof PROVIDERS)[number]

export interface GitVariables {
  /** Repositories and what each may reserve, JSON. */
  readonly GIT?: Variable
  /** For each repository by name its webhook's secret and a token for the provider's API, JSON. */
  readonly GIT_SECRETS?: Variable
}

const name = z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, { error: 'must be a DNS-1123 label' })
/** owner/repository, or group/subgroup/project. */
const project = z.string().regex(/^[\w.-]+(?:\/[\w.-]+)+$/, { error: 'must be owner/repository' })

const repository = z.strictObject({
  name,
  provider: z.enum(PROVIDERS),
  project: project.refine((text) => !text.split('/').some((part) => /^\.+$/.test(part)), {
    error: 'must be owner/repository',
  }),
  /** Of the provider's API: https://api.github.com, https://gitlab.example/api/v4, https://gitea.example/api/v1. */
  api: z
    .string()
    .refine(isFetchable, { error: 'must be an https address' })
    .transform((text) => text.replace(/\/+$/, '')),
  branch: z.string().min(1).max(200).default('main'),
  grants: z.array(grantSchema).min(1),
})

const secret = z.strictObject({ webhook: z.string().min(16), token: z.string().min(1) })

export interface Repository extends z.output<typeof repository> {
  readonly webhookSecret: string
  readonly token: string
}

/** Reads the variables. No value of GIT_SECRETS is shown in a message. */
export function gitSettingsOf({ GIT, GIT_SECRETS }: GitVariables): readonly Repository[] {
  const repositories = listOf('GIT', z.array(repository), GIT)
  const secrets = z.record(name, secret).safeParse(GIT_SECRETS ? jsonOf('GIT_SECRETS', GIT_SECRETS) : {})
  if (!secrets.success)
    throw new Error('GIT_SECRETS must name for each repository a webhook (16 characters or more) and a token')
  const known = new Set<string>()
  return repositories.map((one) => {
    if (known.has(one.name)) throw new Error(`GIT names ${one.name} twice`)
    known.add(one.name)
    const own = Object.hasOwn(secrets.data, one.name) ? secrets.data[one.name] : undefined
    if (!own) throw new Error(`GIT_SECRETS has nothing for ${one.name}`)
    return { ...one, webhookSecret: own.webhook, token: own.token }
  })
}

/** A repository writes under an identity of its own. */
export function callerOf({ name, grants }: Repository): Caller {
  return { tenant: `git/${name}`, rights: grantedRights(grants) }
}
