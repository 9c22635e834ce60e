import { afterEach, describe, expect, test, vi } from 'vitest'
import { systemClock } from '../../../shared/clock.ts'
import type { MirrorStore } from '../../../shared/cluster/mirror/store.ts'
import type { KubeObject } from '../../../shared/cluster/port.ts'
import type { FeedPorts } from '../../../shared/command/mirror/feed.ts'
import { Mirror } from '../../../shared/command/mirror/mirror.ts'
import type { IpNews } from '../../../shared/ledger/port.ts'
import { silentLog } from '../../../shared/log.ts'
import { problem } from '../../../shared/problem.ts'
import { systemRandom } from '../../../shared/random.ts'
import { err, ok } from '../../../shared/result.ts'
import type { Sql } from '../../../shared/sql.ts'
import { ip as ipObject, pod, subnet } from '../../support/cluster-contract.ts'
import { FaultyCluster, failure, mirrorStore } from '../../support/faulty-cluster.ts'
import { nodeSql } from '../../support/node-sqlite.ts'

type Ledger = ReturnType<FeedPorts['ledger']>

/** Ledgers that write down what they are told, `<subnet>: …`, and may be made to fail. */
class Told {
  readonly lines: string[] = []
  readonly #news: { readonly name: string; readonly news: IpNews }[] = []
  /** Subnets that cannot be reached. */
  readonly away = new Set<string>()
  /** Subnets whose ledger has lost what it was told. */
  readonly lost = new Set<string>()
  /** Called before an `observe` is answered. */
  before: () => Promise<void> = async () => {}

  ledger = (name: string): Ledger => {
    const write = (line: string) => {
      if (this.away.has(name)) throw new Error(`${name} is away`)
      this.lines.push(`${name}: ${line}`)
    }
    return {
      configure: async (facts) => {
        this.lost.delete(name)
        write(`configure ${facts.cidrBlock}${facts.pools.map((pool) => ` ${pool.name}`).join('')}`)
        return ok({ stranded: 0 })
      },
      subnetGone: async () => write('subnet gone'),
      nudge: async ({ namespace, podName }) => write(`nudge ${namespace}/${podName}`),
      observe: async (news) => {
        await this.before()
        if (this.away.has(name)) throw new Error(`${name} is away`)
        if (this.lost.has(name)) return err(problem('unknown_subnet', 'it has no Subnet'))
        this.#news.push({ name, news })
        const names = news.objects.map((object) => object.name)
        if (news.kind === 'list') write(`list${news.last ? ' end' : ''} ${names.join(' ')}`.trim())
        else if (names.length + news.gone.length > 0) {
          write(`changes ${[...names, ...news.gone.map((gone) => `-${gone.name}`)].join(' ')}`)
        }
        return ok(undefined)
      },
    }
  }

  newsOf(name: string): IpNews[] {
    return this.#news.filter((told) => told.name === name).map(({ news }) => news)
  }

  of(name: string): string[] {
    return this.lines
      .filter((line) => line.startsWith(`${name}: `))
      .map((line) => line.slice(name.length + 2))
  }
}

/** A mirror of an embedded cluster that may fail, over storage that outlives it. */
class Running {
  readonly cluster = new FaultyCluster()
  readonly told = new Told()
  readonly sql: Sql = nodeSql()
  inCharge = true
  store: MirrorStore = mirrorStore(this.sql)
  mirror: Mirror = this.#mirror()
  #stop: AbortController | undefined
  #ended: Promise<void> | undefined

  #mirror(): Mirror {
    return new Mirror({
      cluster: this.cluster,
      store: this.store,
      ledger: this.told.ledger,
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      clusterName: 'default',
      inCharge: async () => (this.inCharge ? 'alone' : undefined),
    })
  }

  start(): void {
    this.store = mirrorStore(this.sql)
    this.mirror = this.#mirror()
    this.#stop = new AbortController()
    this.#ended = this.mirror.run(this.#stop.signal)
  }

  async stop(): Promise<void> {
    this.#stop?.abort()
    await this.#ended
  }

  async hears(name: string, ...lines: string[]): Promise<void> {
    await vi.waitFor(() => expect(this.told.of(name)).toEqual(lines), 5_000)
  }
}

