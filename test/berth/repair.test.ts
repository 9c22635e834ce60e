import { runInDurableObject } from 'cloudflare:test'
import { exports } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import type { Cluster } from '../../functions/objects/cluster.ts'
import { clusterClient } from '../../functions/objects/cluster-client.ts'
import type { KubeObject } from '../../shared/cluster/port.ts'
import { makeSubnet, post } from '../support/api.ts'

const { Cluster: clusters } = exports as unknown as { Cluster: DurableObjectNamespace<Cluster> }
const cluster = clusterClient(clusters, 'default')
const ref = (name: string) => ({ kind: 'IP', name }) as const

async function get(name: string): Promise<KubeObject | undefined> {
  const [reply] = await cluster.send([{ verb: 'get', ref: ref(name) }])
  return reply?.ok ? reply.value : undefined
}

async function patch(name: string, what: unknown): Promise<void> {
  const object = await get(name)
  const resourceVersion = object?.metadata.resourceVersion ?? ''
  const [reply] = await cluster.send([{ verb: 'patch', ref: ref(name), patch: what, resourceVersion }])
  if (!reply?.ok) throw new Error(JSON.stringify(reply))
}

async function remove(name: string): Promise<void> {
  await patch(name, { metadata: { finalizers: null } })
  const uid = (await get(name))?.metadata.uid ?? ''
  await cluster.send([{ verb: 'delete', ref: ref(name), uid }])
}

const ask = (subnet: string, query = '') => post(`/v1/repair${query}`, { subnet })
const told = (body: { subnets: { findings: { kind: string; outcome: string }[] }[] }) =>
  body.subnets.flatMap(({ findings }) => findings.map(({ kind, outcome }) => [kind, outcome]))

/** A Subnet with one reservation, whose counters are told. */
async function reserved(subnet: string, cidrBlock: string): Promise<string> {
  await makeSubnet(subnet, cidrBlock)
  const reply = await post('/v1/reserve', { subnet, namespace: subnet, podName: 'web' })
  expect(reply.status).toBe(201)
  return reply.body.name
}

describe('repair, by HTTP', () => {
  it('finds, changes nothing in a dry run, mends, and finds nothing then', async () => {
    const name = await reserved('repair-http', '10.91.0.0/24')
    const whole = await get(name)
    await patch(name, { metadata: { labels: null, finalizers: ['kube-ovn-controller'] } })
    const broken = await get(name)
    const dry = await ask('repair-http', '?dryRun=All')
    expect(dry.status).toBe(200)
    expect(told(dry.body)).toEqual([
      ['label_lost', 'would_repair'],
      ['finalizer', 'would_repair'],
    ])
    expect(await get(name)).toEqual(broken)
    const wet = await ask('repair-http')
    expect(wet.status).toBe(200)
    expect(told(wet.body)).toEqual([
      ['label_lost', 'repaired'],
      ['finalizer', 'repaired'],
    ])
    const mended = await get(name)
    expect(mended?.metadata.finalizers).toEqual(whole?.metadata.finalizers)
    expect(mended?.metadata.labels).toMatchObject({ 'ovn.kubernetes.io/ip_reserved': 'true' })
    expect(mended?.spec).toEqual(whole?.spec)
    expect(told((await ask('repair-http')).body)).toEqual([])
    // Its operation is one like any other.
    const { operation } = wet.body.subnets[0].findings[0]
    const op = await (exports as unknown as { default: Fetcher }).default.fetch(
      `http://127.0.0.1:8787/v1/operations/${operation}`,
    )
    expect(await op.json()).toMatchObject({ kind: 'repair', state: 'done', reservation: { name } })
  })

  it('makes a missing object again with its address and MAC', async () => {
    const name = await reserved('repair-gone', '10.92.0.0/24')
    const before = await get(name)
    await remove(name)
    expect(told((await ask('repair-gone')).body)).toEqual([['missing_object', 'repaired']])
    expect((await get(name))?.spec).toEqual(before?.spec)
  })

  it('of a Subnet nobody has is 404', async () => {
    expect(await ask('repair-none')).toMatchObject({ status: 404, body: { code: 'unknown_subnet' } })
  })
})

interface Scheduled {
  scheduled(options: { readonly cron: string }): Promise<unknown>
}

describe('repair, by the clock', () => {
  const worker = () => (exports as unknown as { default: Scheduled }).default
  const turnAt = (ms: number) =>
    runInDurableObject(clusters.getByName('default'), (_, { storage }) => storage.put('repairedAt', ms))

  it('is done when the hour is over, and not before', async () => {
    const name = await reserved('repair-cron', '10.93.0.0/24')
    await remove(name)
    await turnAt(Date.now() - 60_000)
    await worker().scheduled({ cron: '* * * * *' })
    expect(await get(name)).toBeUndefined()
    await turnAt(Date.now() - 3_700_000)
    await worker().scheduled({ cron: '* * * * *' })
    expect((await get(name))?.metadata.name).toBe(name)
    // The turn was taken: the next minute does nothing.
    await remove(name)
    await worker().scheduled({ cron: '* * * * *' })
    expect(await get(name)).toBeUndefined()
  })
})
