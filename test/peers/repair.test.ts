import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { deserialize, serialize } from 'node:v8'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { startRelay } from '../../infra/peers/relay.ts'
import type { KubeObject } from '../../shared/cluster/port.ts'
import type { RepairFinding, SubnetRepair } from '../../shared/command/repair/types.ts'
import { BerthOnCluster, type Reply } from './berth.ts'

const SOON = { timeout: 30_000, interval: 100 }
const FINALIZER = 'kubeovn.io/kube-ovn-controller'
const RESERVED = 'ovn.kubernetes.io/ip_reserved'

/**
 * Each kind of difference made with kubectl on a real API server, while nothing that its watches say reaches Berth, so
 * that nothing but the comparison finds it. Each in a Subnet of its own.
 */
describe('repair on a real API server', () => {
  let cluster: BerthOnCluster
  let relay: Awaited<ReturnType<typeof startRelay>>
  let onSent: (method: string, path: string) => void = () => {}
  beforeAll(async () => {
    cluster = await BerthOnCluster.start({ vars: { QUARANTINE_MS: '0', STRAGGLER_MS: '1000' } })
    relay = await startRelay(cluster.api, (method, path) => onSent(method, path))
    await cluster.berth.kill9()
    await cluster.startBerth({ KUBE_API_URL: relay.url })
  })
  afterEach(() => relay?.deaf(false))
  afterAll(async () => {
    await cluster?.stop()
    await relay?.stop()
  })

  let subnets = 0
  /** A Subnet with one reservation, its counters told, and nothing that differs. */
  async function healthy(podNames: readonly string[] = ['web']) {
    const subnet = `lab-${++subnets}`
    const net = `10.${100 + subnets}.0`
    const spec = {
      cidrBlock: `${net}.0/24`,
      gateway: `${net}.1`,
      excludeIps: [`${net}.1`],
      protocol: 'IPv4',
      provider: 'ovn',
      vpc: 'ovn-cluster',
    }
    await cluster.apply({ apiVersion: 'kubeovn.io/v1', kind: 'Subnet', metadata: { name: subnet }, spec })
    const items = podNames.map((podName) => ({ subnet, namespace: subnet, podName }))
    const reply = await cluster.call('POST', '/v1/reserve', { items })
    expect(reply.status, reply.text).toBe(201)
    const count = podNames.length
    await expect
      .poll(async () => (await cluster.get('subnets', subnet)).status, SOON)
      .toMatchObject({ v4usingIPs: count })
    return {
      subnet,
      net,
      name: `${podNames[0]}.${subnet}`,
      address: reply.json.items[0].v4IpAddress as string,
    }
  }
  type Lab = Awaited<ReturnType<typeof healthy>>

  const repair = async (subnet: string, query = ''): Promise<Reply> => {
    const reply = await cluster.call('POST', `/v1/repair${query}`, { subnet })
    expect([200, 202], reply.text).toContain(reply.status)
    expect(reply.json.subnets[0].ports).toBe('not compared: OVN_NB is none')
    return reply
  }
  const told = ({ json }: Reply) =>
    (json.subnets[0].findings as RepairFinding[]).map(({ kind, names, outcome }) => [
      kind,
      names.join(' '),
      outcome,
    ])
  /** Everything the comparison reads or repair writes, with its version. */
  const versions = async () => {
    const text = await cluster.kubectl('get', 'ips,subnets,pods', '-A', '-o', 'json')
    const { items } = JSON.parse(text) as { items: KubeObject[] }
    return items.map(({ kind, metadata: { name, resourceVersion } }) => `${kind} ${name} ${resourceVersion}`)
  }
  const ip = (name: string) => cluster.get('ips', name)
  const state = async (name: string) => {
    const { json } = await cluster.call('GET', `/v1/reservations/${name}`)
    return [json?.state, json?.contested ?? false]
  }
  const patch = (resource: string, name: string, what: unknown, ...more: readonly string[]) =>
    cluster.kubectl('patch', resource, name, '--type=merge', `-p=${JSON.stringify(what)}`, ...more)
  const remove = async (name: string) => {
    await patch('ips', name, { metadata: { finalizers: null } })
    await cluster.kubectl('delete', 'ips', name, '--timeout=20s')
  }
  const theirs = ({ subnet }: Lab, podName: string, address: string, reserved = 'false') => ({
    apiVersion: 'kubeovn.io/v1',
    kind: 'IP',
    metadata: { name: `${podName}.${subnet}`, finalizers: [FINALIZER], labels: { [RESERVED]: reserved } },
    spec: { subnet, namespace: subnet, podName, v4IpAddress: address, ipAddress: address },
  })
  const pod = ({ subnet }: Lab, name: string, address: string) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...{ name: `${name}-${subnet}`, namespace: 'default' },
      annotations: { 'ovn.kubernetes.io/ip_address': address, 'ovn.kubernetes.io/logical_switch': subnet },
    },
    spec: { schedulerName: 'nobody', containers: [{ name: 'main', image: 'registry.invalid/none' }] },
  })

  interface Row {
    readonly what: string
    readonly break: (lab: Lab) => Promise<unknown>
    readonly found: (lab: Lab) => readonly (readonly [kind: string, names: string])[]
    readonly outcome: 'repaired' | 'under_way' | 'not_repaired'
    /** Something is left that is nobody's to mend. */
    readonly left?: true
    readonly check?: (lab: Lab, before: KubeObject) => Promise<unknown>
  }
  const ROWS: readonly Row[] = [
    {
      what: 'a missing object',
      break: ({ name }) => remove(name),
      found: ({ name }) => [['missing_object', name]],
      outcome: 'repaired',
      check: async ({ name }, before) => {
        const now = await ip(name)
        expect(now.spec).toEqual(before.spec)
        expect(now.metadata.uid).not.toBe(before.metadata.uid)
        expect(now.metadata.generation).toBe(1)
      },
    },
    {
      what: "somebody else's object under the name",
      break: async (lab) => {
        await remove(lab.name)
        await cluster.apply(theirs(lab, 'web', `${lab.net}.77`))
      },
      found: ({ name }) => [['foreign_holder', name]],
      outcome: 'repaired',
      left: true,
      check: async ({ name, net }) => {
        expect(await state(name)).toEqual(['bound', true])
        expect((await ip(name)).spec).toMatchObject({ v4IpAddress: `${net}.77` })
      },
    },
    {
      what: 'a Pod with a reserved address',
      break: (lab) => cluster.apply(pod(lab, 'thief', lab.address)),
      found: ({ name, subnet }) => [['foreign_holder', `${name} default/thief-${subnet}`]],
      outcome: 'not_repaired',
      left: true,
    },
    {
      what: 'an address that two objects say',
      break: (lab) => cluster.apply(theirs(lab, 'thief', lab.address)),
      found: ({ name, subnet }) => [
        ['shared_address', `thief.${subnet} ${name}`],
        ['object_without_lease', `thief.${subnet}`],
      ],
      outcome: 'under_way',
      left: true,
      check: async ({ name, subnet }) => {
        await expect.poll(() => state(name), SOON).toEqual(['bound', true])
        expect(await state(`thief.${subnet}`)).toEqual(['foreign', false])
      },
    },
    {
      what: 'an object that was edited',
      break: ({ name, net }) => patch('ips', name, { spec: { v4IpAddress: `${net}.99` } }),
      found: ({ name }) => [['changed_object', name]],
      outcome: 'not_repaired',
      left: true,
    },
    {
      what: 'an owner that runs with another address',
      break: async (lab) => {
        await cluster.kubectl('create', 'namespace', lab.subnet)
        const running = pod(lab, 'web', `${lab.net}.88`)
        const metadata = { ...running.metadata, name: 'web', namespace: lab.subnet }
        await cluster.apply({ ...running, metadata })
      },
      found: ({ name, subnet }) => [
        // That address is nobody's, and the Pod's.
        ['foreign_holder', `${subnet}/web`],
        ['owner_elsewhere', `${name} ${subnet}/web`],
      ],
      outcome: 'not_repaired',
      left: true,
    },
    {
      what: 'a CIDR that shrank',
      break: ({ subnet, net }) => {
        const spec = { cidrBlock: `${net}.128/25`, gateway: `${net}.129`, excludeIps: [`${net}.129`] }
        return patch('subnets', subnet, { spec })
      },
      found: ({ name }) => [['stranded', name]],
      outcome: 'repaired',
      left: true,
      check: async ({ name }, before) => {
        expect(await state(name)).toEqual(['stranded', false])
        expect(await ip(name)).toEqual(before)
      },
    },
    {
      what: 'a lost label',
      break: ({ name }) => cluster.kubectl('label', 'ips', name, `${RESERVED}-`),
      found: ({ name }) => [['label_lost', name]],
      outcome: 'repaired',
      check: async ({ name }, before) =>
        expect((await ip(name)).metadata.labels).toEqual(before.metadata.labels),
    },
    {
      what: 'a lost finalizer',
      break: ({ name }) => patch('ips', name, { metadata: { finalizers: ['example.org/mine'] } }),
      found: ({ name }) => [['finalizer', name]],
      outcome: 'repaired',
      check: async ({ name }) =>
        expect((await ip(name)).metadata.finalizers).toEqual(['example.org/mine', FINALIZER]),
    },
    {
      what: 'the deprecated finalizer',
      break: ({ name }) => patch('ips', name, { metadata: { finalizers: ['kube-ovn-controller'] } }),
      found: ({ name }) => [['finalizer', name]],
      outcome: 'repaired',
      check: async ({ name }) => expect((await ip(name)).metadata.finalizers).toEqual([FINALIZER]),
    },
    {
      what: 'a reserved object without reservation',
      break: async (lab) => {
        relay.deaf(false)
        await cluster.apply(theirs(lab, 'old', `${lab.net}.60`, 'true'))
        await expect.poll(() => state(`old.${lab.subnet}`), SOON).toEqual(['foreign', false])
        await expect
          .poll(async () => (await cluster.get('subnets', lab.subnet)).status, SOON)
          .toMatchObject({ v4usingIPs: 2 })
        relay.deaf(true)
      },
      found: ({ subnet }) => [['object_without_lease', `old.${subnet}`]],
      outcome: 'repaired',
      check: async ({ subnet, net }) => {
        expect(await state(`old.${subnet}`)).toEqual(['bound', false])
        expect((await ip(`old.${subnet}`)).spec).toMatchObject({ v4IpAddress: `${net}.60` })
      },
    },
    {
      what: 'counters that drifted',
      break: ({ subnet }) => patch('subnets', subnet, { status: { v4usingIPs: 77 } }, '--subresource=status'),
      found: ({ subnet }) => [['counter_drift', subnet]],
      outcome: 'under_way',
      check: ({ subnet }) =>
        expect
          .poll(async () => (await cluster.get('subnets', subnet)).status, SOON)
          .toMatchObject({ v4usingIPs: 1, v4availableIPs: 252 }),
    },
  ]

  test.each(ROWS)('$what: found, left as it is by a dry run, mended, and not found again', async (row) => {
    const lab = await healthy()
    const before = await ip(lab.name)
    expect(told(await repair(lab.subnet, '?dryRun=All'))).toEqual([])
    relay.deaf(true)
    await row.break(lab)

    const broken = await versions()
    const dry = await repair(lab.subnet, '?dryRun=All')
    const foreseen = row.outcome === 'not_repaired' ? 'not_repaired' : 'would_repair'
    expect(told(dry)).toEqual(row.found(lab).map((found) => [...found, foreseen]))
    expect(dry.status).toBe(200)
    expect(await versions()).toEqual(broken)

    const wet = await repair(lab.subnet)
    expect(told(wet)).toEqual(row.found(lab).map((found) => [...found, row.outcome]))
    expect(wet.status).toBe(row.outcome === 'under_way' ? 202 : 200)
    // What nobody may mend was left as it is.
    if (row.outcome === 'not_repaired') expect(await versions()).toEqual(broken)

    relay.deaf(false)
    await row.check?.(lab, before)
    const open = (await told(await repair(lab.subnet, '?dryRun=All'))).map(([, , outcome]) => outcome)
    if (!row.left) return expect(open).toEqual([])
    expect(open.length).toBeGreaterThan(0)
    await expect
      .poll(async () => told(await repair(lab.subnet, '?dryRun=All')).map(([, , outcome]) => outcome), SOON)
      .not.toContain('would_repair')
  })

  test('docs/repair.md shows what is told', async () => {
    const docs = readFileSync(join(import.meta.dirname, '../../docs/repair.md'), 'utf8')
    const [, shown = ''] = /```json\n([\s\S]*?)\n```/.exec(docs) ?? []
    const [, path, body] = /curl -s -X POST http:\/\/127\.0\.0\.1:8787(\S+) .* -d '(.*)'/.exec(docs) ?? []
    const seed = {
      ...{ subnet: 'ovn-default', namespace: 'default', podName: 'pod-static-01' },
      v4IpAddress: '10.16.0.3',
    }
    expect((await cluster.call('POST', '/v1/reserve', seed)).status).toBe(201)
    relay.deaf(true)
    await cluster.kubectl('label', 'ips', 'pod-static-01.default', `${RESERVED}-`)
    const { json } = await cluster.call('POST', path!, JSON.parse(body!))
    const wanted = JSON.parse(shown)
    const alike = (told: typeof wanted) => {
      const [subnet] = told.subnets
      const findings = subnet.findings.map((finding: object) => ({ ...finding, operation: 'op' }))
      return { ...told, subnets: [{ ...subnet, resourceVersion: '1', findings }] }
    }
    expect(alike(json)).toEqual(alike(wanted))
    expect(json.subnets[0].findings[0].operation).toMatch(/^op_\w+_default~ovn-default$/)
  })

  test('kill -9 in the middle of forty: what was begun is finished, the rest is found again, nobody loses anything', async () => {
    const pods = Array.from({ length: 40 }, (_, n) => `web-${n}`)
    const lab = await healthy(pods)
    const listed = async () => {
      const text = await cluster.kubectl(
        'get',
        'ips',
        '-l',
        `ovn.kubernetes.io/subnet=${lab.subnet}`,
        '-o',
        'json',
      )
      return (JSON.parse(text) as { items: KubeObject[] }).items
    }
    const before = new Map((await listed()).map((object) => [object.metadata.name, object]))
    relay.deaf(true)
    for (const [n, podName] of pods.entries()) {
      const name = `${podName}.${lab.subnet}`
      if (n % 2 === 0) await remove(name)
      else await patch('ips', name, { metadata: { finalizers: null, labels: { [RESERVED]: null } } })
    }
    let writes = 0
    const killed = new Promise<void>((resolve) => {
      onSent = (method) => {
        if ((method === 'POST' || method === 'PATCH') && ++writes === 12) resolve()
      }
    })
    const asked = cluster.call('POST', '/v1/repair', { subnet: lab.subnet }).catch(() => undefined)
    await killed
    await cluster.berth.kill9()
    await asked
    onSent = () => {}
    await cluster.startBerth({ KUBE_API_URL: relay.url }, '/healthz')
    relay.deaf(false)
    await expect
      .poll(
        async () => {
          const reply = await cluster.call('POST', '/v1/repair', { subnet: lab.subnet })
          return reply.status === 200 ? told(reply) : reply.status
        },
        { timeout: 60_000, interval: 2_000 },
      )
      .toEqual([])
    const after = await listed()
    expect(after.map(({ metadata }) => metadata.name).sort()).toEqual([...before.keys()].sort())
    for (const object of after) {
      const { metadata, spec } = object
      expect(spec).toEqual(before.get(metadata.name)?.spec)
      expect(metadata.finalizers).toEqual([FINALIZER])
      expect(metadata.labels).toMatchObject({ [RESERVED]: 'true' })
      expect(await state(metadata.name)).toEqual(['bound', false])
    }
  })

  test('of all Subnets: each is compared, in name order', async () => {
    const { subnet } = await healthy()
    const reply = await cluster.call('POST', '/v1/repair?dryRun=All')
    expect(reply.status, reply.text).toBe(200)
    const names = (reply.json.subnets as SubnetRepair[]).map((one) => one.subnet)
    expect(names).toEqual([...names].sort())
    expect(names).toEqual(expect.arrayContaining(['dual-stack', 'ovn-default', subnet]))
    for (const { problem, resourceVersion } of reply.json.subnets) {
      expect(problem).toBeUndefined()
      expect(resourceVersion).toMatch(/^\d+$/)
    }
  })

  test('an hour later, where no cron fires: the mirror’s alarm compares, and nobody asked', async () => {
    const lab = await healthy()
    const before = await ip(lab.name)
    await cluster.berth.kill9()
    aged(join(cluster.folder, 'berth'), 2 * 3_600_000)
    relay.deaf(true)
    await remove(lab.name)
    await cluster.startBerth({ KUBE_API_URL: relay.url }, '/healthz')
    // Nobody has asked for anything: plain workerd fires the alarm that fell due meanwhile.
    await expect
      .poll(async () => (await listed('ips')).includes(lab.name), { timeout: 60_000, interval: 250 })
      .toBe(true)
    expect((await ip(lab.name)).spec).toEqual(before.spec)
  })

  const listed = async (resource: string) =>
    (JSON.parse(await cluster.kubectl('get', resource, '-o', 'json')) as { items: KubeObject[] }).items.map(
      ({ metadata }) => metadata.name,
    )
})

/** Makes the Cluster object's note of its last comparison that much older, while nobody has it open. */
function aged(data: string, ms: number): void {
  const files = readdirSync(data, { recursive: true, encoding: 'utf8' }).filter((file) =>
    /berth-Cluster\/[0-9a-f]{64}\.sqlite$/.test(file),
  )
  expect(files.length).toBeGreaterThan(0)
  let changed = 0
  for (const file of files) {
    const db = new DatabaseSync(join(data, file))
    const row = db.prepare(`SELECT value FROM _cf_KV WHERE key = 'repairedAt'`).get() as
      | { value: Uint8Array }
      | undefined
    if (row) {
      const atMs = deserialize(row.value) as number
      db.prepare(`UPDATE _cf_KV SET value = ? WHERE key = 'repairedAt'`).run(serialize(atMs - ms))
      changed++
    }
    db.close()
  }
  expect(changed).toBe(1)
}
