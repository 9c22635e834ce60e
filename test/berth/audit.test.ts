import { expect, it } from 'vitest'
import { ChainVerifier } from '../../shared/ledger/audit-chain.ts'
import { call, get, makeSubnet, post, refused } from '../support/api.ts'

const lines = async (query: string, headers = {}) => {
  const reply = await call('GET', `/v1/audit?${query}`, undefined, {
    Accept: 'application/x-ndjson',
    ...headers,
  })
  expect(reply.status).toBe(200)
  const text = typeof reply.body === 'string' ? reply.body : `${JSON.stringify(reply.body)}\n`
  return text.split('\n').filter((line: string) => line !== '')
}
const fault = (all: readonly string[]) => {
  const verifier = new ChainVerifier()
  for (const [index, line] of all.entries()) verifier.take(line, index + 1)
  return verifier.report()
}
const reserve = (podName: string, namespace = 'audited', subnet = 'audited') =>
  post('/v1/reserve', { subnet, namespace, podName, reason: `for ${podName}` })

it('tells what was done, in a chain that holds, as a page and as a file', async () => {
  await makeSubnet('audited', '10.81.0.0/24')
  const made = await reserve('web')
  expect(made.status).toBe(201)
  expect((await post('/v1/release', { name: 'web.audited', reason: 'over' })).status).toBe(200)
  const { status, body } = await get('/v1/audit?subnet=audited&name=web.audited')
  expect(status).toBe(200)
  expect(
    body.items.map((one: Record<string, unknown>) => [one.verb, one.actor, one.door, one.reason]),
  ).toEqual([
    ['reserve', 'anonymous', 'http', 'for web'],
    ['release', 'anonymous', 'http', 'over'],
    ['end', 'anonymous', 'http', 'over'],
  ])
  expect(body.items[0]).toMatchObject({
    space: 'default/audited',
    id: made.body.id,
    operation: made.body.operation,
    before: { state: 'held' },
    after: { state: 'bound', v4IpAddress: made.body.v4IpAddress, macAddress: made.body.macAddress },
  })
  const file = await lines('subnet=audited')
  expect(fault(file)).toMatchObject({ spaces: [{ space: 'default/audited', isWhole: true }] })
  expect(fault(file).spaces[0]?.fault).toBeUndefined()
  expect(file.map((line: string) => JSON.parse(line))).toEqual(
    (await get('/v1/audit?subnet=audited')).body.items,
  )
})

it('pages over all Subnets', async () => {
  await makeSubnet('audited-b', '10.82.0.0/24')
  for (let n = 0; n < 5; n++) expect((await reserve(`b-${n}`, 'b', 'audited-b')).status).toBe(201)
  const names: string[] = []
  for (let token = ''; ; ) {
    const { body } = await get(`/v1/audit?namespace=b&verb=reserve&limit=2${token}`)
    names.push(...body.items.map(({ name }: { name: string }) => name))
    if (body.continue === undefined) break
    token = `&continue=${encodeURIComponent(body.continue)}`
  }
  expect(names).toEqual(['b-0.b', 'b-1.b', 'b-2.b', 'b-3.b', 'b-4.b'])
  const all = await lines('')
  expect(fault(all).spaces.map(({ fault: why }) => why)).toEqual(fault(all).spaces.map(() => undefined))
})

it('shows a caller what he may read, and nobody else’s', async () => {
  const grant = (namespace: string) => ({ verbs: ['read'], subnets: ['audited*'], namespaces: [namespace] })
  const bearer = async (namespace: string) => {
    const made = await post('/v1/keys', { name: 'auditor', grants: [grant(namespace)] })
    return { Authorization: `Bearer ${made.body.key}` }
  }
  const b = await bearer('b')
  const seen = (await lines('subnet=audited-b', b)).map((line: string) => JSON.parse(line).name)
  expect(seen).toHaveLength(5)
  expect(await lines('subnet=audited', b)).toEqual([])
  expect(await lines('subnet=audited-b', await bearer('nobody'))).toEqual([])
})

it.each([
  ['verb=steal', 'verb'],
  ['door=window', 'door'],
  ['since=yesterday', 'since'],
  ['until=2026-13-01T00:00:00Z', 'until'],
  ['limit=0', 'limit'],
  ['continue=x', 'continue'],
  ['who=me', 'who'],
])('refuses %s', async (query, field) => {
  refused(await get(`/v1/audit?${query}`), 400, 'invalid_field', field)
})
