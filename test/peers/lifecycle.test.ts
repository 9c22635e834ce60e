import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { KubeObject } from '../../shared/cluster/port.ts'
import { BerthOnCluster } from './berth.ts'

const seed = (name: string) => readFileSync(join(import.meta.dirname, '../data/seed', name), 'utf8')
const SOON = { timeout: 20_000, interval: 50 }

const pod = (name: string, metadata: object = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default', ...metadata },
  spec: { schedulerName: 'nobody', containers: [{ name: 'main', image: 'registry.invalid/none' }] },
})
const set = (name: string, replicas: number): KubeObject => ({
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: { name, namespace: 'default' },
  spec: {
    replicas,
    serviceName: name,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: pod(name).spec },
  },
})
const machine = (name: string, kind = 'VirtualMachine'): KubeObject => ({
  apiVersion: 'kubevirt.io/v1',
  kind,
  metadata: { name, namespace: 'default' },
  spec: kind === 'VirtualMachine' ? { runStrategy: 'Always' } : {},
})

/** The lifetimes of semantics.md §1, on a real API server, with owners made and deleted by kubectl. */
describe('lifetimes', () => {
  let cluster: BerthOnCluster
  beforeAll(async () => {
    cluster = await BerthOnCluster.start({ vars: { QUARANTINE_MS: '0', STRAGGLER_MS: '1000' } })
  })
  afterAll(() => cluster?.stop())

  const reserve = async (body: unknown) => {
    const reply = await cluster.call('POST', '/v1/reserve', body)
    expect(reply.status, reply.text).toBe(201)
    return reply.json
  }
  const wish = (podName: string, podType = '') => ({
    ...{ subnet: 'ovn-default', namespace: 'default', podName, podType },
  })
  const isThere = async (resource: string, name: string) =>
    (await cluster.kubectl('get', resource, name, '-o', 'name', '--ignore-not-found')).trim() !== ''
  const state = async (name: string) => (await cluster.call('GET', `/v1/reservations/${name}`)).json?.state
  const remove = (...args: readonly string[]) => cluster.kubectl('delete', ...args, '--wait=false')
  const restart = async () => {
    await cluster.berth.kill9()
    await cluster.startBerth()
  }
  /** Until what the API server did by now has certainly been heard: an object made after it is known. */
  let marks = 0
  const heard = async () => {
    const name = `mark-${++marks}`
    await cluster.apply({
      apiVersion: 'kubeovn.io/v1',
      kind: 'IP',
      metadata: { name: `${name}.default`, labels: { 'ovn.kubernetes.io/ip_reserved': 'false' } },
      spec: { ...wish(name), v4IpAddress: `10.16.250.${marks}`, ipAddress: `10.16.250.${marks}` },
    })
    await expect.poll(() => state(`${name}.default`), SOON).toBe('foreign')
  }

  test.each<[string, string, unknown, readonly KubeObject[]]>([
    [
      'the first seed: a virtual machine',
      'vm-dynamic-01.default',
      seed('01-dynamic.yaml'),
      [machine('vm-dynamic-01'), machine('vm-dynamic-01', 'VirtualMachineInstance'), pod('virt-launcher-1')],
    ],
    ['the second seed: a Pod', 'pod-static-01.default', seed('02-static.yaml'), [pod('pod-static-01')]],
    [
      'a Pod of a StatefulSet that is deleted',
      'web-1.default',
      wish('web-1', 'StatefulSet'),
      [set('web', 3), pod('web-1')],
    ],
  ])('%s: reserve, owner there, owner gone, restart, release', async (_, name, body, owners) => {
    const { v4IpAddress, macAddress } = await reserve(body)
    await cluster.apply(...owners)
    const refused = await cluster.call('POST', '/v1/release', { name })
    expect(refused).toMatchObject({ status: 409, json: { code: 'pod_alive' } })
    const before = await cluster.get('ips', name)
    for (const { kind, metadata } of owners) await remove(kind, metadata.name)
    await heard()
    await restart()
    await heard()
    // Not a letter of it changed, and it is still promised.
    expect(await cluster.get('ips', name)).toEqual(before)
    expect(before.spec).toMatchObject({ v4IpAddress, macAddress })
    expect(await state(name)).toBe('bound')
    const released = await cluster.call('POST', '/v1/release', { name })
    expect(released.status, released.text).toBe(200)
    expect(await isThere('ips', name)).toBe(false)
  })

  test('a StatefulSet scaled down: its Pod’s reservation stays over a restart, and may be released then', async () => {
    const name = 'db-2.default'
    await reserve(wish('db-2', 'StatefulSet'))
    await cluster.apply(set('db', 3), pod('db-2'))
    expect((await cluster.call('POST', '/v1/release', { name })).status).toBe(409)
    const before = await cluster.get('ips', name)
    await cluster.kubectl('scale', 'statefulset', 'db', '--replicas=2')
    await remove('pod', 'db-2')
    await heard()
    await restart()
    await heard()
    expect(await cluster.get('ips', name)).toEqual(before)
    expect(await state(name)).toBe('bound')
    // Scaled up again, it is the Pod's as before.
    await cluster.kubectl('scale', 'statefulset', 'db', '--replicas=3')
    expect((await cluster.call('POST', '/v1/release', { name })).json).toMatchObject({ code: 'pod_alive' })
    await cluster.kubectl('scale', 'statefulset', 'db', '--replicas=2')
    await heard()
    expect(await cluster.get('ips', name)).toEqual(before)
    expect((await cluster.call('POST', '/v1/release', { name })).status).toBe(200)
    expect(await isThere('ips', name)).toBe(false)
  })

  test.each([
    ['an ordinary Pod’s', { podType: '' }],
    ['a kept one of a StatefulSet', { podType: 'StatefulSet' }],
    ['a kept one of a virtual machine', { podType: 'VirtualMachine' }],
  ])('an object of Kube-OVN, %s: foreign, and never touched', async (_, { podType }) => {
    const podName = `theirs${podType.toLowerCase()}-0`
    const name = `${podName}.default`
    const address = `10.16.240.${podType.length}`
    await cluster.apply(pod(podName), {
      apiVersion: 'kubeovn.io/v1',
      kind: 'IP',
      metadata: {
        name,
        finalizers: ['kubeovn.io/kube-ovn-controller'],
        labels: { 'ovn.kubernetes.io/ip_reserved': 'false' },
      },
      spec: { ...wish(podName, podType), v4IpAddress: address, ipAddress: address },
    })
    await expect.poll(() => state(name), SOON).toBe('foreign')
    const before = await cluster.get('ips', name)
    const other = await cluster.call('POST', '/v1/reserve', { ...wish('thief'), v4IpAddress: address })
    expect(other.json).toMatchObject({ code: 'address_taken' })
    await remove('pod', podName)
    await heard()
    await restart()
    await heard()
    expect(await cluster.get('ips', name)).toEqual(before)
    expect(await state(name)).toBe('foreign')
  })

  test('kubectl delete releases: at once where no owner lives', async () => {
    await reserve(wish('alone'))
    const before = await cluster.get('ips', 'alone.default')
    await restart()
    await heard()
    expect(await cluster.get('ips', 'alone.default')).toEqual(before)
    await cluster.kubectl('delete', 'ips', 'alone.default', '--timeout=20s')
    await expect.poll(() => state('alone.default'), SOON).toBeUndefined()
  })

  test('kubectl delete waits for the owner, over a restart too, and goes through when that ends', async () => {
    const name = 'worker.default'
    await cluster.apply(pod('worker'))
    await reserve(wish('worker'))
    await remove('ips', name)
    await heard()
    const before = await cluster.get('ips', name)
    await restart()
    await heard()
    expect(await cluster.get('ips', name)).toEqual(before)
    expect(await isThere('ips', name)).toBe(true)
    await remove('pod', 'worker')
    await expect.poll(() => isThere('ips', name), SOON).toBe(false)
    await expect.poll(() => state(name), SOON).toBeUndefined()
  })

  test('kubectl delete under a living owner, forced by annotation', async () => {
    const name = 'forced.default'
    await cluster.apply(pod('forced'))
    await reserve(wish('forced'))
    await cluster.kubectl('annotate', 'ips', name, 'berth/force=true')
    await heard()
    const before = await cluster.get('ips', name)
    await restart()
    await heard()
    expect(await cluster.get('ips', name)).toEqual(before)
    await cluster.kubectl('delete', 'ips', name, '--timeout=20s')
    await expect.poll(() => state(name), SOON).toBeUndefined()
  })

  test('kubectl delete while Berth is down is carried out when it is back, without anybody asking', async () => {
    const name = 'late.default'
    await reserve(wish('late'))
    await cluster.berth.kill9()
    await remove('ips', name)
    await cluster.startBerth({}, '/healthz')
    await expect.poll(() => isThere('ips', name), SOON).toBe(false)
  })

  test('an object made with kubectl while Berth was down is completed when it is back', async () => {
    const name = 'asked.default'
    await cluster.berth.kill9()
    const manifest = { apiVersion: 'kubeovn.io/v1', kind: 'IP', metadata: { name }, spec: wish('asked') }
    await cluster.apply(manifest)
    await cluster.startBerth({}, '/healthz')
    await expect
      .poll(async () => (await cluster.get('ips', name)).spec, SOON)
      .toMatchObject({
        v4IpAddress: expect.stringMatching(/^10\.16\./),
        macAddress: expect.stringMatching(/:/),
      })
    // Applied again, the same manifest changes nothing.
    const before = await cluster.get('ips', name)
    await cluster.apply(manifest)
    await heard()
    expect((await cluster.get('ips', name)).spec).toEqual(before.spec)
    expect(await state(name)).toBe('bound')
  })

  test('one made while Berth was down that cannot be had is refused with an Event, and left as it was', async () => {
    const name = 'wrong.default'
    await cluster.berth.kill9()
    const spec = { ...wish('wrong'), v4IpAddress: '10.99.0.1' }
    await cluster.apply({ apiVersion: 'kubeovn.io/v1', kind: 'IP', metadata: { name }, spec })
    const before = await cluster.get('ips', name)
    await cluster.startBerth({}, '/healthz')
    const told = async () =>
      JSON.parse(
        await cluster.kubectl('get', 'events', `--field-selector=involvedObject.name=${name}`, '-o', 'json'),
      ).items
    await expect
      .poll(told, SOON)
      .toMatchObject([
        { reason: 'ReservationRefused', type: 'Warning', involvedObject: { uid: before.metadata.uid } },
      ])
    expect((await told())[0].message).toContain('10.99.0.1')
    expect(await cluster.get('ips', name)).toEqual(before)
    expect(await state(name)).not.toBe('bound')
  })
})

describe('KEEP_VM_IP', () => {
  // semantics.md D25: without it Kube-OVN goes by the Pod's own name, so the machine keeps nobody from releasing.
  test.each([
    ['true', 409],
    ['false', 200],
  ])('%s: release while the virtual machine runs is %d', async (keep, status) => {
    const cluster = await BerthOnCluster.start({ vars: { KEEP_VM_IP: keep } })
    try {
      await cluster.apply(machine('vm'))
      const body = { subnet: 'ovn-default', namespace: 'default', podName: 'vm', podType: 'VirtualMachine' }
      expect((await cluster.call('POST', '/v1/reserve', body)).status).toBe(201)
      expect((await cluster.call('POST', '/v1/release', { name: 'vm.default' })).status).toBe(status)
    } finally {
      await cluster.stop()
    }
  })
})
