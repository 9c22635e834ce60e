import { createHmac } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import { outward } from '../../functions/events/outward.ts'
import { eventSettingsOf } from '../../functions/events/settings.ts'
import { SLOW } from '../../shared/elapsed.ts'
import { deliver, GIVE_UP_MS, isWanted, type Subscriber, waitMs } from '../../shared/events/deliver.ts'
import { EventStore } from '../../shared/events/store.ts'
import { targetComplaint } from '../../shared/events/target.ts'
import { isWebhookSecret, webhookHeaders } from '../../shared/events/webhook.ts'
import { ManualClock } from '../support/clock.ts'
import { nodeSql } from '../support/node-sqlite.ts'
import { seededRandom } from '../support/random.ts'

const SECRET = `whsec_${Buffer.from('0123456789abcdef01234567').toString('base64')}`
const ONE: Subscriber = { name: 'one', url: 'https://one.example/in', secret: SECRET }

let clock: ManualClock
let store: EventStore
let heard: { space: string; id: string; headers: Headers; body: string }[]
let answer: (space: string) => Response | Error

beforeEach(() => {
  clock = new ManualClock()
  store = new EventStore(nodeSql(), clock)
  store.subscribe(['one'])
  heard = []
  answer = () => new Response(null, { status: 204 })
})

const happened = (space: string, ...ids: string[]) =>
  store.accept(
    ids.map((id) => ({
      space,
      id,
      type: 'reserved',
      subject: 'web.shop',
      data: '{"x":1}',
      at: clock.nowMs(),
    })),
  )
const parts = () => ({
  store,
  clock,
  random: seededRandom(1),
  http: {
    fetch: async (request: Request) => {
      expect(request.redirect).toBe('manual')
      const body = await request.text()
      const event = JSON.parse(body)
      const reply = answer(event.source)
      if (reply instanceof Error) throw reply
      if (reply.ok) heard.push({ space: event.source, id: event.id, headers: request.headers, body })
      return reply
    },
  },
})
const run = () => deliver(parts(), ONE, 1_000)
/** Lets the clock go on to each time something is due, as the alarm would, for `ms`. */
async function pass(ms: number): Promise<void> {
  const endMs = clock.nowMs() + ms
  for (;;) {
    await run()
    const dueMs = store.nextLookMs(['one'], clock.nowMs())
    if (dueMs === undefined || dueMs > endMs) break
    clock.advance(Math.max(1, dueMs - clock.nowMs()))
  }
  clock.advance(Math.max(0, endMs - clock.nowMs()))
}
const ids = (space: string) => heard.filter((one) => one.space === `urn:berth:${space}`).map(({ id }) => id)

it('everything is told once, in the order of its space', async () => {
  happened('default/blue', 'b1', 'b2', 'b3')
  happened('default/green', 'g1', 'g2')
  happened('default/blue', 'b3', 'b4')
  await run()
  expect(ids('default/blue')).toEqual(['b1', 'b2', 'b3', 'b4'])
  expect(ids('default/green')).toEqual(['g1', 'g2'])
  await run()
  expect(heard).toHaveLength(6)
})

it('a subscriber that fails for an hour gets every event, in order', async () => {
  answer = () => new Response(null, { status: 503 })
  happened('default/blue', 'b1', 'b2')
  await pass(1_800_000)
  happened('default/blue', 'b3')
  happened('default/green', 'g1')
  await pass(1_800_000)
  expect(heard).toEqual([])
  answer = () => new Response(null, { status: 200 })
  await pass(600_000)
  expect(ids('default/blue')).toEqual(['b1', 'b2', 'b3'])
  expect(ids('default/green')).toEqual(['g1'])
  expect(store.deadLetters(10)).toEqual([])
})

it('one space that fails does not hold up another', async () => {
  happened('default/blue', 'b1', 'b2')
  happened('default/green', 'g1', 'g2')
  answer = (space) => new Response(null, { status: space === 'urn:berth:default/blue' ? 500 : 200 })
  await run()
  expect(ids('default/blue')).toEqual([])
  expect(ids('default/green')).toEqual(['g1', 'g2'])
})

it('what nobody took for three days is put aside, and the next ones come', async () => {
  happened('default/blue', 'b1')
  answer = () => new Error('refused')
  await pass(GIVE_UP_MS + 600_000)
  expect(store.deadLetters(10)).toMatchObject([{ subscriber: 'one', id: 'b1', why: 'no reply' }])
  answer = () => new Response(null, { status: 200 })
  happened('default/blue', 'b2')
  await pass(600_000)
  expect(ids('default/blue')).toEqual(['b2'])
})

