import { z } from '@hono/zod-openapi'
import type { HookAnswer } from '../../shared/hooks/deliveries.ts'
import { type Problem, problem } from '../../shared/problem.ts'
import { err, ok, type Result } from '../../shared/result.ts'
import { readRaw } from '../body/read.ts'
import type { DoorApp, DoorContext } from '../door.ts'
import { EMPTY, jsonAnswer, once } from '../hooks/once.ts'
import type { HookPorts } from '../hooks/ports.ts'
import { unproven } from '../hooks/unproven.ts'
import { mount } from '../mount.ts'
import { replyJson } from '../reply/json.ts'
import { refuse } from '../reply/problem.ts'
import { refusals } from '../schema/problem.ts'
import { reply as documented } from '../schema/replies.ts'
import { converse, type Said } from './converse.ts'
import { CALLBACK, isFromDiscord, readDiscord } from './discord.ts'
import { discordMessage, EPHEMERAL } from './discord-message.ts'
import { type FollowPorts, firstWord, press } from './follow.ts'
import { isFromMattermost, mattermostMessage, readMattermost } from './mattermost.ts'
import type { Later } from './post.ts'
import type { ChatSettings, Platform } from './settings.ts'
import { isFromSlack, readSlack } from './slack.ts'
import { slackMessage } from './slack-blocks.ts'
import { isFromTelegram, readTelegram, type TelegramRequest, telegramCall } from './telegram.ts'

const BODY_LIMIT_BYTES = 256 * 1024

const SENDERS: Readonly<Record<Platform, string>> = {
  slack: 'A slash command, a button or a handshake of Slack, signed by X-Slack-Signature.',
  discord: 'An interaction of Discord, signed by X-Signature-Ed25519.',
  telegram: 'An update of Telegram, with X-Telegram-Bot-Api-Secret-Token.',
  mattermost: 'A slash command of Mattermost, with its token in Authorization.',
}

