import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Http } from '../../shared/http.ts'
import { until } from '../dev/wait.ts'
import { type AuditEvent, auditLog } from './audit.ts'
import { locate } from './binaries.ts'
import { makeCertificates } from './certificates.ts'
import { type RunningEtcd, startEtcd } from './etcd.ts'
import { privateHttps } from './https.ts'
import { OwnedProcess } from './owned-process.ts'
import { freePorts } from './ports.ts'

const READY_LIMIT_MS = 60_000
const REQUEST_LIMIT_MS = 5_000
/** Made by the API server itself, shortly after it is ready. */
const NAMESPACES = ['default', 'kube-system', 'kube-public']

export interface ApiServerOptions {
  /** Kept over stop(); without it a temporary folder is made, and removed by stop(). */
  readonly dataDir?: string
  /** Further arguments of kube-apiserver. */
  readonly args?: readonly string[]
}

export interface RunningApiServer {
  /** Like https://127.0.0.1:4711, without a slash at the end. */
  readonly url: string
  /** The certificate authority to trust, as a file and as PEM text. */
  readonly caFile: string
  readonly ca: string
  /** Bearer tokens: `admin` may do everything, `berth` what RBAC gives the user `berth` (at first nothing). */
  readonly tokens: { readonly admin: string; readonly berth: string }
  /** For kubectl, as admin. */
  readonly kubeconfig: string
  readonly kubectl: string
  /** Trusts the server's certificate. */
  readonly http: Http
  readonly etcd: Omit<RunningEtcd, 'stop'>
  /** Ends the API server and etcd. */
  stop(): Promise<void>
  /** kill -9 of the API server; etcd goes on. */
  kill9(): Promise<void>
  /** The API server stands still with its connections open. */
  pause(): void
  resume(): void
  /** Starts the API server again on the same port; ends it first if it runs. Resolves when it is ready. */
  restart(): Promise<void>
  /** Whether it was being started again at that time: until it is ready it knows no roles and answers 403. */
  wasStarting(atMs: number): boolean
  /** The end of what the API server wrote. */
  log(): string
  /** All requests there were so far, whoever sent them, by the API server's own log. */
  requests(): AuditEvent[]
}

/**
 * A real kube-apiserver with etcd on loopback and free ports: RBAC, static tokens, no controllers, no kubelet. Ready
 * when it resolves (about 5 s). Everything ends with stop(), or with this process.
 */
export async function startApiServer(options: ApiServerOptions = {}): Promise<RunningApiServer> {
  const binaries = locate()
  const folder = options.dataDir ?? mkdtempSync(join(tmpdir(), 'berth-peers-'))
  mkdirSync(folder, { recursive: true })
  const certificates = await makeCertificates(folder)
  const tokens = makeTokens(folder)
  const ca = readFileSync(certificates.ca, 'utf8')
  const http = privateHttps(ca)
  const [port = 0] = await freePorts(1)
  const url = `https://127.0.0.1:${port}`
  const audit = auditLog(folder)
  const etcd = await startEtcd(binaries.etcd, folder)
  const args = [
    `--etcd-servers=${etcd.url}`,
    '--bind-address=127.0.0.1',
    '--advertise-address=127.0.0.1',
    `--secure-port=${port}`,
    `--tls-cert-file=${certificates.certificate}`,
    `--tls-private-key-file=${certificates.key}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${certificates.serviceAccountKey}`,
    `--service-account-signing-key-file=${certificates.serviceAccountKey}`,
    '--service-cluster-ip-range=10.96.0.0/16',
    '--authorization-mode=RBAC',
    `--token-auth-file=${join(folder, 'tokens.csv')}`,
    // Nobody makes service accounts here, and nobody is to be told where the server is.
    '--disable-admission-plugins=ServiceAccount',
    '--endpoint-reconciler-type=none',
    ...audit.flags,
    ...(options.args ?? []),
  ]
  const start = async () => {
    const started = new OwnedProcess(binaries.apiserver, args, join(folder, 'apiserver.log'))
    try {
      await until('the API server is ready', READY_LIMIT_MS, async () => {
        if (!started.isRunning) throw new Error('kube-apiserver ended')
        return (await isReady(http, url, tokens.admin)) || undefined
      })
      return started
    } catch (error) {
      await started.kill9()
      throw new Error(`the API server did not start: ${(error as Error).message}\n${started.log()}`)
    }
  }
  const restarts: { readonly fromMs: number; readonly toMs: number }[] = []
  let server: OwnedProcess
  try {
    server = await start()
  } catch (error) {
    await etcd.kill9()
    throw error
  }
  return {
    url,
    caFile: certificates.ca,
    ca,
    tokens,
    kubeconfig: writeKubeconfig(folder, url, ca, tokens.admin),
    kubectl: binaries.kubectl,
    http,
    etcd,
    stop: async () => {
      http.close()
      await server.stop()
      await etcd.stop()
      if (options.dataDir === undefined) rmSync(folder, { recursive: true, force: true })
    },
    kill9: () => server.kill9(),
    pause: () => server.pause(),
    resume: () => server.resume(),
    restart: async () => {
      await server.stop()
      const fromMs = Date.now()
      try {
        server = await start()
      } finally {
        restarts.push({ fromMs, toMs: Date.now() })
      }
    },
    wasStarting: (atMs) => restarts.some(({ fromMs, toMs }) => fromMs <= atMs && atMs <= toMs),
    log: () => server.log(),
    requests: audit.events,
  }
}

async function isReady(http: Http, url: string, token: string): Promise<boolean> {
  const paths = ['/readyz', ...NAMESPACES.map((name) => `/api/v1/namespaces/${name}`)]
  for (const path of paths) {
    try {
      const reply = await http.fetch(
        new Request(url + path, {
          headers: { authorization: `Bearer ${token}` },
          signal: AbortSignal.timeout(REQUEST_LIMIT_MS),
        }),
      )
      await reply.arrayBuffer()
      if (reply.status !== 200) return false
    } catch {
      return false
    }
  }
  return true
}

/** Static tokens: `token,user,uid,"groups"`. A folder keeps its own over restarts. */
function makeTokens(folder: string): { admin: string; berth: string } {
  const file = join(folder, 'tokens.csv')
  if (!existsSync(file)) {
    const [admin, berth] = [randomBytes(24).toString('hex'), randomBytes(24).toString('hex')]
    writeFileSync(file, `${admin},admin,admin,"system:masters"\n${berth},berth,berth\n`, { mode: 0o600 })
  }
  const [admin = '', berth = ''] = readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.split(',')[0] ?? '')
  return { admin, berth }
}

function writeKubeconfig(folder: string, server: string, ca: string, token: string): string {
  const file = join(folder, 'kubeconfig')
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'peers',
    clusters: [{ name: 'peers', cluster: { server, 'certificate-authority-data': btoa(ca) } }],
    users: [{ name: 'admin', user: { token } }],
    contexts: [{ name: 'peers', context: { cluster: 'peers', user: 'admin' } }],
  }
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 })
  return file
}
