import { expect, test } from 'vitest'
import { type ContractBench, deletionOf, ip, pod } from '../support/cluster-contract.ts'

export function watching(bench: ContractBench): void {
  test('from a list on, nothing is missed and the order is that of the changes', async () => {
    const from = await bench.list('IP', { limit: 1 })
    const a = await bench.create(ip(bench.name('ip'), { finalizers: ['x.io/a'] }))
    const b = await bench.create(ip(bench.name('ip')))
    const labelled = await bench.patch(a, { metadata: { labels: { a: 'b' } } })
    await bench.delete(b)
    const marked = await bench.done(deletionOf(a))
    await bench.patch(await bench.get(marked), { metadata: { finalizers: null } })
    const events = await bench.events('IP', from, [a.metadata.name, b.metadata.name], 6)
    expect(events.map(({ type, object }) => [type, object.metadata.name])).toEqual([
      ['ADDED', a.metadata.name],
      ['ADDED', b.metadata.name],
      ['MODIFIED', a.metadata.name],
      ['DELETED', b.metadata.name],
      ['MODIFIED', a.metadata.name],
      ['DELETED', a.metadata.name],
    ])
    expect(events[0]?.object).toEqual(a)
    expect(events[2]?.object).toEqual(labelled)
    expect(events[4]?.object.metadata.deletionTimestamp).toBeDefined()
    expect(events[5]?.object.metadata.uid).toBe(a.metadata.uid)
  })

  test('a watch that is already waiting sees what happens then', async () => {
    const from = await bench.list('IP', { limit: 1 })
    const name = bench.name('ip')
    const seen = bench.events('IP', from, [name], 2)
    const made = await bench.create(ip(name))
    await bench.patch(made, { spec: { nodeName: 'n' } })
    expect((await seen).map(({ type }) => type)).toEqual(['ADDED', 'MODIFIED'])
  })

  test('going on from any event gives exactly the rest', async () => {
    const from = await bench.list('IP', { limit: 1 })
    const objects = [ip(bench.name('ip')), ip(bench.name('ip')), ip(bench.name('ip'))]
    for (const object of objects) await bench.create(object)
    const names = objects.map(({ metadata }) => metadata.name)
    const all = await bench.events('IP', from, names, 3)
    const resourceVersion = all[0]?.object.metadata.resourceVersion ?? ''
    expect(await bench.events('IP', { resourceVersion }, names, 2)).toEqual(all.slice(1))
  })

  test('a DELETED event has a resourceVersion to go on from', async () => {
    const from = await bench.list('IP', { limit: 1 })
    const first = await bench.create(ip(bench.name('ip')))
    await bench.delete(first)
    const second = await bench.create(ip(first.metadata.name))
    const [, deleted] = await bench.events('IP', from, [first.metadata.name], 2)
    const resourceVersion = deleted?.object.metadata.resourceVersion ?? ''
    const [next] = await bench.events('IP', { resourceVersion }, [first.metadata.name], 1)
    expect(next).toEqual({ type: 'ADDED', object: second })
  })

  test('a DELETED event shows the object as last stored: a finalizer that was taken off is still there', async () => {
    const from = await bench.list('IP', { limit: 1 })
    const made = ip(bench.name('ip'))
    const first = await bench.create({
      ...made,
      metadata: { ...made.metadata, finalizers: ['example.org/hold'] },
    })
    const marked = await bench.delete(first)
    await bench.patch(marked, { metadata: { finalizers: null, annotations: { late: 'word' } } })
    const [, , deleted] = await bench.events('IP', from, [first.metadata.name], 3)
    expect(deleted?.type).toBe('DELETED')
    expect(deleted?.object.metadata.finalizers).toEqual(['example.org/hold'])
    expect(deleted?.object.metadata.annotations).toBeUndefined()
    expect(deleted?.object.metadata.deletionTimestamp).toBe(marked.metadata.deletionTimestamp)
  })

  test('what changes nothing or is refused is no event', async () => {
    const from = await bench.list('IP', { limit: 1 })
    const made = await bench.create(ip(bench.name('ip')))
    await bench.patch(made, {})
    await bench.reply({ verb: 'create', object: made })
    await bench.reply({ verb: 'create', object: made, dryRun: true })
    await bench.delete(made)
    const events = await bench.events('IP', from, [made.metadata.name], 2)
    expect(events.map(({ type }) => type)).toEqual(['ADDED', 'DELETED'])
  })

  test('a namespace narrows a watch, and other kinds are not seen', async () => {
    const { resourceVersion } = await bench.list('Pod', { limit: 1 })
    const name = bench.name('same')
    await bench.create(ip(name))
    await bench.create(pod(name, 'default'))
    const there = await bench.create(pod(name, 'kube-public'))
    const last = await bench.create(pod(`${name}-last`, 'kube-public'))
    const watch = { resourceVersion, namespace: 'kube-public' }
    const events = await bench.events('Pod', watch, [name, last.metadata.name], 2)
    expect(events.map(({ object }) => object.metadata.uid)).toEqual([there.metadata.uid, last.metadata.uid])
  })

  test('abort ends a waiting watch', async () => {
    const { resourceVersion } = await bench.list('IPPool')
    const stop = new AbortController()
    const watch = bench.port.watch('IPPool', { resourceVersion, signal: stop.signal })
    const ended = (async () => {
      for await (const event of watch) if (event.type === 'ERROR') return event
      return 'ended'
    })()
    stop.abort()
    expect(await ended).toBe('ended')
  })

  test('an aborted watch never begins', async () => {
    const { resourceVersion } = await bench.list('IPPool')
    for await (const event of bench.port.watch('IPPool', { resourceVersion, signal: AbortSignal.abort() })) {
      throw new Error(`no event expected, got ${event.type}`)
    }
  })

  test('a resourceVersion that is none ends the watch with ERROR', async () => {
    for await (const event of bench.port.watch('IP', { resourceVersion: 'none' })) {
      expect(event.type).toBe('ERROR')
    }
  })
}
