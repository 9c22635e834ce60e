import { z } from 'zod'
import { isToken } from '../hooks/signature.ts'
import type { Said } from './converse.ts'
import { inWords } from './in-words.ts'
import type { Reply } from './reply.ts'

/** Telegram proves itself by the token that setWebhook was given [core.telegram.org/bots/api#setwebhook]. */
export function isFromTelegram(token: string, headers: Headers): boolean {
  return isToken(token, headers.get('X-Telegram-Bot-Api-Secret-Token'))
}

const update = z.object({
  update_id: z.int(),
  message: z
    .object({
      message_id: z.int(),
      text: z.string().optional(),
      from: z.object({ id: z.int(), is_bot: z.boolean() }).optional(),
      chat: z.object({ id: z.int() }),
    })
    .optional(),
})

export interface TelegramRequest {
  readonly said: Said
  readonly chat: number
  readonly message: number
}

/** The message of an update to answer: one that begins with a slash, by a person. Others are nobody's business. */
export function readTelegram(raw: Uint8Array): TelegramRequest | undefined {
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder().decode(raw))
  } catch {
    return undefined
  }
  const read = update.safeParse(json)
  const message = read.success ? read.data.message : undefined
  const text = message?.text
  if (!read.success || !message?.from || message.from.is_bot || text === undefined) return undefined
  // `/berth reserve …`, `/reserve …`, and `/reserve@OurBot …` in groups.
  const [, verb, rest = ''] = /^\/([a-z]+)(?:@\w+)?(?:\s+([\s\S]*))?$/i.exec(text) ?? []
  if (verb === undefined) return undefined
  const sentence = verb === 'berth' || verb === 'start' ? rest : `${verb} ${rest}`
  const said: Said = {
    platform: 'telegram',
    workspace: '',
    channel: String(message.chat.id),
    user: String(message.from.id),
    delivery: String(read.data.update_id),
    words: { text: sentence },
  }
  return { said, chat: message.chat.id, message: message.message_id }
}

/** The call that the reply to a webhook may be [core.telegram.org/bots/api#making-requests-when-getting-updates]. */
export function telegramCall(reply: Reply, { chat, message }: TelegramRequest): Record<string, unknown> {
  return {
    method: 'sendMessage',
    chat_id: chat,
    text: inWords(reply, { escape: markdownV2, bold: (words) => `*${words}*` }),
    parse_mode: 'MarkdownV2',
    link_preview_options: { is_disabled: true },
    reply_parameters: { message_id: message, allow_sending_without_reply: true },
  }
}

/** Every character that MarkdownV2 wants escaped [core.telegram.org/bots/api#markdownv2-style]. */
export function markdownV2(plain: string): string {
  return plain.replaceAll(/[\\_*[\]()~`>#+\-=|{}.!]/g, '\\$&')
}
