import { describe, expect, test } from 'vitest'
import type { Clock } from '../../shared/clock.ts'
import { EmbeddedCluster, MAX_WAIT_MS } from '../../shared/cluster/embedded/cluster.ts'
import { embeddedPort } from '../../shared/cluster/embedded/port.ts'
import { deletionOf, ip, subnet } from '../support/cluster-contract.ts'
import { embeddedStore, portOver } from '../support/cluster-embedded.ts'
import { nodeSql } from '../support/node-sqlite.ts'

/** A clock whose sleeps end only when told to. */
function handClock() {
  const sleeps: { ms: number; signal: AbortSignal | undefined; end: () => void }[] = []
  const clock: Clock = {
    nowMs: () => 0,
    sleep: (ms, signal) => new Promise((end) => sleeps.push({ ms, signal, end })),
    after: () => () => {},
  }
  return { clock, sleeps }
}

describe('long polls', () => {
  const query = { kind: 'IP', resourceVersion: '2' } as const

  test('without news: empty after the wait, which is bounded', async () => {
    const { clock, sleeps } = handClock()
    const cluster = new EmbeddedCluster(embeddedStore(nodeSql()), clock)
    const page = cluster.eventsSince(query, 10 * MAX_WAIT_MS)
    expect(sleeps.map(({ ms }) => ms)).toEqual([MAX_WAIT_MS])
    sleeps[0]?.end()
    expect(await page).toEqual({ ok: true, value: { events: [], resourceVersion: '2' } })
    expect(await cluster.eventsSince(query, 0)).toMatchObject({ ok: true })
    expect(await cluster.eventsSince(query, Number.NaN)).toMatchObject({ ok: true })
    expect(sleeps).toHaveLength(1)
  })

  test('a write of that kind ends the wait and its timer; another kind’s does not', async () => {
    const { clock, sleeps } = handClock()
    const cluster = new EmbeddedCluster(embeddedStore(nodeSql()), clock)
    const page = cluster.eventsSince(query, 1_000)
    await cluster.send([{ verb: 'create', object: subnet('other') }])
    await cluster.send([{ verb: 'create', object: ip('a') }])
    expect(await page).toMatchObject({
      ok: true,
      value: { resourceVersion: '4', events: [{ type: 'ADDED' }] },
    })
    expect(sleeps.map(({ signal }) => signal?.aborted)).toEqual([true])
  })

  test('all who wait are woken', async () => {
    const cluster = new EmbeddedCluster(embeddedStore(nodeSql()), handClock().clock)
    const pages = Array.from({ length: 5 }, () => cluster.eventsSince(query, 1_000))
    await cluster.send([{ verb: 'create', object: ip('a') }])
    for (const page of await Promise.all(pages)) expect(page).toMatchObject({ value: { events: [{}] } })
  })
})

test('a watch that hears nothing gives BOOKMARKs, with what other kinds moved on', async () => {
  const { clock, sleeps } = handClock()
  const cluster = new EmbeddedCluster(embeddedStore(nodeSql()), clock)
  const watch = embeddedPort(() => cluster, { waitMs: 1_000 }).watch('IP', { resourceVersion: '2' })
  const next = watch[Symbol.asyncIterator]().next()
  await cluster.send([{ verb: 'create', object: subnet('other') }])
  sleeps[0]?.end()
  expect(await next).toEqual({ done: false, value: { type: 'BOOKMARK', resourceVersion: '3' } })
})

test('a list without a limit goes on until it is whole, all of one moment', async () => {
  const store = embeddedStore(nodeSql())
  store.send(Array.from({ length: 5_500 }, (_, n) => ({ verb: 'create', object: ip(`ip-${n}`) })))
  const list = await portOver(store).list('IP')
  if (!list.ok) throw new Error(list.error.message)
  expect(new Set(list.value.items.map(({ metadata }) => metadata.name)).size).toBe(5_500)
  expect(list.value.continue).toBeUndefined()
})

test('a call that is cut off: writes may have happened, reads certainly did nothing', async () => {
  const port = embeddedPort(() => {
    throw new Error('object reset')
  })
  const object = ip('a', { uid: 'u' })
  const replies = await port.send([
    { verb: 'create', object },
    { verb: 'create', object, dryRun: true },
    { verb: 'get', ref: { kind: 'IP', name: 'a' } },
    deletionOf(object),
  ])
  expect(replies.map((reply) => !reply.ok && [reply.error.reason, reply.error.outcome])).toEqual([
    ['Unavailable', 'unknown'],
    ['Unavailable', 'refused'],
    ['Unavailable', 'refused'],
    ['Unavailable', 'unknown'],
  ])
  expect(await port.list('IP')).toMatchObject({ ok: false, error: { reason: 'Unavailable' } })
  for await (const event of port.watch('IP', { resourceVersion: '1' })) {
    expect(event).toMatchObject({ type: 'ERROR', failure: { reason: 'Unavailable' } })
  }
})
