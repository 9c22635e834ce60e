import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { parse, stringify } from 'yaml'
import { type RunningWorkerd, serveWorkerd } from '../../infra/dev/workerd.ts'
import { type RunningApiServer, startApiServer } from '../../infra/peers/apiserver.ts'
import { installCrds } from '../../infra/peers/crds.ts'
import { freePorts } from '../../infra/peers/ports.ts'
import { run } from '../../infra/peers/run.ts'
import type { KubeObject } from '../../shared/cluster/port.ts'
import { SUBNETS } from './berth.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const LIMIT_MS = 60_000

const overlayOf = (authority: Authority) => `infra/kubernetes/overlays/${authority}`

export type Authority = 'alone' | 'beside'

export interface InstallationOptions {
  readonly authority?: Authority
  /** Berth's variables besides. */
  readonly vars?: Readonly<Record<string, string>>
}

/**
 * Berth as README installs it, as far as there is no kubelet: the folder of `npm run build:workerd` served by plain
 * workerd with TLS, a mounted ServiceAccount and its own data; the overlay `alone` applied to a real API server, whose
 * webhooks lead to loopback instead of to a Service.
 */
export class Installation {
  readonly api: RunningApiServer
  readonly folder: string
  readonly #ports: { readonly http: number; readonly https: number }
  #workerd: RunningWorkerd | undefined

  readonly #authority: Authority
  readonly #vars: Readonly<Record<string, string>>

  private constructor(
    api: RunningApiServer,
    ports: readonly number[],
    { authority = 'alone', vars = {} }: InstallationOptions,
  ) {
    const [http = 0, https = 0] = ports
    this.#authority = authority
    this.#vars = vars
    this.api = api
    this.#ports = { http, https }
    this.folder = mkdtempSync(join(tmpdir(), 'berth-installation-'))
  }

  /** All of it. */
  static async start(options: InstallationOptions = {}): Promise<Installation> {
    const made = await Installation.prepare(options)
    try {
      await made.shell('infra/kubernetes/secrets.sh')
      await made.lead()
      await made.shell(`kubectl apply -k ${overlayOf(made.#authority)}`)
      await made.serve()
      return made
    } catch (error) {
      await made.stop()
      throw error
    }
  }

