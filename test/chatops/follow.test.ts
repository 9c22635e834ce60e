import { runDurableObjectAlarm } from 'cloudflare:test'
import { exports } from 'cloudflare:workers'
import { afterEach, expect, it, vi } from 'vitest'
import type { Said } from '../../functions/chatops/converse.ts'
import { type FollowPorts, finish, firstWord, runChatJob } from '../../functions/chatops/follow.ts'
import type { Reply } from '../../functions/chatops/reply.ts'
import { chatSettingsOf } from '../../functions/chatops/settings.ts'
import type { Hook } from '../../functions/objects/hook.ts'
import type { WriteOutcome } from '../../shared/command/types.ts'
import { silentLog } from '../../shared/log.ts'
import { get, makeSubnet } from '../support/api.ts'
import { ManualClock } from '../support/clock.ts'
import { FakeBerth, granted } from '../support/fake-berth.ts'
import { SENDERS } from '../support/senders.ts'

const LATER = { platform: 'slack', respondTo: 'https://hooks.slack.com/x', after: 'command' } as const
const SAID: Said = {
  platform: 'slack',
  workspace: 'T1',
  channel: 'CNET',
  user: 'U1',
  delivery: 'd1',
  words: { text: 'reserve chat-a shop/web' },
}
const PENDING: WriteOutcome = { kind: 'pending', operation: 'op_1', retryAfterMs: 1_000 }
const DONE: WriteOutcome = {
  kind: 'done',
  created: true,
  reservations: [granted({ subnet: 'chat-a', namespace: 'shop', podName: 'web', podType: '' })],
}

function scene(outcomes: (WriteOutcome | Promise<WriteOutcome>)[], status = 200) {
  const clock = new ManualClock()
  const box: string[] = []
  const posts: Record<string, unknown>[] = []
  const fake = new FakeBerth({ reserve: async () => outcomes.shift() ?? DONE })
  const ports: FollowPorts = {
    settings: chatSettingsOf(SENDERS),
    berth: fake.berth,
    log: silentLog,
    clock,
    box: {
      claim: async () => ({ kind: 'first' }),
      settle: async () => {},
      later: async (id, body, afterMs) =>
        void box.push(`later ${id} after ${afterMs}: ${JSON.parse(body).said.words.text ?? 'command'}`),
      document: async () => undefined,
      drop: async (id) => void box.push(`drop ${id}`),
    },
    http: {
      fetch: async (request) => {
        posts.push(await request.json())
        return new Response(null, { status })
      },
    },
  }
  return { ports, clock, box, posts, fake }
}
afterEach(() => vi.unstubAllGlobals())

it('a quick command is answered at once and nothing is written down', async () => {
  const { ports, box, posts } = scene([DONE])
  const reply = await firstWord(ports, SAID, LATER, ports.clock.nowMs(), () => {})
  expect(reply?.title).toBe('Reserved for shop/web')
  expect([box, posts]).toEqual([[], []])
})

it('a slow command is written down before the first word, and told when it ends', async () => {
  let end: (outcome: WriteOutcome) => void = () => {}
  const slow = new Promise<WriteOutcome>((resolve) => {
    end = resolve
  })
  const { ports, clock, box, posts } = scene([slow])
  const background: Promise<unknown>[] = []
  const first = firstWord(ports, SAID, LATER, ports.clock.nowMs(), (work) => background.push(work))
  await vi.waitFor(() => expect(clock.sleeping).toBe(1))
  clock.advance(1_800)
  expect(await first).toBeUndefined()
  expect(box).toEqual(['later chat/slack/d1 after 20000: reserve chat-a shop/web'])
  end(DONE)
  await Promise.all(background)
  expect(posts).toMatchObject([{ response_type: 'in_channel', text: 'Reserved for shop/web' }])
  expect(box[1]).toBe('drop chat/slack/d1')
})

it("what was done before the command counts in the platform's time", async () => {
  const { ports, clock } = scene([new Promise<WriteOutcome>(() => {})])
  const cameMs = clock.nowMs()
  clock.advance(1_500)
  const first = firstWord(ports, SAID, LATER, cameMs, () => {})
  await vi.waitFor(() => expect(clock.sleeping).toBe(1))
  expect(clock.nextWakeMs).toBe(cameMs + 1_800)
  clock.advance(300)
  expect(await first).toBeUndefined()
})

it('an operation that goes on is looked at again, under the same key, until it ended', async () => {
  const { ports, box, posts, fake } = scene([PENDING, PENDING, DONE])
  const reply = (await firstWord(ports, SAID, LATER, ports.clock.nowMs(), () => {})) as Reply
  expect(reply.tone).toBe('wait')
  expect(box).toEqual(['later chat/slack/d1 after 2000: command'])
  const job = { kind: 'chat', said: { ...SAID, words: { command: reply.waiting! } }, later: LATER } as const
  expect(await runChatJob(ports, job)).toBe('again')
  expect(posts).toEqual([])
  expect(await runChatJob(ports, job)).toBe('done')
  expect(posts).toMatchObject([{ text: 'Reserved for shop/web' }])
  const keys = fake.calls.map((one) => (one.with[0] as { idempotencyKey: string }).idempotencyKey)
  expect(new Set(keys)).toEqual(new Set(['slack/d1']))
})

it.each<[number, string]>([
  [200, 'drop'],
  [404, 'drop'],
  [429, 'keep'],
  [500, 'keep'],
])('a platform that answers %i lets the job %s', async (status, wanted) => {
  const { ports, box } = scene([], status)
  await finish(ports, SAID, LATER, {
    tone: 'info',
    title: 'x',
    facts: [],
    lines: [],
    actions: [],
    personal: true,
  })
  expect(box).toEqual(wanted === 'drop' ? ['drop chat/slack/d1'] : [])
})

it('the object ends what a dead handler began', async () => {
  await makeSubnet('chat-dead', '10.72.0.0/24')
  const posts: unknown[] = []
  vi.stubGlobal('fetch', async (request: Request) => {
    posts.push(await request.json())
    return new Response('ok')
  })
  const object = (exports as unknown as { Hook: DurableObjectNamespace<Hook> }).Hook.getByName('default')
  const job = { kind: 'chat', said: { ...SAID, words: { text: 'reserve chat-dead shop/web' } }, later: LATER }
  await object.later('chat/slack/d9', JSON.stringify(job), 0, 60_000)
  await vi.waitFor(async () => {
    await runDurableObjectAlarm(object)
    expect(posts).not.toEqual([])
  })
  expect(posts[0]).toMatchObject({ text: 'Reserved for shop/web' })
  expect((await get('/v1/reservations/web.shop')).status).toBe(200)
})
