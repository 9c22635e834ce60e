import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { KubeObject } from '../../shared/cluster/port.ts'
import { BerthOnCluster } from './berth.ts'

const SOON = { timeout: 20_000, interval: 50 }
const FINALIZER = 'kubeovn.io/kube-ovn-controller'

/** A running Pod with the IP object that Kube-OVN made for it (semantics.md §3, the Pod path's one create). */
function running(podName: string, v4IpAddress: string, app: string): readonly KubeObject[] {
  const macAddress = `0a:00:00:00:00:${Number(v4IpAddress.split('.')[3]).toString(16).padStart(2, '0')}`
  return [
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: podName, namespace: 'default', labels: { app } },
      spec: {
        schedulerName: 'nobody',
        containers: [{ name: 'main', image: 'registry.invalid/none' }],
      } as object,
    },
    {
      apiVersion: 'kubeovn.io/v1',
      kind: 'IP',
      metadata: {
        name: `${podName}.default`,
        finalizers: [FINALIZER],
        labels: {
          'ovn.kubernetes.io/ip_reserved': 'false',
          'ovn.kubernetes.io/node-name': 'node-1',
          'ovn.kubernetes.io/subnet': 'ovn-default',
          'ovn-default': '',
        },
      },
      spec: {
        ...{ subnet: 'ovn-default', namespace: 'default', podName, podType: '', nodeName: 'node-1' },
        ...{ v4IpAddress, ipAddress: v4IpAddress, v6IpAddress: '', macAddress },
      },
    },
  ]
}

/** semantics.md §1: the Pod may be there before anybody reserves for it. */
describe('a Pod that runs already', () => {
  let cluster: BerthOnCluster
  beforeAll(async () => {
    cluster = await BerthOnCluster.start({ vars: { QUARANTINE_MS: '0' } })
  })
  afterAll(() => cluster?.stop())

  const state = async (name: string) => (await cluster.call('GET', `/v1/reservations/${name}`)).json?.state
  const reserved = async (name: string) =>
    (await cluster.get('ips', name)).metadata.labels?.['ovn.kubernetes.io/ip_reserved']
  const wish = (podName: string) => ({ subnet: 'ovn-default', namespace: 'default', podName })

  test('reserve keeps its address and MAC, marks the object, and says 200', async () => {
    await cluster.apply(...running('web-0', '10.16.3.10', 'web'))
    await expect.poll(() => state('web-0.default'), SOON).toBe('foreign')
    const before = await cluster.get('ips', 'web-0.default')
    const reply = await cluster.call('POST', '/v1/reserve', wish('web-0'))
    expect(reply).toMatchObject({
      status: 200,
      json: { state: 'bound', v4IpAddress: '10.16.3.10', macAddress: '0a:00:00:00:00:0a' },
    })
    const after = await cluster.get('ips', 'web-0.default')
    expect(after.spec).toEqual(before.spec)
    expect(after.metadata.uid).toBe(before.metadata.uid)
    expect(after.metadata.labels).toEqual({
      ...before.metadata.labels,
      'ovn.kubernetes.io/ip_reserved': 'true',
    })
    // Reserved, it stays when the Pod goes.
    await cluster.kubectl('delete', 'pod', 'web-0', '--wait=false')
    expect((await cluster.call('POST', '/v1/release', { name: 'web-0.default' })).status).toBe(200)
    expect((await cluster.kubectl('get', 'ips', '-o', 'name')).trim()).toBe('')
  })

  test('also where the mirror has not told of it yet: the object’s name is the lock', async () => {
    await cluster.apply(...running('fresh-0', '10.16.3.20', 'fresh'))
    const reply = await cluster.call('POST', '/v1/reserve', wish('fresh-0'))
    expect(reply).toMatchObject({ status: 200, json: { v4IpAddress: '10.16.3.20' } })
    expect(await reserved('fresh-0.default')).toBe('true')
  })

  test('another address than it has is refused, and the object stays as it is', async () => {
    await cluster.apply(...running('stays-0', '10.16.3.30', 'stays'))
    await expect.poll(() => state('stays-0.default'), SOON).toBe('foreign')
    const before = await cluster.get('ips', 'stays-0.default')
    const refused = await cluster.call('POST', '/v1/reserve', {
      ...wish('stays-0'),
      v4IpAddress: '10.16.3.31',
    })
    expect(refused).toMatchObject({ status: 409, json: { code: 'already_reserved' } })
    expect(await cluster.get('ips', 'stays-0.default')).toEqual(before)
  })

  test('adopt: one, or all that a selector names; a dry run changes nothing', async () => {
    for (const n of [1, 2, 3])
      await cluster.apply(...running(`many-${n}`, `10.16.3.4${n}`, n < 3 ? 'a' : 'b'))
    const labels = () => Promise.all([1, 2, 3].map((n) => reserved(`many-${n}.default`)))
    await expect.poll(() => state('many-3.default'), SOON).toBe('foreign')
    const selection = { subnet: 'ovn-default', namespace: 'default', selector: { app: 'a' } }
    const dry = await cluster.call('POST', '/v1/adopt?dryRun=All', selection)
    expect(dry.json.items).toHaveLength(2)
    expect(await labels()).toEqual(['false', 'false', 'false'])
    const some = await cluster.call('POST', '/v1/adopt', selection)
    expect(some.status, some.text).toBe(200)
    expect(await labels()).toEqual(['true', 'true', 'false'])
    const one = await cluster.call('POST', '/v1/adopt', { name: 'many-3.default' })
    expect(one.status, one.text).toBe(200)
    expect(await labels()).toEqual(['true', 'true', 'true'])
  })
})