  /** A cluster with Kube-OVN's kinds and Subnets, and a copy of what an administrator has checked out. */
  static async prepare(options: InstallationOptions = {}): Promise<Installation> {
    const made = new Installation(await startApiServer(), await freePorts(2), options)
    try {
      await installCrds(made.api)
      const subnets = Object.entries(SUBNETS).map(([name, spec]) => ({
        apiVersion: 'kubeovn.io/v1',
        kind: 'Subnet',
        metadata: { name },
        spec,
      }))
      await made.apply(...subnets)
      for (const path of ['infra/kubernetes', 'test/data/seed']) {
        cpSync(join(ROOT, path), join(made.#tree, path), { recursive: true })
      }
      return made
    } catch (error) {
      await made.stop()
      throw error
    }
  }

  /** Leads the overlay's webhooks to where Berth will listen: there is no Service here. After the secret was made. */
  async lead(): Promise<void> {
    const patches = ['Mutating', 'Validating'].map((kind) => ({
      target: { kind: `${kind}WebhookConfiguration`, name: 'berth' },
      patch: JSON.stringify(
        ['ip', 'pod', 'pod'].flatMap((door, index) => {
          const at = `/webhooks/${index}/clientConfig`
          const verb = kind === 'Mutating' ? 'mutate' : 'validate'
          const url = `https://127.0.0.1:${this.#ports.https}/admission/${this.secret}/${verb}/${door}`
          return [
            { op: 'remove', path: `${at}/service` },
            { op: 'add', path: `${at}/url`, value: url },
          ]
        }),
      ),
    }))
    const file = join(this.#tree, overlayOf(this.#authority), 'kustomization.yaml')
    const overlay = parse(readFileSync(file, 'utf8')) as { patches: unknown[] }
    writeFileSync(file, stringify({ ...overlay, patches: [...overlay.patches, ...patches] }))
  }

  /** Builds Berth's folder, mounts what the kubelet would, and starts Berth. After the overlay was applied. */
  async serve(): Promise<void> {
    const account = this.#in('account')
    mkdirSync(account)
    const token = await this.kubectl('create', 'token', 'berth', '--namespace=berth-system', '--duration=1h')
    writeFileSync(join(account, 'token'), token.trim(), { mode: 0o600 })
    writeFileSync(join(account, 'ca.crt'), this.api.ca)
    await run(process.execPath, [join(ROOT, 'infra/workerd/build.ts')], {
      cwd: ROOT,
      limitMs: LIMIT_MS,
      env: {
        OUT: this.#in('workerd'),
        KUBE_ACCOUNT: account,
        TLS: join(this.#tree, 'infra/kubernetes/components/given-certificate'),
      },
    })
    mkdirSync(this.#in('data'))
    await this.startBerth()
  }

  /** Starts Berth, again with the same data and on the same ports where it ran before. */
  async startBerth(): Promise<void> {
    const address = (name: 'http' | 'https') => `--socket-addr=${name}=127.0.0.1:${this.#ports[name]}`
    this.#workerd = await serveWorkerd({
      config: join(this.#in('workerd'), 'berth.capnp'),
      sockets: ['http', 'https'],
      readyPath: '/readyz',
      args: [address('http'), address('https'), `--directory-path=store=${this.#in('data')}`],
      env: {
        CLUSTER: 'kubernetes',
        AUTHORITY: this.#authority,
        KUBE_API_URL: this.api.url,
        ADMISSION_SECRET: this.secret,
        QUARANTINE_MS: '0',
        // Tests look in from outside as well; a real one takes nobody without a token.
        ACCESS: 'loopback-anonymous',
        ...this.#vars,
      },
    })
  }

  get berth(): RunningWorkerd {
    if (!this.#workerd) throw new Error('Berth does not run')
    return this.#workerd
  }

  /** What the API server proves itself with. */
  get secret(): string {
    const file = join(this.#tree, 'infra/kubernetes/components/secret/secret.yaml')
    return (parse(readFileSync(file, 'utf8')) as { stringData: { secret: string } }).stringData.secret
  }

  /** A command as an administrator types it, in the folder of the checkout. @returns what it wrote */
  shell(script: string): Promise<string> {
    return run('bash', ['-euo', 'pipefail', '-c', script], {
      cwd: this.#tree,
      limitMs: LIMIT_MS,
      env: {
        KUBECONFIG: this.api.kubeconfig,
        PATH: `${dirname(this.api.kubectl)}:${process.env.PATH ?? ''}`,
        SECRETS_NAMES: 'IP:127.0.0.1',
      },
    })
  }

  get #tree(): string {
    return this.#in('checkout')
  }

  #in(name: string): string {
    return join(this.folder, name)
  }

  async stop(): Promise<void> {
    await this.#workerd?.stop()
    await this.api.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }

  kubectl(...args: readonly string[]): Promise<string> {
    return run(this.api.kubectl, [`--kubeconfig=${this.api.kubeconfig}`, ...args], { limitMs: LIMIT_MS })
  }

  /** What kubectl says when it is refused. */
  async refused(...args: readonly string[]): Promise<string> {
    try {
      await this.kubectl(...args)
    } catch (error) {
      return (error as Error).message
    }
    throw new Error(`kubectl ${args.join(' ')} went through`)
  }

  /** The object as kubectl shows it; undefined when there is none. */
  async get(resource: string, name: string, ...more: readonly string[]): Promise<KubeObject | undefined> {
    const text = await this.kubectl('get', resource, name, '-o', 'yaml', '--ignore-not-found', ...more)
    return text.trim() === '' ? undefined : (parse(text) as KubeObject)
  }

  async apply(...objects: readonly unknown[]): Promise<void> {
    await this.kubectl('apply', '-f', this.file(objects))
  }

  #files = 0
  /** The objects in a file that kubectl takes. */
  file(objects: readonly unknown[]): string {
    const path = this.#in(`objects-${++this.#files}.json`)
    writeFileSync(path, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }))
    return path
  }

  /** A reservation as Berth tells it; undefined when it knows none of that name. */
  // biome-ignore lint/suspicious/noExplicitAny: replies are looked into at many depths
  async reservation(name: string): Promise<any> {
    const reply = await fetch(`${this.berth.url}/v1/reservations/${name}`)
    const body: unknown = await reply.json()
    return reply.status === 404 ? undefined : body
  }
}
