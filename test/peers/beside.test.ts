import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../../infra/dev/wait.ts'
import { type RunningApiServer, startApiServer } from '../../infra/peers/apiserver.ts'
import { installCrds } from '../../infra/peers/crds.ts'
import { spread } from '../support/spread.ts'
import { ControllerOnCluster, WINDOW } from './beside-lab.ts'
import { Installation } from './installation.ts'

const RESERVATIONS = 500
const RESTARTS = 20
const CLIENTS = 16
/** Reserved names whose Pods come afterwards, and Pods nobody reserved for. */
const PODS = 12
const LIMIT_MS = 240_000

const FINALIZER = 'kubeovn.io/kube-ovn-controller'
const names = Array.from({ length: RESERVATIONS }, (_, index) => `vm-${index}`)

interface Promised {
  readonly ip: string
  readonly mac: string
}

/** Runs the load and restarts the controller all the while, evenly. */
async function underRestarts(
  beside: ControllerOnCluster,
  reserve: (name: string) => Promise<Promised>,
): Promise<Map<string, Promised>> {
  const promised = new Map<string, Promised>()
  let restarted = 0
  let isOver = false
  const restarts = (async () => {
    while (restarted < RESTARTS) {
      const due = (restarted * RESERVATIONS) / RESTARTS
      if (promised.size >= due || isOver) {
        restarted++
        await beside.restart()
      } else await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })()
  await spread(names, CLIENTS, async (name) => {
    promised.set(name, await reserve(name))
  })
  isOver = true
  await restarts
  return promised
}

describe('500 reservations while the controller restarts 20 times, with Berth', () => {
  let installation: Installation
  let beside: ControllerOnCluster
  let promised: Map<string, Promised>

  beforeAll(async () => {
    installation = await Installation.start({
      authority: 'beside',
      vars: { WINDOW: `ovn-default=${WINDOW}` },
    })
    beside = new ControllerOnCluster(installation.api)
    await beside.subnet((object) => installation.apply(object), WINDOW)
    await beside.restart()
  }, LIMIT_MS)
  afterAll(async () => {
    beside?.controller.kill()
    await installation?.stop()
  })

  async function call(path: string, body: unknown, key?: string) {
    const headers = { 'Content-Type': 'application/json', ...(key ? { 'Idempotency-Key': key } : {}) }
    const method = 'POST'
    const reply = await fetch(installation.berth.url + path, { method, headers, body: JSON.stringify(body) })
    // biome-ignore lint/suspicious/noExplicitAny: replies are looked into at many depths
    return { status: reply.status, json: (await reply.json()) as any }
  }

  const wish = (podName: string) => ({ subnet: 'ovn-default', namespace: 'default', podName })

  /** As a client does: the same key until there is an answer. */
  async function reserve(podName: string): Promise<Promised> {
    return until(`a reservation of ${podName}`, LIMIT_MS, async () => {
      const { status, json } = await call('/v1/reserve', wish(podName), `key-${podName}`)
      if (status === 200 || status === 201) return { ip: json.v4IpAddress, mac: json.macAddress }
      if (status !== 202 && status !== 503) throw new Error(JSON.stringify(json))
      return undefined
    })
  }

  test('one is promised when the controller has acknowledged it, and free when it has freed it', async () => {
    const made = await call('/v1/reserve', wish('a-0'))
    expect([made.status, made.json.v4IpAddress]).toEqual([201, '10.16.4.0'])
    // Policy and Pod webhook are installed: a restart harms nothing.
    expect(made.json.warnings).toEqual([])
    const ready = await fetch(`${installation.berth.url}/readyz`)
    const { parts } = (await ready.json()) as { parts: { authority: object } }
    expect(parts.authority).toEqual({ ready: true, detail: 'beside' })
    const [object] = await beside.ips()
    expect(object?.metadata.finalizers).toEqual([FINALIZER])
    const used = () => beside.controller.ipam?.rangeStrings('ovn-default', []).v4Using ?? ''
    expect(used()).toContain('10.16.4.0')
    const gone = await call('/v1/release', { name: 'a-0.default' })
    expect([gone.status, gone.json.state]).toEqual([200, 'free'])
    expect(await beside.ips()).toEqual([])
    expect(used()).not.toContain('10.16.4.0')
  })

  test('kubectl apply reserves, and kubectl delete releases, though the controller’s collection would not', async () => {
    const spec = { subnet: 'ovn-default', podType: '', namespace: 'default', podName: 'seed' }
    await installation.apply({
      apiVersion: 'kubeovn.io/v1',
      kind: 'IP',
      metadata: { name: 'seed.default' },
      spec,
    })
    const state = async () => (await installation.reservation('seed.default'))?.state
    await expect.poll(state, { timeout: 20_000 }).toBe('bound')
    const { v4IpAddress } = await installation.reservation('seed.default')
    expect(v4IpAddress).toMatch(/^10\.16\.4\./)
    await installation.kubectl('delete', 'ips', 'seed.default', '--timeout=20s')
    await expect.poll(state, { timeout: 20_000 }).toBeUndefined()
    expect(await beside.ips()).toEqual([])
  })

  test('a window is widened under Berth’s own role, and the controller takes it', async () => {
    const widened = await call('/v1/subnets/ovn-default/window', { ranges: ['10.16.8.0..10.16.8.9'] })
    expect([widened.status, widened.json]).toEqual([
      200,
      {
        subnet: 'ovn-default',
        window: [WINDOW, '10.16.8.0..10.16.8.9'],
        excludeIps: ['10.16.0.1', WINDOW, '10.16.8.0..10.16.8.9'],
        added: ['10.16.8.0..10.16.8.9'],
        displaced: [],
      },
    ])
    const made = await call('/v1/reserve', { ...wish('w-0'), v4IpAddress: '10.16.8.3' })
    expect(made.status).toBe(201)
    expect((await call('/v1/release', { name: 'w-0.default' })).status).toBe(200)
  })

  test('none is lost and none doubled', { timeout: LIMIT_MS }, async () => {
    promised = await underRestarts(beside, reserve)
    expect(promised.size).toBe(RESERVATIONS)
    expect(beside.begun.filter((what) => what === 'ips').length).toBeGreaterThan(RESTARTS)
    expect(new Set([...promised.values()].map(({ ip }) => ip)).size).toBe(RESERVATIONS)
    expect(new Set([...promised.values()].map(({ mac }) => mac)).size).toBe(RESERVATIONS)
    const has = async () => {
      const objects = new Map((await beside.ips()).map((object) => [object.spec?.podName ?? '', object]))
      return names.filter((name) => {
        const { spec, metadata } = objects.get(name) ?? {}
        const { ip, mac } = promised.get(name) ?? {}
        const isSame = spec?.v4IpAddress === ip && spec?.macAddress === mac
        return !isSame || !metadata?.finalizers?.includes(FINALIZER)
      })
    }
    await expect.poll(has, { timeout: 30_000 }).toEqual([])
    const listed = await fetch(`${installation.berth.url}/v1/reservations?subnet=ovn-default&limit=1000`)
    const { items } = (await listed.json()) as { items: { state: string; contested?: boolean }[] }
    expect(items.filter(({ state, contested }) => state === 'bound' && !contested)).toHaveLength(RESERVATIONS)
  })

  test('Pods created afterwards get their own addresses, and others get none of them', async () => {
    const reserved = names.slice(0, PODS)
    const others = Array.from({ length: PODS }, (_, index) => `other-${index}`)
    for (const name of [...reserved, ...others]) await beside.pod(name)
    const taken = new Set([...promised.values()].map(({ ip }) => ip))
    for (const name of reserved) {
      const given = await until(`an address for ${name}`, 30_000, () => beside.given(name))
      expect([name, given]).toEqual([name, promised.get(name)])
    }
    for (const name of others) {
      const given = await until(`an address for ${name}`, 30_000, () => beside.given(name))
      expect([name, taken.has(given.ip)]).toEqual([name, false])
    }
  })

  describe('D16: a virtual machine is deleted, and the policy keeps its reservation', () => {
    const vm = (name: string) => ({
      ...{ apiVersion: 'kubevirt.io/v1', kind: 'VirtualMachine', metadata: { name, namespace: 'default' } },
      spec: { runStrategy: 'Always' },
    })
    const launcher = (name: string) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: `virt-launcher-${name}-abcde`,
        namespace: 'default',
        ownerReferences: [
          { apiVersion: 'kubevirt.io/v1', kind: 'VirtualMachineInstance', name, uid: `uid-of-${name}` },
        ],
      },
      spec: { containers: [{ name: 'c', image: 'none' }] },
    })
    const isThere = async (name: string) =>
      (await beside.ips()).some(({ metadata }) => metadata.name === `${name}.default`)
    const hasPort = (name: string) => beside.north.all().some((port) => port.name === `${name}.default`)
    // The controller tries again at its own pace, which a busy machine makes slow.
    const PATIENCE_MS = 90_000
    const denials = (name: string) =>
      beside.log.filter((line) => line.includes(`IP ${name}.default is reserved and is not collected`)).length

    /** A machine that ran at a reserved address, was stopped, and is deleted: the controller tries, and is denied. */
    async function deletedVm(name: string): Promise<Promised> {
      const made = await call('/v1/reserve', { ...wish(name), podType: 'VirtualMachine' })
      expect(made.status).toBe(201)
      await installation.apply(vm(name))
      await installation.kubectl('create', '-f', installation.file([launcher(name)]))
      const pod = `virt-launcher-${name}-abcde`
      const given = await until(`an address for ${pod}`, 30_000, () => beside.given(pod))
      expect(given.ip).toBe(made.json.v4IpAddress)
      await installation.kubectl('delete', 'pod', pod, '--grace-period=0', '--force')
      await installation.kubectl('delete', 'virtualmachine', name)
      await expect.poll(() => denials(name), { timeout: PATIENCE_MS }).toBeGreaterThan(2)
      expect([await isThere(name), hasPort(name)]).toEqual([true, true])
      expect((await installation.reservation(`${name}.default`)).state).toBe('bound')
      return given
    }
    /** The controller is done with the machine: it is denied nothing any more. */
    async function over(name: string, address: string): Promise<void> {
      await expect.poll(() => isThere(name), { timeout: PATIENCE_MS }).toBe(false)
      await expect
        .poll(async () => installation.reservation(`${name}.default`), { timeout: PATIENCE_MS })
        .toBeUndefined()
      // The port is the last that its handler takes away; while it is denied it comes no further than the object.
      await expect.poll(() => hasPort(name), { timeout: PATIENCE_MS }).toBe(false)
      expect(beside.controller.ipam?.rangeStrings('ovn-default', []).v4Using ?? '').not.toContain(address)
    }

    test('its tries end when the reservation is given back', async () => {
      const { ip } = await deletedVm('vm-back')
      expect((await call('/v1/release', { name: 'vm-back.default' })).status).toBe(200)
      await over('vm-back', ip)
    })

    test('or when an administrator marks it, as the denial says', async () => {
      const { ip } = await deletedVm('vm-marked')
      await installation.kubectl('annotate', 'ips', 'vm-marked.default', 'berth/force=true')
      await over('vm-marked', ip)
    })

    test('or stands, and the machine made anew gets the same address', async () => {
      const before = await deletedVm('vm-anew')
      await installation.apply(vm('vm-anew'))
      await installation.kubectl('create', '-f', installation.file([launcher('vm-anew')]))
      const pod = 'virt-launcher-vm-anew-abcde'
      expect(await until(`an address for ${pod}`, 30_000, () => beside.given(pod))).toEqual(before)
    })
  })
})

