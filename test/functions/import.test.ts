import { describe, expect, it } from 'vitest'
import type { ReserveCommand, WriteOutcome } from '../../shared/command/types.ts'
import { problem } from '../../shared/problem.ts'
import { err, ok } from '../../shared/result.ts'
import { type FakeDoor, fakeDoor, granted } from '../support/fake-berth.ts'
import { call, expectRefusal, ITEM } from './call.ts'

const HEADER = 'subnet,namespace,podName,v4IpAddress\r\n'
const csv = (...rows: string[]) => ({ body: HEADER + rows.join('\r\n'), type: 'text/csv' })
const commands = (door: FakeDoor) => door.fake.calls.map((made) => made.with[0] as ReserveCommand)
const owners = (door: FakeDoor) => commands(door).map(({ items }) => items.map(({ podName }) => podName))

async function imported(door: FakeDoor, options: object, query = '') {
  const reply = await call(door, `/v1/import${query}`, options)
  return { status: reply.status, body: (await reply.json()) as { rows: Record<string, unknown>[] } }
}

const answering = (outcome: (podName: string) => WriteOutcome) =>
  fakeDoor({ reserve: async ({ items }) => outcome(items[0]!.podName) })
const done = (item = ITEM): WriteOutcome => ({ kind: 'done', created: true, reservations: [granted(item)] })

