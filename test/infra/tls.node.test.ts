import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { type RequestOptions, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type RunningWorkerd, startWorkerd } from '../../infra/dev/workerd.ts'
import { certify, makeAuthority, type Pair } from '../../infra/peers/certificates.ts'
import { reviewOf } from '../support/review.ts'

const SECRET = 'a-secret-of-thirty-two-characters'

/** Plain workerd with both TLS sockets: what the API server meets. */
describe('workerd over TLS', () => {
  const folder = mkdtempSync(join(tmpdir(), 'berth-tls-'))
  const made = (name: string) => join(folder, name)
  let berth: RunningWorkerd
  let ca: string
  const clients: Record<string, Pair> = {}

  beforeAll(async () => {
    for (const name of ['serving', 'api-server', 'stranger']) mkdirSync(made(name))
    const serving = await makeAuthority(made('serving'))
    await certify(made('serving'), serving, {
      name: 'tls',
      commonName: 'berth',
      usage: 'serverAuth',
      names: 'IP:127.0.0.1',
    })
    ca = readFileSync(serving.certificate, 'utf8')
    for (const name of ['api-server', 'stranger']) {
      const authority = await makeAuthority(made(name))
      clients[name] = await certify(made(name), authority, {
        name: 'client',
        commonName: name,
        usage: 'clientAuth',
      })
    }
    berth = await startWorkerd({
      port: 0,
      dataDir: made('data'),
      vars: { ADMISSION_SECRET: SECRET },
      tls: { folder: made('serving'), apiServerCa: join(made('api-server'), 'ca.crt') },
    })
  }, 90_000)
  afterAll(async () => {
    await berth?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  async function call(socket: 'https' | 'api-server', path: string, client?: string, body?: object) {
    const pair = client === undefined ? undefined : clients[client]
    const options: RequestOptions = {
      port: berth.ports[socket],
      host: '127.0.0.1',
      ca,
      path,
      agent: false,
      method: body ? 'POST' : 'GET',
      headers: body ? { 'Content-Type': 'application/json' } : {},
      ...(pair ? { cert: readFileSync(pair.certificate), key: readFileSync(pair.key) } : {}),
    }
    return new Promise<number>((resolve, reject) => {
      const sent = request(options, (reply) => {
        reply.resume()
        reply.once('end', () => resolve(reply.statusCode ?? 0))
      })
      sent.once('error', reject)
      sent.end(body ? JSON.stringify(body) : undefined)
    })
  }

  const object = { apiVersion: 'kubeovn.io/v1', kind: 'IP', metadata: { name: 'a.b' }, spec: {} }
  const review = reviewOf({ operation: 'DELETE', oldObject: object })

  it('serves what the plain socket serves', async () => {
    expect(await call('https', '/healthz')).toBe(200)
  })

  it('lets the API server in by its secret, and nobody by a client certificate alone', async () => {
    expect(await call('https', `/admission/${SECRET}/validate/ip`, undefined, review)).toBe(200)
    expect(await call('https', '/admission/validate/ip', 'api-server', review)).toBe(401)
  })

  it('has a socket of its own for the API server’s certificate', async () => {
    expect(await call('api-server', '/admission/validate/ip', 'api-server', review)).toBe(200)
  })

  it.each([undefined, 'stranger'])('which takes no connection of %s', async (client) => {
    await expect(call('api-server', '/admission/validate/ip', client, review)).rejects.toThrow()
  })

  it('and has nothing else behind it', async () => {
    for (const path of ['/healthz', '/v1/reservations', '/openapi.json', '/admission'])
      expect(await call('api-server', path, 'api-server'), path).toBe(404)
  })
})
