import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import { type RunningWorkerd, startWorkerd } from '../../infra/dev/workerd.ts'
import { type ApiServerOptions, type RunningApiServer, startApiServer } from '../../infra/peers/apiserver.ts'
import type { AuditEvent } from '../../infra/peers/audit.ts'
import { installCrds } from '../../infra/peers/crds.ts'
import { run } from '../../infra/peers/run.ts'
import type { KubeObject } from '../../shared/cluster/port.ts'
import type { SubnetSpec } from '../../shared/kube-ovn/subnet-object.ts'

const KUBERNETES = join(import.meta.dirname, '../../infra/kubernetes')
const RBAC = join(KUBERNETES, 'base/rbac.yaml')
const BESIDE_RBAC = join(KUBERNETES, 'overlays/beside/rbac.yaml')

/** Berth's account in the cluster, which has the role of infra/kubernetes/base/rbac.yaml and no other. */
export const BERTH_USER = 'system:serviceaccount:berth-system:berth'

/** The two Subnets of the seed's cluster. */
export const SUBNETS: Readonly<Record<string, SubnetSpec>> = {
  'ovn-default': {
    cidrBlock: '10.16.0.0/16',
    default: true,
    excludeIps: ['10.16.0.1'],
    gateway: '10.16.0.1',
    protocol: 'IPv4',
    provider: 'ovn',
    vpc: 'ovn-cluster',
  },
  'dual-stack': {
    cidrBlock: '10.17.0.0/16,fd00:10:17::/112',
    excludeIps: ['10.17.0.1', 'fd00:10:17::1'],
    gateway: '10.17.0.1,fd00:10:17::1',
    protocol: 'Dual',
    provider: 'ovn',
    vpc: 'ovn-cluster',
  },
}

export interface Reply {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: replies are looked into at many depths
  readonly json: any
}

/**
 * An API server with Kube-OVN's kinds and two Subnets, and Berth in plain workerd on it, as a Pod would run it: with the
 * account and the role that are shipped. A suite in which that role refused Berth anything fails when it stops.
 */
export class BerthOnCluster {
  readonly api: RunningApiServer
  readonly folder: string
  readonly #vars: Readonly<Record<string, string>>
  readonly #ovnFolder: string | undefined
  readonly #trust: readonly string[]
  #workerd: RunningWorkerd | undefined
  #files = 0
  #mounts = 0

  private constructor(
    api: RunningApiServer,
    folder: string,
    vars: Readonly<Record<string, string>>,
    ovnFolder?: string,
    trust: readonly string[] = [],
  ) {
    this.#trust = trust
    this.#ovnFolder = ovnFolder
    this.api = api
    this.folder = folder
    this.#vars = vars
  }

  static async start(
    options: {
      readonly api?: ApiServerOptions
      readonly vars?: Readonly<Record<string, string>>
      /** Certificates for ssl: remotes of OVN_NB. */
      readonly ovnFolder?: string
      /** Authorities of further clusters' API servers. */
      readonly trust?: readonly string[]
      /** With the rights of the overlay for a cluster in which kube-ovn-controller runs. */
      readonly beside?: boolean
    } = {},
  ): Promise<BerthOnCluster> {
    const api = await startApiServer(options.api)
    const cluster = new BerthOnCluster(
      api,
      mkdtempSync(join(tmpdir(), 'berth-cluster-')),
      options.vars ?? {},
      options.ovnFolder,
      options.trust,
    )
    try {
      await installCrds(api)
      for (const [name, spec] of Object.entries(SUBNETS)) {
        await cluster.apply({ apiVersion: 'kubeovn.io/v1', kind: 'Subnet', metadata: { name }, spec })
      }
      cluster.mountAccount(await cluster.makeAccount())
      if (options.beside) await cluster.kubectl('apply', '-f', BESIDE_RBAC)
      await cluster.startBerth()
      return cluster
    } catch (error) {
      await cluster.stop()
      throw error
    }
  }

  /** Berth's account and role as they are shipped. @returns a token of it */
  async makeAccount(): Promise<string> {
    const metadata = { name: 'berth-system' }
    const namespace = this.file([{ apiVersion: 'v1', kind: 'Namespace', metadata }])
    await this.kubectl('apply', '-f', namespace, '-f', RBAC)
    return (await this.kubectl('create', 'token', 'berth', '--namespace=berth-system')).trim()
  }