const ip = (name: string, of = 'a') => ipObject(name, {}, { subnet: of })
const CIDR = '192.0.2.0/24'

describe('the mirror tells', () => {
  let running: Running
  const withSubnets = async (...objects: KubeObject[]) => {
    running = new Running()
    for (const object of objects) await running.cluster.create(object)
    running.start()
    return running
  }
  afterEach(() => running.stop())

  test('a Subnet’s ledger its Subnet, then all IP objects, then what changes', async () => {
    const { cluster } = await withSubnets(subnet('a'), ip('x'), ip('y'), ip('z', 'elsewhere'))
    await running.hears('a', `configure ${CIDR}`, 'list end x y')
    await cluster.create(ip('w'))
    await running.hears('a', `configure ${CIDR}`, 'list end x y', 'changes w')
    await cluster.delete(ip('x'))
    await running.hears('a', `configure ${CIDR}`, 'list end x y', 'changes w', 'changes -x')
    expect(running.told.of('elsewhere')).toEqual([])
    await vi.waitFor(() => expect(running.store.outbox.waiting()).toBe(0))
  })

  // Found by the simulation (invariant 3): a promise's object that came and went unseen was missed by nobody.
  test('all IP objects again after a list: one may have come and gone unseen', async () => {
    const { cluster } = await withSubnets(subnet('a'), ip('x'))
    await running.hears('a', `configure ${CIDR}`, 'list end x')
    await running.stop()
    await cluster.create(ip('y'))
    await cluster.delete(ip('y'))
    running.store.forgetVersion('IP')
    running.start()
    await running.hears('a', `configure ${CIDR}`, 'list end x', 'list end x')
  })

  // A list without a version makes objects that are newer than it look gone: each was read again after a restart of the API server.
  test('nothing of IP objects while they are being read anew, though the Vips have been', async () => {
    const { cluster, told } = await withSubnets(subnet('a'), ip('x'))
    await running.hears('a', `configure ${CIDR}`, 'list end x')
    await running.stop()
    await cluster.create(ip('y'))
    for (const kind of ['IP', 'Vip'] as const) running.store.forgetVersion(kind)
    cluster.faults.set('list IP', failure('Unavailable'))
    running.start()
    await running.hears('a', `configure ${CIDR}`, 'list end x', 'list end x y')
    expect(told.newsOf('a').map(({ version }) => version)).not.toContain('')
  })

  test('Vips beside the IP objects, by names no IP object has', async () => {
    const vip = (name: string, v4ip: string): KubeObject => ({
      apiVersion: 'kubeovn.io/v1',
      kind: 'Vip',
      metadata: { name },
      spec: { subnet: 'a', v4ip },
    })
    const { cluster } = await withSubnets(subnet('a'), ip('x'), vip('v', '192.0.2.7'))
    await running.hears('a', `configure ${CIDR}`, 'list end x vip/v')
    await cluster.delete(vip('v', ''))
    await running.hears('a', `configure ${CIDR}`, 'list end x vip/v', 'changes -vip/v')
    await cluster.create(vip('w', '192.0.2.8'))
    await vi.waitFor(() => expect(running.told.of('a').at(-1)).toBe('changes vip/w'))
    expect(running.told.newsOf('a').at(-1)?.objects).toMatchObject([
      { v4IpAddress: '192.0.2.8', podName: '' },
    ])
  })

  test('IP objects that were there before their Subnet, once it is', async () => {
    const { cluster } = await withSubnets(ip('x'))
    await vi.waitFor(() => expect(running.mirror.status().kinds.every(({ ready }) => ready)).toBe(true))
    await cluster.create(subnet('a'))
    await running.hears('a', `configure ${CIDR}`, 'list end x')
  })

  test('more than a thousand in parts of one list', async () => {
    running = new Running()
    await running.cluster.create(subnet('a'))
    const names = Array.from({ length: 2_100 }, (_, n) => `ip-${String(n).padStart(4, '0')}`)
    await Promise.all(names.map((name) => running.cluster.create(ip(name))))
    running.start()
    await vi.waitFor(() => expect(running.told.newsOf('a')).toHaveLength(3), 20_000)
    const parts = running.told.newsOf('a').flatMap((news) => (news.kind === 'list' ? [news] : []))
    expect(parts.map(({ last, objects }) => [last, objects.length])).toEqual([
      [false, 1_000],
      [false, 1_000],
      [true, 100],
    ])
    expect(new Set(parts.map(({ list }) => list)).size).toBe(1)
    expect(parts.flatMap(({ objects }) => objects.map(({ name }) => name))).toEqual(names)
  })

  test('a changed Subnet or pool, and nothing where only a status changed', async () => {
    const { cluster } = await withSubnets(subnet('a'))
    await running.hears('a', `configure ${CIDR}`, 'list end')
    await cluster.create({
      apiVersion: 'kubeovn.io/v1',
      kind: 'IPPool',
      metadata: { name: 'pool' },
      spec: { subnet: 'a', ips: ['192.0.2.9'] },
    })
    await running.hears('a', `configure ${CIDR}`, 'list end', `configure ${CIDR} pool`)
    await cluster.patch(subnet('a'), { metadata: { labels: { some: 'label' } } })
    await cluster.patch(subnet('a'), { spec: { cidrBlock: '192.0.2.0/25' } })
    await running.hears(
      'a',
      ...[`configure ${CIDR}`, 'list end', `configure ${CIDR} pool`, 'configure 192.0.2.0/25 pool'],
    )
  })

  test('a Subnet that went, and one of the same name that came, which begins anew', async () => {
    const { cluster } = await withSubnets(subnet('a'), ip('x'))
    await running.hears('a', `configure ${CIDR}`, 'list end x')
    await cluster.delete(subnet('a'))
    await running.hears('a', `configure ${CIDR}`, 'list end x', 'subnet gone')
    // Its IP objects may still be released.
    await cluster.delete(ip('x'))
    await running.hears('a', `configure ${CIDR}`, 'list end x', 'subnet gone', 'changes -x')
    await cluster.create(subnet('a'))
    await vi.waitFor(() => expect(running.told.of('a').slice(4)).toEqual([`configure ${CIDR}`, 'list end']))
  })

  test('nothing to a ledger that was dropped with its Subnet', async () => {
    const { cluster, told } = await withSubnets(subnet('a'))
    await running.hears('a', `configure ${CIDR}`, 'list end')
    await cluster.delete(subnet('a'))
    await running.hears('a', `configure ${CIDR}`, 'list end', 'subnet gone')
    told.lost.add('a')
    await cluster.create(ip('x'))
    await vi.waitFor(() => expect(running.store.outbox.feed('a')).toBeUndefined())
    expect(running.mirror.status()).toMatchObject({ waiting: 0, failing: [] })
    await cluster.create(subnet('a'))
    await running.hears(
      'a',
      `configure ${CIDR}`,
      'list end',
      'subnet gone',
      `configure ${CIDR}`,
      'list end x',
    )
  })

  test('that a Subnet went, also where another of its name is there already', async () => {
    const { cluster } = await withSubnets(subnet('a'))
    await running.hears('a', `configure ${CIDR}`, 'list end')
    await running.stop()
    await cluster.delete(subnet('a'))
    await cluster.create(subnet('a'))
    running.start()
    await running.hears(
      'a',
      ...[`configure ${CIDR}`, 'list end', 'subnet gone', `configure ${CIDR}`, 'list end'],
    )
  })

  test('a Subnet that is being removed is as good as gone', async () => {
    const { cluster } = await withSubnets(subnet('a', { finalizers: ['x.io/a'] }))
    await running.hears('a', `configure ${CIDR}`, 'list end')
    await cluster.delete(subnet('a'))
    await running.hears('a', `configure ${CIDR}`, 'list end', 'subnet gone')
  })

  test('an owner that went away', async () => {
    const { cluster } = await withSubnets(subnet('a'), ip('web-0'), pod('web-0', 'default'))
    await running.hears('a', `configure ${CIDR}`, 'list end web-0')
    await running.mirror.learn('a', 5_000)
    await cluster.delete(pod('web-0', 'default'))
    await running.hears('a', `configure ${CIDR}`, 'list end web-0', 'nudge default/web-0')
  })

  test('a ledger that fails the same once more, and the others meanwhile', async () => {
    const { cluster, told } = await withSubnets(subnet('a'), subnet('b'))
    for (const name of ['a', 'b']) await running.hears(name, `configure ${CIDR}`, 'list end')
    told.away.add('a')
    await cluster.create(ip('x', 'a'))
    await vi.waitFor(() =>
      expect(running.mirror.status().failing).toEqual([{ subnet: 'a', why: 'a is away' }]),
    )
    await cluster.create(ip('y', 'b'))
    await running.hears('b', `configure ${CIDR}`, 'list end', 'changes y')
    expect(running.store.outbox.waiting()).toBe(1)
    told.away.delete('a')
    await running.hears('a', `configure ${CIDR}`, 'list end', 'changes x')
    await vi.waitFor(() => expect(running.store.outbox.waiting()).toBe(0))
  })

  test('what was not acknowledged, after the mirror was lost', async () => {
    const { cluster, told } = await withSubnets(subnet('a'))
    await running.hears('a', `configure ${CIDR}`, 'list end')
    told.away.add('a')
    await cluster.create(ip('x'))
    await vi.waitFor(() => expect(running.store.outbox.waiting()).toBe(1))
    await running.stop()
    told.away.delete('a')
    running.start()
    await running.hears('a', `configure ${CIDR}`, 'list end', 'changes x')
  })

  test('a change that came while the same object was being told', async () => {
    const { cluster, told } = await withSubnets(subnet('a'))
    await running.hears('a', `configure ${CIDR}`, 'list end')
    const seenAt = () => running.told.newsOf('a').flatMap(({ objects }) => objects.map((o) => o.macAddress))
    told.before = async () => {
      told.before = async () => {}
      await cluster.patch(ip('x'), { spec: { macAddress: 'new' } })
      await vi.waitFor(() =>
        expect(running.store.get('IP', '', 'x')?.spec).toMatchObject({ macAddress: 'new' }),
      )
    }
    await cluster.create(ip('x'))
    await vi.waitFor(() => expect(seenAt()).toEqual(['', 'new']))
  })

  test('everything once more to a ledger that has lost it', async () => {
    const { told } = await withSubnets(subnet('a'), ip('x'))
    await running.hears('a', `configure ${CIDR}`, 'list end x')
    told.lost.add('a')
    expect(await running.mirror.learn('a', 5_000)).toEqual(ok(undefined))
    const all = [`configure ${CIDR}`, 'list end x']
    await running.hears('a', ...all, ...all)
  })

  test('of IP objects only while Berth is in charge', async () => {
    running = new Running()
    running.inCharge = false
    await running.cluster.create(subnet('a'))
    await running.cluster.create(ip('x'))
    running.start()
    await running.hears('a', `configure ${CIDR}`)
    const learnt = await running.mirror.learn('a', 50)
    expect(learnt).toMatchObject({ error: { code: 'unavailable' } })
    running.inCharge = true
    await running.hears('a', `configure ${CIDR}`, 'list end x')
  })
})

describe('learn', () => {
  let running: Running
  afterEach(() => running.stop())

  test('waits for the ledger to have heard all that was there, however early it is asked', async () => {
    running = new Running()
    await running.cluster.create(subnet('a'))
    await running.cluster.create(ip('x'))
    running.start()
    expect(await running.mirror.learn('a', 5_000)).toEqual(ok(undefined))
    expect(running.told.of('a')).toEqual([`configure ${CIDR}`, 'list end x'])
  })

  test('gives up after its time: nobody is promised anything on half a list', async () => {
    running = new Running()
    const { cluster } = running
    await cluster.create(subnet('a'))
    cluster.list = async () => new Promise(() => {})
    const learnt = await running.mirror.learn('a', 20)
    expect(learnt).toMatchObject({ error: { code: 'unavailable', retryAfterMs: 1_000 } })
  })
})
