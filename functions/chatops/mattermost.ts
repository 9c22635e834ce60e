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

/** A MAC or an IPv6 address, whose parts between colons might be emoji. */
const COLONS = /(?:[0-9a-f]*:){2,}[0-9a-f.]*/gi

/**
 * CommonMark's escapes, and mentions and emoji broken up [spec.commonmark.org/0.31.2/#backslash-escapes]. What is to be
 * copied stands in a code span, which shows it as it is.
 */
export function markdown(plain: string): string {
  let from = 0
  let text = ''
  for (const { 0: found, index } of plain.matchAll(COLONS)) {
    text += escaped(plain.slice(from, index))
    text += /[0-9a-f]/i.test(found) ? `\`${found}\`` : escaped(found)
    from = index + found.length
  }
  return text + escaped(plain.slice(from))
}

const escaped = (plain: string): string =>
  plain.replaceAll(/[!-/:-@[-`{-~]/g, (mark) =>
    mark === '@' || mark === ':' ? `${mark}\u200b` : `\\${mark}`,
  )