describe('the same without Berth', () => {
  let api: RunningApiServer
  let beside: ControllerOnCluster

  beforeAll(async () => {
    api = await startApiServer()
    await installCrds(api)
    beside = new ControllerOnCluster(api)
    await beside.subnet(async (object) => {
      const [reply] = await beside.admin.send([{ verb: 'create', object: object as never }])
      if (!reply?.ok) throw new Error(reply?.error.message)
    })
    await beside.restart()
  }, LIMIT_MS)
  afterAll(async () => {
    beside?.controller.kill()
    await api?.stop()
  })

  /** As the seed's second example: an object with an address, acknowledged by the finalizer. */
  async function reserve(podName: string): Promise<Promised> {
    const index = Number(podName.slice(3))
    const name = `${podName}.default`
    const ip = `10.16.${4 + Math.floor(index / 250)}.${1 + (index % 250)}`
    const spec = { subnet: 'ovn-default', namespace: 'default', podName, podType: '', v4IpAddress: ip }
    const object = { apiVersion: 'kubeovn.io/v1', kind: 'IP', metadata: { name }, spec }
    await beside.admin.send([{ verb: 'create', object }])
    return until(`an acknowledgement of ${name}, or its collection`, LIMIT_MS, async () => {
      const [reply] = await beside.admin.send([{ verb: 'get', ref: { kind: 'IP', name } }])
      if (!reply?.ok) return { ip, mac: '' }
      const isAcknowledged = reply.value.metadata.finalizers?.includes(FINALIZER)
      return isAcknowledged
        ? { ip, mac: String((reply.value.spec as { macAddress: string }).macAddress) }
        : undefined
    })
  }

  test('reservations are lost, and a Pod created afterwards gets another address', {
    timeout: LIMIT_MS,
  }, async () => {
    const promised = await underRestarts(beside, reserve)
    await beside.restart()
    const lost = async () => {
      const left = new Set((await beside.ips()).map(({ metadata }) => metadata.name))
      return names.filter((name) => !left.has(`${name}.default`)).length
    }
    await expect.poll(lost, { timeout: 30_000 }).toBeGreaterThan(RESERVATIONS / 2)
    await beside.pod('vm-0')
    const given = await until('an address for vm-0', 30_000, () => beside.given('vm-0'))
    expect(given.ip).not.toBe(promised.get('vm-0')?.ip)
  })
})
