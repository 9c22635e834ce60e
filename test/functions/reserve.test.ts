import { describe, expect, it } from 'vitest'
import type { Reservation, WriteOutcome } from '../../shared/command/types.ts'
import { problem, problemOf } from '../../shared/problem.ts'
import seedDynamic from '../data/seed/01-dynamic.yaml?raw'
import seedStatic from '../data/seed/02-static.yaml?raw'
import { fakeDoor, granted } from '../support/fake-berth.ts'
import { type CallOptions, call, commandOf, ITEM, json, manifest, WISH, yaml } from './call.ts'

describe('what goes with a wish', () => {
  it('hands on key, request id and dry run', async () => {
    const headers = { 'Idempotency-Key': 'k1', 'X-Request-Id': 'r1' }
    expect(await commandOf('/v1/reserve?dryRun=All', { ...json(WISH), headers })).toMatchObject({
      tenant: 'anonymous',
      requestId: 'r1',
      idempotencyKey: 'k1',
      dryRun: true,
    })
    expect(await commandOf('/v1/reserve', json(WISH))).toMatchObject({ dryRun: false })
  })

  it('hashes a wish with a key, not its spelling', async () => {
    const headers = { 'Idempotency-Key': 'k1' }
    const hash = async (options: CallOptions, path = '/v1/reserve') =>
      (await commandOf(path, { ...options, headers })).bodyHash
    const plain = await hash(json(WISH))
    expect(plain).toMatch(/^[0-9a-f]{64}$/)
    expect(await hash(yaml('podName: web-1\nnamespace: default\nsubnet: ovn-default\nv4IpAddress:'))).toBe(
      plain,
    )
    expect(await hash(json({ ...WISH, podName: 'web-2' }))).not.toBe(plain)
    expect(await hash(json(WISH), '/v1/validate')).not.toBe(plain)
    expect((await commandOf('/v1/reserve', json(WISH))).bodyHash).toBe('')
  })

  it('names the path of one new reservation, and of no other answer', async () => {
    const done = (created: boolean) =>
      fakeDoor({
        reserve: async ({ items }) => ({ kind: 'done', created, reservations: items.map(granted) }),
      })
    const location = async (options: CallOptions, created = true) =>
      (await call(done(created), '/v1/reserve', options)).headers.get('location')
    expect(await location(json(WISH))).toBe(`/v1/reservations/${ITEM.podName}.${ITEM.namespace}`)
    expect(await location(json(WISH), false)).toBe(null)
    expect(await location(json({ items: [WISH] }))).toBe(null)
  })

  it('makes a request id and hands it back', async () => {
    const reply = await call(fakeDoor(), '/v1/reserve', json(WISH))
    expect(reply.headers.get('x-request-id')).toMatch(/^[0-9a-f]{32}$/)
  })
})

