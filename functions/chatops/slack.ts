import { z } from 'zod'
import { type Problem, problem } from '../../shared/problem.ts'
import { err, ok, type Result } from '../../shared/result.ts'
import { isHmacSha256, isTimely } from '../hooks/signature.ts'
import type { Said } from './converse.ts'
import { fromSlack } from './slack-blocks.ts'

/**
 * Slack's requests [docs.slack.dev/authentication/verifying-requests-from-slack]: the signature is
 * `v0=` and the HMAC-SHA-256 of `v0:<timestamp>:<raw body>`.
 */
export async function isFromSlack(
  secret: string,
  headers: Headers,
  raw: Uint8Array,
  nowMs: number,
): Promise<boolean> {
  const timestamp = headers.get('X-Slack-Request-Timestamp') ?? undefined
  const signature = headers.get('X-Slack-Signature') ?? ''
  if (!isTimely(timestamp, nowMs) || !signature.startsWith('v0=')) return false
  return isHmacSha256(secret, signature.slice(3), `v0:${timestamp}:`, raw)
}

export type SlackRequest =
  /** Slack asks whether this is the right address. */
  | { readonly kind: 'handshake'; readonly challenge: string }
  | { readonly kind: 'command' | 'button'; readonly said: Said; readonly respondTo: string }

const command = z.object({
  team_id: z.string(),
  channel_id: z.string(),
  user_id: z.string(),
  text: z.string().default(''),
  trigger_id: z.string().min(1),
  response_url: z.string(),
})
const press = z.object({
  type: z.literal('block_actions'),
  trigger_id: z.string().min(1),
  response_url: z.string(),
  team: z.object({ id: z.string() }),
  user: z.object({ id: z.string() }),
  channel: z.object({ id: z.string() }).optional(),
  actions: z.array(z.object({ value: z.string() })).min(1),
})
const handshake = z.object({ type: z.literal('url_verification'), challenge: z.string() })

/** Reads a request whose signature is good. */
export function readSlack(raw: Uint8Array): Result<SlackRequest, Problem> {
  const text = new TextDecoder().decode(raw)
  if (text.startsWith('{')) {
    const challenge = handshake.safeParse(jsonOf(text))
    return challenge.success ? ok({ kind: 'handshake', challenge: challenge.data.challenge }) : unreadable()
  }
  const form = Object.fromEntries(new URLSearchParams(text))
  if (form.ssl_check === '1') return ok({ kind: 'handshake', challenge: '' })
  return form.payload === undefined ? readCommand(form) : readPress(form.payload)
}

function readCommand(form: Record<string, string>): Result<SlackRequest, Problem> {
  const read = command.safeParse(form)
  if (!read.success) return unreadable()
  if (!isResponseUrl(read.data.response_url)) return ELSEWHERE
  const { team_id, channel_id, user_id, trigger_id, response_url } = read.data
  const place = { platform: 'slack', workspace: team_id, channel: channel_id, user: user_id } as const
  const said = { ...place, delivery: trigger_id, words: { text: fromSlack(read.data.text) } }
  return ok({ kind: 'command', said, respondTo: response_url })
}

function readPress(payload: string): Result<SlackRequest, Problem> {
  const read = press.safeParse(jsonOf(payload))
  if (!read.success) return unreadable()
  if (!isResponseUrl(read.data.response_url)) return ELSEWHERE
  const { team, channel, user, trigger_id, response_url, actions } = read.data
  const place = { platform: 'slack', workspace: team.id, channel: channel?.id ?? '', user: user.id } as const
  const said = { ...place, delivery: trigger_id, words: { button: actions[0]?.value ?? '' } }
  return ok({ kind: 'button', said, respondTo: response_url })
}

/** Answers go to Slack and to nobody else, whatever a request says. */
export function isResponseUrl(address: string): boolean {
  if (!URL.canParse(address)) return false
  const { protocol, host, username } = new URL(address)
  return protocol === 'https:' && host === 'hooks.slack.com' && username === ''
}

const ELSEWHERE = err(
  problem('malformed', 'response_url does not lead to https://hooks.slack.com', { field: 'response_url' }),
)

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function unreadable(): Result<never, Problem> {
  return err(
    problem('malformed', 'this is not a slash command, a button or a handshake of Slack', { field: 'body' }),
  )
}
