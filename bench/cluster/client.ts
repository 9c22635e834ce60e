import { type Agent, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'

/** Where a body is posted, the same way for both sides: a kept connection for each client. */
export interface Target {
  readonly url: string
  readonly agent: Agent
  readonly headers: Readonly<Record<string, string>>
}

/** Posts `bodies`, `clients` at a time. @returns ms of the whole and of each; anything but a 201 throws */
export async function post(
  { url, agent, headers }: Target,
  clients: number,
  bodies: readonly string[],
): Promise<{ readonly tookMs: number; readonly eachMs: number[] }> {
  const eachMs: number[] = []
  let next = 0
  const client = async () => {
    while (next < bodies.length) {
      const body = bodies[next++] ?? ''
      const sentMs = performance.now()
      await one(url, agent, headers, body)
      eachMs.push(performance.now() - sentMs)
    }
  }
  const startMs = performance.now()
  await Promise.all(Array.from({ length: clients }, client))
  return { tookMs: performance.now() - startMs, eachMs }
}

function one(url: string, agent: Agent, headers: Target['headers'], body: string): Promise<void> {
  const send = url.startsWith('https:') ? httpsRequest : httpRequest
  return new Promise((resolve, reject) => {
    const all = { ...headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const sent = send(url, { method: 'POST', agent, headers: all }, (reply) => {
      const parts: Buffer[] = []
      reply.on('data', (part: Buffer) => parts.push(part))
      reply.once('error', reject)
      reply.once('end', () => {
        if (reply.statusCode === 201) resolve()
        else reject(new Error(`${url}: ${reply.statusCode} ${Buffer.concat(parts).toString().slice(0, 500)}`))
      })
    })
    sent.once('error', reject)
    sent.end(body)
  })
}