describe('IPPools of a real cluster', () => {
  let cluster: BerthOnCluster
  beforeAll(async () => {
    cluster = await BerthOnCluster.start()
  })
  afterAll(() => cluster?.stop())

  test('a pool made with kubectl keeps its addresses from others, and gives them to who names it', async () => {
    const reserve = async (podName: string, ipPool?: string) => {
      const body = { subnet: 'ovn-default', namespace: 'default', podName, ...(ipPool ? { ipPool } : {}) }
      return (await cluster.call('POST', '/v1/reserve', body)).json
    }
    const next = async () => {
      const validated = await cluster.call('POST', '/v1/validate', {
        ...{ subnet: 'ovn-default', namespace: 'default', podName: 'next' },
      })
      return validated.json.preview?.v4IpAddress
    }
    expect(await next()).toBe('10.16.0.2')
    await cluster.apply({
      apiVersion: 'kubeovn.io/v1',
      kind: 'IPPool',
      metadata: { name: 'front' },
      spec: { subnet: 'ovn-default', ips: ['10.16.0.2..10.16.0.5'] },
    })
    await expect.poll(next, SOON).toBe('10.16.0.6')
    expect((await reserve('any')).v4IpAddress).toBe('10.16.0.6')
    expect((await reserve('front', 'front')).v4IpAddress).toBe('10.16.0.2')
    await cluster.kubectl('delete', 'ippools', 'front')
    await expect.poll(next, SOON).toBe('10.16.0.3')
  })

  test('a Vip that holds an address, the old way, is shown, and what to do in its place is said', async () => {
    const held = { subnet: 'ovn-default', v4ip: '10.16.0.77' }
    await cluster.apply({ apiVersion: 'kubeovn.io/v1', kind: 'Vip', metadata: { name: 'held' }, spec: held })
    const shown = () => cluster.call('GET', '/v1/reservations?subnet=ovn-default&address=10.16.0.77')
    await expect
      .poll(async () => (await shown()).json.items, SOON)
      .toMatchObject([{ name: 'vip/held', state: 'foreign' }])
    const wish = { subnet: 'ovn-default', namespace: 'default', podName: 'heir', v4IpAddress: '10.16.0.77' }
    const refused = await cluster.call('POST', '/v1/reserve', wish)
    expect(refused).toMatchObject({
      status: 409,
      json: { code: 'address_taken', findings: [{ hint: expect.stringContaining('delete Vip held') }] },
    })
    expect((await cluster.get('vips', 'held')).spec).toMatchObject(held)
  })
})
