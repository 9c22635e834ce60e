import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { startWorkerd, workerdBinary } from '../../infra/dev/workerd.ts'
import { workerdConfig } from '../../infra/workerd/config.ts'
import { readSettings } from '../../infra/workerd/settings.ts'
import { writeConfig } from '../../infra/workerd/write.ts'

const folder = mkdtempSync(join(tmpdir(), 'berth-workerd-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const TOML = `name = "berth"
compatibility_date = "2026-10-01"
compatibility_flags = ["nodejs_als"]

[assets]
directory = "dist/assets"
binding = "ASSETS"

[exports.Subnet]
type = "durable-object"
storage = "sqlite"

[exports.Door]
type = "worker"

[vars]
CLUSTER = "embedded"
WAIT_MS = 5000
`

describe('the settings of wrangler.toml', () => {
  it('are those a runtime without wrangler needs', () => {
    expect(readSettings(TOML)).toEqual({
      compatibilityDate: '2026-10-01',
      compatibilityFlags: ['nodejs_als'],
      vars: { CLUSTER: 'embedded', WAIT_MS: '5000' },
      objects: ['Subnet'],
      assets: { directory: 'dist/assets', binding: 'ASSETS', workerFirst: false },
    })
  })

  it('must name a compatibility date', () => {
    expect(() => readSettings('name = "berth"')).toThrow('compatibility_date')
  })
})

describe('the configuration of workerd', () => {
  const assets = join(folder, 'assets')
  const bundle = { folder, modules: ['index.js'], settings: readSettings(TOML) }
  const options = {
    bundle,
    configFolder: folder,
    listen: '127.0.0.1:0',
    dataFolder: join(folder, 'objects'),
    assetsFolder: assets,
    variables: { CLUSTER: { environment: 'CLUSTER' }, ODD: { text: 'a"b\\c\n\u0007 é' } },
  } as const

  it('is one that workerd accepts, odd characters, assets and all', () => {
    mkdirSync(join(assets, 'docs'), { recursive: true })
    mkdirSync(options.dataFolder, { recursive: true })
    writeFileSync(join(folder, 'index.js'), 'export class Subnet {}\nexport default { fetch() {} }\n')
    const path = writeConfig(options)
    const compiled = execFileSync(workerdBinary(), ['compile', path, '--config-only'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    expect(compiled.includes(Buffer.from('a"b\\c\n\u0007 é'))).toBe(true)
  })

  it('trusts the authority of a ServiceAccount, and hands its folder to Berth', () => {
    const accountFolder = join(folder, 'account')
    mkdirSync(accountFolder, { recursive: true })
    writeFileSync(join(accountFolder, 'ca.crt'), 'a certificate nobody checks here')
    const path = writeConfig({ ...options, accountFolder })
    const compiled = execFileSync(workerdBinary(), ['compile', path, '--config-only'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    expect(compiled.includes('a certificate nobody checks here')).toBe(true)
    expect(compiled.includes('KUBE_ACCOUNT')).toBe(true)
    expect(workerdConfig(options)).not.toContain('KUBE_ACCOUNT')
  })

  it('keeps the objects under the names that wrangler gives them', () => {
    expect(workerdConfig(options)).toContain('uniqueKey = "berth-Subnet"')
  })
})

it('PUBLIC reaches no address inside, whatever the target is called', async () => {
  const inside = createServer((_, reply) => reply.end('inside'))
  await new Promise<void>((done) => inside.listen(0, '127.0.0.1', done))
  const { port } = inside.address() as AddressInfo
  const bundle = { folder: join(folder, 'outward'), modules: ['index.js'], settings: readSettings(TOML) }
  mkdirSync(bundle.folder, { recursive: true })
  writeFileSync(
    join(bundle.folder, 'index.js'),
    `export class Subnet {}
export default {
  fetch: async (request, env) => {
    const { pathname } = new URL(request.url)
    if (pathname === '/ready') return new Response('yes')
    const by = pathname === '/public' ? env.PUBLIC : globalThis
    const replies = await Promise.all(['localhost', '127.0.0.1'].map((host) =>
      by.fetch('http://' + host + ':${port}/').then((reply) => reply.text()).catch(() => 'nowhere')))
    return new Response(replies.join())
  },
}`,
  )
  const server = await startWorkerd({
    port: 0,
    dataDir: join(folder, 'outward-data'),
    bundle,
    readyPath: '/ready',
  })
  const told = async (path: string) => (await fetch(server.url + path)).text()
  expect([await told('/anywhere'), await told('/public')]).toEqual(['inside,inside', 'nowhere,nowhere'])
  await server.stop()
  inside.close()
})

describe('startWorkerd', () => {
  it('comes back on the same port and the same data after kill -9', async () => {
    const dataDir = join(folder, 'data')
    const first = await startWorkerd({ port: 0, dataDir })
    expect(first.port).toBeGreaterThan(0)
    await first.kill9()
    const second = await startWorkerd({ port: first.port, dataDir })
    expect(second.url).toBe(first.url)
    expect(second.pid).not.toBe(first.pid)
    const clash = startWorkerd({ port: first.port, dataDir: join(folder, 'other') })
    await expect(clash).rejects.toThrow('in use')
    await second.stop()
    expect(() => process.kill(second.pid, 0)).toThrow('ESRCH')
  }, 90_000)

  it('keeps no file for a Subnet that only somebody asked for', async () => {
    const dataDir = join(folder, 'asked')
    const server = await startWorkerd({ port: 0, dataDir })
    const ledgers = () =>
      readdirSync(join(dataDir, 'objects/berth-Subnet')).filter((name) => name.endsWith('.sqlite')).length
    const before = ledgers()
    for (const path of ['/v1/subnets/a', '/v1/reservations/x.y?subnet=b', '/v1/subnets/c/suggest']) {
      expect((await fetch(server.url + path)).status, path).toBe(404)
    }
    const body = JSON.stringify({ subnet: 'd', namespace: 'n', podName: 'p' })
    for (const path of ['/v1/reserve', '/v1/release']) {
      const headers = { 'Content-Type': 'application/json' }
      expect((await fetch(server.url + path, { method: 'POST', headers, body })).status, path).toBe(404)
    }
    expect(ledgers()).toBe(before)
    await server.stop()
  }, 60_000)
})
