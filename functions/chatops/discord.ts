import { z } from 'zod'
import { type Problem, problem } from '../../shared/problem.ts'
import { err, ok, type Result } from '../../shared/result.ts'
import { isEd25519, isTimely } from '../hooks/signature.ts'
import type { Said } from './converse.ts'

/**
 * Discord's interactions [discord.com/developers/docs/interactions/overview]: Ed25519 over timestamp and raw body.
 * Discord tries wrong signatures on purpose and wants 401.
 */
export async function isFromDiscord(
  key: string,
  headers: Headers,
  raw: Uint8Array,
  nowMs: number,
): Promise<boolean> {
  const timestamp = headers.get('X-Signature-Timestamp') ?? undefined
  if (!isTimely(timestamp, nowMs)) return false
  return isEd25519(key, headers.get('X-Signature-Ed25519') ?? undefined, timestamp ?? '', raw)
}

/** Interaction types and callback types, by Discord's numbers. */
const PING = 1
const COMMAND = 2
const COMPONENT = 3
export const CALLBACK = {
  pong: 1,
  message: 4,
  deferredMessage: 5,
  deferredUpdate: 6,
  update: 7,
} as const

export type DiscordRequest =
  | { readonly kind: 'handshake' }
  | { readonly kind: 'command' | 'button'; readonly said: Said; readonly respondTo: string }

const snowflake = z.string().regex(/^\d{1,20}$/)
const who = z.object({ id: snowflake })
const interaction = z.object({
  id: snowflake,
  type: z.int(),
  application_id: snowflake,
  token: z.string().regex(/^\w[\w.=+-]{0,400}$/),
  guild_id: snowflake.optional(),
  channel_id: snowflake.optional(),
  member: z.object({ user: who }).optional(),
  user: who.optional(),
  data: z
    .object({
      name: z.string().optional(),
      custom_id: z.string().optional(),
      options: z.array(z.unknown()).optional(),
    })
    .optional(),
})
type Interaction = z.output<typeof interaction>

/** Reads a request whose signature is good. */
export function readDiscord(raw: Uint8Array): Result<DiscordRequest, Problem> {
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder().decode(raw))
  } catch {
    return unreadable()
  }
  if (z.object({ type: z.literal(PING) }).safeParse(json).success) return ok({ kind: 'handshake' })
  const read = interaction.safeParse(json)
  if (!read.success) return unreadable()
  const { type, data } = read.data
  if (type === COMMAND) return ok({ kind: 'command', ...saidIn(read.data, { text: sentenceOf(data) }) })
  if (type === COMPONENT)
    return ok({ kind: 'button', ...saidIn(read.data, { button: data?.custom_id ?? '' }) })
  return unreadable()
}

function saidIn(
  { id, application_id, token, guild_id, channel_id, member, user }: Interaction,
  words: Said['words'],
): { readonly said: Said; readonly respondTo: string } {
  const said: Said = {
    platform: 'discord',
    workspace: guild_id ?? '',
    channel: channel_id ?? '',
    user: member?.user.id ?? user?.id ?? '',
    delivery: id,
    words,
  }
  const path = [application_id, token].map(encodeURIComponent).join('/')
  return { said, respondTo: `https://discord.com/api/v10/webhooks/${path}/messages/@original` }
}

/**
 * `/berth words:<sentence>`, or one subcommand for each verb with its words as options in any order:
 * `/berth reserve subnet:… owner:…` says the same as the sentence of those values.
 */
function sentenceOf(data: Interaction['data']): string {
  const words: string[] = []
  // What follows it is the reason to the end of the sentence, wherever Discord puts the option.
  const because: string[] = []
  const visit = (options: readonly unknown[] | undefined) => {
    for (const option of options ?? []) {
      const { type, name, value, options: inner } = option as Record<string, unknown>
      // 1 is a subcommand: its name is the verb.
      if (type === 1 && typeof name === 'string') words.push(name)
      if (name === 'because' && typeof value === 'string') because.push('because', value)
      else if (typeof value === 'string' || typeof value === 'number') words.push(String(value))
      if (value === true && typeof name === 'string') words.push(name)
      if (Array.isArray(inner)) visit(inner)
    }
  }
  visit(data?.options)
  return [...words, ...because].join(' ')
}

function unreadable(): Result<never, Problem> {
  return err(problem('malformed', 'this is not a command, a button or a ping of Discord', { field: 'body' }))
}
