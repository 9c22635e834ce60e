import { beforeAll, describe, expect, it } from 'vitest'
import { call, makeSubnet, post, type Reply, refused } from '../support/api.ts'

/** PUT and DELETE under an Idempotency-Key: the same key gives the same answer, whatever happened since. */
const subnet = (cidrBlock: string) => ({ apiVersion: 'kubeovn.io/v1', kind: 'Subnet', spec: { cidrBlock } })
const pool = (ip: string) => ({
  apiVersion: 'kubeovn.io/v1',
  kind: 'IPPool',
  spec: { subnet: 'keyed', ips: [ip] },
})
const under = (key: string, method: string, path: string, body?: object) =>
  call(method, path, body, { 'Idempotency-Key': key })

beforeAll(() => makeSubnet('keyed', '10.65.0.0/24'))

const THINGS = [
  ['Subnet', '/v1/subnets/keyed-made', subnet('10.66.0.0/24'), subnet('10.66.0.0/25')],
  ['IPPool', '/embedded/ippools/keyed', pool('10.65.0.20'), pool('10.65.0.21')],
  ['Pod', '/embedded/pods/keyed/one', {}, { metadata: { labels: { a: 'b' } } }],
  ['StatefulSet', '/embedded/statefulsets/keyed/one', {}, { spec: { replicas: 2 } }],
  ['VirtualMachine', '/embedded/virtualmachines/keyed/one', {}, { spec: { running: true } }],
] as const

function expectSame(one: Reply, other: Reply): void {
  expect([other.status, other.body]).toEqual([one.status, one.body])
}

describe.each(THINGS)('a %s', (kind, path, body, other) => {
  it('is made once, and removed once', async () => {
    const put = `put-${kind}`
    const remove = `delete-${kind}`
    const made = await under(put, 'PUT', path, body)
    expect(made.status).toBe(201)
    expectSame(made, await under(put, 'PUT', path, body))
    refused(await under(put, 'PUT', path, other), 422, 'idempotency_mismatch', 'Idempotency-Key')
    refused(await under(put, 'DELETE', path), 422, 'idempotency_mismatch', 'Idempotency-Key')
    const removed = await under(remove, 'DELETE', path)
    expect(removed.status).toBe(200)
    expectSame(removed, await under(remove, 'DELETE', path))
    expectSame(made, await under(put, 'PUT', path, body))
    refused(await call('DELETE', path), 404, kind === 'Subnet' ? 'unknown_subnet' : 'not_found', 'name')
  })
})

it('a refusal is final under its key', async () => {
  const wish = { subnet: 'keyed', namespace: 'keyed', podName: 'holder' }
  expect((await post('/v1/reserve', wish)).status).toBe(201)
  const before = await under('in-use', 'DELETE', '/v1/subnets/keyed')
  refused(before, 409, 'subnet_in_use', 'name')
  expect((await post('/v1/release', { name: 'holder.keyed' })).status).toBe(200)
  refused(await under('in-use', 'DELETE', '/v1/subnets/keyed'), 409, 'subnet_in_use', 'name')
})

it('50 at once under one key are one', async () => {
  const replies = await Promise.all(
    Array.from({ length: 50 }, () => under('many', 'PUT', '/v1/subnets/keyed-many', subnet('10.67.0.0/24'))),
  )
  for (const reply of replies) expectSame(replies[0] as Reply, reply)
  expect(replies[0]?.status).toBe(201)
})

it.each(['a b', '', 'x'.repeat(256)])('the key "%s" is refused', async (key) => {
  for (const [, path, body] of THINGS)
    refused(await under(key, 'PUT', path, body), 400, 'invalid_field', 'Idempotency-Key')
})

it('a dry run keeps nothing', async () => {
  const path = '/v1/subnets/keyed-dry'
  expect((await under('dry', 'PUT', `${path}?dryRun=All`, subnet('10.68.0.0/24'))).status).toBe(201)
  expect((await under('dry', 'PUT', path, subnet('10.68.0.0/25'))).status).toBe(201)
})
