import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../../infra/dev/wait.ts'
import { certify, makeAuthority, makeCertificates } from '../../infra/peers/certificates.ts'
import { leaderOf, type OvnNorthbound, startNorthbound } from '../../infra/peers/ovn.ts'
import type { KubeObject } from '../../shared/cluster/port.ts'
import { BerthOnCluster } from './berth.ts'

const SEED = readFileSync(join(import.meta.dirname, '../data/seed/02-static.yaml'), 'utf8')
const SOON = { timeout: 30_000, interval: 100 }

const pod = (name: string): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default' },
  spec: { schedulerName: 'nobody', containers: [{ name: 'main', image: 'registry.invalid/none' }] },
})

/** Berth in plain workerd on etcd, kube-apiserver and ovsdb-server; kubectl and ovn-nbctl see what came of it. */
describe('a reservation’s whole life with its logical switch port', () => {
  let northbound: OvnNorthbound
  let cluster: BerthOnCluster
  beforeAll(async () => {
    northbound = await startNorthbound()
    cluster = await BerthOnCluster.start({
      vars: { QUARANTINE_MS: '2000', STRAGGLER_MS: '1000', OVN_NB: northbound.remotes },
    })
    await northbound.nbctl('ls-add', 'ovn-default')
  })
  afterAll(async () => {
    await cluster?.stop()
    await northbound?.stop()
  })

  /** As Kube-OVN writes it (semantics.md §7). */
  const addPort = (name: string, owner: string, addresses: string) =>
    northbound.nbctl(
      ...['lsp-add', 'ovn-default', name, '--', 'lsp-set-addresses', name, addresses],
      ...['--', 'set', 'logical_switch_port', name],
      ...['external_ids:vendor=kube-ovn', 'external_ids:ls=ovn-default', `external_ids:pod=${owner}`],
    )
  const hasPort = async (name: string) =>
    (await northbound.nbctl('--bare', '--columns=name', 'find', 'logical_switch_port', `name=${name}`)) !== ''
  const hasObject = async (name: string) =>
    (await cluster.kubectl('get', 'ips', name, '-o', 'name', '--ignore-not-found')).trim() !== ''
  const state = async (name: string) => (await cluster.call('GET', `/v1/reservations/${name}`)).json?.state
  const wish = (podName: string) => ({ subnet: 'ovn-default', namespace: 'default', podName })

  test('reserve, Pod and port, Pod gone, release', async () => {
    const name = 'pod-static-01.default'
    const made = await cluster.call('POST', '/v1/reserve', SEED)
    expect(made.status, made.text).toBe(201)
    const { v4IpAddress, macAddress } = made.json
    await cluster.apply(pod('pod-static-01'))
    await addPort(name, 'default/pod-static-01', `${macAddress} ${v4IpAddress}`)
    expect(await cluster.call('POST', '/v1/release', { name })).toMatchObject({
      status: 409,
      json: { code: 'pod_alive' },
    })
    await cluster.kubectl('delete', 'pod', 'pod-static-01', '--grace-period=0', '--force')
    expect([await hasPort(name), await hasObject(name), await state(name)]).toEqual([true, true, 'bound'])
    const shown = await cluster.call('GET', `/v1/reservations/${name}`)
    expect(shown.json.port.addresses).toEqual([`${macAddress} ${v4IpAddress}`])
    const released = await cluster.call('POST', '/v1/release', { name })
    expect(released.status, released.text).toBe(200)
    expect([await hasPort(name), await hasObject(name)]).toEqual([false, false])
    expect(released.json.warnings ?? []).toEqual([])
    expect(await state(name)).toBe('quarantined')
    await expect.poll(() => state(name), SOON).toBeUndefined()
    const again = await cluster.call('POST', '/v1/reserve', { ...wish('heir'), v4IpAddress })
    expect(again.status, again.text).toBe(201)
  })

  test('a port that is somebody else’s is left alone, and that is said', async () => {
    const name = 'mine.default'
    expect((await cluster.call('POST', '/v1/reserve', wish('mine'))).status).toBe(201)
    await addPort(name, 'default/yours', '00:00:00:00:00:07 10.16.99.7')
    const released = await cluster.call('POST', '/v1/release', { name })
    expect(released.status, released.text).toBe(200)
    expect(released.text).toContain('was left alone: its pod is')
    expect([await hasPort(name), await hasObject(name)]).toEqual([true, false])
  })

  test('a reserve passes over an address that a port carries, and is refused for a port’s own name', async () => {
    const suggested = await cluster.call('GET', '/v1/subnets/ovn-default/suggest?count=1')
    const [next] = suggested.json.addresses
    expect(next).toMatch(/^10\.16\./)
    await addPort('stray.default', 'default/stray', `00:00:00:00:00:08 ${next}`)
    const made = await cluster.call('POST', '/v1/reserve', wish('passer'))
    expect(made.status, made.text).toBe(201)
    expect(made.json.v4IpAddress).not.toBe(next)
    expect(await cluster.call('POST', '/v1/reserve', wish('stray'))).toMatchObject({
      status: 409,
      json: { code: 'port_exists' },
    })
    expect([await hasPort('stray.default'), await hasObject('stray.default')]).toEqual([true, false])
  })

  test('a repair compares the ports', async () => {
    const told = await cluster.call(
      'POST',
      '/v1/repair',
      { subnet: 'ovn-default' },
      { 'Idempotency-Key': 'r' },
    )
    expect(told.status, told.text).toBe(200)
    expect(told.json.subnets[0].ports).toBe('compared')
    expect(told.text).toContain('stray.default')
  })

  test('the same life, with every component killed once on the way', async () => {
    const name = 'hardy.default'
    const [server] = northbound.servers
    if (!server) throw new Error('no ovsdb-server')
    const made = await cluster.call('POST', '/v1/reserve', wish('hardy'))
    expect(made.status, made.text).toBe(201)
    await cluster.berth.kill9()
    await cluster.startBerth()
    await cluster.apply(pod('hardy'))
    await addPort(name, 'default/hardy', `${made.json.macAddress} ${made.json.v4IpAddress}`)
    await server.kill9()
    await server.restart()
    await cluster.api.etcd.kill9()
    await cluster.api.etcd.restart()
    await cluster.api.kill9()
    await cluster.api.restart()
    await expect.poll(() => state(name), SOON).toBe('bound')
    await expect
      .poll(async () => (await cluster.call('POST', '/v1/release', { name })).json?.code, SOON)
      .toBe('pod_alive')
    await cluster.kubectl('delete', 'pod', 'hardy', '--grace-period=0', '--force')
    // The release begins while the database is away, its driver dies, and the alarm goes on when it is back.
    await server.kill9()
    const begun = await cluster.call('POST', '/v1/release', { name })
    expect(begun.status, begun.text).toBe(202)
    expect(await hasObject(name)).toBe(true)
    await cluster.berth.kill9()
    await server.restart()
    expect(await hasPort(name)).toBe(true)
    await cluster.startBerth({}, '/healthz')
    await expect.poll(() => hasObject(name), SOON).toBe(false)
    expect(await hasPort(name)).toBe(false)
    await expect.poll(() => state(name), SOON).toBeUndefined()
  })

  test('a Pod that starts while its release is held up keeps its port', async () => {
    const name = 'early.default'
    const [server] = northbound.servers
    if (!server) throw new Error('no ovsdb-server')
    const made = await cluster.call('POST', '/v1/reserve', wish('early'))
    await addPort(name, 'default/early', `${made.json.macAddress} ${made.json.v4IpAddress}`)
    server.pause()
    const begun = await cluster.call('POST', '/v1/release', { name })
    await cluster.apply(pod('early'))
    server.resume()
    expect(begun.status, begun.text).toBe(202)
    const waits = async () => (await cluster.call('GET', `/v1/reservations/${name}`)).json?.warnings?.join()
    await expect.poll(waits, SOON).toContain('waits: Pod default/early is alive')
    const { json } = await cluster.call('GET', `/v1/operations/${begun.json.operation}`)
    expect(json).toMatchObject({ kind: 'release', state: 'running', phase: 'pod_started' })
    expect([await hasPort(name), await hasObject(name)]).toEqual([true, true])
    await cluster.kubectl('delete', 'pod', 'early', '--grace-period=0', '--force')
    await expect.poll(() => hasObject(name), SOON).toBe(false)
    expect(await hasPort(name)).toBe(false)
  })

  test('a setting that cannot be read is told by readyz', async () => {
    await cluster.berth.stop()
    await cluster.startBerth({ OVN_NB: 'tcp:nowhere' }, '/healthz')
    const ready = await cluster.call('GET', '/readyz')
    expect(ready.status).toBe(503)
    expect(ready.json.parts.variables).toMatchObject({
      ready: false,
      detail: expect.stringContaining('OVN_NB: "tcp:nowhere" is not of the form tcp:HOST:PORT'),
    })
    await cluster.berth.stop()
    await cluster.startBerth()
  })

  test('readyz names the server', async () => {
    const ready = await cluster.call('GET', '/readyz')
    expect(ready.text).toContain(northbound.remotes)
  })
})

