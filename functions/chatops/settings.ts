import { z } from 'zod'
import type { Caller } from '../../shared/access/caller.ts'
import { grantedRights } from '../../shared/access/grants.ts'
import { grantSchema } from '../access/grant-schema.ts'
import { listOf, type Variable } from '../variable.ts'

export const PLATFORMS = ['slack', 'discord', 'telegram', 'mattermost'] as const
export type Platform = (typeof PLATFORMS)[number]

export interface ChatVariables {
  /** Who may do what by chat, JSON. */
  readonly CHAT?: Variable
  readonly SLACK_SIGNING_SECRET?: Variable
  readonly DISCORD_PUBLIC_KEY?: Variable
  readonly TELEGRAM_SECRET_TOKEN?: Variable
  readonly MATTERMOST_TOKEN?: Variable
}

const id = z.string().min(1).max(200)
const entry = grantSchema.extend({
  platform: z.enum(PLATFORMS),
  /** Slack team, Discord guild, Mattermost team; Telegram has none. */
  workspace: id.optional(),
  channel: id.optional(),
  user: id.optional(),
})
const chatSchema = z.array(
  entry.refine(({ workspace, channel, user }) => (workspace ?? channel ?? user) !== undefined, {
    error: 'must name a workspace, a channel or a user',
  }),
)

export interface ChatSettings {
  readonly entries: readonly z.output<typeof entry>[]
  readonly slackSecret?: string
  /** Ed25519, 64 hex digits. */
  readonly discordKey?: string
  readonly telegramToken?: string
  readonly mattermostToken?: string
}

/** Where something was said, in the platform's own ids. */
export interface Place {
  readonly platform: Platform
  readonly workspace: string
  readonly channel: string
  readonly user: string
}

/** Reads the variables. A platform without its secret is shut. */
export function chatSettingsOf(variables: ChatVariables): ChatSettings {
  const { CHAT, SLACK_SIGNING_SECRET, DISCORD_PUBLIC_KEY, TELEGRAM_SECRET_TOKEN, MATTERMOST_TOKEN } =
    variables
  const entries = listOf('CHAT', chatSchema, CHAT)
  if (DISCORD_PUBLIC_KEY && !/^[0-9a-f]{64}$/.test(DISCORD_PUBLIC_KEY))
    throw new Error('DISCORD_PUBLIC_KEY must be 64 hex digits')
  return {
    entries,
    ...(SLACK_SIGNING_SECRET ? { slackSecret: SLACK_SIGNING_SECRET } : {}),
    ...(DISCORD_PUBLIC_KEY ? { discordKey: DISCORD_PUBLIC_KEY } : {}),
    ...(TELEGRAM_SECRET_TOKEN ? { telegramToken: TELEGRAM_SECRET_TOKEN } : {}),
    ...(MATTERMOST_TOKEN ? { mattermostToken: MATTERMOST_TOKEN } : {}),
  }
}

/** Who speaks there, with the grants of every entry that fits; undefined where none does. */
export function speakerAt({ entries }: ChatSettings, place: Place): Caller | undefined {
  const fits = entries.filter(
    ({ platform, workspace, channel, user }) =>
      platform === place.platform &&
      (workspace === undefined || workspace === place.workspace) &&
      (channel === undefined || channel === place.channel) &&
      (user === undefined || user === place.user),
  )
  if (fits.length === 0 || place.user === '') return undefined
  return {
    tenant: `chat/${place.platform}/${encodeURIComponent(place.workspace)}/${encodeURIComponent(place.user)}`,
    rights: grantedRights(fits),
  }
}
