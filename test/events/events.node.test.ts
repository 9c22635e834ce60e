import { createHmac } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type RunningWorkerd, startWorkerd } from '../../infra/dev/workerd.ts'

const secret = Buffer.from('0123456789abcdef0123456789abcdef')
const SECRET = `whsec_${secret.toString('base64')}`
const folder = mkdtempSync(join(tmpdir(), 'berth-events-'))

// biome-ignore lint/suspicious/noExplicitAny: events of every kind
type Event = any
const heard: Event[] = []
let failing = true
let refused = 0
let subscriber: Server
let server: RunningWorkerd
let vars: Record<string, string> = {}

beforeAll(async () => {
  subscriber = createServer((request, reply) => {
    let body = ''
    request.setEncoding('utf8').on('data', (chunk: string) => {
      body += chunk
    })
    request.on('end', () => {
      const id = request.headers['webhook-id']
      const signed = `${id}.${request.headers['webhook-timestamp']}.${body}`
      const good =
        request.headers['webhook-signature'] ===
        `v1,${createHmac('sha256', secret).update(signed).digest('base64')}`
      if (failing) refused++
      if (!good || failing) return void reply.writeHead(good ? 503 : 401).end()
      const event = JSON.parse(body)
      if (!heard.some((one) => one.id === event.id)) heard.push(event)
      reply.writeHead(204).end()
    })
  })
  await new Promise<void>((done) => subscriber.listen(0, '127.0.0.1', done))
  const { port } = subscriber.address() as AddressInfo
  vars = {
    SUBSCRIBERS: JSON.stringify([{ name: 'audit', url: `http://127.0.0.1:${port}/in`, allowPrivate: true }]),
    EVENT_SENDERS: JSON.stringify([
      {
        name: 'cmdb',
        grants: [{ verbs: ['reserve', 'release'], subnets: ['ovn-default'], namespaces: ['cmdb'] }],
      },
    ]),
    EVENT_SECRETS: JSON.stringify({ audit: SECRET, cmdb: SECRET }),
  }
  server = await startWorkerd({ port: 0, dataDir: folder, vars })
}, 120_000)
afterAll(async () => {
  await server?.stop()
  subscriber?.close()
  rmSync(folder, { recursive: true, force: true })
})

