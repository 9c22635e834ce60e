import { type Agent, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'

/** One call with a JSON body and reply; anything but 2xx, or `expect`, throws. */
export function callJson(
  url: string,
  options: {
    readonly method: string
    readonly body?: unknown
    readonly expect?: number
    readonly agent?: Agent
    readonly token?: string
  },
): Promise<unknown> {
  const { method, body, expect, agent, token } = options
  const text = body === undefined ? '' : JSON.stringify(body)
  const headers = {
    'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
    'content-length': Buffer.byteLength(text),
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  }
  const send = url.startsWith('https:') ? httpsRequest : httpRequest
  return new Promise((resolve, reject) => {
    const sent = send(url, { method, headers, ...(agent ? { agent } : {}) }, (reply) => {
      const parts: Buffer[] = []
      reply.on('data', (part: Buffer) => parts.push(part))
      reply.once('error', reject)
      reply.once('end', () => {
        const told = Buffer.concat(parts).toString()
        const status = reply.statusCode ?? 0
        const isWanted = expect === undefined ? status === 200 || status === 201 : status === expect
        if (isWanted) resolve(JSON.parse(told))
        else reject(new Error(`${method} ${url}: ${status} ${told.slice(0, 500)}`))
      })
    })
    sent.once('error', reject)
    sent.end(text)
  })
}
