import { expect, test } from 'vitest'
import type { ClusterRequest, KubeObject } from '../../shared/cluster/port.ts'
import { type ContractBench, ip, patchOf, refOf, subnet } from '../support/cluster-contract.ts'

export function updating(bench: ContractBench): void {
  const replace = (object: KubeObject) => bench.done({ verb: 'replace', object })

  test('a change of spec raises generation by one, a change of metadata does not', async () => {
    const made = await bench.create(ip(bench.name('ip')))
    const labelled = await replace({ ...made, metadata: { ...made.metadata, labels: { a: 'b' } } })
    expect(labelled.metadata).toMatchObject({ generation: 1, labels: { a: 'b' }, uid: made.metadata.uid })
    expect(labelled.metadata.resourceVersion).not.toBe(made.metadata.resourceVersion)
    const filled = await replace({ ...labelled, spec: { ...(labelled.spec as object), nodeName: 'n' } })
    expect(filled.metadata.generation).toBe(2)
    expect(filled).toMatchObject({ metadata: { creationTimestamp: made.metadata.creationTimestamp } })
    expect((await bench.patch(filled, { spec: { nodeName: 'm' } })).metadata.generation).toBe(3)
  })

  test('replace takes away what it does not name', async () => {
    const made = await bench.create(ip(bench.name('ip'), { labels: { a: 'b' }, annotations: { c: 'd' } }))
    const { labels, annotations, ...metadata } = made.metadata
    const bare = await replace({ ...made, metadata, spec: { subnet: 'contract' } })
    expect(bare.metadata.labels).toBeUndefined()
    expect(bare.metadata.annotations).toBeUndefined()
    expect(bare.spec).toEqual({ subnet: 'contract' })
    expect(await bench.get(made)).toEqual(bare)
  })

  test('a change that changes nothing keeps the resourceVersion', async () => {
    const made = await bench.create(ip(bench.name('ip'), { labels: { a: 'b', c: 'd' } }))
    const { resourceVersion } = made.metadata
    const turned = { ...made, metadata: { ...made.metadata, labels: { c: 'd', a: 'b' } } }
    expect((await replace(turned)).metadata.resourceVersion).toBe(resourceVersion)
    const empty = await bench.patch(made, {})
    expect(empty.metadata.resourceVersion).toBe(resourceVersion)
    const same = await bench.patch(made, { metadata: { labels: { a: 'b', none: null } } })
    expect(same.metadata.resourceVersion).toBe(resourceVersion)
  })

  test('a stale resourceVersion is a Conflict for replace and patch, and changes nothing', async () => {
    const made = await bench.create(ip(bench.name('ip')))
    const now = await bench.patch(made, { metadata: { labels: { a: '1' } } })
    expect(await bench.refusal({ verb: 'replace', object: made })).toBe('Conflict')
    expect(await bench.refusal(patchOf(made, { metadata: { labels: { a: '2' } } }))).toBe('Conflict')
    expect(await bench.refusal(patchOf(made, {}))).toBe('Conflict')
    expect(await bench.get(made)).toEqual(now)
  })

  test('of two writers with the same resourceVersion one wins', async () => {
    const made = await bench.create(ip(bench.name('ip')))
    const replies = await Promise.all(
      ['1', '2', '3', '4'].map((value) => bench.reply(patchOf(made, { metadata: { labels: { value } } }))),
    )
    const reasons = replies.map((reply) => (reply.ok ? 'ok' : reply.error.reason)).sort()
    expect(reasons).toEqual(['Conflict', 'Conflict', 'Conflict', 'ok'])
  })

  test('replace without a resourceVersion is Invalid, of an absent object NotFound', async () => {
    const made = await bench.create(ip(bench.name('ip')))
    const { resourceVersion, ...metadata } = made.metadata
    expect(await bench.refusal({ verb: 'replace', object: { ...made, metadata } })).toBe('Invalid')
    const absent = ip(bench.name('ip'), { resourceVersion: resourceVersion ?? '' })
    expect(await bench.refusal({ verb: 'replace', object: absent })).toBe('NotFound')
    expect(await bench.refusal(patchOf(absent, {}))).toBe('NotFound')
  })

  test('uid, name and kind cannot be changed', async () => {
    const made = await bench.create(ip(bench.name('ip')))
    const uid = '11111111-1111-4111-8111-111111111111'
    const other = { ...made, metadata: { ...made.metadata, uid } }
    expect(await bench.refusal({ verb: 'replace', object: other })).toBe('Conflict')
    expect(['Conflict', 'Invalid']).toContain(await bench.refusal(patchOf(made, { metadata: { uid } })))
    expect(await bench.refusal(patchOf(made, { metadata: { name: 'other' } }))).toBe('Invalid')
    expect(await bench.refusal(patchOf(made, { kind: 'Subnet' }))).toBe('Invalid')
    expect(await bench.get(made)).toEqual(made)
  })

  test('nobody can mark an object as terminating by writing it', async () => {
    const made = await bench.create(ip(bench.name('ip')))
    await bench.reply(patchOf(made, { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } }))
    expect((await bench.get(made)).metadata.deletionTimestamp).toBeUndefined()
  })

  test('an invalid result is refused and changes nothing', async () => {
    const made = await bench.create(ip(bench.name('ip')))
    expect(await bench.refusal(patchOf(made, { metadata: { labels: { 'not a key': 'x' } } }))).toBe('Invalid')
    const metadata = { ...made.metadata, finalizers: ['not a finalizer'] }
    expect(await bench.refusal({ verb: 'replace', object: { ...made, metadata } })).toBe('Invalid')
    expect(await bench.refusal(patchOf(made, ['no', 'object']))).toBe('Invalid')
    expect(await bench.get(made)).toEqual(made)
  })

  // RFC 7396, as far as the CRD's types allow to say it.
  test.each<[string, unknown, unknown]>([
    ['adds a member', { annotations: { new: '1' } }, { annotations: { keep: 'k', old: 'o', new: '1' } }],
    ['replaces a member', { annotations: { old: '1' } }, { annotations: { keep: 'k', old: '1' } }],
    ['null removes a member', { annotations: { old: null } }, { annotations: { keep: 'k' } }],
    ['null for an absent member does nothing', { annotations: { no: null } }, {}],
    ['null removes a whole map', { annotations: null }, { annotations: undefined }],
    ['a list is replaced whole', { finalizers: ['x.io/c'] }, { finalizers: ['x.io/c'] }],
    ['an empty list takes all away', { finalizers: [] }, { finalizers: undefined }],
  ])('merge patch: %s', async (_, patch, expected) => {
    const before = { annotations: { keep: 'k', old: 'o' }, finalizers: ['x.io/a', 'x.io/b'] }
    const made = await bench.create(ip(bench.name('ip'), before))
    const { annotations, finalizers } = (await bench.patch(made, { metadata: patch })).metadata
    expect({ annotations, finalizers }).toEqual({ ...before, ...(expected as object) })
  })

  test('merge patch reaches into spec, and lists there are replaced whole too', async () => {
    const made = await bench.create(subnet(bench.name('subnet'), {}, { gateway: '192.0.2.1' }))
    const patched = await bench.patch(made, {
      spec: { gateway: null, excludeIps: ['192.0.2.9'], namespaces: ['default'] },
    })
    const { gateway, excludeIps, namespaces, cidrBlock } = patched.spec as Record<string, unknown>
    expect({ gateway, excludeIps, namespaces, cidrBlock }).toEqual({
      gateway: undefined,
      excludeIps: ['192.0.2.9'],
      namespaces: ['default'],
      cidrBlock: '192.0.2.0/24',
    })
  })

  test('replace and patch do not write a status subresource', async () => {
    const made = await bench.create(subnet(bench.name('subnet')))
    const patched = await bench.patch(made, { status: { v4usingIPs: 5 } })
    expect(patched.metadata.resourceVersion).toBe(made.metadata.resourceVersion)
    await replace({ ...made, status: { v4usingIPs: 5 } })
    expect((await bench.done({ verb: 'get', ref: refOf(made) })).status).toBeUndefined()
  })

  const statusPatch = (object: KubeObject, patch: unknown) =>
    ({ ...patchOf(object, patch), subresource: 'status' }) as ClusterRequest

  test('a patch of the status subresource changes the status and nothing else', async () => {
    const made = await bench.create(subnet(bench.name('subnet')))
    const patch = {
      metadata: { labels: { a: 'b' }, finalizers: ['x.io/a'] },
      spec: { cidrBlock: '198.51.100.0/24' },
      status: { v4usingIPs: 5, v4availableIPs: 248 },
    }
    const patched = await bench.done(statusPatch(made, patch))
    const { resourceVersion, ...metadata } = patched.metadata
    const { resourceVersion: before, ...was } = made.metadata
    expect(metadata).toEqual(was)
    expect(resourceVersion).not.toBe(before)
    expect(patched.spec).toEqual(made.spec)
    expect(patched.status).toEqual({ v4usingIPs: 5, v4availableIPs: 248 })
    expect(await bench.get(made)).toEqual(patched)
    const less = await bench.done(statusPatch(patched, { status: { v4availableIPs: null } }))
    expect(less.status).toEqual({ v4usingIPs: 5 })
  })

  test('a status patch that changes nothing keeps the resourceVersion, a stale one is a Conflict', async () => {
    const made = await bench.create(subnet(bench.name('subnet')))
    const patched = await bench.done(statusPatch(made, { status: { v4usingIPs: 1 } }))
    const same = await bench.done(statusPatch(patched, { status: { v4usingIPs: 1 } }))
    expect(same.metadata.resourceVersion).toBe(patched.metadata.resourceVersion)
    expect(await bench.refusal(statusPatch(made, { status: { v4usingIPs: 2 } }))).toBe('Conflict')
    expect(await bench.get(made)).toEqual(patched)
  })

  test('where there is no status subresource, or no object, a status patch is NotFound', async () => {
    const made = await bench.create(ip(bench.name('ip')))
    expect(await bench.refusal(statusPatch(made, { status: { a: 1 } }))).toBe('NotFound')
    const absent = subnet(bench.name('subnet'), { resourceVersion: made.metadata.resourceVersion ?? '' })
    expect(await bench.refusal(statusPatch(absent, { status: { v4usingIPs: 1 } }))).toBe('NotFound')
  })
}
