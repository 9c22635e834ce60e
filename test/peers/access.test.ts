import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { BerthOnCluster } from './berth.ts'

/** Tokens of a real cluster at Berth's door: whose they are and what they may, the API server tells (faults.md 81, 83). */
describe('Berth asks the API server who may', () => {
  let cluster: BerthOnCluster
  let dev = ''
  let viewer = ''

  beforeAll(async () => {
    cluster = await BerthOnCluster.start({ vars: { ACCESS: 'required' } })
    for (const namespace of ['team-a', 'team-b']) await cluster.kubectl('create', 'namespace', namespace)
    dev = await tokenOf('dev')
    viewer = await tokenOf('viewer')
    await allow('dev', 'ips-of-a', 'create,delete,get,list', 'ips.kubeovn.io')
    await allow('viewer', 'see-a', 'get,list', 'ips.kubeovn.io')
  })
  afterAll(() => cluster?.stop())

  async function tokenOf(account: string): Promise<string> {
    await cluster.kubectl('-n', 'team-a', 'create', 'serviceaccount', account)
    return (await cluster.kubectl('-n', 'team-a', 'create', 'token', account)).trim()
  }
  async function allow(account: string, role: string, verbs: string, resource: string): Promise<void> {
    await cluster.kubectl('-n', 'team-a', 'create', 'role', role, `--verb=${verbs}`, `--resource=${resource}`)
    await cluster.kubectl(
      '-n',
      'team-a',
      'create',
      'rolebinding',
      role,
      `--role=${role}`,
      `--serviceaccount=team-a:${account}`,
    )
  }
  const as = (token: string, method: string, path: string, body?: unknown) =>
    cluster.call(method, path, body, { Authorization: `Bearer ${token}` })
  const wish = (namespace: string, podName: string) => ({ subnet: 'ovn-default', namespace, podName })

  test('a ServiceAccount reserves and releases where RBAC lets it, and nowhere else', async () => {
    expect(await as(dev, 'POST', '/v1/reserve', wish('team-a', 'web'))).toMatchObject({ status: 201 })
    expect(await as(dev, 'POST', '/v1/reserve', wish('team-b', 'web'))).toMatchObject({
      status: 403,
      json: { code: 'forbidden' },
    })
    expect((await as(viewer, 'GET', '/v1/reservations/web.team-a')).status).toBe(200)
    expect(await as(viewer, 'POST', '/v1/release', { name: 'web.team-a' })).toMatchObject({ status: 403 })
    expect(await as(dev, 'POST', '/v1/release', { name: 'web.team-a', force: true })).toMatchObject({
      status: 403,
    })
    expect((await as(dev, 'POST', '/v1/release', { name: 'web.team-a' })).status).toBe(200)
  })

  test('it lists its namespace and must name it', async () => {
    await as(dev, 'POST', '/v1/reserve', wish('team-a', 'listed'))
    const own = await as(viewer, 'GET', '/v1/reservations?namespace=team-a&state=bound')
    expect(own.json.items.map((item: { name: string }) => item.name)).toEqual(['listed.team-a'])
    expect((await as(viewer, 'GET', '/v1/reservations')).status).toBe(403)
    expect((await as(viewer, 'GET', '/v1/reservations?namespace=team-b')).status).toBe(403)
    expect((await as(dev, 'GET', '/v1/keys')).status).toBe(403)
    expect((await as(cluster.api.tokens.admin, 'GET', '/v1/keys')).status).toBe(200)
  })

  test.each([
    ['none', undefined],
    ['nobody’s', 'a.b.c'],
    ['one cut short', 'cut'],
  ])('a token is refused: %s', async (_, token) => {
    const shown = token === 'cut' ? dev.slice(0, -4) : token
    const reply =
      shown === undefined
        ? await cluster.call('GET', '/v1/reservations')
        : await as(shown, 'GET', '/v1/reservations')
    expect(reply).toMatchObject({ status: 401, json: { code: 'unauthenticated' } })
  })

  test('a right taken away is gone at the next call', async () => {
    await cluster.kubectl('-n', 'team-a', 'delete', 'rolebinding', 'ips-of-a')
    await vi.waitFor(
      async () => expect((await as(dev, 'POST', '/v1/reserve', wish('team-a', 'late'))).status).toBe(403),
      {
        timeout: 20_000,
        interval: 200,
      },
    )
  })

  test('while the API server stands still, nobody is let in', async () => {
    cluster.api.pause()
    try {
      expect(await as(dev, 'GET', '/v1/reservations?namespace=team-a')).toMatchObject({
        status: 503,
        json: { code: 'unavailable' },
      })
    } finally {
      cluster.api.resume()
    }
  })
})
