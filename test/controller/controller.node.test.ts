import { describe, expect, it } from 'vitest'
import { EmbeddedCluster } from '../../shared/cluster/embedded/cluster.ts'
import { embeddedPort } from '../../shared/cluster/embedded/port.ts'
import { EmbeddedStore } from '../../shared/cluster/embedded/store.ts'
import type { ClusterPort, ClusterReply, KubeObject } from '../../shared/cluster/port.ts'
import { DEPRECATED_FINALIZER, FINALIZER, LABEL_RESERVED } from '../../shared/kube-ovn/names.ts'
import { err } from '../../shared/result.ts'
import { ManualClock } from '../support/clock.ts'
import { type ControllerParts, KubeOvnController } from '../support/controller/controller.ts'
import { LEASE } from '../support/controller/lease.ts'
import { MemoryNorth } from '../support/controller/north.ts'
import { atOnce, lagging } from '../support/controller/turns.ts'
import { runFor } from '../support/controller/virtual-time.ts'
import type { Write } from '../support/controller/writes.ts'
import { nodeSql } from '../support/node-sqlite.ts'
import { seededRandom } from '../support/random.ts'

const STARTED_MS = 5_000

/** A cluster under virtual time with a model controller beside it. */
class Beside {
  readonly clock = new ManualClock()
  readonly north = new MemoryNorth()
  readonly writes: { readonly atMs: number; readonly write: Write; readonly reply: ClusterReply }[] = []
  readonly controller: KubeOvnController
  /** Refuses the controller's updates of IP objects while it is set. */
  refuses = false
  private readonly cluster: EmbeddedCluster

  constructor(seed = 1, parts: Partial<ControllerParts> = {}) {
    const random = seededRandom(seed)
    const store = new EmbeddedStore({ sql: nodeSql(), clock: this.clock, random: seededRandom(99) })
    this.cluster = new EmbeddedCluster(store, this.clock)
    const port = embeddedPort(() => this.cluster)
    const guarded: ClusterPort = {
      ...port,
      send: (requests) =>
        this.refuses && requests.some((request) => request.verb === 'replace' && request.object.kind === 'IP')
          ? Promise.resolve(requests.map(() => err(REFUSED)))
          : port.send(requests),
    }
    this.controller = new KubeOvnController({
      cluster: guarded,
      north: this.north,
      clock: this.clock,
      random,
      turns: lagging(this.clock, random, { arrive: 30, hear: 10, take: 10, send: 10, sweep: 10 }),
      sent: (write, reply) => this.writes.push({ atMs: this.clock.nowMs(), write, reply }),
      ...parts,
    })
  }

  pass(ms: number): Promise<void> {
    return runFor(this.clock, ms)
  }

  async reserve(name: string, more: Partial<KubeObject['metadata']> = {}, spec: object = {}): Promise<void> {
    const podName = name.replace('.default', '')
    const object: KubeObject = {
      apiVersion: 'kubeovn.io/v1',
      kind: 'IP',
      metadata: { name, ...more },
      spec: { subnet: 'ovn-default', namespace: 'default', podName, podType: '', ...spec },
    }
    const [reply] = await this.cluster.send([{ verb: 'create', object }])
    if (!reply?.ok) throw new Error(reply?.error.message)
  }

  /** When the Lease was renewed last, wall ms. */
  async renewedMs(): Promise<number> {
    const [reply] = await this.cluster.send([{ verb: 'get', ref: LEASE }])
    return reply?.ok ? Date.parse((reply.value.spec as { renewTime: string }).renewTime) : Number.NaN
  }

  async ip(name: string): Promise<KubeObject | undefined> {
    const [reply] = await this.cluster.send([{ verb: 'get', ref: { kind: 'IP', name } }])
    return reply?.ok ? reply.value : undefined
  }
}

const REFUSED = { reason: 'Invalid', message: 'not now', outcome: 'refused' } as const

describe('the model controller is its arguments', () => {
  const history = async (seed: number) => {
    const beside = new Beside(seed)
    beside.controller.start()
    for (const name of ['a.default', 'b.default', 'c.default']) await beside.reserve(name)
    await beside.pass(STARTED_MS)
    beside.controller.kill()
    return beside.writes.map(({ atMs, write }) => `${atMs} ${JSON.stringify(write)}`)
  }

  it('the same bytes make the same writes at the same times', async () => {
    const first = await history(5)
    expect(first.length).toBeGreaterThan(6)
    expect(await history(5)).toEqual(first)
  })

  it('other bytes make another run', async () => {
    expect(await history(6)).not.toEqual(await history(5))
  })
})

