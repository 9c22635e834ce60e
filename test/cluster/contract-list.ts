import { expect, test } from 'vitest'
import type { KubeObject, ObjectList } from '../../shared/cluster/port.ts'
import { type ContractBench, ip, pod } from '../support/cluster-contract.ts'

export function listing(bench: ContractBench): void {
  const names = (items: readonly KubeObject[]) => items.map(({ metadata }) => metadata.name).sort()

  /** `count` IP objects under a label nobody else has. */
  async function several(count: number): Promise<{ made: KubeObject[]; labelSelector: { run: string } }> {
    const run = bench.name('run')
    const made: KubeObject[] = []
    for (let n = 0; n < count; n++) {
      made.push(await bench.create(ip(bench.name(`ip-${String.fromCharCode(97 + n)}`), { labels: { run } })))
    }
    return { made, labelSelector: { run } }
  }

  test('shows whole objects as get does, of one kind', async () => {
    const { made, labelSelector } = await several(2)
    const { items } = await bench.list('IP', { labelSelector })
    expect(names(items)).toEqual(names(made))
    for (const object of made) expect(items).toContainEqual(await bench.get(object))
    expect((await bench.list('Subnet', { labelSelector })).items).toEqual([])
  })

  test('a label selector needs every label to be equal', async () => {
    const run = bench.name('run')
    await bench.create(ip(bench.name('ip'), { labels: { run, colour: 'red' } }))
    const blue = await bench.create(ip(bench.name('ip'), { labels: { run, colour: 'blue' } }))
    await bench.create(ip(bench.name('ip'), { labels: { run } }))
    const { items } = await bench.list('IP', { labelSelector: { run, colour: 'blue' } })
    expect(names(items)).toEqual([blue.metadata.name])
    expect((await bench.list('IP', { labelSelector: { run, colour: 'gr' } })).items).toEqual([])
  })

  test('a namespace narrows a list', async () => {
    const run = bench.name('run')
    const here = await bench.create(pod(bench.name('pod'), 'default', { labels: { run } }))
    const there = await bench.create(pod(bench.name('pod'), 'kube-public', { labels: { run } }))
    const labelSelector = { run }
    expect(names((await bench.list('Pod', { labelSelector })).items)).toEqual(names([here, there]))
    const { items } = await bench.list('Pod', { labelSelector, namespace: 'kube-public' })
    expect(names(items)).toEqual([there.metadata.name])
  })

  test('pages give each object once and are all of one resourceVersion', async () => {
    const { made, labelSelector } = await several(7)
    const pages: ObjectList[] = [await bench.list('IP', { labelSelector, limit: 3 })]
    for (let next = pages[0]?.continue; next; next = pages.at(-1)?.continue) {
      pages.push(await bench.list('IP', { labelSelector, limit: 3, continue: next }))
    }
    expect(pages.map(({ items }) => items.length)).toEqual([3, 3, 1])
    expect(names(pages.flatMap(({ items }) => items))).toEqual(names(made))
    expect(new Set(pages.map(({ resourceVersion }) => resourceVersion)).size).toBe(1)
  })

  // Whether anything follows is known only where no selector filters: a real server then hands out one page in vain.
  test('a limit that just fits: at most an empty page follows, and without a limit none', async () => {
    const { made, labelSelector } = await several(2)
    const first = await bench.list('IP', { labelSelector, limit: 2 })
    expect(names(first.items)).toEqual(names(made))
    for (let next = first.continue; next; ) {
      const page = await bench.list('IP', { labelSelector, limit: 2, continue: next })
      expect(page.items).toEqual([])
      next = page.continue
    }
    expect((await bench.list('IP', { labelSelector })).continue).toBeUndefined()
  })

  test('later pages show the cluster as the first page saw it', async () => {
    const { made, labelSelector } = await several(5)
    const first = await bench.list('IP', { labelSelector, limit: 2 })
    const unseen = made.filter(({ metadata }) => !names(first.items).includes(metadata.name))
    const [removed, changed, recreated] = unseen as [KubeObject, KubeObject, KubeObject]
    await bench.delete(removed)
    await bench.patch(await bench.patch(changed, { spec: { nodeName: 'm' } }), { spec: { nodeName: 'n' } })
    await bench.delete(recreated)
    await bench.create(ip(recreated.metadata.name, { labels: labelSelector }))
    await bench.create(ip(bench.name('ip-z'), { labels: labelSelector }))
    const token = first.continue ?? 'no token'
    const rest = await bench.list('IP', { labelSelector, limit: 100, continue: token })
    expect(rest.items).toEqual(expect.arrayContaining(unseen))
    expect(rest.items).toHaveLength(unseen.length)
    expect(rest.resourceVersion).toBe(first.resourceVersion)
    const events = await bench.events('IP', first, names(unseen), 5)
    expect(events.map(({ type }) => type)).toEqual(['DELETED', 'MODIFIED', 'MODIFIED', 'DELETED', 'ADDED'])
  })

  test('a token of no list is refused', async () => {
    const list = await bench.port.list('IP', { limit: 1, continue: 'no token' })
    expect(list).toMatchObject({ ok: false, error: { outcome: 'refused' } })
  })
}
