import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type RunningWorkerd, startWorkerd } from '../../infra/dev/workerd.ts'

const script = resolve(import.meta.dirname, '../../infra/dev/keys.ts')
const folder = mkdtempSync(join(tmpdir(), 'berth-keys-'))
let server: RunningWorkerd
let adminKey = ''

function keys(args: string[], key?: string): Promise<{ code: number; out: string; err: string }> {
  const env = { ...process.env, BERTH_URL: server?.url ?? '', BERTH_KEY: key ?? '' }
  return new Promise((done) => {
    execFile(process.execPath, [script, ...args], { env }, (error, out, err) =>
      done({ code: error ? Number(error.code) : 0, out: out.trim(), err: err.trim() }),
    )
  })
}

const status = async (key?: string) =>
  (await fetch(`${server.url}/v1/subnets`, key ? { headers: { Authorization: `Bearer ${key}` } } : {})).status

beforeAll(async () => {
  const { out } = await keys(['admin'])
  const [, key, hash] = /(berth_\S+)[\s\S]*ADMIN_KEY_SHA256=([0-9a-f]{64})/.exec(out) ?? []
  adminKey = key ?? ''
  const vars = { ACCESS: 'required', ADMIN_KEY_SHA256: hash ?? '', RATE_LIMIT: '40/3600' }
  server = await startWorkerd({ port: 0, dataDir: folder, vars })
}, 120_000)
afterAll(async () => {
  await server?.stop()
  rmSync(folder, { recursive: true, force: true })
})

it('the first key makes the others, which open over a restart too', async () => {
  expect(await status()).toBe(401)
  expect(await status(adminKey)).toBe(200)
  const make = [
    'make',
    '--name',
    'ci',
    '--verbs',
    'read',
    '--subnets',
    '*',
    '--namespaces',
    '*',
    '--days',
    '1',
  ]
  const { out: key } = await keys(make, adminKey)
  expect(key).toMatch(/^berth_/)
  expect(await status(key)).toBe(200)

  const { port } = server
  await server.kill9()
  const vars = { ACCESS: 'required', ADMIN_KEY_SHA256: '', RATE_LIMIT: '40/3600' }
  server = await startWorkerd({ port, dataDir: folder, vars })
  expect(await status(adminKey)).toBe(401)
  expect(await status(key)).toBe(200)

  expect(await keys(['list'], key)).toMatchObject({ code: 1, err: expect.stringContaining('403') })
  expect(await keys(make, '')).toMatchObject({ code: 1, err: expect.stringContaining('401') })
  expect(server.log()).not.toContain(key)
})

it('one limit holds for all connections, and says so', async () => {
  const vars = { RATE_LIMIT: '40/3600' }
  const { port } = server
  await server.stop()
  server = await startWorkerd({ port, dataDir: folder, vars })
  const make = ['make', '--name', 'busy', '--verbs', 'read', '--subnets', '*', '--namespaces', '*']
  const { out: key } = await keys(make)
  const headers = { Authorization: `Bearer ${key}` }
  const replies = await Promise.all(
    Array.from({ length: 45 }, () => fetch(`${server.url}/v1/subnets`, { headers })),
  )
  const refused = replies.filter((reply) => reply.status === 429)
  expect(refused).toHaveLength(5)
  expect(refused[0]?.headers.get('RateLimit')).toMatch(/^"default";r=0;t=\d+$/)
  expect(Number(refused[0]?.headers.get('Retry-After'))).toBeGreaterThan(3_000)
  expect(await refused[0]?.json()).toMatchObject({ code: 'rate_limited' })
  // Nobody else waits for him.
  const { out: other } = await keys(make)
  expect(await status(other)).toBe(200)
  const { out: list } = await keys(['list'])
  const id = key.split('_')[1] ?? ''
  expect(list).toContain(id)
  expect((await keys(['revoke', id])).out).toBe(`${id} is revoked.`)
  expect(await status(key)).toBe(401)
})

it.each([
  [['make', '--nme', 'ci'], /nme/],
  [['make', '--name'], /name/],
  [['nothing'], /admin \| make \| list \| revoke/],
])('%j is answered in one line', async (args, words) => {
  const { code, out, err } = await keys(args)
  expect([code, out]).toEqual([1, ''])
  expect(err.split('\n')).toHaveLength(1)
  expect(err).toMatch(words)
})
