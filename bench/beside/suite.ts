// Reserve beside the model controller, against what the controller needs for a static reservation by itself: from the POST
// of the object to the finalizer being seen. npm run bench -- beside
import { Agent } from 'node:http'
import type { ClusterPort, KubeObject } from '../../shared/cluster/port.ts'
import { FINALIZER } from '../../shared/kube-ovn/names.ts'
import { BerthOnCluster } from '../../test/peers/berth.ts'
import { ControllerOnCluster } from '../../test/peers/beside-lab.ts'
import { spread } from '../../test/support/spread.ts'
import { post } from '../cluster/client.ts'
import { median } from '../ledger/median.ts'
import type { Measurement, Suite } from '../suite.ts'

const BLOCKS = 7
/** Blocks nobody counts. */
const WARM_UP = 2
const REQUESTS: Readonly<Record<number, number>> = { 1: 60, 16: 240 }
const AIM = 1.3
const SUBNET = 'ovn-default'
/** Berth's window, and the part of the Subnet that the bare objects name. */
const WINDOW = '10.16.128.0..10.16.255.250'

/** Hears of finalizers, by one watch for all. */
class Acknowledgements {
  private readonly waiting = new Map<string, () => void>()
  private readonly over = new AbortController()
  private readonly running: Promise<void>

  constructor(cluster: ClusterPort) {
    this.running = this.follow(cluster)
  }

  of(name: string): Promise<void> {
    return new Promise((resolve) => this.waiting.set(name, resolve))
  }

  async close(): Promise<void> {
    this.over.abort()
    await this.running
  }

  private async follow(cluster: ClusterPort): Promise<void> {
    while (!this.over.signal.aborted) {
      const listed = await cluster.list('IP')
      if (!listed.ok) continue
      for (const object of listed.value.items) this.see(object)
      const { resourceVersion } = listed.value
      for await (const event of cluster.watch('IP', { resourceVersion, signal: this.over.signal })) {
        if (event.type === 'MODIFIED' || event.type === 'ADDED') this.see(event.object)
        if (event.type === 'ERROR') break
      }
    }
  }

  private see({ metadata: { name, finalizers } }: KubeObject): void {
    if (!finalizers?.includes(FINALIZER)) return
    this.waiting.get(name)?.()
    this.waiting.delete(name)
  }
}

export class Bench {
  private readonly cluster: BerthOnCluster
  private readonly controller: ControllerOnCluster
  private readonly acknowledgements: Acknowledgements
  /** Of the next object; its address must be one of the Subnet. */
  private number = 256

  private constructor(cluster: BerthOnCluster, controller: ControllerOnCluster) {
    this.cluster = cluster
    this.controller = controller
    this.acknowledgements = new Acknowledgements(controller.admin)
  }

  static async open(): Promise<Bench> {
    const cluster = await BerthOnCluster.start({
      beside: true,
      vars: { AUTHORITY: 'beside', WINDOW: `${SUBNET}=${WINDOW}`, WAIT_MS: '30000' },
    })
    const controller = new ControllerOnCluster(cluster.api)
    await controller.subnet((object) => cluster.apply(object), WINDOW)
    await controller.restart()
    return new Bench(cluster, controller)
  }

  async reserve(count: number, clients: number) {
    const agent = new Agent({ keepAlive: true })
    const bodies = Array.from({ length: count }, () =>
      JSON.stringify({ subnet: SUBNET, namespace: 'default', podName: `berth-${this.number++}` }),
    )
    const took = await post(
      { url: `${this.cluster.berth.url}/v1/reserve`, agent, headers: {} },
      clients,
      bodies,
    )
    agent.destroy()
    return took
  }

  /** The seed's second example, each until its finalizer is seen. */
  async bare(count: number, clients: number) {
    const startMs = performance.now()
    const eachMs = await spread(Array.from({ length: count }), clients, async () => {
      const number = this.number++
      const podName = `bare-${number}`
      const v4IpAddress = `10.16.${number >> 8}.${number & 255}`
      const object = {
        apiVersion: 'kubeovn.io/v1',
        kind: 'IP',
        metadata: { name: `${podName}.default` },
        spec: { subnet: SUBNET, namespace: 'default', podName, podType: '', v4IpAddress },
      }
      const sentMs = performance.now()
      const acknowledged = this.acknowledgements.of(object.metadata.name)
      const [reply] = await this.controller.admin.send([{ verb: 'create', object }])
      if (!reply?.ok) throw new Error(reply?.error.message)
      await acknowledged
      return performance.now() - sentMs
    })
    return { tookMs: performance.now() - startMs, eachMs }
  }

  async close(): Promise<void> {
    this.controller.controller.kill()
    await this.acknowledgements.close()
    await this.cluster.stop()
  }
}

async function* measure(bench: Bench, clients: number): AsyncIterable<Measurement> {
  const count = REQUESTS[clients] ?? 60
  const of = { reserve: [] as number[], bare: [] as number[] }
  for (let block = -WARM_UP; block < BLOCKS; block++) {
    const bare = await bench.bare(count, clients)
    const reserve = await bench.reserve(count, clients)
    if (block < 0) continue
    of.bare.push(clients === 1 ? median(bare.eachMs) : bare.tookMs / count)
    of.reserve.push(clients === 1 ? median(reserve.eachMs) : reserve.tookMs / count)
  }
  const what = clients === 1 ? 'p50, 1 client' : `time a request, ${clients} clients`
  yield { name: `reserve beside, ${what}`, value: median(of.reserve), unit: 'ms', naive: median(of.bare) }
  const ratios = of.reserve.map((ms, block) => ms / (of.bare[block] ?? Number.NaN))
  const name = `reserve beside, ${what}: over the controller's own`
  yield { name, value: median(ratios), unit: 'ratio', aim: AIM }
}

export const beside: Suite = {
  name: 'beside',
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