describe('a wall clock that is set, or Berth standing still,', () => {
  const DAY_MS = 86_400_000
  const failedOnce = async () => {
    answer = () => new Response(null, { status: 503 })
    happened('default/blue', 'b1', 'b2')
    await run()
    answer = () => new Response(null, { status: 200 })
  }

  it.each([10 * 365 * DAY_MS, 4 * DAY_MS])('makes no event old: %i ms on', async (ms) => {
    await failedOnce()
    clock.jump(ms)
    answer = () => new Response(null, { status: 503 })
    await run()
    expect(store.prune(7 * DAY_MS, 100)).toBe(false)
    expect(store.deadLetters(10)).toEqual([])
    answer = () => new Response(null, { status: 200 })
    await pass(600_000)
    expect(ids('default/blue')).toEqual(['b1', 'b2'])
  })

  it('back, keeps nobody waiting', async () => {
    await failedOnce()
    clock.jump(-365 * DAY_MS)
    expect(store.nextDue(['one'], clock.nowMs())).toBeLessThanOrEqual(clock.nowMs())
    await run()
    expect(ids('default/blue')).toEqual(['b1', 'b2'])
  })
})

it('events go after their time, with their dead letters, and with nobody listening too', async () => {
  happened('default/blue', 'b1', 'b2')
  answer = () => new Error('refused')
  await pass(GIVE_UP_MS + 600_000)
  expect(store.deadLetters(10)).not.toEqual([])
  expect(store.prune(GIVE_UP_MS, 1)).toBe(true)
  expect(store.deadLetters(10)).toMatchObject([{ id: 'b2' }])
  expect(store.nextLookMs([], clock.nowMs())).toBe(clock.nowMs() + SLOW.lookEveryMs)
  expect(store.prune(GIVE_UP_MS, 2)).toBe(false)
  expect([store.last(), store.deadLetters(10), store.nextLookMs([], clock.nowMs())]).toEqual([
    0,
    [],
    undefined,
  ])
})

it('events of a version without elapsed time are kept', () => {
  const sql = nodeSql()
  sql.run(`CREATE TABLE event (
     n INTEGER PRIMARY KEY AUTOINCREMENT, space TEXT NOT NULL, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL,
     subject TEXT NOT NULL, data TEXT NOT NULL, at INTEGER NOT NULL)`)
  sql.run(
    `INSERT INTO event (space, id, type, subject, data, at) VALUES ('s', 'old', 'reserved', 'x', '{}', 0)`,
  )
  const opened = new EventStore(sql, clock)
  opened.prune(0, 10)
  expect(opened.after(0, 10)).toMatchObject([{ id: 'old' }])
  expect(new EventStore(sql, clock).last()).toBe(1)
})

it.each([301, 302, 307, 308])('a redirect (%i) is a failure and is not followed', async (status) => {
  happened('default/blue', 'b1')
  answer = () => new Response(null, { status, headers: { location: 'http://169.254.169.254/' } })
  await run()
  expect(store.due('one', clock.nowMs(), 9)).toEqual([])
  expect(store.nextDue(['one'], clock.nowMs())).toBeGreaterThan(clock.nowMs())
})

it('a new subscriber begins with what comes next, one that comes back too', async () => {
  happened('default/blue', 'b1')
  store.subscribe(['one', 'two'])
  happened('default/blue', 'b2')
  expect(store.due('two', clock.nowMs(), 9).map(({ id }) => id)).toEqual(['b2'])
  store.subscribe(['one'])
  store.subscribe(['one', 'two'])
  expect(store.due('two', clock.nowMs(), 9)).toEqual([])
  expect(store.due('one', clock.nowMs(), 9).map(({ id }) => id)).toEqual(['b1'])
})

it('an event is a CloudEvent, signed as Standard Webhooks', async () => {
  happened('default/blue', 'evt_1')
  await run()
  const [{ headers, body } = { headers: new Headers(), body: '' }] = heard
  expect(JSON.parse(body)).toEqual({
    specversion: '1.0',
    id: 'evt_1',
    source: 'urn:berth:default/blue',
    type: 'berth.reservation.reserved.v1',
    subject: 'web.shop',
    time: new Date(clock.nowMs()).toISOString(),
    datacontenttype: 'application/json',
    data: { x: 1 },
  })
  const seconds = Math.floor(clock.nowMs() / 1000)
  const mac = createHmac('sha256', '0123456789abcdef01234567')
    .update(`evt_1.${seconds}.${body}`)
    .digest('base64')
  expect(headers.get('webhook-id')).toBe('evt_1')
  expect(headers.get('webhook-timestamp')).toBe(String(seconds))
  expect(headers.get('webhook-signature')).toBe(`v1,${mac}`)
  expect(headers.get('content-type')).toContain('application/cloudevents+json')
})

// The example of the Standard Webhooks specification.
it('the documented signature', async () => {
  const headers = await webhookHeaders(
    'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    'msg_p5jXN8AQM9LWM0D4loKWxJek',
    1_614_265_330_000,
    '{"test": 2432232314}',
  )
  expect(headers['webhook-signature']).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=')
})

