// Reserve on a real API server against a bare create of the same object there, and against the least a Worker with a
// durable ledger can do (floor-worker.ts). npm run bench -- cluster
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from '../../infra/dev/wait.ts'
import { type RunningWorkerd, startWorkerd } from '../../infra/dev/workerd.ts'
import { type RunningApiServer, startApiServer } from '../../infra/peers/apiserver.ts'
import { installCrds } from '../../infra/peers/crds.ts'
import { run } from '../../infra/peers/run.ts'
import { ipObject } from '../../shared/kube-ovn/ip-object.ts'
import { median } from '../ledger/median.ts'
import type { Measurement, Suite } from '../suite.ts'
import { post, type Target } from './client.ts'
import { floorBundle } from './floor.ts'

const BLOCKS = 7
/** Blocks nobody counts. */
const WARM_UP = 2
const REQUESTS: Readonly<Record<number, number>> = { 1: 100, 16: 320 }
/** p50 of at most 1.5 times, a rate of at least 0.6. */
const AIM: Readonly<Record<number, number>> = { 1: 1.5, 16: 1 / 0.6 }
const SUBNET = 'ovn-default'

type Side = 'reserve' | 'bare' | 'floor'

/** All sides on one API server. Creates that are not Berth's are timed while Berth stands still: no side pays for another. */
class Bench {
  private readonly api: RunningApiServer
  private readonly berth: RunningWorkerd
  private readonly floor: RunningWorkerd
  private readonly folder: string
  private number = 0

  private constructor(api: RunningApiServer, berth: RunningWorkerd, floor: RunningWorkerd, folder: string) {
    this.api = api
    this.berth = berth
    this.floor = floor
    this.folder = folder
  }

  static async open(): Promise<Bench> {
    const api = await startApiServer()
    await installCrds(api)
    const folder = mkdtempSync(join(tmpdir(), 'berth-bench-'))
    const account = join(folder, 'account')
    mkdirSync(account)
    writeFileSync(join(account, 'ca.crt'), api.ca)
    writeFileSync(join(account, 'token'), api.tokens.admin, { mode: 0o600 })
    const subnet = join(folder, 'subnet.json')
    const spec = { cidrBlock: '10.16.0.0/16', gateway: '10.16.0.1', excludeIps: ['10.16.0.1'] }
    writeFileSync(
      subnet,
      JSON.stringify({ apiVersion: 'kubeovn.io/v1', kind: 'Subnet', metadata: { name: SUBNET }, spec }),
    )
    await run(api.kubectl, [`--kubeconfig=${api.kubeconfig}`, 'apply', '-f', subnet], { limitMs: 30_000 })
    const berth = await startWorkerd({
      port: 0,
      dataDir: join(folder, 'berth'),
      accountFolder: account,
      vars: { CLUSTER: 'kubernetes', KUBE_API_URL: api.url, ACCESS: 'loopback-anonymous' },
    })
    const floor = await startWorkerd({
      port: 0,
      dataDir: join(folder, 'floor'),
      accountFolder: account,
      bundle: floorBundle(join(folder, 'floor-bundle')),
      vars: { KUBE_API_URL: api.url, FLOOR_TOKEN: api.tokens.admin },
    })
    return new Bench(api, berth, floor, folder)
  }

  targets(): Record<Side, Target> {
    return {
      floor: { url: `${this.floor.url}/`, agent: new Agent({ keepAlive: true }), headers: {} },
      reserve: {
        url: `${this.berth.url}/v1/reserve`,
        agent: new Agent({ keepAlive: true }),
        headers: {},
      },
      bare: {
        url: `${this.api.url}/apis/kubeovn.io/v1/ips?fieldManager=berth`,
        agent: new HttpsAgent({ keepAlive: true, ca: this.api.ca }),
        headers: { authorization: `Bearer ${this.api.tokens.admin}` },
      },
    }
  }

  wishes(count: number): string[] {
    return Array.from({ length: count }, () =>
      JSON.stringify({ subnet: SUBNET, namespace: 'default', podName: `real-${this.number++}` }),
    )
  }

