import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import type { AuditEvent } from '../../infra/peers/audit.ts'
import { BerthOnCluster, type Reply } from './berth.ts'

const FILE = join(import.meta.dirname, '../../infra/kubernetes/base/rbac.yaml')
const FINALIZER = 'kubeovn.io/kube-ovn-controller'
const RESERVED = 'ovn.kubernetes.io/ip_reserved'
const SOON = { timeout: 20_000, interval: 100 }

interface Role {
  readonly kind: string
  readonly metadata: { readonly namespace?: string }
  readonly rules?: readonly {
    readonly apiGroups: readonly string[]
    readonly resources: readonly string[]
    readonly resourceNames?: readonly string[]
    readonly verbs: readonly string[]
  }[]
}

/** `verb resource.group namespace/name`, one for each thing the file allows; `*` where a rule names none. */
function allowed(): string[] {
  return parseAllDocuments(readFileSync(FILE, 'utf8'))
    .map((document) => document.toJS() as Role)
    .flatMap(({ metadata, rules = [] }) =>
      rules.map((rule) => ({ rule, namespace: metadata.namespace ?? '*' })),
    )
    .flatMap(({ rule: { apiGroups, resources, resourceNames = ['*'], verbs }, namespace }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) =>
          resourceNames.flatMap((name) =>
            verbs.map((verb) => `${verb} ${resource}.${group} ${namespace}/${name}`),
          ),
        ),
      ),
    )
    .sort()
}

/** What was asked for, in the same words: by name only where all that was asked for is one object of one namespace. */
function used(requests: readonly AuditEvent[]): string[] {
  const objects = new Map<string, Set<string>>()
  for (const { verb, resource, subresource, group, namespace, name } of requests) {
    if (resource === '') continue
    const right = `${verb} ${subresource ? `${resource}/${subresource}` : resource}.${group}`
    objects.set(right, (objects.get(right) ?? new Set()).add(`${namespace}/${name}`))
  }
  return [...objects]
    .map(
      ([right, asked]) =>
        `${right} ${right.includes(' leases.') && asked.size === 1 ? [...asked][0] : '*/*'}`,
    )
    .sort()
}