it.each([
  ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', true],
  ['MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', false],
  ['whsec_', false],
  ['whsec_AAAA', false],
  ['whsec_%%%%', false],
])('%s is a secret: %s', (text, good) => expect(isWebhookSecret(text)).toBe(good))

it('waits double, up to 5 min, and never shorter than it is told to', () => {
  const random = seededRandom(3)
  for (let tries = 0; tries < 30; tries++) {
    const whole = Math.min(5_000 * 2 ** tries, 300_000)
    const waited = waitMs(tries, undefined, random)
    expect(waited).toBeGreaterThanOrEqual(whole * 0.75)
    expect(waited).toBeLessThanOrEqual(whole)
  }
  expect(waitMs(0, 60_000, random)).toBe(60_000)
  expect(waitMs(0, 99_999_999, random)).toBe(3_600_000)
})

it.each<[Partial<Subscriber>, boolean]>([
  [{}, true],
  [{ types: ['reserved'] }, true],
  [{ types: ['released'] }, false],
  [{ subnets: ['blue'] }, true],
  [{ subnets: ['green'] }, false],
])('a subscriber with %j wants it: %s', (more, wanted) => {
  expect(isWanted({ ...ONE, ...more }, { type: 'reserved', space: 'default/blue' })).toBe(wanted)
})

it.each([
  [{}, 'public'],
  [{ allowPrivate: false }, 'public'],
  [{ allowPrivate: true }, 'anywhere'],
])('a subscriber with %j is reached by %s', async (subscriber, wanted) => {
  const way = (name: string) => ({ fetch: async () => new Response(name) })
  const request = new Request('https://one.example/')
  const bound = outward({ PUBLIC: way('public') as never }, subscriber, way('anywhere'))
  expect(await (await bound.fetch(request)).text()).toBe(wanted)
  const unbound = outward({ PUBLIC: null }, subscriber, way('anywhere'))
  expect(await (await unbound.fetch(request)).text()).toBe('anywhere')
})

it('SUBSCRIBERS says whose target may be inside', () => {
  const SUBSCRIBERS = JSON.stringify([
    { name: 'out', url: 'https://one.example/' },
    { name: 'in', url: 'http://10.0.0.1/', allowPrivate: true },
  ])
  const EVENT_SECRETS = JSON.stringify({ out: SECRET, in: SECRET })
  const { subscribers } = eventSettingsOf({ SUBSCRIBERS, EVENT_SECRETS })
  expect(subscribers.map(({ name, allowPrivate }) => [name, allowPrivate])).toEqual([
    ['out', false],
    ['in', true],
  ])
})

describe('a target', () => {
  it.each([
    'http://one.example/',
    'https://127.0.0.1/',
    'https://2130706433/',
    'https://0x7f.1/',
    'https://0177.0.0.1/',
    'https://10.0.0.1/',
    'https://172.16.0.1/',
    'https://192.168.1.1/',
    'https://169.254.169.254/latest/meta-data',
    'https://100.64.0.1/',
    'https://0.0.0.0/',
    'https://224.0.0.1/',
    'https://[::1]/',
    'https://[::]/',
    'https://[fe80::1]/',
    'https://[fd00::1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[::ffff:a00:1]/',
    'https://[64:ff9b::7f00:1]/',
    'https://[2002:7f00:1::]/',
    'https://[::10.0.0.1]/',
    'https://[::ffff:0:10.0.0.1]/',
    'https://[fec0::1]/',
    'https://[1::1]/',
    'https://localhost/',
    'https://LOCALHOST./',
    'https://api/',
    'https://metadata.google.internal/',
    'https://kubernetes.default.svc/',
    'https://a.svc.cluster.local/',
    'https://printer.local/',
    'https://kubernetes.default/',
    'https://berth.kube-system/',
    'https://a..example/',
    'https://a.onion/',
    'https://１２７.0.0.1/',
    'https://%31%32%37.0.0.1/',
    'https://user:pass@one.example/',
    'ftp://one.example/',
    'nonsense',
  ])('is refused: %s', (address) => expect(targetComplaint(address, false)).toBeTypeOf('string'))

  it.each([
    'https://one.example/',
    'https://8.8.8.8/',
    'https://[2606:4700::1]/',
    'https://xn--bcher-kva.example/x?y=1',
    'https://one.xn--p1ai/',
    'https://one.example./',
  ])('is taken: %s', (address) => expect(targetComplaint(address, false)).toBeUndefined())

  it('inside is taken where it is allowed', () => {
    expect(targetComplaint('http://10.0.0.1:8080/', true)).toBeUndefined()
    expect(targetComplaint('file:///etc/passwd', true)).toBeTypeOf('string')
  })
})