const send = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
  const reply = await fetch(`${server.url}${path}`, {
    method,
    headers: { 'Content-Type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  return { status: reply.status, body: (await reply.json()) as Event }
}
const reserve = (podName: string, namespace = 'shop') =>
  send('POST', '/v1/reserve', { subnet: 'ovn-default', namespace, podName })
const release = (name: string) => send('POST', '/v1/release', { name })

/** Reads a stream until `count` events came, or 0: until one came or it had been looked for. */
async function stream(
  count: number,
  query = '',
  last?: number,
  more: Record<string, string> = {},
): Promise<{ events: string[]; lastId: number; text: string }> {
  const over = new AbortController()
  const reply = await fetch(`${server.url}/v1/events${query}`, {
    headers: last === undefined ? more : { 'Last-Event-ID': String(last), ...more },
    signal: over.signal,
  })
  expect(reply.headers.get('content-type')).toContain('text/event-stream')
  let text = ''
  for await (const chunk of reply.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk
    // A comment where there was nothing for this reader in what was looked at.
    const told = [...text.matchAll(/^id: /gm)].length
    if (count > 0 ? told >= count : told > 0 || text.includes(': still here')) break
  }
  over.abort()
  const events = [...text.matchAll(/^data: (\{"specversion.*)$/gm)].map(([, data]) => {
    const event = JSON.parse(data!)
    return `${event.type.split('.')[2]} ${event.subject}`
  })
  return { events, lastId: Number([...text.matchAll(/^id: (\d+)$/gm)].at(-1)?.[1] ?? 0), text }
}

it('a subscriber that fails hears everything later, in order, over a kill -9 too', async () => {
  await reserve('a')
  await release('a.shop')
  await vi.waitFor(() => expect(refused).toBeGreaterThan(0), { timeout: 20_000 })
  await reserve('b')
  const { port } = server
  await server.kill9()
  server = await startWorkerd({ port, dataDir: folder, vars })
  failing = false
  await reserve('c')
  await vi.waitFor(
    () =>
      expect(heard.map(({ type, subject }) => `${type} ${subject}`)).toEqual([
        'berth.reservation.reserved.v1 a.shop',
        'berth.reservation.released.v1 a.shop',
        'berth.reservation.reserved.v1 b.shop',
        'berth.reservation.reserved.v1 c.shop',
      ]),
    { timeout: 40_000, interval: 200 },
  )
  expect(heard[0]).toMatchObject({
    specversion: '1.0',
    source: 'urn:berth:default/ovn-default',
    data: {
      state: 'bound',
      subnet: 'ovn-default',
      owner: { namespace: 'shop', name: 'a' },
      v4IpAddress: '10.16.0.2',
    },
  })
  expect(heard[1].data.state).toBe('free')
})

it('a stream tells what happens, and goes on where the last one ended', async () => {
  const whole = await stream(4, '', 0)
  expect(whole.events).toEqual(['reserved a.shop', 'released a.shop', 'reserved b.shop', 'reserved c.shop'])
  const listening = stream(1)
  // The stream begins now, so something must happen after it began.
  let stop = false
  const busy = (async () => {
    for (let n = 0; !stop; n++) await reserve(`live-${n}`)
  })()
  expect((await listening).events[0]).toMatch(/^reserved live-\d+\.shop$/)
  stop = true
  await busy
  await release('b.shop')
  // A type in short, or as the events have it.
  for (const type of ['released', 'berth.reservation.released.v1']) {
    const rest = await stream(1, `?type=${type}`, whole.lastId)
    expect(rest.events).toEqual(['released b.shop'])
  }
})

// Fault 81.
describe('a caller with few rights', () => {
  const grant = (verbs: string[], subnet: string, namespace: string) => ({
    verbs,
    subnets: [subnet],
    namespaces: [namespace],
  })
  const keyWith = async (grants: object) => {
    const made = await send('POST', '/v1/keys', { name: 'a reader', tenant: 'few', grants: [grants] })
    expect(made.status).toBe(201)
    return { Authorization: `Bearer ${made.body.key}` }
  }

  it('hears of his own namespace alone', async () => {
    await reserve('mine', 'theirs')
    const key = await keyWith(grant(['read'], 'ovn-default', 'theirs'))
    const heard = await stream(1, '', 0, key)
    expect(heard.events).toEqual(['reserved mine.theirs'])
    expect(heard.text).not.toMatch(/shop|10\.16\.0\.2"/)
    const shops = await stream(4, '', 0, await keyWith(grant(['read'], 'ovn-*', 'shop')))
    expect(shops.events.slice(0, 4)).toEqual([
      'reserved a.shop',
      'released a.shop',
      'reserved b.shop',
      'reserved c.shop',
    ])
    expect(shops.text).not.toContain('theirs')
  })

  it.each([
    ['another namespace', grant(['read'], 'ovn-default', 'nobody')],
    ['another Subnet', grant(['read'], 'dual-stack', '*')],
    ['no right to read', grant(['reserve', 'release', 'force', 'configure'], '*', '*')],
  ])('hears nothing with %s', async (_, grants) => {
    const heard = await stream(0, '', 0, await keyWith(grants))
    expect(heard.text).not.toContain('data:')
  })

  it('reads in words that he may not manage keys', async () => {
    const reply = await send('GET', '/v1/keys', undefined, await keyWith(grant(['read'], '*', '*')))
    expect(reply).toMatchObject({ status: 403, body: { detail: 'this caller may not manage keys' } })
  })

  it.each([
    ['every right but configure', grant(['read', 'reserve', 'release', 'force', 'adopt'], '*', '*'), 403],
    ['configure for one Subnet', grant(['configure'], 'ovn-default', '*'), 403],
    ['configure', grant(['configure'], '*', '*'), 200],
  ])('is shown dead letters, or not, with %s', async (_, grants, status) => {
    const reply = await send('GET', '/v1/events/dead-letters', undefined, await keyWith(grants))
    expect(reply).toMatchObject({
      status,
      body: status === 200 ? { items: [] } : { code: 'forbidden', detail: 'this caller may not configure' },
    })
  })
})

it('a stream refuses what it does not know', async () => {
  expect((await send('GET', '/v1/events?from=1')).status).toBe(400)
  expect((await send('GET', '/v1/events', undefined, { 'Last-Event-ID': 'x' })).status).toBe(400)
})

it('a stream says when something is missing between', async () => {
  const over = new AbortController()
  const reply = await fetch(`${server.url}/v1/events`, {
    headers: { 'Last-Event-ID': '999999' },
    signal: over.signal,
  })
  let text = ''
  for await (const chunk of reply.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk
    if (text.includes('event: gap')) break
  }
  over.abort()
  expect(text).toContain('data: {"after":999999}')
})

describe('a wish that comes as an event', () => {
  let counter = 0
  const wish = (type: string, data: object, id = `ce-${++counter}`) =>
    JSON.stringify({ specversion: '1.0', id, source: 'urn:cmdb', type, data })
  function signed(
    body: string,
    change: Record<string, string | undefined> = {},
    key = secret,
  ): Record<string, string> {
    const id = `msg_${++counter}`
    const seconds = String(Math.floor(Date.now() / 1000))
    const mac = createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64')
    const all = {
      'Content-Type': 'application/cloudevents+json',
      'webhook-id': id,
      'webhook-timestamp': seconds,
      'webhook-signature': `v1,${mac}`,
      ...change,
    }
    return Object.fromEntries(
      Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined),
    )
  }
  /** Good, but for its time: so many seconds from now. */
  const at = (body: string, seconds: number) => {
    const id = `msg_${++counter}`
    const time = String(Math.floor(Date.now() / 1000) + seconds)
    const mac = createHmac('sha256', secret).update(`${id}.${time}.${body}`).digest('base64')
    return signed(body, { 'webhook-id': id, 'webhook-timestamp': time, 'webhook-signature': `v1,${mac}` })
  }
  const deliver = (body: string, headers = signed(body)) => send('POST', '/hooks/events', body, headers)
  const vm = { subnet: 'ovn-default', namespace: 'cmdb', podName: 'vm', podType: 'VirtualMachine' }

  it('reserves and releases, each event once', async () => {
    const body = wish('berth.reserve.v1', vm, 'same')
    const headers = signed(body)
    const first = await deliver(body, headers)
    expect(first).toMatchObject({ status: 201, body: { name: 'vm.cmdb', state: 'bound' } })
    expect(await deliver(body, headers)).toEqual(first)
    expect((await deliver(body)).body.id).toBe(first.body.id)
    expect(await deliver(wish('berth.reserve.v1', { ...vm, podName: 'vm9' }, 'same'))).toMatchObject({
      status: 422,
      body: { code: 'idempotency_mismatch', field: 'id' },
    })
    expect(await deliver(wish('berth.release.v1', { name: 'vm.cmdb' }))).toMatchObject({
      status: 200,
      body: { state: 'free' },
    })
  })

  it('takes a manifest', async () => {
    const { subnet, ...spec } = vm
    const manifest = {
      apiVersion: 'kubeovn.io/v1',
      kind: 'IP',
      metadata: { name: 'vm2.cmdb' },
      spec: { ...spec, subnet, podName: 'vm2' },
    }
    expect(await deliver(wish('berth.reserve.v1', manifest))).toMatchObject({
      status: 201,
      body: { name: 'vm2.cmdb' },
    })
  })

  it('keeps to the rights of its sender', async () => {
    expect(await deliver(wish('berth.reserve.v1', { ...vm, namespace: 'shop' }))).toMatchObject({
      status: 403,
    })
    expect(await deliver(wish('berth.release.v1', { name: 'c.shop' }))).toMatchObject({ status: 404 })
  })

  it.each<[string, (body: string) => Record<string, string>]>([
    ['missing', (body) => signed(body, { 'webhook-signature': undefined })],
    ['of another secret', (body) => signed(body, {}, Buffer.from('another'))],
    ['of another body', () => signed('{}')],
    ['of another id', (body) => signed(body, { 'webhook-id': 'msg_other' })],
    [
      'cut short',
      (body) => ({ ...signed(body), 'webhook-signature': signed(body)['webhook-signature']!.slice(0, -2) }),
    ],
    [
      'of another version',
      (body) => ({
        ...signed(body),
        'webhook-signature': signed(body)['webhook-signature']!.replace('v1,', 'v1a,'),
      }),
    ],
    ['old', (body) => signed(body, { 'webhook-timestamp': '1500000000' })],
    ['of the future', (body) => at(body, 305)],
    ['old, and good for that time', (body) => at(body, -305)],
    [
      'given twice',
      (body) => {
        const { 'webhook-signature': one, ...headers } = signed(body)
        return { ...headers, 'webhook-signature': `${one}, ${one}` }
      },
    ],
    ['of the body written anew', (body) => signed(JSON.stringify(JSON.parse(body), null, 1))],
    ['without a time', (body) => signed(body, { 'webhook-timestamp': undefined })],
  ])('a signature is refused: %s', async (_, headers) => {
    const body = wish('berth.reserve.v1', vm)
    expect(await deliver(body, headers(body))).toMatchObject({
      status: 401,
      body: { code: 'unauthenticated', field: 'webhook-signature' },
    })
    expect(await deliver('%%%', headers('{}'))).toMatchObject({ status: 401 })
  })

  it('one good signature of several will do, while a secret is being replaced', async () => {
    const body = wish('berth.release.v1', { name: 'vm2.cmdb' })
    const headers = signed(body)
    const list = `v1,${'A'.repeat(43)}= ${headers['webhook-signature']} v1a,xyz`
    expect((await deliver(body, { ...headers, 'webhook-signature': list })).status).toBe(200)
  })

  it.each<[string, string, Record<string, string | undefined>, number]>([
    ['another type', wish('berth.adopt.v1', vm), {}, 400],
    ['another version of CloudEvents', wish('berth.reserve.v1', vm).replace('"1.0"', '"0.3"'), {}, 400],
    ['no JSON', '{', {}, 400],
    [
      'binary mode, whose headers nobody signed',
      JSON.stringify(vm),
      { 'Content-Type': 'application/json', 'ce-type': 'berth.reserve.v1' },
      415,
    ],
    ['__proto__', '{"__proto__":{},"specversion":"1.0"}', {}, 400],
  ])('is refused: %s', async (_, body, change, status) => {
    expect((await deliver(body, signed(body, change))).status).toBe(status)
  })
})
