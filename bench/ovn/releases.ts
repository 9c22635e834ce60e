import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type RunningWorkerd, startWorkerd } from '../../infra/dev/workerd.ts'
import { type RunningApiServer, startApiServer } from '../../infra/peers/apiserver.ts'
import { installCrds } from '../../infra/peers/crds.ts'
import { run } from '../../infra/peers/run.ts'
import type { KubeObject } from '../../shared/cluster/port.ts'
import { ipObject } from '../../shared/kube-ovn/ip-object.ts'
import { quantile } from '../ledger/median.ts'
import type { Measurement } from '../suite.ts'
import { callJson } from './call.ts'
import { portName, Side, SWITCH } from './side.ts'

const ROUNDS = 60
const WARM_UP = 10
const [FEW, MANY] = [10, 10_000]
/** Transactions of a release: it begins, then what each of its six steps told. Each changes operation, attempt and row. */
const TRANSACTIONS = 7

/** Releases through Berth, and the same API calls, row writes and OVSDB transactions done bare, one after the other. */
class Releases {
  readonly #api: RunningApiServer
  readonly #berth: RunningWorkerd
  readonly #side: Side
  readonly #folder: string
  readonly #agent: Agent
  readonly #rows: DatabaseSync

  private constructor(api: RunningApiServer, berth: RunningWorkerd, side: Side, folder: string) {
    this.#api = api
    this.#berth = berth
    this.#side = side
    this.#folder = folder
    this.#agent = new Agent({ keepAlive: true, ca: api.ca })
    this.#rows = new DatabaseSync(join(folder, 'rows.db'))
    this.#rows.exec('PRAGMA journal_mode = WAL')
    for (const table of ['lease', 'op', 'attempt']) {
      this.#rows.exec(`CREATE TABLE ${table} (id TEXT PRIMARY KEY, text TEXT)`)
    }
  }

  static async open(): Promise<Releases> {
    const side = await Side.open(FEW)
    const api = await startApiServer()
    await installCrds(api)
    const folder = mkdtempSync(join(tmpdir(), 'berth-bench-'))
    const account = join(folder, 'account')
    mkdirSync(account)
    writeFileSync(join(account, 'ca.crt'), api.ca)
    writeFileSync(join(account, 'token'), api.tokens.admin, { mode: 0o600 })
    const subnet = join(folder, 'subnet.json')
    const spec = { cidrBlock: '10.64.0.0/12', gateway: '10.64.0.1', excludeIps: ['10.64.0.1'] }
    const object = { apiVersion: 'kubeovn.io/v1', kind: 'Subnet', metadata: { name: SWITCH }, spec }
    writeFileSync(subnet, JSON.stringify(object))
    await run(api.kubectl, [`--kubeconfig=${api.kubeconfig}`, 'apply', '-f', subnet], { limitMs: 30_000 })
    const berth = await startWorkerd({
      port: 0,
      dataDir: join(folder, 'berth'),
      accountFolder: account,
      vars: {
        CLUSTER: 'kubernetes',
        KUBE_API_URL: api.url,
        ACCESS: 'loopback-anonymous',
        OVN_NB: side.northbound.remotes,
      },
    })
    return new Releases(api, berth, side, folder)
  }

  async close(): Promise<void> {
    this.#agent.destroy()
    this.#rows.close()
    await this.#berth.stop()
    await this.#api.stop()
    await this.#side.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  fill(): Promise<void> {
    return this.#side.fill(MANY)
  }

  /** ms of one release through Berth. */
  async berth(): Promise<number> {
    const wish = { subnet: SWITCH, namespace: 'bench', podName: `pod-${this.#side.next}` }
    await callJson(`${this.#berth.url}/v1/reserve`, { method: 'POST', body: wish })
    const { n } = await this.#side.addPorts(1)
    const from = performance.now()
    const body = { name: portName(n), subnet: SWITCH }
    await callJson(`${this.#berth.url}/v1/release`, { method: 'POST', body })
    return performance.now() - from
  }

