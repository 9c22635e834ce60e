import { z } from 'zod'
import { isToken } from '../hooks/signature.ts'
import type { Said } from './converse.ts'
import { inWords } from './in-words.ts'
import type { Reply } from './reply.ts'

/**
 * Mattermost proves itself by the slash command's token, in the header
 * [developers.mattermost.com/integrate/slash-commands/custom]. It signs nothing, so the request must come by TLS.
 */
export function isFromMattermost(token: string, headers: Headers): boolean {
  return isToken(`Token ${token}`, headers.get('Authorization'))
}

const command = z.object({
  team_id: z.string().min(1),
  channel_id: z.string().min(1),
  user_id: z.string().min(1),
  trigger_id: z.string().min(1),
  text: z.string().default(''),
})

export function readMattermost(raw: Uint8Array): Said | undefined {
  const read = command.safeParse(Object.fromEntries(new URLSearchParams(new TextDecoder().decode(raw))))
  if (!read.success) return undefined
  const { team_id, channel_id, user_id, trigger_id, text } = read.data
  return {
    platform: 'mattermost',
    workspace: team_id,
    channel: channel_id,
    user: user_id,
    delivery: trigger_id,
    words: { text },
  }
}

export function mattermostMessage(reply: Reply): Record<string, unknown> {
  return {
    response_type: reply.personal ? 'ephemeral' : 'in_channel',
    text: inWords(reply, { escape: markdown, bold: (words) => `**${words}**` }),
  }
}

/** CommonMark's escapes, and mentions and emoji broken up [spec.commonmark.org/0.31.2/#backslash-escapes]. */
export function markdown(plain: string): string {
  return plain.replaceAll(/[!-/:-@[-`{-~]/g, (mark) =>
    mark === '@' || mark === ':' ? `${mark}\u200b` : `\\${mark}`,
  )
}