const route = (platform: Platform) =>
  ({
    method: 'post',
    path: `/hooks/chat/${platform}`,
    summary: `Commands by chat: ${platform}`,
    description: `${SENDERS[platform]} Replies in the platform's own form.`,
    responses: {
      200: documented('Understood; the message to show, or nothing.', z.looseObject({})),
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

type Ports = (c: DoorContext) => HookPorts

/** POST /hooks/chat/{slack,discord,telegram,mattermost}: each proves itself by its own signature, over the raw bytes. */
export function mountChat(app: DoorApp, ports: Ports): void {
  mount(app, route('slack'), (c) => receive(c, ports(c), SLACK))
  mount(app, route('discord'), (c) => receive(c, ports(c), DISCORD))
  mount(app, route('telegram'), (c) => receive(c, ports(c), TELEGRAM))
  mount(app, route('mattermost'), (c) => receive(c, ports(c), MATTERMOST))
}

/** How one platform's requests prove themselves, and how they are read and answered. */
interface ChatDoor<R extends { readonly said: Said }> {
  /** Without it the platform is shut. */
  readonly secretOf: (settings: ChatSettings) => string | undefined
  /** The header of the proof. */
  readonly proof: string
  readonly isFrom: (
    secret: string,
    headers: Headers,
    raw: Uint8Array,
    nowMs: number,
  ) => boolean | Promise<boolean>
  /** What is asked, or `now`, the answer to what needs no work. */
  readonly read: (raw: Uint8Array) => Result<R | { readonly now: object }, Problem>
  readonly answer: (request: R, turn: Turn) => Promise<HookAnswer>
}

/** What the answer to one request may use. */
interface Turn {
  readonly ports: FollowPorts
  /** When the request came, wall ms: the platform's time runs from then. */
  readonly cameMs: number
  readonly inBackground: (work: Promise<unknown>) => void
}

const SLACK: ChatDoor<Asked<'slack'>> = {
  secretOf: ({ slackSecret }) => slackSecret,
  proof: 'X-Slack-Signature',
  isFrom: isFromSlack,
  read: (raw) => askedOf('slack', readSlack(raw), ({ challenge }) => ({ challenge })),
  answer: async ({ said, later }, { ports, cameMs, inBackground }) => {
    if (later.after === 'button') {
      await press(ports, said, later, inBackground)
      return EMPTY
    }
    const reply = await firstWord(ports, said, later, cameMs, inBackground)
    return jsonAnswer(reply ? slackMessage(reply) : { response_type: 'ephemeral', text: 'Working on it…' })
  },
}

const DISCORD: ChatDoor<Asked<'discord'>> = {
  secretOf: ({ discordKey }) => discordKey,
  proof: 'X-Signature-Ed25519',
  isFrom: isFromDiscord,
  read: (raw) => askedOf('discord', readDiscord(raw), () => ({ type: CALLBACK.pong })),
  answer: async ({ said, later }, { ports, cameMs, inBackground }) => {
    const reply = await firstWord(ports, said, later, cameMs, inBackground)
    const [now, deferred] =
      later.after === 'button'
        ? [CALLBACK.update, { type: CALLBACK.deferredUpdate }]
        : [CALLBACK.message, { type: CALLBACK.deferredMessage, data: { flags: EPHEMERAL } }]
    return jsonAnswer(reply ? { type: now, data: discordMessage(reply) } : deferred)
  },
}

/** Telegram and Mattermost wait long enough for the whole reply. */
const TELEGRAM: ChatDoor<TelegramRequest> = {
  secretOf: ({ telegramToken }) => telegramToken,
  proof: 'X-Telegram-Bot-Api-Secret-Token',
  isFrom: isFromTelegram,
  // Anything but 200 would be sent again and again.
  read: (raw) => ok(readTelegram(raw) ?? { now: {} }),
  answer: async (request, { ports }) =>
    jsonAnswer(telegramCall(await converse(ports, request.said), request)),
}

const MATTERMOST: ChatDoor<{ readonly said: Said }> = {
  secretOf: ({ mattermostToken }) => mattermostToken,
  proof: 'Authorization',
  isFrom: isFromMattermost,
  read: (raw) => {
    const said = readMattermost(raw)
    if (said) return ok({ said })
    return err(problem('malformed', 'this is not a slash command of Mattermost', { field: 'body' }))
  },
  answer: async ({ said }, { ports }) => jsonAnswer(mattermostMessage(await converse(ports, said))),
}

interface Asked<P extends Later['platform']> {
  readonly said: Said
  readonly later: Later & { readonly platform: P }
}

/** A request of a platform that takes later words, whose handshakes are answered with `greet`. */
function askedOf<P extends Later['platform'], H extends { readonly kind: 'handshake' }>(
  platform: P,
  request: Result<
    H | { readonly kind: Later['after']; readonly said: Said; readonly respondTo: string },
    Problem
  >,
  greet: (handshake: H) => object,
): Result<Asked<P> | { readonly now: object }, Problem> {
  if (!request.ok) return request
  const { value } = request
  if (value.kind === 'handshake') return ok({ now: greet(value) })
  const { kind: after, said, respondTo } = value
  return ok({ said, later: { platform, respondTo, after } })
}

async function receive<R extends { readonly said: Said }>(
  c: DoorContext,
  ports: HookPorts,
  door: ChatDoor<R>,
): Promise<Response> {
  const cameMs = ports.clock.nowMs()
  const secret = door.secretOf(ports.chat)
  if (secret === undefined)
    return refuse(c, problem('not_found', 'this platform is not configured', { field: 'path' }))
  const raw = await readRaw(c.req.raw, BODY_LIMIT_BYTES)
  if (!raw.ok) return refuse(c, raw.error)
  if (!(await door.isFrom(secret, c.req.raw.headers, raw.value, ports.clock.nowMs())))
    return refuse(c, unproven(door.proof))
  const request = door.read(raw.value)
  if (!request.ok) return refuse(c, request.error)
  if ('now' in request.value) return replyJson(c, request.value.now)
  const asked = request.value
  const { platform, workspace, delivery: id } = asked.said
  const delivery = { source: `chat/${platform}/${workspace}`, id, raw: raw.value }
  const turn: Turn = {
    ports: { ...ports, settings: ports.chat, berth: c.var.berth(), log: c.var.log },
    cameMs,
    inBackground: (work) => c.executionCtx.waitUntil(work),
  }
  return once(c, ports, delivery, async () => ({ answer: await door.answer(asked, turn), keep: true }))
}
