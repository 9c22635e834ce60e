import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Tcp, TcpStream } from '../../shared/tcp.ts'
import type { TlsFiles } from './ovn.ts'

export interface NodeTcpOptions {
  /** Files for tls addresses. */
  readonly tls?: TlsFiles
}

/** TCP in Node, for what runs beside the real programs. */
export function nodeTcp(options: NodeTcpOptions = {}): Tcp {
  return {
    connect: async ({ host, port, tls }, signal) => {
      const socket = tls ? connectTls({ host, port, ...tlsFiles(options) }) : connect({ host, port })
      socket.setNoDelay(true)
      try {
        await once(socket, tls ? 'secureConnect' : 'connect', { signal })
      } catch (error) {
        socket.destroy()
        throw error
      }
      return streamOf(socket)
    },
  }
}

function tlsFiles({ tls }: NodeTcpOptions) {
  if (!tls) return {}
  return { key: readFileSync(tls.key), cert: readFileSync(tls.certificate), ca: readFileSync(tls.ca) }
}

function streamOf(socket: Socket): TcpStream {
  const chunks = socket[Symbol.asyncIterator]()
  return {
    read: async () => {
      const { done, value } = await chunks.next()
      return done ? undefined : (value as Uint8Array)
    },
    write: (bytes) =>
      new Promise((resolve, reject) => {
        socket.write(bytes, (error) => (error ? reject(error) : resolve()))
      }),
    close: () => socket.destroy(),
  }
}