  /** A cluster that never had Berth's account. No controller runs here that would end a namespace. */
  async dropAccount(): Promise<void> {
    await this.kubectl('delete', '-f', RBAC)
    await this.kubectl('delete', 'namespace', 'berth-system', '--wait=false')
    const path = '/api/v1/namespaces/berth-system'
    await this.kubectl('get', '--raw', path).then((text) =>
      this.kubectl('replace', '--raw', `${path}/finalize`, '-f', this.raw({ ...JSON.parse(text), spec: {} })),
    )
  }

  /** What Berth's account asked of the API server so far, newest last. */
  requests(): AuditEvent[] {
    return this.api.requests().filter(({ user }) => user === BERTH_USER)
  }

  /** Puts token and authority where the kubelet would, in one step: a new folder behind a link. */
  mountAccount(token: string): void {
    const account = this.accountFolder
    const version = `..${++this.#mounts}`
    mkdirSync(join(account, version), { recursive: true })
    writeFileSync(join(account, version, 'token'), token, { mode: 0o600 })
    writeFileSync(join(account, version, 'ca.crt'), this.api.ca)
    symlinkSync(version, join(account, '..next'))
    renameSync(join(account, '..next'), join(account, '..data'))
    if (this.#mounts > 1) return
    for (const name of ['token', 'ca.crt']) symlinkSync(`..data/${name}`, join(account, name))
  }

  get accountFolder(): string {
    return join(this.folder, 'account')
  }

  /** Starts Berth, again with the same data and on the same port where it ran before. */
  async startBerth(vars: Readonly<Record<string, string>> = {}, readyPath = '/readyz'): Promise<void> {
    this.#workerd = await startWorkerd({
      port: this.#workerd?.port ?? 0,
      dataDir: join(this.folder, 'berth'),
      accountFolder: this.accountFolder,
      ...(this.#ovnFolder === undefined ? {} : { ovnFolder: this.#ovnFolder }),
      trust: this.#trust,
      readyPath,
      vars: {
        CLUSTER: 'kubernetes',
        KUBE_API_URL: this.api.url,
        ACCESS: 'loopback-anonymous',
        ...this.#vars,
        ...vars,
      },
    })
  }

  get berth(): RunningWorkerd {
    if (!this.#workerd) throw new Error('Berth does not run')
    return this.#workerd
  }

  async stop(): Promise<void> {
    await this.#workerd?.stop()
    const refused = this.requests().filter(({ code, atMs }) => code === 403 && !this.api.wasStarting(atMs))
    await this.api.stop()
    rmSync(this.folder, { recursive: true, force: true })
    if (refused.length > 0) throw new Error(`the role lets Berth not: ${JSON.stringify(refused.slice(0, 5))}`)
  }

  /** One call to Berth; text is sent as YAML. */
  async call(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Reply> {
    const type = typeof body === 'string' ? 'application/yaml' : 'application/json'
    const reply = await fetch(this.berth.url + path, {
      method,
      headers: { ...(body === undefined ? {} : { 'Content-Type': type }), ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await reply.text()
    const isJson = /json/.test(reply.headers.get('Content-Type') ?? '')
    return { status: reply.status, headers: reply.headers, text, json: isJson ? JSON.parse(text) : undefined }
  }

  kubectl(...args: readonly string[]): Promise<string> {
    return run(this.api.kubectl, [`--kubeconfig=${this.api.kubeconfig}`, ...args], { limitMs: 30_000 })
  }

  /** The object as kubectl shows it. */
  async get(resource: string, name: string): Promise<KubeObject> {
    return parse(await this.kubectl('get', resource, name, '-o', 'yaml')) as KubeObject
  }

  async apply(...objects: readonly unknown[]): Promise<void> {
    await this.kubectl('apply', '-f', this.file(objects))
  }

  /** The objects in a file that kubectl takes. */
  file(objects: readonly unknown[]): string {
    return this.raw({ apiVersion: 'v1', kind: 'List', items: objects })
  }

  /** One object in a file, as it is. */
  raw(object: unknown): string {
    const path = join(this.folder, `objects-${++this.#files}.json`)
    writeFileSync(path, JSON.stringify(object))
    return path
  }
}
