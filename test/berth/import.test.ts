import { expect, it } from 'vitest'
import { call, makeSubnet, post } from '../support/api.ts'

const TYPES = ['text/csv', 'application/x-ndjson', 'application/yaml'] as const

const exported = async (subnet: string, Accept: string): Promise<string> => {
  const reply = await call('GET', `/v1/export?subnet=${subnet}`, undefined, { Accept })
  expect(reply.status).toBe(200)
  return reply.body
}
const imported = (text: string, type: string, query = '') =>
  call('POST', `/v1/import${query}`, text, { 'Content-Type': type })

it.each(TYPES.map((type, n) => [type, `moved-${n}`, n] as const))(
  'what %s exports comes back by import',
  async (type, subnet, n) => {
    await makeSubnet(subnet, `10.8${n + 1}.0.0/24,fd00:8${n + 1}::/112`)
    const items = [
      { podName: 'web', reason: '=HYPERLINK("x"),\n' },
      { podName: 'vm.v2', podType: 'VirtualMachine', macAddress: '00:00:00:aa:bb:cc' },
      { podName: 'named', v4IpAddress: `10.8${n + 1}.0.77` },
    ].map((item) => ({ subnet, namespace: subnet, ...item }))
    const made = await post('/v1/reserve', { items })
    expect(made.status, JSON.stringify(made.body)).toBe(201)
    const before = await Promise.all(TYPES.slice(0, 2).map((one) => exported(subnet, one)))
    const file = await exported(subnet, type)

    const tried = await imported(file, type, '?dryRun=All')
    expect(tried.body.counts).toMatchObject({ existed: 3 })
    const targets = items.map(({ podName }) => ({ name: `${podName}.${subnet}` }))
    expect((await post('/v1/release', { items: targets })).status).toBe(200)
    const dry = await imported(file, type, '?dryRun=All')
    expect(dry.body.counts).toMatchObject({ reserved: 3 })
    expect(await exported(subnet, 'application/x-ndjson')).toBe('')

    const report = await imported(file, type)
    expect(report.body.counts, JSON.stringify(report.body)).toMatchObject({ reserved: 3 })
    expect(await Promise.all(TYPES.slice(0, 2).map((one) => exported(subnet, one)))).toEqual(before)
    const plain = (text: string) =>
      text.replaceAll(/^ *(?:berth\/op|berth\/epoch|creationTimestamp|uid|resourceVersion):.*\n/gm, '')
    if (type === 'application/yaml') expect(plain(await exported(subnet, type))).toBe(plain(file))
    expect((await imported(file, type)).body.counts).toMatchObject({ existed: 3 })
  },
)

it('rows stand by themselves, or all together', async () => {
  await makeSubnet('rows', '10.84.0.0/24')
  const file =
    'subnet,namespace,podName,v4IpAddress\nrows,rows,a,\nrows,rows,b,10.99.0.1\nrows,rows,c,10.84.0.2\n'
  const all = await imported(file, 'text/csv', '?atomic=true')
  expect([all.status, all.body.code]).toEqual([422, 'out_of_range'])
  expect(all.body.rows.map(({ outcome }: { outcome: string }) => outcome)).toEqual([
    'skipped',
    'refused',
    'skipped',
  ])
  expect(await exported('rows', 'application/x-ndjson')).toBe('')

  const each = await imported(file, 'text/csv')
  expect(each.status).toBe(200)
  expect(each.body.rows).toMatchObject([
    { line: 2, outcome: 'reserved', v4IpAddress: '10.84.0.3' },
    { line: 3, outcome: 'refused', code: 'out_of_range', field: 'v4IpAddress' },
    { line: 4, outcome: 'reserved', v4IpAddress: '10.84.0.2' },
  ])
})
