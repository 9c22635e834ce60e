import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { BerthOnCluster } from './berth.ts'

const seed = (name: string) => readFileSync(join(import.meta.dirname, '../data/seed', name), 'utf8')

/** How a look at the controller's Lease is told. */
const LOOK = 'get leases'
const SOON = { timeout: 20_000, interval: 100 }

describe('reserve on a real cluster', () => {
  let cluster: BerthOnCluster
  beforeAll(async () => {
    cluster = await BerthOnCluster.start()
  })
  afterAll(() => cluster?.stop())

  // semantics.md §1: what the seed's document shows for its two manifests.
  test.each([
    [
      '01-dynamic.yaml',
      { podType: 'VirtualMachine', podName: 'vm-dynamic-01' },
      expect.stringMatching(/^10\.16\./),
    ],
    ['02-static.yaml', { podType: '', podName: 'pod-static-01' }, '10.16.0.3'],
  ])('%s: kubectl shows the object of the seed, whole and in one write', async (file, owner, address) => {
    const reply = await cluster.call('POST', '/v1/reserve', seed(file))
    expect(reply.status).toBe(201)
    const object = await cluster.get('ips', `${owner.podName}.default`)
    expect(object).toMatchObject({
      metadata: {
        generation: 1,
        finalizers: ['kubeovn.io/kube-ovn-controller'],
        labels: {
          'ovn.kubernetes.io/ip_reserved': 'true',
          'ovn.kubernetes.io/node-name': '',
          'ovn.kubernetes.io/subnet': 'ovn-default',
        },
      },
      spec: {
        attachIps: [],
        attachMacs: [],
        attachSubnets: [],
        containerID: '',
        ipAddress: address,
        macAddress: expect.stringMatching(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/),
        namespace: 'default',
        nodeName: '',
        ...owner,
        subnet: 'ovn-default',
        v4IpAddress: address,
        v6IpAddress: '',
      },
    })
    expect(Object.keys(object.metadata.labels ?? {})).toHaveLength(3)
    expect((object.spec as { ipAddress: string }).ipAddress).toBe(reply.json.v4IpAddress)
    // Asked for YAML, Berth shows what kubectl shows.
    const shown = await cluster.call('GET', `/v1/reservations/${owner.podName}.default`, undefined, {
      Accept: 'application/yaml',
    })
    expect(parse(shown.text)).toEqual(object)
  })

  const wish = (podName: string, more: object = {}) => ({
    ...{ subnet: 'ovn-default', namespace: 'default', podName },
    ...more,
  })
  const names = async () =>
    (await cluster.kubectl('get', 'ips', '-o', 'name')).split('\n').filter((line) => line !== '')

  test('validate and dry run say what would be, and leave nothing', async () => {
    const before = await names()
    const validated = await cluster.call('POST', '/v1/validate', wish('dry'))
    expect(validated.json).toMatchObject({ allowed: true, preview: { name: 'dry.default' } })
    const dry = await cluster.call('POST', '/v1/reserve?dryRun=All', wish('dry'))
    expect(dry.json).toMatchObject({ name: 'dry.default', v4IpAddress: validated.json.preview.v4IpAddress })
    expect(await names()).toEqual(before)
    expect((await cluster.call('GET', '/v1/reservations/dry.default')).status).toBe(404)
  })

  test('a group is all there, in both families, or not at all', async () => {
    const items = [1, 2, 3].map((n) => wish(`db-${n}`, { subnet: 'dual-stack', podType: 'StatefulSet' }))
    const made = await cluster.call('POST', '/v1/reserve', { items })
    expect(made.status).toBe(201)
    for (const { name, v4IpAddress, v6IpAddress } of made.json.items) {
      const { spec } = await cluster.get('ips', name)
      expect(spec).toMatchObject({ v4IpAddress, v6IpAddress, ipAddress: `${v4IpAddress},${v6IpAddress}` })
    }
    // One of these names is taken by an object that somebody else made.
    const foreign = {
      subnet: 'elsewhere',
      namespace: 'default',
      podName: 'cache-2',
      v4IpAddress: '10.99.0.9',
    }
    await cluster.apply({
      apiVersion: 'kubeovn.io/v1',
      kind: 'IP',
      metadata: { name: 'cache-2.default' },
      spec: foreign,
    })
    const before = await names()
    const group = { items: [1, 2, 3].map((n) => wish(`cache-${n}`)) }
    const refused = await cluster.call('POST', '/v1/reserve', group)
    expect(refused.status).toBe(409)
    await expect.poll(names, { timeout: 20_000 }).toEqual(before)
  })

  test('a release takes the object away; the address cools down', async () => {
    await cluster.call('POST', '/v1/reserve', wish('gone', { v4IpAddress: '10.16.7.7' }))
    const released = await cluster.call('POST', '/v1/release', { name: 'gone.default' })
    expect(released).toMatchObject({ status: 200, json: { state: 'quarantined', v4IpAddress: '10.16.7.7' } })
    expect(await names()).not.toContain('ip.kubeovn.io/gone.default')
    const again = await cluster.call('POST', '/v1/reserve', wish('other', { v4IpAddress: '10.16.7.7' }))
    expect(again.status).toBe(409)
  })

  describe('calls to the API server, by its own log', () => {
    /** Nothing is left to tell: the Event about it is there, and the Subnet's status counts all objects. */
    const told = async (podName: string) => {
      const reasons = () =>
        cluster.kubectl(
          ...['get', 'events', `--field-selector=involvedObject.name=${podName}.default`],
          ...['-o', 'jsonpath={.items[*].reason}'],
        )
      await expect.poll(reasons, SOON).toBe('Reserved')
      const columns = ['-o', 'custom-columns=S:.spec.subnet', '--no-headers']
      const subnets = (await cluster.kubectl('get', 'ips', ...columns)).trim().split('\n')
      const v4usingIPs = subnets.filter((subnet) => subnet === 'ovn-default').length
      const counted = async () => (await cluster.get('subnets', 'ovn-default')).status
      await expect.poll(counted, SOON).toMatchObject({ v4usingIPs })
    }
    const reserved = async (podName: string) => {
      expect((await cluster.call('POST', '/v1/reserve', wish(podName))).status).toBe(201)
      await told(podName)
    }

    /**
     * All that Berth asked for from before the reserve until nothing is left to tell, less what it tells afterwards: one
     * Event, and the Subnet's counters, which are a read and a write. Looks at the controller's Lease are told apart: they
     * come by the clock, from each part of the process, and a reserve waits for one at most, the first of its process.
     */
    const callsOf = async (podName: string, before: () => Promise<void> = async () => {}) => {
      await reserved(`before-${podName}`)
      const first = cluster.requests().length
      await before()
      await reserved(podName)
      const calls = cluster
        .requests()
        .slice(first)
        .map(({ verb, resource, subresource }) => `${verb} ${resource}${subresource && `/${subresource}`}`)
      for (const afterwards of ['create events', 'get subnets', 'patch subnets/status']) {
        const at = calls.lastIndexOf(afterwards)
        expect(at, `${afterwards} in ${calls}`).not.toBe(-1)
        calls.splice(at, 1)
      }
      const looks = calls.filter((call) => call === LOOK)
      return { looks: looks.length, calls: calls.filter((call) => call !== LOOK) }
    }

    test.each(['counted-1', 'counted-2', 'counted-3'])('%s: one, and that a POST', async (podName) => {
      expect((await callsOf(podName)).calls).toEqual(['create ips'])
    })

    test.each(['counted-4', 'counted-5'])(
      '%s, the first of a process: at most four, one of them a POST; the mirror goes on with its watches',
      async (podName) => {
        const { looks, calls } = await callsOf(podName, async () => {
          await cluster.berth.kill9()
          await cluster.startBerth({}, '/healthz')
        })
        const own = calls.filter((call) => !call.startsWith('watch '))
        expect(looks).toBeGreaterThan(0)
        expect(1 + own.length, own.join(', ')).toBeLessThanOrEqual(4)
        expect(own.filter((call) => call.startsWith('create'))).toEqual(['create ips'])
      },
    )
  })

  test('Subnets, pools and owners of a real cluster are not written here', async () => {
    const spec = { cidrBlock: '10.1.0.0/16' }
    const manifest = { apiVersion: 'kubeovn.io/v1', kind: 'Subnet', metadata: { name: 'new' }, spec }
    expect((await cluster.call('PUT', '/v1/subnets/new', manifest)).status).toBe(403)
    expect((await cluster.call('DELETE', '/v1/subnets/ovn-default')).status).toBe(403)
    expect((await cluster.call('PUT', '/embedded/pods/default/p')).status).toBe(403)
  })
})
