import type { IncomingMessage } from 'node:http'
import { Agent, request as httpsRequest } from 'node:https'
import { Readable } from 'node:stream'
import type { Http } from '../../shared/http.ts'

const BODILESS = new Set([204, 205, 304])

/**
 * The Http port for peers whose certificate a private authority signed, which Node's own fetch cannot be told per
 * call. `caPem` is that authority's certificate. `close` ends the connections that are kept open.
 */
export function privateHttps(caPem: string): Http & { close(): void } {
  const agent = new Agent({ ca: caPem, keepAlive: true })
  return {
    close: () => agent.destroy(),
    fetch: async (request) => {
      const body = request.body === null ? undefined : Buffer.from(await request.arrayBuffer())
      const { method, signal } = request
      return new Promise((resolve, reject) => {
        const headers: Record<string, string> = {}
        request.headers.forEach((value, name) => {
          headers[name] = value
        })
        // Node frames the body of a DELETE only when it is told how long it is.
        if (body) headers['content-length'] = String(body.byteLength)
        const sent = httpsRequest(request.url, { method, headers, agent, signal: signal as AbortSignal })
        sent.once('error', reject)
        sent.once('response', (reply) => resolve(responseOf(reply)))
        sent.end(body)
      })
    },
  }
}

function responseOf(reply: IncomingMessage): Response {
  const status = reply.statusCode ?? 0
  const headers = new Headers()
  for (let at = 0; at + 1 < reply.rawHeaders.length; at += 2) {
    headers.append(reply.rawHeaders[at] ?? '', reply.rawHeaders[at + 1] ?? '')
  }
  if (BODILESS.has(status)) reply.resume()
  const body = BODILESS.has(status) ? null : (Readable.toWeb(reply) as unknown as ReadableStream)
  return new Response(body, { status, headers })
}