describe('POST /v1/import', () => {
  it.each([
    ['text/csv', `podName,subnet,reason,namespace\na,lab,'=why,n\n`],
    ['application/x-ndjson', '\n{"subnet":"lab","namespace":"n","podName":"a","reason":"=why"}\n'],
    [
      'application/yaml',
      'apiVersion: v1\nkind: List\nitems:\n- apiVersion: kubeovn.io/v1\n  kind: IP\n  metadata: {annotations: {berth/reason: "=why"}}\n  spec: {subnet: lab, namespace: n, podName: a}\n',
    ],
  ])('reads %s', async (type, body) => {
    const door = fakeDoor()
    const report = await imported(door, { body, type })
    expect(commands(door)).toMatchObject([
      {
        items: [{ subnet: 'lab', namespace: 'n', podName: 'a', podType: '', reason: '=why' }],
        dryRun: false,
      },
    ])
    const place = type === 'application/yaml' ? { item: 0 } : { line: 2 }
    expect(report).toEqual({
      status: 200,
      body: {
        dryRun: false,
        counts: { reserved: 1, existed: 0, pending: 0, refused: 0, skipped: 0 },
        rows: [
          {
            ...place,
            outcome: 'reserved',
            name: 'a.n',
            v4IpAddress: '10.16.0.10',
            v6IpAddress: '',
            macAddress: '00:00:00:4d:b4:36',
          },
        ],
      },
    })
  })

  it('reports bad rows, and reserves the others', async () => {
    const door = answering((podName) =>
      podName === 'taken'
        ? { kind: 'refused', problem: problem('address_taken', 'taken', { field: 'v4IpAddress' }) }
        : done(),
    )
    const { status, body } = await imported(
      door,
      csv('lab,n,A', 'lab,n,taken,10.0.0.1', 'lab,n,ok', 'lab,n,ok,', 'lab,n,b,,'),
    )
    expect(status).toBe(200)
    const short = body.rows.map(({ line, outcome, code, field }) => [line, outcome, code, field])
    expect(short).toEqual([
      [2, 'refused', 'invalid_field', 'body'],
      [3, 'refused', 'address_taken', 'v4IpAddress'],
      [4, 'refused', 'invalid_field', 'body'],
      [5, 'reserved', undefined, undefined],
      [6, 'refused', 'invalid_field', 'body'],
    ])
    expect(owners(door)).toEqual([['taken'], ['ok']])
  })

  it('refuses the second of two rows that want the same', async () => {
    const door = fakeDoor()
    const rows = ['lab,n,a,10.0.0.1', 'lab,n,a,', 'lab,n,b,10.0.0.1', 'other,n,b,10.0.0.1']
    const { body } = await imported(door, csv(...rows), '?dryRun=All')
    expect(body.rows.map(({ outcome, code, field }) => [outcome, code, field])).toEqual([
      ['reserved', undefined, undefined],
      ['refused', 'already_reserved', 'podName'],
      ['refused', 'address_taken', 'v4IpAddress'],
      ['reserved', undefined, undefined],
    ])
    expect(commands(door).map(({ dryRun }) => dryRun)).toEqual([true, true])
  })

  it('asks for named addresses first', async () => {
    const door = fakeDoor()
    const { body } = await imported(door, csv('lab,n,auto,', 'lab,n,named,10.0.0.1'))
    expect(owners(door)).toEqual([['named'], ['auto']])
    expect(body.rows.map(({ line, name }) => [line, name])).toEqual([
      [2, 'auto.n'],
      [3, 'named.n'],
    ])
  })

  it('has a key for each row, of the call’s and the row', async () => {
    const keys = async (key: string, ...rows: string[]) => {
      const door = fakeDoor()
      await imported(door, { ...csv(...rows), headers: { 'Idempotency-Key': key } })
      return commands(door).map(({ idempotencyKey }) => idempotencyKey)
    }
    const [a, b] = await keys('k', 'lab,n,a,', 'lab,n,b,')
    expect(a).toMatch(/^[0-9a-f]{64}$/)
    expect(b).not.toBe(a)
    expect(await keys('k', 'lab,n,b,', 'lab,n,a,')).toEqual([b, a])
    expect(await keys('other', 'lab,n,a,')).not.toEqual([a])
  })

  it.each<[string, WriteOutcome, number]>([
    ['is under way', { kind: 'pending', operation: 'op_1', retryAfterMs: 1 }, 202],
    ['is silent', { kind: 'refused', problem: problem('unavailable', 'silent') }, 200],
  ])('leaves the rest of a Subnet that %s', async (_, outcome, expected) => {
    const door = fakeDoor({
      reserve: async ({ items: [item] }) => (item!.subnet === 'slow' ? outcome : done()),
    })
    const rows = Array.from({ length: 30 }, (_, n) => `${n % 2 ? 'slow' : 'quick'},n,p${n},`)
    const { status, body } = await imported(door, csv(...rows))
    expect(status).toBe(expected)
    const skipped = body.rows.filter((row) => row.outcome === 'skipped')
    expect(skipped.length).toBeGreaterThan(5)
    expect(skipped[0]).toMatchObject({ code: 'unavailable' })
    expect(body.rows.filter((row) => row.outcome === 'reserved')).toHaveLength(15)
  })

  describe('all or nothing', () => {
    it('is one group', async () => {
      const door = fakeDoor()
      const { status, body } = await imported(door, csv('lab,n,a,', 'lab,n,b,10.0.0.1'), '?atomic=true')
      expect([status, body.rows.map(({ name }) => name)]).toEqual([200, ['a.n', 'b.n']])
      expect(owners(door)).toEqual([['b', 'a']])
    })

    it('names the row that is the cause', async () => {
      const finding = { code: 'address_taken', field: 'v4IpAddress', message: 'taken', item: 0 } as const
      const why = problem('address_taken', 'taken', { findings: [finding] })
      const door = fakeDoor({ reserve: async () => ({ kind: 'refused', problem: why }) })
      const { status, body } = await imported(door, csv('lab,n,a,', 'lab,n,b,10.0.0.1'), '?atomic=true')
      expect(status).toBe(409)
      expect(body.rows).toMatchObject([
        { line: 2, outcome: 'skipped' },
        { line: 3, outcome: 'refused', code: 'address_taken', field: 'v4IpAddress' },
      ])
    })

    it.each([
      ['a bad row', ['lab,n,a,', 'lab,n,B,']],
      ['two Subnets', ['lab,n,a,', 'other,n,b,']],
    ])('reserves nothing of %s', async (_, rows) => {
      const door = fakeDoor()
      const { status, body } = await imported(door, csv(...rows), '?atomic=true')
      expect([status, body.rows.map(({ outcome }) => outcome)]).toEqual([400, ['skipped', 'refused']])
      expect(door.fake.calls).toEqual([])
    })
  })

  const many = Array.from({ length: 1_001 }, (_, n) => `lab,n,p${n},`)
  it.each<[string, { body: string; type: string }, number, string, string]>([
    ['no rows', csv(), 400, 'malformed', 'body'],
    ['an empty body', { body: '', type: 'text/csv' }, 400, 'malformed', 'body'],
    ['bad CSV', { body: 'a"b', type: 'text/csv' }, 400, 'malformed', 'body'],
    [
      'an unknown column',
      { body: 'subnet,namespace,podName,x\n', type: 'text/csv' },
      400,
      'invalid_field',
      'x',
    ],
    [
      'a column twice',
      { body: 'subnet,namespace,podName,subnet\n', type: 'text/csv' },
      400,
      'invalid_field',
      'subnet',
    ],
    [
      'a missing column',
      { body: 'subnet,namespace\nlab,n', type: 'text/csv' },
      400,
      'invalid_field',
      'podName',
    ],
    ['many columns', { body: ','.repeat(70), type: 'text/csv' }, 400, 'invalid_field', 'body'],
    ['another type', { body: 'x', type: 'text/plain' }, 415, 'unsupported_media_type', 'Content-Type'],
    ['1,001 lines', csv(...many), 413, 'too_large', 'body'],
    [
      '1,001 lines of JSON',
      { body: '{}\n'.repeat(1_001), type: 'application/jsonl' },
      413,
      'too_large',
      'body',
    ],
    ['a mebibyte', { body: 'x'.repeat(1_048_577), type: 'text/csv' }, 413, 'too_large', 'body'],
  ])('refuses %s', async (_, options, status, code, field) => {
    await expectRefusal('/v1/import', options, { status, code, field })
  })

  it('refuses parameters it does not know', async () => {
    await expectRefusal('/v1/import?atomic=yes', csv('lab,n,a,'), {
      status: 400,
      code: 'invalid_field',
      field: 'atomic',
    })
  })
})