describe('the reply', () => {
  const answer = async (outcome: WriteOutcome, options: CallOptions) =>
    call(fakeDoor({ reserve: async () => outcome }), '/v1/reserve', options)
  const refusing = (refusal: ReturnType<typeof problem>) => ({ kind: 'refused', problem: refusal }) as const

  it('is 201 for something new, 200 for nothing new', async () => {
    for (const [created, status] of [
      [true, 201],
      [false, 200],
    ] as const) {
      const reply = await answer({ kind: 'done', created, reservations: [granted(ITEM)] }, json(WISH))
      expect(reply.status).toBe(status)
      expect(await reply.json()).toEqual(granted(ITEM))
    }
  })

  it('is a list where the caller wrote a list, even of one', async () => {
    const reply = await call(fakeDoor(), '/v1/reserve', json({ items: [WISH] }))
    expect(await reply.json()).toEqual({ items: [granted(ITEM)] })
  })

  it('is the operation where it takes longer', async () => {
    const operation = 'op_0123456789abcdefghjkmn_default~ovn-default'
    const reply = await answer({ kind: 'pending', operation, retryAfterMs: 1001 }, json(WISH))
    expect(reply.status).toBe(202)
    expect(reply.headers.get('location')).toBe(`/v1/operations/${operation}`)
    expect(reply.headers.get('retry-after')).toBe('2')
    expect(await reply.json()).toEqual({ operation })
  })

  it('warns of what was ignored', async () => {
    const odd = manifest(
      { metadata: { name: 'web-1.default', namespace: 'default', generateName: 'x' }, extra: 1 },
      { attachSubnets: ['a'], v4IPAddress: '10.16.0.3' },
    )
    const reservation: Reservation = await (await call(fakeDoor(), '/v1/reserve', json(odd))).json()
    expect(reservation.warnings).toEqual([
      'extra is not a known field and was ignored',
      'metadata.generateName is not a known field and was ignored',
      'spec.v4IPAddress is not a known field and was ignored',
      'metadata.namespace was ignored: IP objects belong to the cluster',
      'spec.attachSubnets was ignored: a reservation has none',
    ])
  })

  it('bounds what it says of what was ignored', async () => {
    const odd = manifest({}, Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`x${i}`, i])))
    const reservation: Reservation = await (await call(fakeDoor(), '/v1/reserve', json(odd))).json()
    expect(reservation.warnings).toHaveLength(11)
    expect(reservation.warnings[10]).toBe('4990 more fields were ignored')
  })

  it.for([
    ['plain', json(WISH), 'v4IpAddress', 'v4IpAddress'],
    ['plain, the computed name', json(WISH), 'name', 'podName'],
    ['a manifest', json(manifest()), 'v4IpAddress', 'spec.v4IpAddress'],
    ['a manifest, its name', json(manifest()), 'name', 'metadata.name'],
    ['a manifest, its reason', json(manifest()), 'reason', 'metadata.annotations["berth/reason"]'],
  ] as const)('spells a field as in %s', async ([, options, field, spelled]) => {
    const reply = await answer(refusing(problem('address_taken', 'taken', { field })), options)
    expect(reply.status).toBe(409)
    expect(await reply.json()).toMatchObject({ code: 'address_taken', field: spelled, detail: 'taken' })
  })

  it('spells a field of a group with its place', async () => {
    const findings = [{ code: 'out_of_range', field: 'v4IpAddress', message: 'no', item: 1 }] as const
    const refusal = refusing(problemOf(findings))
    const inItems = await answer(refusal, json({ items: [WISH, manifest()] }))
    expect(inItems.status).toBe(422)
    expect(await inItems.json()).toMatchObject({
      field: 'items[1].spec.v4IpAddress',
      findings: [{ field: 'items[1].spec.v4IpAddress', item: 1 }],
    })
    const inDocuments = await answer(refusal, yaml(`${seedDynamic}---\n${seedStatic}`))
    expect(await inDocuments.json()).toMatchObject({ field: '[1].spec.v4IpAddress' })
  })

  it('says when to come again', async () => {
    const in31 = await answer(refusing(problem('releasing', 'wait', { retryAfterMs: 30_001 })), json(WISH))
    expect(in31.headers.get('retry-after')).toBe('31')
    const soon = await answer(refusing(problem('unavailable', 'wait')), json(WISH))
    expect([soon.status, soon.headers.get('retry-after')]).toEqual([503, '1'])
    const never = await answer(refusing(problem('address_taken', 'no')), json(WISH))
    expect(never.headers.has('retry-after')).toBe(false)
  })

  it('hides what failed in an unforeseen way, and logs it', async () => {
    const fails = async () => {
      throw new Error('secret of the core')
    }
    const door = fakeDoor({ reserve: fails })
    const reply = await call(door, '/v1/reserve', { ...json(WISH), headers: { 'X-Request-Id': 'r1' } })
    const text = await reply.text()
    expect(reply.status).toBe(503)
    expect(reply.headers.get('x-request-id')).toBe('r1')
    expect(reply.headers.get('content-type')).toBe('application/problem+json')
    expect(JSON.parse(text)).toMatchObject({ code: 'unavailable', detail: expect.stringContaining('r1') })
    expect(text).not.toContain('secret')
    expect(door.logged).toMatchObject([
      { level: 'error', event: 'door.failed', fields: { requestId: 'r1', error: 'secret of the core' } },
    ])
  })

  it('may not be kept by anybody', async () => {
    const reply = await call(fakeDoor(), '/v1/reserve', json(WISH))
    expect(reply.headers.get('cache-control')).toBe('no-store')
    expect(reply.headers.get('x-content-type-options')).toBe('nosniff')
    expect(reply.headers.has('access-control-allow-origin')).toBe(false)
  })
})