  /** What Berth would POST, in a Subnet nobody reserves in. */
  objects(count: number): string[] {
    return Array.from({ length: count }, () => {
      const number = this.number++
      const [high, low] = [number >> 8, number & 255]
      const podName = `bare-${number}`
      const content = {
        ...{ name: `${podName}.default`, subnet: 'elsewhere', namespace: 'default', podName },
        podType: '',
        ...{ v4IpAddress: `10.99.${high}.${low}`, v6IpAddress: '', epoch: 1 },
        macAddress: `0a:00:00:00:${high.toString(16).padStart(2, '0')}:${low.toString(16).padStart(2, '0')}`,
        operation: 'op_01m89wkjcrqv8px39g980x_default~ovn-default',
      } as const
      return JSON.stringify(ipObject(content, { finalizer: true }))
    })
  }

  pause(): void {
    process.kill(-this.berth.pid, 'SIGSTOP')
  }

  /** Goes on, and has heard of everything that was made meanwhile. */
  async resume(): Promise<void> {
    process.kill(-this.berth.pid, 'SIGCONT')
    const name = `mark-${this.number++}.default`
    const spec = {
      subnet: SUBNET,
      namespace: 'default',
      podName: name.split('.')[0],
      v4IpAddress: '10.16.255.250',
    }
    const mark = { apiVersion: 'kubeovn.io/v1', kind: 'IP', metadata: { name }, spec }
    const { bare } = this.targets()
    await post(bare, 1, [
      JSON.stringify({ ...mark, metadata: { name, labels: { 'ovn.kubernetes.io/ip_reserved': 'false' } } }),
    ])
    await until('Berth has caught up', 30_000, async () => {
      const reply = await fetch(`${this.berth.url}/v1/reservations/${name}`)
      await reply.arrayBuffer()
      return reply.status === 200 || undefined
    })
    bare.agent.destroy()
  }

  async close(): Promise<void> {
    process.kill(-this.berth.pid, 'SIGCONT')
    await this.berth.stop()
    await this.floor.stop()
    await this.api.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

async function* measure(bench: Bench, clients: number): AsyncIterable<Measurement> {
  const targets = bench.targets()
  const count = REQUESTS[clients] ?? 100
  const each: Record<Side, number[]> = { reserve: [], bare: [], floor: [] }
  const whole: Record<Side, number[]> = { reserve: [], bare: [], floor: [] }
  for (let block = -WARM_UP; block < BLOCKS; block++) {
    bench.pause()
    const bare = await post(targets.bare, clients, bench.objects(count))
    const floor = await post(targets.floor, clients, bench.objects(count))
    await bench.resume()
    const reserve = await post(targets.reserve, clients, bench.wishes(count))
    if (block < 0) continue
    for (const [side, took] of Object.entries({ bare, floor, reserve }) as [Side, typeof bare][]) {
      each[side].push(median(took.eachMs))
      whole[side].push(took.tookMs / count)
    }
  }
  for (const { agent } of Object.values(targets)) agent.destroy()
  const of = clients === 1 ? each : whole
  const what = clients === 1 ? 'p50, 1 client' : `time a request, ${clients} clients`
  const over = (side: Side) => median(of[side].map((ms, block) => ms / (of.bare[block] ?? Number.NaN)))
  yield { name: `reserve, ${what}`, value: median(of.reserve), unit: 'ms', naive: median(of.bare) }
  const aim = AIM[clients]
  yield {
    name: `reserve, ${what}: over a bare create`,
    value: over('reserve'),
    unit: 'ratio',
    ...(aim === undefined ? {} : { aim }),
  }
  yield { name: `a Worker that only writes down and creates, ${what}`, value: median(of.floor), unit: 'ms' }
  yield { name: `the same: over a bare create`, value: over('floor'), unit: 'ratio' }
}

export const cluster: Suite = {
  name: 'cluster',
  async *run() {
    const bench = await Bench.open()
    try {
      yield* measure(bench, 1)
      yield* measure(bench, 16)
    } finally {
      await bench.close()
    }
  },
}
