import { expect, it } from 'vitest'
import { call, everything, get, makeSubnet, post, refused } from '../support/api.ts'

const put = (name: string, spec: object) =>
  call('PUT', `/v1/subnets/${name}`, {
    apiVersion: 'kubeovn.io/v1',
    kind: 'Subnet',
    metadata: { name },
    spec,
  })

it.each<readonly [string, object]>([
  ['lies in it', { cidrBlock: '10.60.4.0/24' }],
  ['contains it', { cidrBlock: '10.56.0.0/13' }],
  ['shares one of two families', { cidrBlock: '10.61.0.0/24,fd00:60:0:0:1::/80' }],
])('a Subnet that %s is refused beside another of its VPC, and nothing changes', async (_, spec) => {
  await put('base', { cidrBlock: '10.60.0.0/16,fd00:60::/64' })
  const before = await everything()
  refused(await put('other', spec), 409, 'address_taken', 'spec.cidrBlock')
  refused(
    await call('PUT', '/v1/subnets/other?dryRun=All', {
      apiVersion: 'kubeovn.io/v1',
      kind: 'Subnet',
      metadata: { name: 'other' },
      spec,
    }),
    409,
    'address_taken',
    'spec.cidrBlock',
  )
  expect(await everything()).toEqual(before)
})

it('of many asked for at once, one is there in the end', async () => {
  const names = Array.from({ length: 12 }, (_, index) => `rival-${index}`)
  const replies = await Promise.all(names.map((name) => put(name, { cidrBlock: '10.62.0.0/24' })))
  expect(replies.filter(({ status }) => status === 201)).toHaveLength(1)
  for (const { status, body } of replies) if (status !== 201) expect([400, 409, 503]).toContain(body.status)
  const { body } = await get('/v1/subnets')
  expect(body.items.filter(({ name }: { name: string }) => name.startsWith('rival-'))).toHaveLength(1)
})

it('in another VPC the same addresses are others', async () => {
  await makeSubnet('here', '10.63.0.0/24')
  await makeSubnet('there', '10.63.0.0/24', { vpc: 'elsewhere' })
  const ask = (subnet: string) =>
    post('/v1/reserve', { subnet, namespace: subnet, podName: 'a', v4IpAddress: '10.63.0.9' })
  expect([(await ask('here')).status, (await ask('there')).status]).toEqual([201, 201])
})

it('a change that puts reservations outside says so, and still does when it is looked at', async () => {
  await makeSubnet('shrinks', '10.64.0.0/24')
  const asked = { subnet: 'shrinks', namespace: 'default', podName: 'far', v4IpAddress: '10.64.0.200' }
  expect((await post('/v1/reserve', asked)).status).toBe(201)
  const changed = await put('shrinks', { cidrBlock: '10.64.0.0/28' })
  const warning = '1 reserved outside the CIDR: kept, and in force again where it grows back'
  expect([changed.status, changed.body.warnings]).toEqual([200, [warning]])
  expect((await get('/v1/subnets/shrinks')).body.warnings).toEqual([warning])
  expect((await put('shrinks', { cidrBlock: '10.64.0.0/24' })).body.warnings).toBeUndefined()
})
