import { expect, it } from 'vitest'
import { allIn, call, everything, get, post, refused } from '../support/api.ts'

const put = (name: string, cidrBlock: string, annotations: Record<string, unknown>) =>
  call('PUT', `/v1/subnets/${name}`, {
    apiVersion: 'kubeovn.io/v1',
    kind: 'Subnet',
    metadata: {
      name,
      annotations: Object.fromEntries(
        Object.entries(annotations).map(([key, value]) => [key, JSON.stringify(value)]),
      ),
    },
    spec: { cidrBlock },
  })

it('1,000 reserves at once at the limit: exactly the limit', async () => {
  const made = await put('limited', '10.84.0.0/16', { 'berth/quotas': { shop: { addresses: 300 } } })
  expect([made.status, made.body.quotas]).toEqual([201, [{ namespace: 'shop', used: 0, limit: 300 }]])
  const replies = await Promise.all(
    Array.from({ length: 1_000 }, (_, n) =>
      post('/v1/reserve', { subnet: 'limited', namespace: 'shop', podName: `pod-${n}` }),
    ),
  )
  const count = (status: number) => replies.filter((reply) => reply.status === status).length
  // 202: bound a little later.
  expect(count(201) + count(202)).toBe(300)
  expect(count(403)).toBe(700)
  refused(replies.find(({ status }) => status === 403)!, 403, 'quota_exceeded', 'namespace')
  expect((await get('/v1/subnets/limited')).body.quotas).toEqual([
    { namespace: 'shop', used: 300, limit: 300 },
  ])
  expect(await allIn('limited')).toHaveLength(300)
})

it('a share, a policy and their findings reach the caller in his own words', async () => {
  await put('shared-out', '10.85.0.0/28', {
    'berth/quotas': { shop: { share: '50%' } },
    'berth/policy': { namespaces: ['shop'], kinds: ['Pod'], ranges: ['10.85.0.4..10.85.0.14'] },
  })
  const wish = (more: object) => ({ subnet: 'shared-out', namespace: 'shop', podName: 'a', ...more })
  const before = await everything()
  const apart = { subnet: 'shared-out', namespace: 'other', podName: 'a' }
  refused(await post('/v1/reserve', apart), 403, 'outside_policy', 'namespace')
  const items = [wish({}), wish({ podName: 'b', v4IpAddress: '10.85.0.3' })]
  refused(await post('/v1/reserve', { items }), 403, 'outside_policy', 'items[1].v4IpAddress')
  refused(await post('/v1/reserve', wish({ podType: 'VirtualMachine' })), 403, 'outside_policy', 'podType')
  const block = { subnet: 'shared-out', namespace: 'shop', block: { prefix: 'web', count: 8 } }
  expect((await post('/v1/validate', block)).body).toMatchObject({
    allowed: false,
    findings: [{ code: 'quota_exceeded', item: 7 }],
  })
  expect(await everything()).toEqual(before)
  const six = await post('/v1/reserve', { ...block, block: { ...block.block, count: 6 } })
  expect(six.status).toBe(201)
  expect(six.body.items[0]).toMatchObject({
    v4IpAddress: '10.85.0.4',
    warnings: ['quota: namespace shop has 6 of 7 reservations in Subnet shared-out'],
  })
  expect(
    (await put('shared-out', '10.85.0.0/28', { 'berth/quotas': { shop: { share: 5 } } })).body,
  ).toMatchObject({
    status: 400,
    code: 'invalid_field',
    field: 'metadata.annotations["berth/quotas"]',
  })
})
