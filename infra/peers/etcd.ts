import { join } from 'node:path'
import { answers200, until } from '../dev/wait.ts'
import { OwnedProcess } from './owned-process.ts'
import { freePorts } from './ports.ts'

const READY_LIMIT_MS = 30_000

export interface RunningEtcd {
  readonly url: string
  stop(): Promise<void>
  kill9(): Promise<void>
  pause(): void
  resume(): void
  /** Forgets every version but the present one, as Kubernetes has it done every five minutes. */
  compact(): Promise<void>
  /** Starts it again on the same data and port; ends it first if it runs. */
  restart(): Promise<void>
}

/** etcd on loopback over plain HTTP, with its data in `folder`. */
export async function startEtcd(binary: string, folder: string): Promise<RunningEtcd> {
  const [clientPort, peerPort] = await freePorts(2)
  const url = `http://127.0.0.1:${clientPort}`
  const peer = `http://127.0.0.1:${peerPort}`
  const args = [
    '--name=peers',
    `--data-dir=${join(folder, 'etcd')}`,
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=peers=${peer}`,
  ]
  const start = async () => {
    const started = new OwnedProcess(binary, args, join(folder, 'etcd.log'))
    try {
      await until('etcd is ready', READY_LIMIT_MS, async () => {
        if (!started.isRunning) throw new Error('etcd ended')
        return (await answers200(`${url}/health`)) || undefined
      })
      return started
    } catch (error) {
      await started.kill9()
      throw new Error(`etcd did not start: ${(error as Error).message}\n${started.log()}`)
    }
  }
  let etcd = await start()
  return {
    url,
    stop: () => etcd.stop(),
    kill9: () => etcd.kill9(),
    pause: () => etcd.pause(),
    resume: () => etcd.resume(),
    compact: () => compact(url),
    restart: async () => {
      await etcd.stop()
      etcd = await start()
    },
  }
}

/** By etcd's gRPC gateway [etcd.io/docs/v3.5/dev-guide/api_grpc_gateway]. */
async function compact(url: string): Promise<void> {
  const ask = async (path: string, body: object) => {
    const reply = await fetch(url + path, { method: 'POST', body: JSON.stringify(body) })
    if (!reply.ok) throw new Error(`etcd answered ${path} with ${reply.status}: ${await reply.text()}`)
    return (await reply.json()) as { header: { revision: string } }
  }
  const { header } = await ask('/v3/kv/range', { key: btoa('\0'), limit: '1' })
  await ask('/v3/kv/compaction', { revision: header.revision, physical: true })
}
