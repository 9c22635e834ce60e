import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from '../dev/wait.ts'
import { locateOvn, type OvnBinaries } from './ovn-package.ts'
import { OwnedProcess } from './owned-process.ts'
import { freePorts } from './ports.ts'
import { run } from './run.ts'

const READY_LIMIT_MS = 20_000
const COMMAND_LIMIT_MS = 10_000
const DATABASE = 'OVN_Northbound'

/** One ovsdb-server process. */
export interface OvsdbServer {
  /** As ovn-nbctl and OVN_NB write it: tcp:127.0.0.1:4711 */
  readonly remote: string
  readonly port: number
  stop(): Promise<void>
  kill9(): Promise<void>
  /** Stands still (SIGSTOP): connections stay open and nothing answers. */
  pause(): void
  resume(): void
  /** Starts it again on the same port and data; ends it first if it runs. */
  restart(): Promise<void>
  /** ovs-appctl on its control socket. */
  control(...command: readonly string[]): Promise<string>
  log(): string
}

export interface OvnNorthbound {
  readonly servers: readonly OvsdbServer[]
  /** All remotes, comma-separated. */
  readonly remotes: string
  /** ovn-nbctl, with one line a row and no headings where it lists. */
  nbctl(...command: readonly string[]): Promise<string>
  stop(): Promise<void>
}

export interface TlsFiles {
  readonly key: string
  readonly certificate: string
  readonly ca: string
}

export interface NorthboundOptions {
  /** How many servers: 1 stands alone, 3 make a raft cluster. */
  readonly servers?: number
  /** Another schema file than Debian's. */
  readonly schema?: string
  /** Serves ssl: with the server's files, and asks for certificates such as the client's, which ovn-nbctl uses. */
  readonly tls?: { readonly server: TlsFiles; readonly client: TlsFiles }
}

/** OVN's Northbound database on loopback, empty but for NB_Global; ready when it resolves. */
export async function startNorthbound(options: NorthboundOptions = {}): Promise<OvnNorthbound> {
  const binaries = locateOvn()
  const folder = mkdtempSync(join(tmpdir(), 'berth-ovn-'))
  const count = options.servers ?? 1
  const schema = options.schema ?? binaries.schema
  const ports = await freePorts(count * 2)
  const servers: OvsdbServer[] = []
  const stop = async () => {
    await Promise.all(servers.map((server) => server.stop()))
    rmSync(folder, { recursive: true, force: true })
  }
  const { env } = binaries
  const tool = (...args: string[]) => run(binaries.tool, args, { limitMs: COMMAND_LIMIT_MS, env })
  try {
    for (let i = 0; i < count; i++) {
      const file = join(folder, `nb${i}.db`)
      const raft = (n: number) => `tcp:127.0.0.1:${ports[count + n]}`
      if (count === 1) await tool('create', file, schema)
      else if (i === 0) await tool('create-cluster', file, schema, raft(0))
      else await tool('join-cluster', file, DATABASE, raft(i), raft(0))
      servers.push(await startServer({ binaries, folder, file, port: ports[i]!, number: i, options }))
    }
    const remotes = servers.map((server) => server.remote).join(',')
    const client = options.tls?.client
    const credentials = client ? ['-p', client.key, '-c', client.certificate, '-C', client.ca] : []
    const nbctl = (...command: readonly string[]) =>
      run(
        binaries.nbctl,
        [`--db=${remotes}`, ...credentials, '--no-shuffle-remotes', '--timeout=10', ...command],
        { limitMs: COMMAND_LIMIT_MS, env },
      )
    await nbctl('init')
    return { servers, remotes, nbctl, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

interface ServerParts {
  readonly binaries: OvnBinaries
  readonly folder: string
  readonly file: string
  readonly port: number
  readonly number: number
  readonly options: NorthboundOptions
}

async function startServer({ binaries, folder, file, port, number, options }: ServerParts) {
  const control = join(folder, `control${number}`)
  const tls = options.tls?.server
  const args = [
    `--remote=${tls ? 'pssl' : 'ptcp'}:${port}:127.0.0.1`,
    `--unixctl=${control}`,
    ...(tls ? [`--private-key=${tls.key}`, `--certificate=${tls.certificate}`, `--ca-cert=${tls.ca}`] : []),
    file,
  ]
  const appctl = (...command: readonly string[]) =>
    run(binaries.appctl, ['-t', control, ...command], { limitMs: COMMAND_LIMIT_MS, env: binaries.env })
  const start = async () => {
    const started = new OwnedProcess(binaries.server, args, join(folder, `server${number}.log`), binaries.env)
    try {
      await until('ovsdb-server is ready', READY_LIMIT_MS, async () => {
        if (!started.isRunning) throw new Error('ovsdb-server ended')
        return (await isServing(appctl, options.servers ?? 1)) || undefined
      })
      return started
    } catch (error) {
      await started.kill9()
      throw new Error(`ovsdb-server did not start: ${(error as Error).message}\n${started.log()}`)
    }
  }
  let server = await start()
  return {
    remote: `${tls ? 'ssl' : 'tcp'}:127.0.0.1:${port}`,
    port,
    stop: () => server.stop(),
    kill9: () => server.kill9(),
    pause: () => server.pause(),
    resume: () => server.resume(),
    restart: async () => {
      await server.stop()
      server = await start()
    },
    control: appctl,
    log: () => server.log(),
  } satisfies OvsdbServer
}

async function isServing(appctl: (...command: string[]) => Promise<string>, servers: number) {
  try {
    if (servers === 1) return (await appctl('ovsdb-server/list-dbs')).includes(DATABASE)
    return (await raftStatus(appctl)) !== undefined
  } catch {
    return false
  }
}

/** What `cluster/status` says of a member that has joined and knows a leader. */
async function raftStatus(appctl: (...command: string[]) => Promise<string>) {
  const text = await appctl('cluster/status', DATABASE)
  const role = /^Role: (\w+)$/m.exec(text)?.[1]
  const leader = /^Leader: (\S+)$/m.exec(text)?.[1]
  return /^Status: cluster member$/m.test(text) && leader && leader !== 'unknown' ? role : undefined
}

/** The server that leads now; waits for one. */
export function leaderOf(northbound: OvnNorthbound, among = northbound.servers): Promise<OvsdbServer> {
  return until('a leader is there', READY_LIMIT_MS, async () => {
    for (const server of among) {
      try {
        if ((await raftStatus(server.control)) === 'leader') return server
      } catch {
        // Stopped or paused: another one leads.
      }
    }
    return undefined
  })
}
