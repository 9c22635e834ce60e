import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Agent, request as httpsRequest } from 'node:https'
import type { RunningApiServer } from './apiserver.ts'

/**
 * The API server over plain HTTP on loopback, byte for byte, for a runtime that cannot be told of a private authority.
 * Resolves to its URL and how to end it.
 */
export async function startRelay(api: Pick<RunningApiServer, 'url' | 'ca'>) {
  const agent = new Agent({ ca: api.ca, keepAlive: true })
  const server = createServer((request, reply) => pass(request, reply, api.url, agent))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return {
    url: `http://127.0.0.1:${port}`,
    stop: async () => {
      server.closeAllConnections()
      agent.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function pass(request: IncomingMessage, reply: ServerResponse, target: string, agent: Agent): void {
  const { method = 'GET', headers } = request
  const sent = httpsRequest(`${target}${request.url ?? '/'}`, { method, headers, agent })
  sent.once('response', (got) => {
    reply.writeHead(got.statusCode ?? 502, got.headers)
    // A watch's head must not wait for its first event.
    reply.flushHeaders()
    got.pipe(reply)
    got.once('error', () => reply.destroy())
  })
  sent.once('error', () => reply.destroy())
  reply.once('close', () => sent.destroy())
  request.pipe(sent)
}
