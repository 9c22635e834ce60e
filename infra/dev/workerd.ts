import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { type Bundle, bundleWorker, projectRoot } from '../workerd/bundle.ts'
import { writeConfig } from '../workerd/write.ts'
import { answers200, until } from './wait.ts'

const START_LIMIT_MS = 30_000
const STOP_LIMIT_MS = 10_000
/** How much of workerd's output is kept for messages. */
const LOG_LIMIT = 64 * 1024

export interface WorkerdOptions {
  /** 0 finds a free one. */
  readonly port: number
  /** Survives stop() and kill9(); hand it in again to go on with the same data. */
  readonly dataDir: string
  /** Variables, over those of wrangler.toml. */
  readonly vars?: Readonly<Record<string, string>>
  /** A folder with `ca.crt` and `token`, as a Pod has it: see infra/workerd/config.ts. */
  readonly accountFolder?: string
  /** Files of authorities that the API servers of CLUSTERS are certified by. */
  readonly trust?: readonly string[]
  /** `ca.crt`, `tls.crt` and `tls.key` for ssl: remotes of OVN_NB. */
  readonly ovnFolder?: string
  /** Serves over TLS as well, on free ports: see infra/workerd/config.ts. */
  readonly tls?: { readonly folder: string; readonly apiServerCa?: string }
  /** Path that answers 200 once the server is ready. */
  readonly readyPath?: string
  /** Another Worker than Berth, to measure Berth against. */
  readonly bundle?: Bundle
}

export interface RunningWorkerd {
  /** Like http://127.0.0.1:4711, without a slash at the end. */
  readonly url: string
  readonly port: number
  /** The ports of all sockets, by name. */
  readonly ports: Readonly<Record<string, number>>
  /** Also the id of its process group. */
  readonly pid: number
  /** Ends it politely; resolves when the process is gone. */
  stop(): Promise<void>
  /** kill -9 of the process group; resolves when the process is gone. */
  kill9(): Promise<void>
  /** The last of what it wrote. */
  log(): string
}

/** Starts the bundled Worker in plain workerd on loopback, without wrangler's proxy, and waits until it is ready. */
export async function startWorkerd(options: WorkerdOptions): Promise<RunningWorkerd> {
  const bundle = options.bundle ?? (await bundleWorker())
  const objects = join(options.dataDir, 'objects')
  mkdirSync(objects, { recursive: true })
  const variables = { ...bundle.settings.vars, ...options.vars }
  const anyPort = '127.0.0.1:0'
  const tls = options.tls && {
    folder: options.tls.folder,
    listen: anyPort,
    ...(options.tls.apiServerCa ? { apiServer: { caFile: options.tls.apiServerCa, listen: anyPort } } : {}),
  }
  const config = writeConfig({
    bundle,
    configFolder: options.dataDir,
    listen: `127.0.0.1:${options.port}`,
    dataFolder: objects,
    assetsFolder: join(projectRoot, bundle.settings.assets?.directory ?? 'dist/assets'),
    variables: Object.fromEntries(Object.entries(variables).map(([name, text]) => [name, { text }])),
    accountFolder: options.accountFolder,
    ovnFolder: options.ovnFolder,
    trust: options.trust,
    tls,
  })
  return serveWorkerd({
    config,
    sockets: ['http', ...(tls ? ['https'] : []), ...(tls?.apiServer ? ['api-server'] : [])],
    readyPath: options.readyPath ?? '/readyz',
  })
}

/** Starts workerd on a configuration that is written already, and waits until it is ready. */
export async function serveWorkerd(options: {
  readonly config: string
  /** All its sockets; `http` is asked whether it is ready. */
  readonly sockets: readonly string[]
  readonly readyPath: string
  /** Further arguments of `workerd serve`. */
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}): Promise<RunningWorkerd> {
  // A group of its own, so that kill9() ends everything at once. The fourth pipe tells the port.
  const child = spawn(workerdBinary(), ['serve', options.config, '--control-fd=3', ...(options.args ?? [])], {
    cwd: projectRoot,
    detached: true,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  })
  const log = keepLog(child)
  const pid = child.pid
  if (pid === undefined) throw new Error('workerd could not be started')
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const endWithUs = () => signalGroup(pid, 'SIGKILL')
  process.once('exit', endWithUs)
  void gone.then(() => process.off('exit', endWithUs))
  const kill9 = async () => {
    signalGroup(pid, 'SIGKILL')
    await gone
  }
  const stop = async () => {
    signalGroup(pid, 'SIGTERM')
    const timer = setTimeout(() => signalGroup(pid, 'SIGKILL'), STOP_LIMIT_MS)
    await gone
    clearTimeout(timer)
  }
  try {
    const ports = await listeningPorts(child, options.sockets)
    const port = ports.http ?? 0
    const url = `http://127.0.0.1:${port}`
    await until('workerd is ready', START_LIMIT_MS, async () => {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error('workerd ended')
      return (await answers200(url + options.readyPath)) ? true : undefined
    })
    return { url, port, ports, pid, stop, kill9, log }
  } catch (error) {
    await kill9()
    throw new Error(`workerd did not start: ${(error as Error).message}\n${log()}`)
  }
}

/** The workerd that the pinned wrangler brings, not the older one of the test runner. */
export function workerdBinary(): string {
  const wrangler = createRequire(import.meta.url).resolve('wrangler/package.json')
  const workerd: { default: string } = createRequire(wrangler)('workerd')
  return workerd.default
}

/** workerd writes one JSON line for each socket it listens on. */
async function listeningPorts(
  child: ChildProcess,
  sockets: readonly string[],
): Promise<Readonly<Record<string, number>>> {
  const control = child.stdio[3] as NodeJS.ReadableStream
  const ports: Record<string, number> = {}
  let text = ''
  for await (const chunk of control) {
    text += chunk
    const lines = text.split('\n')
    text = lines.pop() ?? ''
    for (const line of lines) {
      const message: { event?: string; socket?: string; port?: number } = JSON.parse(line)
      if (message.event === 'listen' && message.socket && message.port) ports[message.socket] = message.port
    }
    if (sockets.every((name) => ports[name] !== undefined)) return ports
  }
  throw new Error('workerd ended before it listened')
}

function keepLog(child: ChildProcess): () => string {
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text = (text + chunk).slice(-LOG_LIMIT)
    })
  }
  return () => text
}

function signalGroup(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(-pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
