import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type RunningApiServer, startApiServer } from '../../infra/peers/apiserver.ts'
import { installCrds } from '../../infra/peers/crds.ts'
import { run } from '../../infra/peers/run.ts'
import { BERTH_USER, BerthOnCluster, type Reply } from './berth.ts'

/** One VLAN that a Subnet of each cluster is on. */
const UNDERLAY = {
  apiVersion: 'kubeovn.io/v1',
  kind: 'Subnet',
  metadata: { name: 'underlay' },
  spec: {
    cidrBlock: '10.90.0.0/24',
    excludeIps: ['10.90.0.1'],
    gateway: '10.90.0.1',
    protocol: 'IPv4',
    provider: 'ovn',
    vpc: 'ovn-cluster',
    vlan: 'vlan100',
  },
}
const RBAC = join(import.meta.dirname, '../../infra/kubernetes/base/rbac.yaml')
const SOON = { timeout: 30_000, interval: 200 }

let far: RunningApiServer
let near: BerthOnCluster
const folder = mkdtempSync(join(tmpdir(), 'berth-far-'))

const atFar = (...args: readonly string[]) =>
  run(far.kubectl, [`--kubeconfig=${far.kubeconfig}`, ...args], { limitMs: 30_000 })

function file(name: string, object: unknown): string {
  const path = join(folder, name)
  writeFileSync(path, JSON.stringify(object))
  return path
}

beforeAll(async () => {
  far = await startApiServer()
  await installCrds(far)
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'berth-system' } }
  await atFar('apply', '-f', file('namespace.json', namespace), '-f', RBAC, '-f', file('u.json', UNDERLAY))
  const token = (await atFar('create', 'token', 'berth', '--namespace=berth-system')).trim()
  near = await BerthOnCluster.start({
    trust: [far.caFile],
    vars: {
      QUARANTINE_MS: '0',
      CLUSTERS: JSON.stringify([{ name: 'far', apiUrl: far.url }]),
      CLUSTER_SECRETS: JSON.stringify({ far: { token } }),
      SHARED_SPACES: JSON.stringify([{ name: 'vlan100', subnets: ['default/underlay', 'far/underlay'] }]),
    },
  })
  await near.apply(UNDERLAY)
}, 120_000)

afterAll(async () => {
  await near?.stop()
  const refused = far
    ?.requests()
    .filter(({ user, code, atMs }) => user === BERTH_USER && code === 403 && !far.wasStarting(atMs))
  await far?.stop()
  rmSync(folder, { recursive: true, force: true })
  expect(refused).toEqual([])
})

const FAR = '/clusters/far'
const reserve = (prefix: string, podName: string, more: object = {}) =>
  near.call('POST', `${prefix}/v1/reserve`, { subnet: 'underlay', namespace: 'shop', podName, ...more })
const release = (prefix: string, name: string) => near.call('POST', `${prefix}/v1/release`, { name })

/** The mirror of the far cluster is asked for the first time: the Subnet may not be known yet. */
async function reserved(prefix: string, podName: string, more: object = {}): Promise<Reply> {
  const reply = await reserve(prefix, podName, more)
  expect([reply.status, reply.text]).toEqual([201, expect.anything()])
  return reply
}

test('two clusters on one VLAN never get the same address or MAC', async () => {
  await expect.poll(async () => (await near.call('GET', `${FAR}/readyz`)).status, SOON).toBe(200)
  const given: { cluster: string; v4IpAddress: string; macAddress: string }[] = []
  for (let n = 0; n < 3; n++) {
    const replies = await Promise.all(['', FAR].map((prefix) => reserved(prefix, `web-${n}`)))
    given.push(...replies.map(({ json }) => json))
  }
  expect(new Set(given.map(({ v4IpAddress }) => v4IpAddress)).size).toBe(6)
  expect(new Set(given.map(({ macAddress }) => macAddress)).size).toBe(6)
  expect(given.map(({ cluster }) => cluster).sort()).toEqual([
    'default',
    'default',
    'default',
    'far',
    'far',
    'far',
  ])
  // Each is an object of its own cluster.
  const addresses = async (kubectl: (...args: readonly string[]) => Promise<string>) =>
    (await kubectl('get', 'ips', '-o', 'jsonpath={.items[*].spec.v4IpAddress}')).split(' ').sort()
  const of = (name: string) =>
    given
      .filter(({ cluster }) => cluster === name)
      .map(({ v4IpAddress }) => v4IpAddress)
      .sort()
  expect(await addresses((...args) => near.kubectl(...args))).toEqual(of('default'))
  expect(await addresses(atFar)).toEqual(of('far'))
})

test('a name that both have is two reservations', async () => {
  expect((await release('', 'web-0.shop')).status).toBe(200)
  expect((await near.call('GET', `${FAR}/v1/reservations/web-0.shop`)).json.state).toBe('bound')
  expect((await near.call('GET', '/v1/reservations/web-0.shop')).status).toBe(404)
})

test('what a Pod of one cluster has by its own controller is passed over in the other', async () => {
  const ip = {
    apiVersion: 'kubeovn.io/v1',
    kind: 'IP',
    metadata: {
      name: 'plain.shop',
      finalizers: ['kubeovn.io/kube-ovn-controller'],
      labels: { 'ovn.kubernetes.io/ip_reserved': 'false' },
    },
    spec: {
      subnet: 'underlay',
      namespace: 'shop',
      podName: 'plain',
      podType: '',
      v4IpAddress: '10.90.0.77',
      ipAddress: '10.90.0.77',
      macAddress: '00:00:00:0a:0b:77',
    },
  }
  await atFar('create', '-f', file('plain.json', ip))
  await expect
    .poll(async () => {
      const reply = await near.call('POST', '/v1/validate', {
        subnet: 'underlay',
        namespace: 'shop',
        podName: 'late',
        v4IpAddress: '10.90.0.77',
      })
      return reply.json.findings.map(({ code }: { code: string }) => code)
    }, SOON)
    .toEqual(['address_taken'])
  const refused = await reserve('', 'late', { macAddress: '00:00:00:0a:0b:77' })
  expect([refused.status, refused.json.code]).toEqual([409, 'mac_taken'])
})

test('a cluster that is away keeps nobody waiting, and what it has stays its own', async () => {
  const theirs = (await near.call('GET', `${FAR}/v1/reservations/web-1.shop`)).json
  await far.kill9()
  const here = await reserved('', 'meanwhile')
  expect(here.json.v4IpAddress).not.toBe(theirs.v4IpAddress)
  const taken = await reserve('', 'thief', { v4IpAddress: theirs.v4IpAddress })
  expect([taken.status, taken.json.code]).toEqual([409, 'address_taken'])
  expect((await release('', 'meanwhile.shop')).status).toBe(200)
  expect((await near.call('GET', '/readyz')).status).toBe(200)
  await far.restart()
  await expect.poll(async () => (await near.call('GET', `${FAR}/readyz`)).status, SOON).toBe(200)
  await expect.poll(async () => (await release(FAR, 'web-1.shop')).status, SOON).toBe(200)
  await expect
    .poll(async () => (await reserve('', 'thief', { v4IpAddress: theirs.v4IpAddress })).status, SOON)
    .toBe(201)
})

test('Berth starts again with all of it', async () => {
  await near.berth.kill9()
  await near.startBerth()
  const [here, there] = await Promise.all(['', FAR].map((prefix) => reserved(prefix, 'after')))
  expect(here?.json.v4IpAddress).not.toBe(there?.json.v4IpAddress)
})
