import { exports } from 'cloudflare:workers'
import { DISCORD_PRIVATE, MATTERMOST_TOKEN, SLACK_SECRET, TELEGRAM_TOKEN } from '../support/senders.ts'

/** What the platforms send, made by their documented algorithms with this file's own code, not with what is tested. */
const encoder = new TextEncoder()
const hex = (buffer: ArrayBuffer) =>
  Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, '0')).join('')

let counter = 0
const unique = () => `${Date.now()}${++counter}`
export const nowSeconds = () => Math.floor(Date.now() / 1000)

export async function hmac(secret: string, text: string, hash = 'SHA-256'): Promise<string> {
  const key = await crypto.subtle.importKey('raw', encoder.encode(secret), { name: 'HMAC', hash }, false, [
    'sign',
  ])
  return hex(await crypto.subtle.sign('HMAC', key, encoder.encode(text)))
}

export interface Sent {
  readonly status: number
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into replies of every shape
  readonly body: any
}

export async function send(path: string, body: string, headers: HeadersInit): Promise<Sent> {
  const worker = (exports as unknown as { default: Fetcher }).default
  const reply = await worker.fetch(`https://berth.example${path}`, { method: 'POST', headers, body })
  const text = await reply.text()
  return { status: reply.status, text, body: text.startsWith('{') ? JSON.parse(text) : undefined }
}

export interface Request {
  readonly path: string
  readonly body: string
  readonly headers: Record<string, string>
}

export const sendAll = ({ path, body, headers }: Request) => send(path, body, headers)

export async function slackRequest(
  body: string,
  seconds = nowSeconds(),
  secret = SLACK_SECRET,
): Promise<Request> {
  return {
    path: '/hooks/chat/slack',
    body,
    headers: {
      'Content-Type': 'application/x-www-form-urlencoded',
      'X-Slack-Request-Timestamp': String(seconds),
      'X-Slack-Signature': `v0=${await hmac(secret, `v0:${seconds}:${body}`)}`,
    },
  }
}

export const RESPONSE_URL = 'https://hooks.slack.com/commands/T1/1/abc'

export function slackForm(text: string, more: Record<string, string> = {}): string {
  return new URLSearchParams({
    command: '/berth',
    text,
    team_id: 'T1',
    channel_id: 'CNET',
    user_id: 'U1',
    trigger_id: unique(),
    response_url: RESPONSE_URL,
    ...more,
  }).toString()
}

export const slack = async (text: string, more?: Record<string, string>) =>
  sendAll(await slackRequest(slackForm(text, more)))

export async function slackPress(value: string, user = 'U1'): Promise<Sent> {
  const payload = {
    type: 'block_actions',
    trigger_id: unique(),
    response_url: RESPONSE_URL,
    team: { id: 'T1' },
    user: { id: user },
    channel: { id: 'CNET' },
    actions: [{ action_id: 'berth-0', value }],
  }
  return sendAll(await slackRequest(new URLSearchParams({ payload: JSON.stringify(payload) }).toString()))
}

/** PKCS #8 of an Ed25519 key [RFC 8410 section 7]: a fixed head and the 32 bytes. */
const ED25519_HEAD = '302e020100300506032b657004220420'

export async function discordRequest(
  interaction: object,
  seconds = nowSeconds(),
  body?: string,
): Promise<Request> {
  const text = body ?? JSON.stringify(interaction)
  const der = Uint8Array.from((ED25519_HEAD + DISCORD_PRIVATE).match(/../g) ?? [], (pair) =>
    Number.parseInt(pair, 16),
  )
  const key = await crypto.subtle.importKey('pkcs8', der, { name: 'Ed25519' }, false, ['sign'])
  const signature = hex(
    await crypto.subtle.sign({ name: 'Ed25519' }, key, encoder.encode(`${seconds}${text}`)),
  )
  return {
    path: '/hooks/chat/discord',
    body: text,
    headers: {
      'Content-Type': 'application/json',
      'X-Signature-Timestamp': String(seconds),
      'X-Signature-Ed25519': signature,
    },
  }
}

export function interaction(more: object): object {
  return {
    id: unique(),
    type: 2,
    application_id: '900',
    token: 'interaction.token',
    guild_id: '100',
    channel_id: '5',
    member: { user: { id: '7' } },
    ...more,
  }
}

export const discord = async (sentence: string) =>
  sendAll(
    await discordRequest(
      interaction({ data: { name: 'berth', options: [{ type: 3, name: 'words', value: sentence }] } }),
    ),
  )
export const discordPress = async (custom_id: string) =>
  sendAll(await discordRequest(interaction({ type: 3, data: { custom_id, component_type: 2 } })))

export function telegramRequest(text: string, more: object = {}, token = TELEGRAM_TOKEN): Request {
  const update = {
    update_id: Number(unique().slice(-9)),
    message: { message_id: 3, text, from: { id: 42, is_bot: false }, chat: { id: -5 }, ...more },
  }
  return {
    path: '/hooks/chat/telegram',
    body: JSON.stringify(update),
    headers: { 'Content-Type': 'application/json', 'X-Telegram-Bot-Api-Secret-Token': token },
  }
}
export const telegram = (text: string, more?: object) => sendAll(telegramRequest(text, more))

export function mattermostRequest(
  text: string,
  more: Record<string, string> = {},
  token = MATTERMOST_TOKEN,
): Request {
  const form = new URLSearchParams({
    team_id: 'team1',
    channel_id: 'chan1',
    user_id: 'user1',
    trigger_id: unique(),
    command: '/berth',
    text,
    ...more,
  })
  return {
    path: '/hooks/chat/mattermost',
    body: form.toString(),
    headers: { 'Content-Type': 'application/x-www-form-urlencoded', Authorization: `Token ${token}` },
  }
}
export const mattermost = (text: string, more?: Record<string, string>) =>
  sendAll(mattermostRequest(text, more))
