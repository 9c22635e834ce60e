import { describe, expect, it } from 'vitest'
import type { ReleaseCommand } from '../../shared/command/types.ts'
import { problemOf } from '../../shared/problem.ts'
import { fakeDoor } from '../support/fake-berth.ts'
import { call, commandOf, expectRefusal, json } from './call.ts'

const OWNER = { subnet: 'ovn-default', namespace: 'default' }
const body = (block: unknown, more: object = {}) => json({ ...OWNER, ...more, block })

describe('a wish for a block', () => {
  it('is a group of wishes for its owners, the first with the address given', async () => {
    const command = await commandOf(
      '/v1/reserve',
      body(
        { prefix: 'web', count: 3, start: 7, aligned: false },
        { podType: 'StatefulSet', v4IpAddress: '10.16.0.9' },
      ),
    )
    expect(command.block).toEqual({ aligned: false })
    const item = { ...OWNER, podType: 'StatefulSet' }
    expect(command.items).toEqual([
      { ...item, podName: 'web-7', v4IpAddress: '10.16.0.9' },
      { ...item, podName: 'web-8' },
      { ...item, podName: 'web-9' },
    ])
  })

  it('is answered with a list, and hashed with its alignment', async () => {
    const reply = await call(fakeDoor(), '/v1/reserve', body({ prefix: 'web', count: 1 }))
    expect(reply.status).toBe(201)
    expect(reply.headers.get('location')).toBe(null)
    expect(((await reply.json()) as { items: unknown[] }).items).toHaveLength(1)
    const headers = { 'Idempotency-Key': 'k' }
    const hash = async (aligned: boolean) =>
      (await commandOf('/v1/reserve', { ...body({ prefix: 'web', count: 2, aligned }), headers })).bodyHash
    expect(await hash(true)).not.toBe(await hash(false))
    const items = [0, 1].map((n) => ({ ...OWNER, podName: `web-${n}` }))
    expect(await hash(false)).not.toBe(
      (await commandOf('/v1/reserve', { ...json({ items }), headers })).bodyHash,
    )
  })

  it('names its fields in a refusal of the core', async () => {
    const refused = problemOf([{ code: 'invalid_name', field: 'name', message: 'too long', item: 1 }])
    const door = fakeDoor({ reserve: async () => ({ kind: 'refused', problem: refused }) })
    const reply = await call(door, '/v1/reserve', body({ prefix: 'web', count: 2 }))
    expect(await reply.json()).toMatchObject({
      field: 'block.prefix',
      findings: [{ field: 'block.prefix', item: 1 }],
    })
  })

  it.each<readonly [string, unknown, string, string]>([
    ['no object', 5, 'invalid_field', 'block'],
    ['a null', null, 'invalid_field', 'block'],
    ['without a prefix', { count: 2 }, 'invalid_field', 'block.prefix'],
    ['with a prefix in capitals', { prefix: 'Web', count: 2 }, 'invalid_name', 'block.prefix'],
    ['without a count', { prefix: 'web' }, 'invalid_field', 'block.count'],
    ['of none', { prefix: 'web', count: 0 }, 'invalid_field', 'block.count'],
    ['of 1,001', { prefix: 'web', count: 1001 }, 'invalid_field', 'block.count'],
    ['of two and a half', { prefix: 'web', count: 2.5 }, 'invalid_field', 'block.count'],
    ['of "2"', { prefix: 'web', count: '2' }, 'invalid_field', 'block.count'],
    ['from -1', { prefix: 'web', count: 2, start: -1 }, 'invalid_field', 'block.start'],
    ['from 2^31', { prefix: 'web', count: 2, start: 2 ** 31 }, 'invalid_field', 'block.start'],
    ['aligned "yes"', { prefix: 'web', count: 2, aligned: 'yes' }, 'invalid_field', 'block.aligned'],
    ['of three, aligned', { prefix: 'web', count: 3, aligned: true }, 'invalid_field', 'block.count'],
    ['with a size', { prefix: 'web', count: 2, size: 2 }, 'invalid_field', 'block.size'],
  ])('%s is refused', async (_, block, code, field) => {
    await expectRefusal('/v1/reserve', body(block), { status: 400, code, field })
  })

  it.each<readonly [string, object, string]>([
    ['a podName', { podName: 'web-0' }, 'podName'],
    ['a MAC', { macAddress: '00:00:00:00:00:01' }, 'macAddress'],
    ['items', { items: [{ ...OWNER, podName: 'a' }] }, 'subnet'],
  ])('beside %s is refused', async (_, more, field) => {
    const refusal = { status: 400, code: 'invalid_field', field }
    await expectRefusal('/v1/reserve', body({ prefix: 'web', count: 2 }, more), refusal)
  })

  it('inside items is refused', async () => {
    const items = [{ ...OWNER, block: { prefix: 'web', count: 2 } }]
    const refusal = { status: 400, code: 'invalid_field' }
    await expectRefusal('/v1/reserve', json({ items }), { ...refusal, field: 'items[0].podName' })
  })
})

describe('a release of a block', () => {
  it('names each of its owners', async () => {
    const door = fakeDoor()
    const reply = await call(
      door,
      '/v1/release',
      body({ prefix: 'web', count: 2, start: 1 }, { reason: 'done' }),
    )
    expect(Array.isArray(((await reply.json()) as { items: unknown }).items)).toBe(true)
    const command = door.fake.calls[0]?.with[0] as ReleaseCommand
    expect(command).toMatchObject({ force: false, reason: 'done' })
    expect(command.targets).toEqual([
      { ...OWNER, podName: 'web-1' },
      { ...OWNER, podName: 'web-2' },
    ])
  })

  it.each<readonly [string, object, string]>([
    ['without a count', { ...OWNER, block: { prefix: 'web' } }, 'block.count'],
    ['with an alignment', { ...OWNER, block: { prefix: 'web', count: 2, aligned: true } }, 'block.aligned'],
    ['without a Subnet', { namespace: 'default', block: { prefix: 'web', count: 2 } }, 'subnet'],
    ['with a name', { ...OWNER, name: 'a', block: { prefix: 'web', count: 2 } }, 'name'],
  ])('%s is refused', async (_, asked, field) => {
    await expectRefusal('/v1/release', json(asked), { status: 400, code: 'invalid_field', field })
  })
})
