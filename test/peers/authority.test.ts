import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BerthOnCluster } from './berth.ts'

const WISH = { subnet: 'ovn-default', namespace: 'default', podName: 'web-0' }
const SOON = { timeout: 20_000, interval: 100 }

const lease = (ageMs: number) => ({
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { name: 'kube-ovn-controller', namespace: 'kube-system' },
  spec: {
    holderIdentity: 'kube-ovn-controller-1',
    leaseDurationSeconds: 15,
    renewTime: new Date(Date.now() - ageMs).toISOString().replace('Z', '000Z'),
  },
})

describe('AUTHORITY on a real cluster', () => {
  let cluster: BerthOnCluster
  beforeAll(async () => {
    cluster = await BerthOnCluster.start({ beside: true })
  })
  afterAll(() => cluster?.stop())

  const write = async (query = '') => {
    const { status, json } = await cluster.call('POST', `/v1/reserve${query}`, WISH)
    return { status, code: json.code }
  }
  const dryRun = () => write('?dryRun=All')
  const part = async () => (await cluster.call('GET', '/readyz')).json.parts.authority
  const objects = () => cluster.kubectl('get', 'ips', '-o', 'name')

  test('while kube-ovn-controller’s Lease is live, Berth reserves beside it, or not at all', async () => {
    await cluster.apply(lease(0))
    // Without a window nothing is safe from the controller.
    await expect.poll(dryRun, SOON).toEqual({ status: 409, code: 'outside_window' })
    expect(await write()).toEqual({ status: 409, code: 'outside_window' })
    // Neither policy nor webhook is installed here, and what that means is said.
    const { ready, detail } = await part()
    expect([ready, detail.startsWith('beside; ')]).toEqual([true, true])
    expect(detail).toContain('deletes the IP objects of owners that are not there')
    expect(detail).toContain('a new Pod of a reserved name gets another address')
    // So it is of each reservation.
    const range = '10.16.4.0..10.16.4.9'
    expect((await cluster.call('POST', '/v1/subnets/ovn-default/window', { ranges: [range] })).status).toBe(
      200,
    )
    await expect.poll(dryRun, SOON).toEqual({ status: 201, code: undefined })
    const foretold = await cluster.call('POST', '/v1/validate', WISH)
    expect(foretold.json.preview.warnings).toEqual([
      expect.stringContaining('deletes the IP objects of owners that are not there'),
      expect.stringContaining('a new Pod of a reserved name gets another address'),
    ])
    // An object asked for with kubectl is the controller's to complete.
    const metadata = { name: 'asked.default' }
    const spec = { ...WISH, podName: 'asked' }
    await cluster.apply({ apiVersion: 'kubeovn.io/v1', kind: 'IP', metadata, spec })
    expect((await cluster.get('ips', 'asked.default')).metadata.finalizers).toBeUndefined()
    expect((await objects()).trim()).toBe('ip.kubeovn.io/asked.default')
    expect((await cluster.call('GET', '/v1/subnets/ovn-default')).status).toBe(200)
  })

  test('once it has not been renewed for a minute, Berth is in charge', async () => {
    await cluster.apply(lease(61_000))
    await expect.poll(part, SOON).toEqual({ ready: true, detail: 'alone' })
    expect((await dryRun()).status).toBe(201)
    expect((await write()).status).toBe(201)
    const finalizers = async () => (await cluster.get('ips', 'asked.default')).metadata.finalizers
    await expect.poll(finalizers, SOON).toEqual(['kubeovn.io/kube-ovn-controller'])
  })

  test('alone is refused beside a live Lease, and nothing is written', async () => {
    await cluster.apply(lease(0))
    await cluster.berth.stop()
    await cluster.startBerth({ AUTHORITY: 'alone' }, '/healthz')
    const refused = { status: 503, code: 'authority_conflict' }
    expect(await write()).toEqual(refused)
    expect(await part()).toEqual({ ready: false, detail: expect.stringContaining('kube-ovn-controller') })
    expect((await cluster.call('POST', '/v1/release', { name: 'web-0.default' })).status).toBe(503)
  })
})