/** All suites of this folder run under this role (berth.ts); here is that it has no right too many. */
describe('Berth under its own role', () => {
  let cluster: BerthOnCluster
  beforeAll(async () => {
    cluster = await BerthOnCluster.start({ vars: { QUARANTINE_MS: '0', STRAGGLER_MS: '1000' } })
  })
  afterAll(() => cluster?.stop())

  const done = async (method: string, path: string, body?: unknown, status = [200, 201]): Promise<Reply> => {
    const reply = await cluster.call(method, path, body)
    expect(status, `${method} ${path}: ${reply.text}`).toContain(reply.status)
    return reply
  }
  const wish = (podName: string, podType = '') => ({
    ...{ subnet: 'ovn-default', namespace: 'default', podName, podType },
  })
  const ip = (podName: string, more: object = {}) => ({
    apiVersion: 'kubeovn.io/v1',
    kind: 'IP',
    metadata: { name: `${podName}.default` },
    spec: { ...wish(podName), ...more },
  })
  const pod = (name: string, app: string) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels: { app } },
    spec: { schedulerName: 'nobody', containers: [{ name: 'main', image: 'registry.invalid/none' }] },
  })
  /** A Pod that runs, with the object Kube-OVN made for it. */
  const running = async (name: string, app: string, v4IpAddress: string) => {
    const object = ip(name, {
      v4IpAddress,
      ipAddress: v4IpAddress,
      macAddress: `0a:00:00:00:00:${v4IpAddress.slice(-2)}`,
    })
    const metadata = { ...object.metadata, finalizers: [FINALIZER], labels: { [RESERVED]: 'false' } }
    await cluster.apply(pod(name, app), { ...object, metadata })
    await expect.poll(() => state(`${name}.default`), SOON).toBe('foreign')
  }
  const state = async (name: string) => (await cluster.call('GET', `/v1/reservations/${name}`)).json?.state
  const metadata = async (name: string) => (await cluster.get('ips', name)).metadata
  const patch = (name: string, what: object) =>
    cluster.kubectl('patch', 'ips', name, '--type=merge', `-p=${JSON.stringify({ metadata: what })}`)
  /** Deleted by hand, past Berth. */
  const strip = async (name: string) => {
    await patch(name, { finalizers: null })
    await cluster.kubectl('delete', 'ips', name, '--timeout=20s')
  }

  const DEEDS: readonly (readonly [what: string, deed: () => Promise<unknown>])[] = [
    [
      'reads Subnets, for a caller with a token of the cluster too',
      async () => {
        await done('GET', '/v1/subnets')
        await done('GET', '/v1/subnets/ovn-default')
        const headers = { Authorization: `Bearer ${cluster.api.tokens.admin}` }
        expect((await cluster.call('GET', '/v1/subnets', undefined, headers)).status).toBe(200)
      },
    ],
    [
      'validates, reserves and releases a group',
      async () => {
        const items = [wish('web-0', 'StatefulSet'), wish('vm', 'VirtualMachine'), wish('pod')]
        await done('POST', '/v1/validate', { items })
        await done('POST', '/v1/reserve', { items })
        await done('POST', '/v1/release', {
          items: ['web-0.default', 'vm.default', 'pod.default'].map((name) => ({ name })),
        })
      },
    ],
    [
      'takes over what a running Pod has when it is reserved',
      async () => {
        await running('kept-0', 'kept', '10.16.3.10')
        const { json } = await done('POST', '/v1/reserve', wish('kept-0'))
        expect(json).toMatchObject({ state: 'bound', v4IpAddress: '10.16.3.10' })
      },
    ],
    [
      'releases nothing under a living Pod, unless it is forced',
      async () => {
        await done('POST', '/v1/release', { name: 'kept-0.default' }, [409])
        await done('POST', '/v1/release', { name: 'kept-0.default', force: true }, [200, 202])
        await expect.poll(() => cluster.kubectl('get', 'ips', '-o', 'name'), SOON).not.toContain('kept-0')
      },
    ],
    [
      'adopts one, and by selector',
      async () => {
        for (const n of [1, 2, 3]) await running(`many-${n}`, n < 3 ? 'a' : 'b', `10.16.3.2${n}`)
        const selection = { subnet: 'ovn-default', namespace: 'default', selector: { app: 'a' } }
        expect((await done('POST', '/v1/adopt?dryRun=All', selection)).json.items).toHaveLength(2)
        await done('POST', '/v1/adopt', selection)
        await done('POST', '/v1/adopt', { name: 'many-3.default' })
        for (const n of [1, 2, 3])
          expect((await metadata(`many-${n}.default`)).labels?.[RESERVED]).toBe('true')
      },
    ],
    [
      'makes again what was deleted by hand',
      async () => {
        await done('POST', '/v1/reserve', wish('hand'))
        const { uid } = await metadata('hand.default')
        await strip('hand.default')
        const made = async () => (await metadata('hand.default').catch(() => undefined))?.uid ?? uid
        await expect.poll(made, SOON).not.toBe(uid)
      },
    ],
    [
      'repairs, dry and wet',
      async () => {
        await done('POST', '/v1/reserve', wish('ill'))
        await patch('ill.default', { labels: null, finalizers: null })
        await done('POST', '/v1/repair?dryRun=All', { subnet: 'ovn-default' })
        await done('POST', '/v1/repair', { subnet: 'ovn-default' }, [200, 202])
        const mended = async () => {
          const { labels, finalizers } = await metadata('ill.default')
          return [labels?.[RESERVED], finalizers]
        }
        await expect.poll(mended, SOON).toEqual(['true', [FINALIZER]])
      },
    ],
    [
      'sees a Vip that holds an address come and go',
      async () => {
        const spec = { subnet: 'ovn-default', v4ip: '10.16.9.9' }
        await cluster.apply({ apiVersion: 'kubeovn.io/v1', kind: 'Vip', metadata: { name: 'held' }, spec })
        const holders = async () =>
          (await cluster.call('GET', '/v1/reservations?address=10.16.9.9')).json?.items
        await expect.poll(holders, SOON).toHaveLength(1)
        await cluster.kubectl('delete', 'vips', 'held')
        await expect.poll(holders, { ...SOON, timeout: 60_000 }).toHaveLength(0)
      },
    ],
    [
      'completes an object of kubectl, and takes it back',
      async () => {
        await cluster.apply(ip('asked'))
        await expect.poll(async () => (await metadata('asked.default')).finalizers, SOON).toEqual([FINALIZER])
        await cluster.kubectl('delete', 'ips', 'asked.default', '--timeout=20s')
      },
    ],
  ]

  test.each(DEEDS)('%s', async (_, deed) => {
    await deed()
  })

  test('and has used every right it has by now, each as wide as it is', async () => {
    await expect.poll(() => used(cluster.requests()), SOON).toEqual(allowed())
    expect(cluster.requests().filter(({ code }) => code === 401 || code === 403)).toEqual([])
  })
})
