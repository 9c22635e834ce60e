import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BerthOnCluster } from './berth.ts'

const SOON = { timeout: 30_000, interval: 100 }
const NAMESPACE = 'berth-system'

/** The account as a Pod has it: a folder whose files the kubelet exchanges now and then. */
describe('the mounted account', () => {
  let cluster: BerthOnCluster
  beforeAll(async () => {
    cluster = await BerthOnCluster.start()
  })
  afterAll(() => cluster?.stop())

  const reserve = async (podName: string) =>
    (await cluster.call('POST', '/v1/reserve', { subnet: 'ovn-default', namespace: 'default', podName }))
      .status

  test('a token that is no longer taken is read again; the mirror goes on, too', async () => {
    expect(await reserve('before')).toBe(201)
    // A new account of the same name: the old one's tokens are worthless.
    await cluster.kubectl('delete', 'serviceaccount', 'berth', '-n', NAMESPACE)
    const token = await cluster.makeAccount()
    // The server keeps what it knows of a token for some seconds.
    let count = 0
    await expect.poll(() => reserve(`between-${++count}`), { ...SOON, interval: 500 }).toBe(503)
    cluster.mountAccount(token)
    expect(await reserve('after')).toBe(201)
    await cluster.kubectl('delete', 'ips', 'before.default', '--timeout=20s')
    // Whoever reads the process's words learns no token.
    expect(cluster.berth.log()).not.toContain(token)
  })
})
