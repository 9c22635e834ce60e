import { afterEach, describe, expect, test, vi } from 'vitest'
import { follow, OLD_MS } from '../../../shared/cluster/mirror/follow.ts'
import type { MirroredKind } from '../../../shared/cluster/mirror/kinds.ts'
import type { KubeObject } from '../../../shared/cluster/port.ts'
import { silentLog } from '../../../shared/log.ts'
import { systemRandom } from '../../../shared/random.ts'
import type { Sql } from '../../../shared/sql.ts'
import { ip } from '../../support/cluster-contract.ts'
import { FaultyCluster, failure, mirrorStore, TurnClock } from '../../support/faulty-cluster.ts'
import { nodeSql } from '../../support/node-sqlite.ts'

/** A mirror of one kind of a cluster that may fail, over storage that outlives it. */
class Follower {
  readonly cluster = new FaultyCluster()
  readonly clock = new TurnClock()
  readonly sql: Sql = nodeSql()
  store = mirrorStore(this.sql)
  #stop: AbortController | undefined
  #ended: Promise<void> | undefined

  start(kind: MirroredKind = 'IP'): void {
    this.store = mirrorStore(this.sql)
    this.#stop = new AbortController()
    const { cluster, store, clock } = this
    const ports = { cluster, store, clock, random: systemRandom, log: silentLog, told: () => {} }
    this.#ended = follow(ports, kind, this.#stop.signal)
  }

  async stop(): Promise<void> {
    this.#stop?.abort()
    await this.#ended
  }

  names(): string[] {
    return this.store.all('IP').map(({ metadata }) => metadata.name)
  }

  async shows(...names: string[]): Promise<void> {
    await vi.waitFor(() => expect(this.names()).toEqual(names))
  }

  /** Watching, with everything that was listed before. */
  async watching(): Promise<void> {
    await vi.waitFor(() => expect(this.cluster.asked.at(-1)).toMatch(/^watch/))
  }
}

const make = (follower: Follower, ...names: string[]): Promise<KubeObject[]> =>
  Promise.all(names.map((name) => follower.cluster.create(ip(name))))

describe('following a kind', () => {
  let follower: Follower
  const started = async () => {
    follower = new Follower()
    await make(follower, 'a', 'b', 'c')
    follower.start()
    return follower
  }
  afterEach(() => follower.stop())

  test('lists, then watches', async () => {
    const { cluster } = await started()
    await follower.shows('a', 'b', 'c')
    await follower.watching()
    const [d] = await make(follower, 'd')
    await follower.shows('a', 'b', 'c', 'd')
    await cluster.delete(d as KubeObject)
    await follower.shows('a', 'b', 'c')
    expect(cluster.asked.filter((name) => name.startsWith('list'))).toEqual(['list IP'])
  })

  test('goes on from where it was after it was cut off', async () => {
    const { cluster } = await started()
    await follower.watching()
    await follower.stop()
    await make(follower, 'd')
    follower.start()
    await follower.shows('a', 'b', 'c', 'd')
    expect(cluster.asked.filter((name) => name.startsWith('list'))).toEqual(['list IP'])
  })

  // faults.md 17
  test('410 on page 3, and again on the relist: from nothing, and what a part did not name stays', async () => {
    const { cluster } = await started()
    await follower.watching()
    cluster.pageItems = 1
    cluster.faults.set('list IP 3', failure('Expired'))
    const before = cluster.asked.length
    cluster.break('IP', 'Expired')
    await vi.waitFor(() => expect(cluster.asked.slice(before)).toContain('list IP 3'))
    expect(follower.names()).toEqual(['a', 'b', 'c'])
    await follower.watching()
    expect(cluster.asked.slice(before, -1)).toEqual([
      ...['list IP', 'list IP 2', 'list IP 3'],
      ...['list IP', 'list IP 2', 'list IP 3'],
    ])
    await make(follower, 'd')
    await follower.shows('a', 'b', 'c', 'd')
  })

  // faults.md 21: the reader reports silence as Unavailable.
  test('a watch that fell silent: a list brings what it kept back', async () => {
    const { cluster } = await started()
    await follower.watching()
    const stale = cluster.asked.length
    cluster.break('IP', 'Unavailable')
    await vi.waitFor(() => expect(cluster.asked.slice(stale)[0]).toBe('list IP'))
    await make(follower, 'd')
    await follower.shows('a', 'b', 'c', 'd')
  })

  test('rows nobody has looked after for too long are listed anew, though their version may still be good', async () => {
    const { cluster, clock } = await started()
    await follower.watching()
    await follower.stop()
    const before = cluster.asked.length
    clock.ms += OLD_MS + 1
    follower.start()
    await follower.watching()
    expect(cluster.asked[before]).toBe('list IP')
  })

  test('a list that fails is tried again, after ever longer waits, no longer than half a minute', async () => {
    follower = new Follower()
    const { cluster, clock } = follower
    await make(follower, 'a')
    let left = 12
    const list = cluster.list.bind(cluster)
    cluster.list = async (kind, options) => {
      if (left-- > 0) return { ok: false, error: failure('Unavailable') }
      return list(kind, options)
    }
    follower.start()
    await follower.shows('a')
    const waits = clock.sleeps.slice(0, 12)
    expect(Math.max(...waits)).toBeLessThanOrEqual(30_000)
    expect(Math.min(...waits.slice(-4))).toBeGreaterThanOrEqual(15_000)
    expect(waits[0]).toBeLessThanOrEqual(500)
  })

  test('the server’s own wait is kept to', async () => {
    follower = new Follower()
    follower.cluster.faults.set('list IP', { ...failure('TooManyRequests'), retryAfterMs: 7_000 })
    follower.start()
    await follower.watching()
    expect(follower.clock.sleeps[0]).toBe(7_000)
  })

  test.each([
    ['VirtualMachine', 'absent until the next look, a minute later', [60_000]],
    ['IP', 'a failure like any other', []],
  ] as const)('%s is not served: %s', async (kind, _, minutes) => {
    follower = new Follower()
    const { cluster, clock } = follower
    cluster.faults.set(`list ${kind}`, failure('NotFound'))
    follower.start(kind)
    await follower.watching()
    expect(clock.sleeps.filter((ms) => ms === 60_000)).toEqual(minutes)
    expect(follower.store.kind(kind).state).toBe('synced')
  })
})
