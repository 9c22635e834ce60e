import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BerthOnCluster } from './berth.ts'

const SOON = { timeout: 30_000, interval: 200 }
const URGENT = ['--wait=false']

/** What Berth knew of the cluster's versions is forgotten by everybody else. */
describe('a watch that is resumed from a version that is gone: 410', () => {
  let cluster: BerthOnCluster
  beforeAll(async () => {
    cluster = await BerthOnCluster.start({ vars: { QUARANTINE_MS: '0', STRAGGLER_MS: '1000' } })
  })
  afterAll(() => cluster?.stop())

  const wish = (podName: string, more: object = {}) => ({
    ...{ subnet: 'ovn-default', namespace: 'default', podName },
    ...more,
  })
  const reserve = async (podName: string, more: object = {}) => {
    const reply = await cluster.call('POST', '/v1/reserve', wish(podName, more))
    expect(reply.status, reply.text).toBe(201)
    return reply.json
  }
  /** What another client wrote for a Pod of its own. */
  const theirs = (podName: string, v4IpAddress: string) => ({
    ...{ apiVersion: 'kubeovn.io/v1', kind: 'IP' },
    metadata: { name: `${podName}.default`, labels: { 'ovn.kubernetes.io/ip_reserved': 'false' } },
    spec: wish(podName, { v4IpAddress, ipAddress: v4IpAddress }),
  })
  const state = async (name: string) =>
    (await cluster.call('GET', `/v1/reservations/${name}`)).json?.state as string | undefined
  const ofIps = () => cluster.requests().filter(({ resource, group }) => resource === 'ips' && group !== '')
  /** What a watch from a version begins with, to anybody. */
  const firstEventSince = async (version: string) => {
    const url = `${cluster.api.url}/apis/kubeovn.io/v1/ips?watch=1&timeoutSeconds=5&resourceVersion=${version}`
    const headers = { Authorization: `Bearer ${cluster.api.tokens.admin}` }
    const reply = await cluster.api.http.fetch(new Request(url, { headers }))
    return JSON.parse((await reply.text()).split('\n')[0] ?? '')
  }
  const holders = async (address: string): Promise<string[]> => {
    const found = await cluster.call('GET', `/v1/reservations?address=${address}`)
    return found.json.items.map(({ state: is }: { state: string }) => is)
  }
  /** Berth has heard what was written last. */
  const heard = async (podName: string, address: string) => {
    await cluster.apply(theirs(podName, address))
    await expect.poll(() => holders(address), SOON).toEqual(['foreign'])
  }

  test('is followed by a list, and what came and went meanwhile is met', async () => {
    await reserve('keeps')
    await reserve('goes')
    await heard('before', '10.16.77.1')
    await cluster.berth.kill9()

    // Made, taken away, given back, and made and gone again: the last leaves no trace but its event.
    await cluster.apply(theirs('meanwhile', '10.16.77.2'), theirs('brief', '10.16.77.3'))
    await cluster.kubectl('delete', 'ips', 'before.default', 'brief.default', ...URGENT)
    await cluster.kubectl('delete', 'ips', 'goes.default', ...URGENT)
    await cluster.api.etcd.compact()
    // The server's own memory of events begins anew.
    await cluster.api.restart()
    const asked = ofIps().length

    await cluster.startBerth({}, '/healthz')
    await expect.poll(() => state('goes.default'), SOON).toBeUndefined()
    const since = ofIps().slice(asked)
    const resumed = since.findIndex(({ verb, from }) => verb === 'watch' && from !== '')
    expect(resumed, JSON.stringify(since)).toBeGreaterThanOrEqual(0)
    expect(await firstEventSince(since[resumed]!.from)).toMatchObject({
      type: 'ERROR',
      object: { code: 410 },
    })
    const after = since.slice(resumed).map(({ verb, code }) => `${verb} ${code}`)
    expect(after).toContain('list 200')

    expect(await state('keeps.default')).toBe('bound')
    // Whose address is taken now, and whose is not any more.
    const clash = await cluster.call('POST', '/v1/reserve', wish('a', { v4IpAddress: '10.16.77.2' }))
    expect([clash.status, clash.json.code]).toEqual([409, 'address_taken'])
    await expect.poll(() => holders('10.16.77.1'), SOON).toEqual([])
    await reserve('b', { v4IpAddress: '10.16.77.1' })
    await reserve('c', { v4IpAddress: '10.16.77.3' })
    // And the new watch goes on.
    await heard('after', '10.16.77.4')
  })
})