  /** ms of its calls and writes, done by somebody who decides nothing. */
  async bare(): Promise<number> {
    const { n } = await this.#side.addPorts(1)
    const name = portName(n)
    const [v4IpAddress, macAddress] = [`10.99.${n >> 8}.${n & 255}`, '0a:00:00:00:00:01']
    const content = {
      ...{ name, subnet: 'elsewhere', namespace: 'bench', podName: `pod-${n}` },
      podType: '',
      ...{ v4IpAddress, v6IpAddress: '', macAddress, epoch: 1, operation: 'op_bare_default~elsewhere' },
    } as const
    const made = (await this.#call('', {
      method: 'POST',
      body: ipObject(content, { finalizer: true }),
    })) as KubeObject
    const from = performance.now()
    await this.#pod(n)
    this.#write(n, 0)
    const uuid = await this.#side.find(n)
    this.#write(n, 1)
    await this.#pod(n)
    this.#write(n, 2)
    await this.#side.cut(n, uuid)
    this.#write(n, 3)
    const preconditions = { uid: made.metadata.uid }
    const deleted = (await this.#call(`/${name}`, {
      method: 'DELETE',
      body: { preconditions },
    })) as KubeObject
    this.#write(n, 4)
    const { resourceVersion } = deleted.metadata
    const patch = { metadata: { resourceVersion, finalizers: null } }
    await this.#call(`/${name}`, { method: 'PATCH', body: patch })
    this.#write(n, 5)
    await this.#call(`/${name}`, { method: 'GET', expect: 404 })
    this.#write(n, TRANSACTIONS - 1)
    return performance.now() - from
  }

  #call(path: string, options: Parameters<typeof callJson>[1]): Promise<unknown> {
    return callJson(`${this.#api.url}/apis/kubeovn.io/v1/ips${path}`, {
      ...options,
      agent: this.#agent,
      token: this.#api.tokens.admin,
    })
  }

  #pod(n: number): Promise<unknown> {
    return callJson(`${this.#api.url}/api/v1/namespaces/bench/pods/pod-${n}`, {
      ...{ method: 'GET', expect: 404, agent: this.#agent, token: this.#api.tokens.admin },
    })
  }

  #write(n: number, step: number): void {
    const text = 'x'.repeat(600)
    this.#rows.exec('BEGIN')
    for (const table of ['lease', 'op', 'attempt']) {
      this.#rows.prepare(`INSERT OR REPLACE INTO ${table} VALUES (?, ?)`).run(`${n}.${step}`, text)
    }
    this.#rows.exec('COMMIT')
  }
}

/** Both sides in turn, each first in every second round. */
async function inTurn(bench: Releases) {
  const [berth, bare]: [number[], number[]] = [[], []]
  for (let round = 0; round < WARM_UP + ROUNDS; round++) {
    const sides = [async () => berth.push(await bench.berth()), async () => bare.push(await bench.bare())]
    for (const side of round % 2 === 0 ? sides : sides.reverse()) await side()
  }
  return [berth, bare].map((times) => quantile(times.slice(WARM_UP), 0.25)) as [number, number]
}

/** Whole releases on a real API server and a real Northbound database. */
export async function* releases(): AsyncIterable<Measurement> {
  const bench = await Releases.open()
  try {
    const [few, bareFew] = await inTurn(bench)
    yield {
      name: `release, ${FEW} ports on the switch`,
      value: few,
      unit: 'ms',
      aim: bareFew / 0.7,
      naive: bareFew,
    }
    await bench.fill()
    const [many, bareMany] = await inTurn(bench)
    const between = `${MANY.toLocaleString('en')} ports / ${FEW}`
    yield { name: `its calls alone, ${between}`, value: bareMany / bareFew, unit: 'ratio' }
    yield { name: `release, ${between}`, value: many / few, unit: 'ratio', aim: 1.2 }
  } finally {
    await bench.close()
  }
}
