import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { describe, expect, test } from 'vitest'
import { clusterClient } from '../../functions/objects/cluster-client.ts'
import { ip, refOf } from '../support/cluster-contract.ts'
import { clusterNamespace } from '../support/cluster-object.ts'
import { clusterContract } from './contract.ts'

const SHORT_WAIT = { waitMs: 1_000 }

clusterContract('Durable Object', async () => ({
  port: clusterClient(clusterNamespace, 'contract', SHORT_WAIT),
}))

describe('the Durable Object', () => {
  test('eviction loses nothing: objects, resourceVersions, the log, and a seed that was deleted', async () => {
    const port = clusterClient(clusterNamespace, 'evicted', SHORT_WAIT)
    const [made, seed] = await port.send([
      { verb: 'create', object: ip('a', { labels: { a: 'b' } }) },
      { verb: 'get', ref: { kind: 'Subnet', name: 'dual-stack' } },
    ])
    if (!made?.ok || !seed?.ok) throw new Error('no objects')
    const uid = seed.value.metadata.uid ?? ''
    await port.send([{ verb: 'delete', ref: refOf(seed.value), uid }])
    const before = [await port.list('IP'), await port.list('Subnet')]
    await evictDurableObject(clusterNamespace.getByName('evicted'))
    expect([await port.list('IP'), await port.list('Subnet')]).toEqual(before)
    const [again] = await port.send([{ verb: 'create', object: ip('b') }])
    if (!again?.ok) throw new Error('no object')
    expect(Number(again.value.metadata.resourceVersion)).toBe(Number(made.value.metadata.resourceVersion) + 2)
    const resourceVersion = made.value.metadata.resourceVersion ?? ''
    for await (const event of port.watch('IP', { resourceVersion })) {
      expect(event).toMatchObject({ type: 'ADDED', object: { metadata: { name: 'b' } } })
      break
    }
  })

  test('clusters of different names know nothing of each other', async () => {
    await clusterClient(clusterNamespace, 'one').send([{ verb: 'create', object: ip('a') }])
    expect(await clusterClient(clusterNamespace, 'two').list('IP')).toMatchObject({ value: { items: [] } })
  })

  test('a group: a thousand creates in one call, each answered', async () => {
    const port = clusterClient(clusterNamespace, 'group', SHORT_WAIT)
    const objects = Array.from({ length: 1_000 }, (_, n) => ip(`ip-${n}`))
    const replies = await port.send(objects.map((object) => ({ verb: 'create', object })))
    expect(replies.map((reply) => reply.ok && reply.value.metadata.name)).toEqual(
      objects.map(({ metadata }) => metadata.name),
    )
    const list = await port.list('IP')
    expect(list.ok && list.value.items.length).toBe(1_000)
  })

  test('storage of a newer version: Unavailable, untouched', async () => {
    const port = clusterClient(clusterNamespace, 'newer', SHORT_WAIT)
    await port.list('IP')
    const stub = clusterNamespace.getByName('newer')
    await runInDurableObject(stub, (_, { storage }) => {
      storage.sql.exec(`UPDATE embedded_meta SET value = '999' WHERE key = 'schema'`)
    })
    await evictDurableObject(stub)
    const unavailable = { ok: false, error: { reason: 'Unavailable', outcome: 'refused' } }
    expect(await port.list('IP')).toMatchObject(unavailable)
    expect(await port.send([{ verb: 'create', object: ip('a') }])).toMatchObject([unavailable])
    await runInDurableObject(stub, (_, { storage }) => {
      expect(storage.sql.exec(`SELECT value FROM embedded_meta`).toArray()).toEqual([{ value: '999' }])
      expect(storage.sql.exec(`SELECT name FROM embedded_object WHERE kind = 'IP'`).toArray()).toEqual([])
    })
  })
})
