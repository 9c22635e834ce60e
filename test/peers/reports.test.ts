import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { KubeObject } from '../../shared/cluster/port.ts'
import { BerthOnCluster } from './berth.ts'

const SOON = { timeout: 30_000, interval: 200 }

interface Counters {
  readonly v4usingIPs: number
  readonly v4availableIPs: number
  readonly v6usingIPs: number
  readonly v6availableIPs: number
}

interface CloudEvent {
  readonly type: string
  readonly source: string
  readonly subject: string
  readonly data: Readonly<Record<string, unknown>>
}

/** What people see of Berth's work with kubectl alone. */
describe('what the cluster is told', () => {
  let cluster: BerthOnCluster
  beforeAll(async () => {
    cluster = await BerthOnCluster.start({ vars: { QUARANTINE_MS: '0', EVENTS: 'on' } })
  })
  afterAll(() => cluster?.stop())

  const wish = (podName: string, more: object = {}) => ({
    ...{ subnet: 'dual-stack', namespace: 'default', podName },
    ...more,
  })
  const counters = ({ v4usingIPs, v4availableIPs, v6usingIPs, v6availableIPs }: Counters): Counters => ({
    ...{ v4usingIPs, v4availableIPs, v6usingIPs, v6availableIPs },
  })
  const inStatus = async () => counters((await cluster.get('subnets', 'dual-stack')).status as Counters)
  const inApi = async () => counters((await cluster.call('GET', '/v1/subnets/dual-stack')).json)
  /** semantics.md §8: objects count, and what is left of 2^16 - 2 without the one excluded address. */
  const recount = async (): Promise<Counters> => {
    const objects = JSON.parse(await cluster.kubectl('get', 'ips', '-o', 'json')).items as KubeObject[]
    const using = objects.filter(({ spec }) => (spec as { subnet?: string }).subnet === 'dual-stack').length
    const available = 2 ** 16 - 2 - 1 - using
    return { v4usingIPs: using, v4availableIPs: available, v6usingIPs: using, v6availableIPs: available }
  }
  const agree = async () => {
    const counted = await recount()
    await expect.poll(inStatus, SOON).toEqual(counted)
    expect(await inApi()).toEqual(counted)
  }
  /** Reasons of the Events about an object, as kubectl tells them. */
  const reasons = async (name: string) =>
    (
      await cluster.kubectl(
        ...['get', 'events', '-A', `--field-selector=involvedObject.name=${name}`],
        ...['-o', 'jsonpath={.items[*].reason}'],
      )
    ).split(' ')

  test('the counters of a Subnet: kubectl, Berth and a recount agree', async () => {
    const items = [1, 2, 3, 4, 5].map((n) => wish(`web-${n}`))
    expect((await cluster.call('POST', '/v1/reserve', { items })).status).toBe(201)
    await agree()
    expect((await cluster.call('POST', '/v1/release', { name: 'web-3.default' })).status).toBe(200)
    await agree()
    await cluster.apply({
      apiVersion: 'kubeovn.io/v1',
      kind: 'IP',
      metadata: { name: 'theirs.default', labels: { 'ovn.kubernetes.io/ip_reserved': 'false' } },
      spec: wish('theirs', { v4IpAddress: '10.17.9.9', v6IpAddress: 'fd00:10:17::909' }),
    })
    await agree()
    // As `kubectl get subnet` prints them, in Kube-OVN's columns.
    const [head = '', row = ''] = (await cluster.kubectl('get', 'subnets', 'dual-stack')).split('\n')
    const using = row.slice(head.indexOf('V4USED')).trim().split(/\s+/)[0]
    expect(using).toBe('5')
  })

  test('Events on IP objects: Reserved, Released', async () => {
    await cluster.call('POST', '/v1/reserve', wish('told'))
    await expect.poll(() => reasons('told.default'), SOON).toEqual(['Reserved'])
    await cluster.call('POST', '/v1/release', { name: 'told.default' })
    await expect
      .poll(async () => (await reasons('told.default')).sort(), SOON)
      .toEqual(['Released', 'Reserved'])
  })

  test('an object that cannot be had says why: ReservationRefused', async () => {
    await cluster.apply({
      apiVersion: 'kubeovn.io/v1',
      kind: 'IP',
      metadata: { name: 'wrong.default' },
      spec: wish('wrong', { v4IpAddress: '10.99.0.1' }),
    })
    await expect.poll(() => reasons('wrong.default'), SOON).toEqual(['ReservationRefused'])
    expect((await cluster.get('ips', 'wrong.default')).metadata.finalizers).toBeUndefined()
  })

  test('an address that somebody else says he has: ReservationContested', async () => {
    const { json } = await cluster.call('POST', '/v1/reserve', wish('first'))
    await cluster.apply({
      apiVersion: 'kubeovn.io/v1',
      kind: 'IP',
      metadata: { name: 'second.default', labels: { 'ovn.kubernetes.io/ip_reserved': 'false' } },
      spec: wish('second', { v4IpAddress: json.v4IpAddress, ipAddress: json.v4IpAddress }),
    })
    await expect.poll(async () => reasons('first.default'), SOON).toContain('ReservationContested')
    const now = await cluster.call('GET', '/v1/reservations/first.default')
    expect(now.json).toMatchObject({ state: 'bound', contested: true, v4IpAddress: json.v4IpAddress })
  })

  /** What the stream of events tells from its beginning: type, subject and data, until one is of this kind. */
  async function streamed(type: string, subject: string): Promise<CloudEvent> {
    const over = new AbortController()
    const { body } = await fetch(`${cluster.berth.url}/v1/events?type=${type}`, {
      headers: { 'Last-Event-ID': '0' },
      signal: AbortSignal.any([over.signal, AbortSignal.timeout(SOON.timeout)]),
    })
    let text = ''
    for await (const chunk of body!.pipeThrough(new TextDecoderStream())) {
      text += chunk
      const lines = [...text.matchAll(/^data: (.*)\n\n/gm)].map(([, data]) => JSON.parse(data!) as CloudEvent)
      const found = lines.find((event) => event.subject === subject)
      if (!found) continue
      over.abort()
      return found
    }
    throw new Error(`the stream ended without ${type} of ${subject}: ${text}`)
  }

  test('subscribers hear the same: contested', async () => {
    const { json } = await cluster.call('GET', '/v1/reservations/first.default')
    expect(await streamed('contested', 'first.default')).toMatchObject({
      type: 'berth.reservation.contested.v1',
      source: 'urn:berth:default/dual-stack',
      data: { state: 'bound', contested: true, v4IpAddress: json.v4IpAddress },
    })
  })

  test('and stranded, when a Subnet shrinks past an address', async () => {
    const far = { subnet: 'ovn-default', namespace: 'default', podName: 'far', v4IpAddress: '10.16.200.1' }
    expect((await cluster.call('POST', '/v1/reserve', far)).status).toBe(201)
    const subnet = await cluster.get('subnets', 'ovn-default')
    await cluster.apply({
      ...{ apiVersion: 'kubeovn.io/v1', kind: 'Subnet', metadata: { name: 'ovn-default' } },
      spec: { ...(subnet.spec as object), cidrBlock: '10.16.0.0/17' },
    })
    expect(await streamed('stranded', 'far.default')).toMatchObject({
      type: 'berth.reservation.stranded.v1',
      data: { state: 'stranded', v4IpAddress: '10.16.200.1' },
    })
  })

  test('and refused, when the API server will not have the object', async () => {
    const meta = { metadata: { name: 'nobody-is-called-denied' } }
    const admission = { apiVersion: 'admissionregistration.k8s.io/v1' }
    await cluster.apply({
      ...{ ...admission, kind: 'ValidatingAdmissionPolicy', ...meta },
      spec: {
        failurePolicy: 'Fail',
        matchConstraints: {
          resourceRules: [
            { apiGroups: ['kubeovn.io'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['ips'] },
          ],
        },
        validations: [{ expression: "object.metadata.name != 'denied.default'", message: 'not that name' }],
      },
    })
    await cluster.apply({
      ...{ ...admission, kind: 'ValidatingAdmissionPolicyBinding', ...meta },
      spec: { policyName: meta.metadata.name, validationActions: ['Deny'] },
    })
    // A policy holds when the API server has read it, which kubectl's own dry run shows.
    const probe = cluster.file([
      {
        ...{ apiVersion: 'kubeovn.io/v1', kind: 'IP', metadata: { name: 'denied.default' } },
        spec: wish('denied'),
      },
    ])
    await expect
      .poll(() => cluster.kubectl('create', '--dry-run=server', '-f', probe).catch(String), SOON)
      .toContain('not that name')
    const reply = await cluster.call('POST', '/v1/reserve', wish('denied'))
    expect(reply.status).toBeGreaterThanOrEqual(400)
    expect(reply.status).toBeLessThan(500)
    const { data } = await streamed('refused', 'denied.default')
    expect(data).toMatchObject({ names: ['denied.default'], problem: { code: reply.json.code } })
    expect((await cluster.call('GET', '/v1/reservations/denied.default')).status).toBe(404)
  })
})
