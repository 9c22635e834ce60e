import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Agent, request as httpsRequest } from 'node:https'
import type { RunningApiServer } from './apiserver.ts'

/**
 * The API server over plain HTTP on loopback, byte for byte, for a runtime that cannot be told of a private authority.
 * Resolves to its URL and how to end it. While it is `deaf`, nothing that a watch says comes through: it comes when that
 * is over. `sent` hears of every request before it is passed on.
 */
export async function startRelay(api: Pick<RunningApiServer, 'url' | 'ca'>, sent: Sent = () => {}) {
  const agent = new Agent({ ca: api.ca, keepAlive: true })
  const watches = new Watches()
  const server = createServer((request, reply) => {
    sent(request.method ?? 'GET', request.url ?? '/')
    pass(request, reply, api.url, agent, watches)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return {
    url: `http://127.0.0.1:${port}`,
    deaf: (isDeaf: boolean) => watches.deaf(isDeaf),
    stop: async () => {
      server.closeAllConnections()
      agent.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

type Sent = (method: string, path: string) => void

/** Streams that are under way, which may be stopped and let go on. */
class Watches {
  #isDeaf = false
  readonly #streams = new Map<IncomingMessage, ServerResponse>()

  add(from: IncomingMessage, to: ServerResponse): void {
    this.#streams.set(from, to)
    from.once('close', () => this.#streams.delete(from))
    if (!this.#isDeaf) from.pipe(to)
  }

  deaf(isDeaf: boolean): void {
    if (isDeaf === this.#isDeaf) return
    this.#isDeaf = isDeaf
    for (const [from, to] of this.#streams) {
      if (!isDeaf) from.pipe(to)
      else {
        from.unpipe(to)
        from.pause()
      }
    }
  }
}

function pass(
  request: IncomingMessage,
  reply: ServerResponse,
  target: string,
  agent: Agent,
  watches: Watches,
): void {
  const { method = 'GET', headers } = request
  const sent = httpsRequest(`${target}${request.url ?? '/'}`, { method, headers, agent })
  sent.once('response', (got) => {
    reply.writeHead(got.statusCode ?? 502, got.headers)
    // A watch's head must not wait for its first event.
    reply.flushHeaders()
    if (/[?&]watch=(true|1)/.test(request.url ?? '')) watches.add(got, reply)
    else got.pipe(reply)
    got.once('error', () => reply.destroy())
  })
  sent.once('error', () => reply.destroy())
  reply.once('close', () => sent.destroy())
  request.pipe(sent)
}