describe('its process', () => {
  it('does nothing while it is paused, and goes on where it stood', async () => {
    const beside = new Beside()
    beside.controller.start()
    await beside.pass(STARTED_MS)
    beside.controller.pause()
    await beside.reserve('a.default')
    const before = beside.writes.length
    await beside.pass(18_000)
    expect(beside.writes.length).toBe(before)
    beside.controller.continue()
    await beside.pass(1_000)
    expect((await beside.ip('a.default'))?.metadata.finalizers).toEqual([FINALIZER])
  })

  it('forgets its leases when it is killed: the lowest address is given away again', async () => {
    const config = { gcIntervalMs: 0 }
    const beside = new Beside(1, { config })
    beside.controller.start()
    await beside.reserve('a.default')
    await beside.pass(STARTED_MS)
    expect(beside.controller.ipam?.subnet('ovn-default')?.planes[4]?.using.size).toBe(1n)
    beside.controller.restart()
    await beside.pass(STARTED_MS)
    await beside.reserve('b.default')
    await beside.pass(1_000)
    const [a, b] = [await beside.ip('a.default'), await beside.ip('b.default')]
    expect(b?.spec).toMatchObject({ v4IpAddress: '10.16.0.2' })
    expect(a?.spec).toMatchObject({ v4IpAddress: '10.16.0.2' })
  })

  it('a killed process writes no more', async () => {
    const beside = new Beside()
    beside.controller.start()
    await beside.pass(STARTED_MS)
    await beside.reserve('a.default')
    beside.controller.kill()
    const before = beside.writes.length
    await beside.pass(60_000)
    expect(beside.writes.length).toBe(before)
  })

  it('tries a refused write again after 5 ms doubling to 1,000 s', async () => {
    const beside = new Beside(1, { turns: atOnce, config: { gcIntervalMs: 0 } })
    beside.refuses = true
    beside.controller.start()
    await beside.reserve('a.default')
    await beside.pass(5_000_000)
    const tries = beside.writes
      .filter(({ write }) => write.verb === 'update' && write.object.kind === 'IP')
      .map(({ atMs }) => atMs)
    const waits = tries.slice(1).map((atMs, index) => atMs - tries[index]!)
    expect(waits.slice(0, 4)).toEqual([5, 10, 20, 40])
    expect(waits.at(-1)).toBe(1_000_000)
    beside.refuses = false
    await beside.pass(1_000_000)
    expect((await beside.ip('a.default'))?.metadata.finalizers).toEqual([FINALIZER])
  })

  it('makes room for the new finalizer when it starts', async () => {
    const beside = new Beside(1, { config: { gcIntervalMs: 0 } })
    await beside.reserve('old.default', { finalizers: [DEPRECATED_FINALIZER] })
    beside.controller.start()
    await beside.pass(STARTED_MS)
    expect((await beside.ip('old.default'))?.metadata.finalizers).toEqual([FINALIZER])
  })
})

describe('its Lease', () => {
  it('is renewed while it runs, and runs out when it is killed or paused', async () => {
    const beside = new Beside(1, { config: { lease: true } })
    beside.controller.start()
    await beside.pass(60_000)
    expect(beside.clock.nowMs() - (await beside.renewedMs())).toBeLessThanOrEqual(6_000)
    beside.controller.pause()
    await beside.pass(40_000)
    expect(beside.clock.nowMs() - (await beside.renewedMs())).toBeGreaterThan(30_000)
    beside.controller.continue()
    await beside.pass(6_000)
    beside.controller.kill()
    await beside.pass(40_000)
    expect(beside.clock.nowMs() - (await beside.renewedMs())).toBeGreaterThan(30_000)
  })
})

describe('its collection of ports', () => {
  const withPorts = async () => {
    const beside = new Beside()
    for (const name of ['kept.default', 'lost.default']) {
      const labels = { [LABEL_RESERVED]: String(name === 'kept.default') }
      const owner = { apiVersion: 'kubeovn.io/v1', kind: 'Subnet', name: 'ovn-default', uid: 'any' }
      await beside.reserve(name, { labels, ownerReferences: [owner], finalizers: [FINALIZER] })
      const externalIds = { vendor: 'kube-ovn', ls: 'ovn-default', pod: `default/${name.split('.')[0]}` }
      await beside.north.put({ name, addresses: ['02:00:00:00:00:01'], externalIds })
    }
    beside.controller.start()
    return beside
  }

  it('waits for the second sweep, 360 s after the first', async () => {
    const beside = await withPorts()
    await beside.pass(359_000)
    expect(beside.north.all().map(({ name }) => name)).toEqual(['kept.default', 'lost.default'])
    await beside.pass(6_000)
    expect(beside.north.all()).toEqual([])
  })

  it('takes the IP object along, unless it is reserved', async () => {
    const beside = await withPorts()
    await beside.pass(370_000)
    expect(await beside.ip('lost.default')).toBeUndefined()
    expect(await beside.ip('kept.default')).toBeDefined()
  })
})
