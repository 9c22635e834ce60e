import { expect, test } from 'vitest'
import { type EventObject, KINDS, type KubeObject } from '../../shared/cluster/port.ts'
import { type ContractBench, ip, pod, refOf, subnet } from '../support/cluster-contract.ts'

const RFC3339_SECONDS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

export function creating(bench: ContractBench): void {
  test('the server sets uid, resourceVersion, creationTimestamp and generation 1; the rest stays', async () => {
    const name = bench.name('ip')
    const annotations = { 'berth/op': 'op_1', 'Berth.example/Odd_Case': 'ü \u0000 "' }
    const made = await bench.create(
      ip(name, { annotations, labels: { 'a.b/c': 'd', empty: '' }, finalizers: ['kubeovn.io/x'] }),
    )
    expect(made).toMatchObject({
      apiVersion: 'kubeovn.io/v1',
      kind: 'IP',
      metadata: {
        name,
        uid: expect.stringMatching(UUID),
        resourceVersion: expect.stringMatching(/./),
        generation: 1,
        creationTimestamp: expect.stringMatching(RFC3339_SECONDS),
        annotations,
        labels: { 'a.b/c': 'd', empty: '' },
        finalizers: ['kubeovn.io/x'],
      },
      spec: ip(name).spec,
    })
    expect(made.metadata.namespace).toBeUndefined()
    expect(await bench.get(made)).toEqual(made)
  })

  test('what a client writes into server-set fields is overwritten', async () => {
    const uid = '11111111-1111-4111-8111-111111111111'
    const forged = {
      uid,
      generation: 7,
      creationTimestamp: '2001-01-01T00:00:00Z',
      deletionTimestamp: '2001-01-01T00:00:00Z',
      deletionGracePeriodSeconds: 5,
    }
    const { metadata } = await bench.create(ip(bench.name('ip'), forged))
    expect(metadata.uid).not.toBe(uid)
    expect(metadata.generation).toBe(1)
    expect(metadata.creationTimestamp).not.toBe(forged.creationTimestamp)
    expect(metadata.deletionTimestamp).toBeUndefined()
    expect(metadata.deletionGracePeriodSeconds).toBeUndefined()
  })

  test('the name is the lock: AlreadyExists, and the first object stays as it was', async () => {
    const name = bench.name('ip')
    const first = await bench.create(ip(name))
    expect(await bench.refusal({ verb: 'create', object: ip(name, {}, { subnet: 'other' }) })).toBe(
      'AlreadyExists',
    )
    expect(await bench.get(first)).toEqual(first)
  })

  test('a resourceVersion has no place in a create, whether the name is taken or not', async () => {
    const taken = await bench.create(ip(bench.name('ip')))
    expect(await bench.refusal({ verb: 'create', object: taken })).toBe('Invalid')
    const free = ip(bench.name('ip'), { resourceVersion: taken.metadata.resourceVersion ?? '' })
    expect(await bench.refusal({ verb: 'create', object: free })).toBe('Invalid')
    expect(await bench.refusal({ verb: 'get', ref: refOf(free) })).toBe('NotFound')
  })

  test('of many creates of one name at once, one wins', async () => {
    const object = ip(bench.name('ip'))
    const replies = await Promise.all(
      Array.from({ length: 8 }, () => bench.reply({ verb: 'create', object })),
    )
    const reasons = replies.map((reply) => (reply.ok ? 'created' : reply.error.reason)).sort()
    expect(reasons).toEqual([...Array<string>(7).fill('AlreadyExists'), 'created'])
  })

  test('a name is free in another namespace and in another kind', async () => {
    const name = bench.name('same')
    const made = [
      await bench.create(pod(name, 'default')),
      await bench.create(pod(name, 'kube-public')),
      await bench.create(ip(name)),
      await bench.create(subnet(name)),
    ]
    expect(new Set(made.map(({ metadata }) => metadata.uid)).size).toBe(4)
    expect((await bench.get(pod(name, 'kube-public'))).metadata.namespace).toBe('kube-public')
  })

  test('a dry run answers like the real thing and leaves nothing', async () => {
    const object = ip(bench.name('ip'), { labels: { a: 'b' } })
    const shown = await bench.done({ verb: 'create', object, dryRun: true })
    expect(shown).toMatchObject({
      metadata: { name: object.metadata.name, labels: { a: 'b' } },
      spec: object.spec,
    })
    expect(await bench.refusal({ verb: 'get', ref: refOf(object) })).toBe('NotFound')
    await bench.create(object)
    expect(await bench.refusal({ verb: 'create', object, dryRun: true })).toBe('AlreadyExists')
    expect(await bench.refusal({ verb: 'create', object: ip('Not_a_name'), dryRun: true })).toBe('Invalid')
  })

  test('Subnet and IPPool have a status subresource: create drops status', async () => {
    const sent: KubeObject = { ...subnet(bench.name('subnet')), status: { v4usingIPs: 5 } }
    expect((await bench.create(sent)).status).toBeUndefined()
    const name = bench.name('pool')
    const spec = { subnet: 'contract', ips: ['192.0.2.8'] }
    const pool = { apiVersion: 'kubeovn.io/v1', kind: 'IPPool', metadata: { name }, spec }
    expect((await bench.create({ ...pool, status: { v4UsingIPs: 5 } })).status).toBeUndefined()
  })

  test.each([
    ['empty', ''],
    ['upper case', 'Upper'],
    ['underscore', 'a_b'],
    ['leading dash', '-a'],
    ['trailing dot', 'a.'],
    ['two dots', 'a..b'],
    ['slash', 'a/b'],
    ['254 characters', `${'a'.repeat(250)}.bcd`],
  ])('name: %s is Invalid', async (_, name) => {
    const [reply] = await bench.port.send([{ verb: 'create', object: ip(name) }])
    expect(reply).toMatchObject({ ok: false, error: { reason: 'Invalid', outcome: 'refused' } })
  })

  test('a name of 253 characters is a name', async () => {
    const name = `${bench.name('long')}.`.padEnd(253, 'a')
    expect((await bench.create(ip(name))).metadata.name).toBe(name)
  })

  test.each([
    ['label key', { labels: { 'not a key': 'x' } }],
    ['label value', { labels: { key: 'not a value!' } }],
    ['label of 64 characters', { labels: { key: 'x'.repeat(64) } }],
    ['annotation key', { annotations: { 'a//b': 'x' } }],
    ['annotations beyond 256 KiB', { annotations: { key: 'x'.repeat(256 * 1024) } }],
    ['finalizer', { finalizers: ['not a finalizer'] }],
    ['owner without uid', { ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid: '' }] }],
  ])('metadata: bad %s is Invalid', async (_, metadata) => {
    expect(await bench.refusal({ verb: 'create', object: ip(bench.name('ip'), metadata) })).toBe('Invalid')
  })

  test('each request of a batch stands on its own, replies come in order', async () => {
    const there = await bench.create(ip(bench.name('ip')))
    const fresh = ip(bench.name('ip'))
    bench.willMake(fresh)
    const replies = await bench.port.send([
      { verb: 'create', object: ip(there.metadata.name) },
      { verb: 'create', object: fresh },
      { verb: 'get', ref: { kind: 'IP', name: bench.name('absent') } },
      { verb: 'get', ref: refOf(there) },
    ])
    expect(replies).toMatchObject([
      { ok: false, error: { reason: 'AlreadyExists' } },
      { ok: true, value: { metadata: { name: fresh.metadata.name } } },
      { ok: false, error: { reason: 'NotFound', outcome: 'refused' } },
      { ok: true, value: { metadata: { uid: there.metadata.uid } } },
    ])
    expect(await bench.port.send([])).toEqual([])
  })

  test('a reply is the caller’s own copy', async () => {
    const made = await bench.create(ip(bench.name('ip'), { labels: { a: 'b' } }))
    const before = structuredClone(await bench.get(made))
    made.metadata.labels = { a: 'changed' }
    ;(made.spec as { attachIps: string[] }).attachIps.push('192.0.2.9')
    expect(await bench.get(made)).toEqual(before)
  })

  test('an Event keeps its own members, a Lease and a Vip their spec', async () => {
    const name = bench.name('event')
    const about = { apiVersion: KINDS.IP.apiVersion, kind: 'IP', name: 'web-0.default' }
    const event: EventObject = {
      apiVersion: KINDS.Event.apiVersion,
      kind: 'Event',
      metadata: { name, namespace: 'default' },
      involvedObject: about,
      reason: 'Reserved',
      message: 'for web-0',
      type: 'Normal',
    }
    expect(await bench.create(event)).toMatchObject({
      involvedObject: about,
      reason: 'Reserved',
      message: 'for web-0',
    })
    const lease = {
      apiVersion: KINDS.Lease.apiVersion,
      kind: 'Lease',
      metadata: { name: bench.name('lease'), namespace: 'kube-public' },
      spec: { holderIdentity: 'somebody', leaseDurationSeconds: 15 },
    }
    expect((await bench.create(lease)).spec).toEqual(lease.spec)
    const vip = {
      apiVersion: KINDS.Vip.apiVersion,
      kind: 'Vip',
      metadata: { name: bench.name('vip') },
      spec: { subnet: 'contract', v4ip: '192.0.2.9' },
    }
    expect((await bench.create(vip)).spec).toEqual(vip.spec)
  })
}
