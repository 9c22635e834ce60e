import { expect, it, vi } from 'vitest'
import { createApp } from '../../functions/app.ts'
import { actionValue } from '../../functions/chatops/action.ts'
import { chatSettingsOf } from '../../functions/chatops/settings.ts'
import type { WriteOutcome } from '../../shared/command/types.ts'
import { silentLog } from '../../shared/log.ts'
import { ManualClock } from '../support/clock.ts'
import { FakeBerth, granted } from '../support/fake-berth.ts'
import { seededRandom } from '../support/random.ts'
import { SENDERS } from '../support/senders.ts'
import {
  discordRequest,
  interaction,
  mattermostRequest,
  RESPONSE_URL,
  type Request as Sent,
  slackForm,
  slackRequest,
  telegramRequest,
} from './speak.ts'

/** Slack and Discord show an error when three seconds have passed without a word. */
const PATIENCE_MS = 3_000
const SENTENCE = 'reserve chat-a shop/web'
const RESERVED = granted({ subnet: 'chat-a', namespace: 'shop', podName: 'web', podType: '' })
const DONE: WriteOutcome = { kind: 'done', created: true, reservations: [RESERVED] }

/** The door of the Worker, over a Berth that takes as long as `end` is not called. */
function scene() {
  const clock = new ManualClock(Date.now())
  let end: (outcome: WriteOutcome) => void = () => {}
  const slow = async () =>
    new Promise<WriteOutcome>((resolve) => {
      end = resolve
    })
  const fake = new FakeBerth({ reserve: slow, release: slow })
  const box: string[] = []
  const posts: { url: string; method: string; body: Record<string, unknown> }[] = []
  const background: Promise<unknown>[] = []
  const hookBox = {
    claim: async () => ({ kind: 'first' }) as const,
    settle: async () => {},
    later: async () => void box.push('written down'),
    drop: async () => void box.push('dropped'),
    document: async () => undefined,
  }
  const unused = async () => {
    throw new Error('nobody should ask')
  }
  const app = createApp(() => fake.berth, {
    log: silentLog,
    random: seededRandom(1),
    version: '0.0.0-test',
    access: () => 'required',
    hooks: () => ({
      cluster: 'default',
      chat: chatSettingsOf(SENDERS),
      git: [],
      events: {
        on: false,
        subscribers: [],
        senders: [],
        box: { accept: unused, after: unused, range: unused, deadLetters: unused },
      },
      box: hookBox,
      boxOf: () => hookBox,
      clock,
      http: {
        fetch: async (request) => {
          const { url, method } = request
          posts.push({ url, method, body: await request.json() })
          return new Response('ok')
        },
      },
      log: silentLog,
    }),
  })
  const say = async ({ path, body, headers }: Sent) => {
    const request = new Request(`https://berth.example${path}`, { method: 'POST', headers, body })
    const context = {
      waitUntil: (work: Promise<unknown>) => void background.push(work),
      passThroughOnException: () => {},
      props: {},
    }
    const reply = await app.fetch(request, {}, context as unknown as ExecutionContext)
    return { status: reply.status, body: (await reply.json()) as Record<string, unknown> }
  }
  /** The answer to what takes too long: it must come while the platform still waits. */
  const sayWithoutEnd = async (sent: Sent) => {
    const reply = say(sent)
    await vi.waitFor(() => expect([clock.sleeping, fake.calls.length]).toEqual([1, 1]))
    expect(clock.nextWakeMs! - clock.nowMs()).toBeLessThan(PATIENCE_MS)
    expect(box).toEqual([])
    clock.advance(clock.nextWakeMs! - clock.nowMs())
    return reply
  }
  const finish = async (outcome: WriteOutcome) => {
    end(outcome)
    await Promise.all(background)
  }
  return { say, sayWithoutEnd, finish, end: (outcome: WriteOutcome) => end(outcome), box, posts, fake }
}

const discordSentence = (value: string) =>
  discordRequest(interaction({ data: { name: 'berth', options: [{ type: 3, name: 'words', value }] } }))

it('Slack hears a word in its three seconds, and the result at its address', async () => {
  const { sayWithoutEnd, finish, box, posts } = scene()
  const reply = await sayWithoutEnd(await slackRequest(slackForm(SENTENCE)))
  expect(reply).toEqual({ status: 200, body: { response_type: 'ephemeral', text: 'Working on it…' } })
  expect(box).toEqual(['written down'])
  await finish(DONE)
  expect(posts).toMatchObject([
    {
      url: RESPONSE_URL,
      method: 'POST',
      body: { response_type: 'in_channel', text: 'Reserved for shop/web' },
    },
  ])
  expect(box).toEqual(['written down', 'dropped'])
})

it('Discord is told that the reply to a command comes later, and it does', async () => {
  const { sayWithoutEnd, finish, box, posts } = scene()
  const reply = await sayWithoutEnd(await discordSentence(SENTENCE))
  // DEFERRED_CHANNEL_MESSAGE_WITH_SOURCE, seen by the one who asked.
  expect(reply).toEqual({ status: 200, body: { type: 5, data: { flags: 64 } } })
  expect(box).toEqual(['written down'])
  await finish(DONE)
  const webhook = 'https://discord.com/api/v10/webhooks/900/interaction.token'
  const embeds = [{ title: 'Reserved for shop/web' }]
  // The one who asked, in the place of the wait; then the channel, which could not see that.
  expect(posts).toMatchObject([
    { url: `${webhook}/messages/@original`, method: 'PATCH', body: { embeds } },
    { url: webhook, method: 'POST', body: { embeds } },
  ])
  expect(posts.map(({ body }) => body.flags)).toEqual([undefined, undefined])
})

it('Discord is told that the message of a button changes later, and it does', async () => {
  const { sayWithoutEnd, finish, posts } = scene()
  const { name, subnet, id } = RESERVED
  const custom_id = actionValue({ name, subnet, id, force: false })
  const press = interaction({ type: 3, data: { custom_id, component_type: 2 } })
  // DEFERRED_UPDATE_MESSAGE.
  expect(await sayWithoutEnd(await discordRequest(press))).toEqual({ status: 200, body: { type: 6 } })
  await finish({ kind: 'done', created: false, reservations: [{ ...RESERVED, state: 'free' }] })
  expect(posts).toMatchObject([
    { method: 'PATCH', body: { embeds: [{ title: 'Released web.shop' }], components: [] } },
  ])
})

it.each<[string, () => Sent]>([
  ['Telegram', () => telegramRequest(`/${SENTENCE}`)],
  ['Mattermost', () => mattermostRequest(SENTENCE)],
])('%s is told what to ask when the cluster has not answered', async (_, make) => {
  const { say, fake, end, posts, box } = scene()
  const reply = say(make())
  await vi.waitFor(() => expect(fake.calls).toHaveLength(1))
  end({ kind: 'pending', operation: 'op_1', retryAfterMs: 1_000 })
  const { body } = await reply
  const text = String(body.text).replaceAll('\\', '').replaceAll('\u200b', '')
  expect(text).toContain('The cluster has not answered yet. The address is held.')
  expect(text).toContain('How it ended: status op_1')
  // They take no later words.
  expect([posts, box]).toEqual([[], []])
})