describe('over TLS', () => {
  test('a release cuts, with the certificates that workerd was given', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'berth-ovn-life-'))
    const server = await makeCertificates(folder)
    const authority = await makeAuthority(folder)
    const client = await certify(folder, authority, {
      name: 'tls',
      commonName: 'berth',
      usage: 'clientAuth',
      names: 'DNS:berth',
    })
    const northbound = await startNorthbound({ tls: { server, client: { ...client, ca: server.ca } } })
    const vars = { QUARANTINE_MS: '0', OVN_NB: northbound.remotes }
    const cluster = await BerthOnCluster.start({ vars, ovnFolder: folder })
    try {
      await northbound.nbctl('ls-add', 'ovn-default')
      const body = { subnet: 'ovn-default', namespace: 'default', podName: 'web' }
      expect((await cluster.call('POST', '/v1/reserve', body)).status).toBe(201)
      await northbound.nbctl(
        ...['lsp-add', 'ovn-default', 'web.default', '--', 'set', 'logical_switch_port', 'web.default'],
        ...['external_ids:vendor=kube-ovn', 'external_ids:ls=ovn-default', 'external_ids:pod=default/web'],
      )
      const released = await cluster.call('POST', '/v1/release', { name: 'web.default' })
      expect(released.status, released.text).toBe(200)
      expect(await northbound.nbctl('--bare', '--columns=name', 'list', 'logical_switch_port')).toBe('')
    } finally {
      await cluster.stop()
      await northbound.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

describe('a cluster of three, whose leader changes', () => {
  const PODS = Array.from({ length: 12 }, (_, n) => `web-${n}`)

  test('every release that is under way ends, its port is gone, and no other is', {
    timeout: 120_000,
  }, async () => {
    const northbound = await startNorthbound({ servers: 3 })
    const vars = { QUARANTINE_MS: '0', STRAGGLER_MS: '1000', OVN_NB: northbound.remotes }
    const cluster = await BerthOnCluster.start({ vars })
    try {
      await northbound.nbctl('ls-add', 'ovn-default')
      const addPort = (name: string, owner: string) =>
        northbound.nbctl(
          ...['lsp-add', 'ovn-default', name, '--', 'set', 'logical_switch_port', name],
          ...['external_ids:vendor=kube-ovn', 'external_ids:ls=ovn-default', `external_ids:pod=${owner}`],
        )
      const items = PODS.map((podName) => ({ subnet: 'ovn-default', namespace: 'default', podName }))
      expect((await cluster.call('POST', '/v1/reserve', { items })).status).toBe(201)
      for (const podName of PODS) await addPort(`${podName}.default`, `default/${podName}`)
      await addPort('stays.default', 'default/stays')
      const first = await leaderOf(northbound)
      const releases = PODS.map(async (podName) => {
        const headers = { 'Idempotency-Key': podName }
        const ask = () => cluster.call('POST', '/v1/release', { name: `${podName}.default` }, headers)
        return until(`the release of ${podName}`, 60_000, async () => {
          const { status } = await ask()
          return status === 202 || status === 503 ? undefined : status
        })
      })
      await first.control('cluster/failure-test', 'transfer-leadership')
      await until('another one leads', 30_000, async () =>
        (await leaderOf(northbound)) === first ? undefined : true,
      )
      const second = await leaderOf(northbound)
      await second.kill9()
      expect(await Promise.all(releases)).toEqual(PODS.map(() => 200))
      await second.restart()
      expect((await northbound.nbctl('--bare', '--columns=name', 'list', 'logical_switch_port')).trim()).toBe(
        'stays.default',
      )
      expect((await cluster.kubectl('get', 'ips', '-o', 'name')).trim()).toBe('')
      const { remote } = await leaderOf(northbound)
      const told = async () => (await cluster.call('GET', '/readyz')).json.parts.ovn.detail
      await expect.poll(told, SOON).toContain(remote)
    } finally {
      await cluster.stop()
      await northbound.stop()
    }
  })
})
