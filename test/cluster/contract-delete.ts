import { expect, test } from 'vitest'
import { type ContractBench, deletionOf, ip, patchOf, refOf } from '../support/cluster-contract.ts'

export function deleting(bench: ContractBench): void {
  const terminating = async (finalizers: string[]) =>
    bench.delete(await bench.create(ip(bench.name('ip'), { finalizers })))

  test('without finalizers the object is gone at once', async () => {
    const made = await bench.create(ip(bench.name('ip')))
    await bench.delete(made)
    expect(await bench.refusal({ verb: 'get', ref: refOf(made) })).toBe('NotFound')
    expect(await bench.refusal(deletionOf(made))).toBe('NotFound')
  })

  test('another uid is a Conflict: a successor of the same name survives', async () => {
    const first = await bench.create(ip(bench.name('ip')))
    await bench.delete(first)
    const second = await bench.create(ip(first.metadata.name))
    expect(second.metadata.uid).not.toBe(first.metadata.uid)
    expect(await bench.refusal(deletionOf(first))).toBe('Conflict')
    expect(await bench.refusal({ verb: 'replace', object: first })).toBe('Conflict')
    expect(await bench.refusal(patchOf(first, { metadata: { labels: { a: 'b' } } }))).toBe('Conflict')
    expect(await bench.get(second)).toEqual(second)
  })

  test('with finalizers it stays, marked; marking counts as a change of generation', async () => {
    const made = await bench.create(ip(bench.name('ip'), { finalizers: ['x.io/a'] }))
    await bench.delete(made)
    const marked = await bench.get(made)
    expect(marked.metadata).toMatchObject({
      deletionTimestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      deletionGracePeriodSeconds: 0,
      generation: 2,
      finalizers: ['x.io/a'],
      uid: made.metadata.uid,
    })
    expect(marked.metadata.resourceVersion).not.toBe(made.metadata.resourceVersion)
  })

  test('a second delete is fine and changes nothing; another uid is still a Conflict', async () => {
    const marked = await bench.get(await terminating(['x.io/a']))
    await bench.delete(marked)
    expect(await bench.get(marked)).toEqual(marked)
    const other = { ...marked, metadata: { ...marked.metadata, uid: 'another' } }
    expect(await bench.refusal(deletionOf(other))).toBe('Conflict')
  })

  test('the name is locked while the object terminates', async () => {
    const { metadata } = await terminating(['x.io/a'])
    expect(await bench.refusal({ verb: 'create', object: ip(metadata.name) })).toBe('AlreadyExists')
  })

  test('no finalizer may be added to a terminating object; other changes are allowed', async () => {
    const marked = await bench.get(await terminating(['x.io/a']))
    const added = patchOf(marked, { metadata: { finalizers: ['x.io/a', 'x.io/b'] } })
    expect(await bench.refusal(added)).toBe('Invalid')
    const metadata = { ...marked.metadata, finalizers: ['x.io/b'] }
    expect(await bench.refusal({ verb: 'replace', object: { ...marked, metadata } })).toBe('Invalid')
    const labelled = await bench.patch(marked, { metadata: { labels: { a: 'b' } } })
    expect(labelled.metadata).toMatchObject({ labels: { a: 'b' }, finalizers: ['x.io/a'] })
  })

  test('a deletionTimestamp cannot be taken back', async () => {
    const marked = await bench.get(await terminating(['x.io/a']))
    const { deletionTimestamp, deletionGracePeriodSeconds, ...metadata } = marked.metadata
    const object = { ...marked, metadata: { ...metadata, labels: { a: 'b' } } }
    await bench.reply({ verb: 'replace', object })
    const now = await bench.get(marked)
    expect(now.metadata).toMatchObject({ deletionTimestamp, deletionGracePeriodSeconds })
    await bench.reply(patchOf(now, { metadata: { deletionTimestamp: null } }))
    expect((await bench.get(marked)).metadata.deletionTimestamp).toBe(deletionTimestamp)
  })

  test('the object goes with its last finalizer, not before', async () => {
    const marked = await bench.get(await terminating(['x.io/a', 'x.io/b']))
    const half = await bench.patch(marked, { metadata: { finalizers: ['x.io/b'] } })
    expect((await bench.get(half)).metadata.finalizers).toEqual(['x.io/b'])
    const gone = await bench.patch(half, { metadata: { finalizers: null } })
    expect(gone.metadata.uid).toBe(marked.metadata.uid)
    expect(await bench.refusal({ verb: 'get', ref: refOf(marked) })).toBe('NotFound')
    await bench.create(ip(marked.metadata.name))
  })

  test('replace removes the last finalizer as patch does; a stale one is a Conflict', async () => {
    const marked = await bench.get(await terminating(['x.io/a']))
    const now = await bench.patch(marked, { metadata: { labels: { a: 'b' } } })
    const without = { ...marked, metadata: { ...marked.metadata, finalizers: [] } }
    expect(await bench.refusal({ verb: 'replace', object: without })).toBe('Conflict')
    await bench.done({ verb: 'replace', object: { ...now, metadata: { ...now.metadata, finalizers: [] } } })
    expect(await bench.refusal({ verb: 'get', ref: refOf(marked) })).toBe('NotFound')
  })

  test('finalizers of a living object come and go without removing it', async () => {
    const made = await bench.create(ip(bench.name('ip'), { finalizers: ['x.io/a'] }))
    const bare = await bench.patch(made, { metadata: { finalizers: null } })
    const again = await bench.patch(bare, { metadata: { finalizers: ['x.io/b'] } })
    expect((await bench.get(made)).metadata.finalizers).toEqual(['x.io/b'])
    expect(again.metadata.generation).toBe(1)
  })
}