describe('GET /v1/export', () => {
  const pages = [
    { items: [granted({ ...ITEM, reason: '=1,"x"' })], continue: 'next' },
    { items: [granted({ ...ITEM, podName: 'web-2', reason: 'line\nend' }, 1)] },
  ]
  const door = () => fakeDoor({ reservations: async (_, page) => ok(pages[page.continue ? 1 : 0]!) })
  const exported = async (Accept: string, query = '') => {
    const reply = await call(door(), `/v1/export${query}`, { headers: { Accept } })
    return [reply.headers.get('content-type'), await reply.text()]
  }

  it('writes CSV', async () => {
    expect(await exported('*/*')).toEqual([
      'text/csv',
      'subnet,namespace,podName,podType,v4IpAddress,v6IpAddress,macAddress,reason,expiresAt\r\n' +
        `ovn-default,default,web-1,,10.16.0.10,,00:00:00:4d:b4:36,"'=1,""x""",\r\n` +
        'ovn-default,default,web-2,,10.16.0.11,,00:00:00:4d:b4:36,"line\nend",\r\n',
    ])
  })

  it('writes JSON Lines', async () => {
    const [type, text] = await exported('application/x-ndjson')
    expect(type).toBe('application/x-ndjson')
    const lines = text!.trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { podName: 'web-1', v4IpAddress: '10.16.0.10', reason: '=1,"x"' },
      { podName: 'web-2', v4IpAddress: '10.16.0.11', reason: 'line\nend' },
    ])
    expect(text).not.toContain('podType')
  })

  it('writes a List as kubectl does', async () => {
    const [, text] = await exported('application/yaml')
    const both = fakeDoor({ reservations: async () => ok({ items: pages.flatMap(({ items }) => items) }) })
    const whole = await call(both, '/v1/reservations', { headers: { Accept: 'application/yaml' } })
    expect(text).toBe(await whole.text())
  })

  it('of nothing is a file of nothing', async () => {
    const empty = fakeDoor({ reservations: async () => ok({ items: [] }) })
    const reply = await call(empty, '/v1/export', { headers: { Accept: 'application/yaml' } })
    const whole = await call(empty, '/v1/reservations', { headers: { Accept: 'application/yaml' } })
    expect(await reply.text()).toBe(await whole.text())
  })

  it('asks for what is bound', async () => {
    const asked = door()
    await (await call(asked, '/v1/export?subnet=lab&namespace=n')).text()
    expect(asked.fake.calls.map((made) => made.with)).toEqual([
      [{ state: 'bound', subnet: 'lab', namespace: 'n' }, { limit: 1000 }],
      [
        { state: 'bound', subnet: 'lab', namespace: 'n' },
        { limit: 1000, continue: 'next' },
      ],
    ])
  })

  it('is refused as a whole where it begins, and breaks off where it goes on', async () => {
    const why = problem('unavailable', 'silent')
    const never = await call(fakeDoor({ reservations: async () => err(why) }), '/v1/export')
    expect(never.status).toBe(503)
    const broken = fakeDoor({ reservations: async (_, page) => (page.continue ? err(why) : ok(pages[0]!)) })
    await expect(call(broken, '/v1/export').then((reply) => reply.text())).rejects.toThrow('broke off')
  })
})
