import { connect as connectAnywhere } from 'cloudflare:sockets'
import type { Tcp, TcpAddress, TcpStream } from '../../tcp.ts'

/** What `cloudflare:sockets` exports, and what a service binding has (`env.OVN.connect`). */
export type Connect = (
  address: { readonly hostname: string; readonly port: number },
  options: { readonly secureTransport: 'on' | 'off'; readonly allowHalfOpen: boolean },
) => Socket

/**
 * TCP in workerd. TLS takes its authorities and its client certificate from the network that `connect` leads to: with
 * the binding of a `network` or `external` service those of that service's tlsOptions, else those of "internet".
 */
export function workerdTcp(connect: Connect = connectAnywhere): Tcp {
  return {
    connect: async ({ host, port, tls }: TcpAddress, signal) => {
      const hostname = host.includes(':') ? `[${host}]` : host
      const secureTransport = tls ? 'on' : 'off'
      const socket = connect({ hostname, port }, { secureTransport, allowHalfOpen: false })
      // A failure is told by `opened` and by the reader.
      socket.closed.catch(() => {})
      const giveUp = () => void socket.close().catch(() => {})
      signal.addEventListener('abort', giveUp, { once: true })
      try {
        await socket.opened
      } finally {
        signal.removeEventListener('abort', giveUp)
      }
      return streamOf(socket)
    },
  }
}

function streamOf(socket: Socket): TcpStream {
  const reader = (socket.readable as ReadableStream<Uint8Array>).getReader()
  const writer = (socket.writable as WritableStream<Uint8Array>).getWriter()
  writer.closed.catch(() => {})
  return {
    read: async () => {
      const { done, value } = await reader.read()
      return done ? undefined : value
    },
    write: (bytes) => writer.write(bytes),
    close: () => {
      reader.cancel().catch(() => {})
      socket.close().catch(() => {})
    },
  }
}
