import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { reserve } from '../../shared/command/reserve.ts'
import { auditLines } from '../support/agreement.ts'
import { reserved, World } from '../support/world.ts'

const folder = mkdtempSync(join(tmpdir(), 'berth-audit-'))
let lines: string[]
const command = async (args: readonly string[], env: Record<string, string> = {}) => {
  const script = join(import.meta.dirname, '../../infra/dev/audit.ts')
  const run = promisify(execFile)(process.execPath, [script, ...args], { env: { ...process.env, ...env } })
  return run.then(
    ({ stdout }) => ({ code: 0, said: stdout }),
    ({ code, stdout, stderr }) => ({ code, said: stdout + stderr }),
  )
}
const saved = (name: string, all: readonly string[]) => {
  const path = join(folder, name)
  writeFileSync(path, all.map((line) => `${line}\n`).join(''))
  return path
}
const headOf = (line: string | undefined) => JSON.parse(line ?? '{}').hash as string

beforeAll(async () => {
  const world = new World()
  for (let n = 0; n < 4; n++)
    reserved(await reserve(world.ports, world.reserveCommand([{ podName: `p-${n}` }])))
  lines = auditLines(world)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

it('says of a file that it is whole, and where it ends', async () => {
  const { code, said } = await command(['verify', saved('whole', lines)])
  expect([code, said]).toEqual([
    0,
    `default/ovn-default: 1 to 4, head ${headOf(lines.at(-1))}\n4 lines, all as they were written\n`,
  ])
})

it.each<[string, () => string[], string]>([
  ['a changed line', () => lines.with(1, lines[1]!.replace('p-1', 'p-7')), 'BROKEN, line 2: 2 was changed'],
  ['a missing line', () => lines.toSpliced(1, 1), 'BROKEN, line 2: 2 is missing'],
  ['a stranger', () => [...lines, 'hello'], 'BROKEN, line 5 is no audit line'],
])('ends with 1 for %s', async (_, change, why) => {
  const { code, said } = await command(['verify', saved('broken', change())])
  expect([code, said]).toEqual([1, expect.stringContaining(why)])
})

it('tells a file that was cut short by the head that was noted before', async () => {
  const head = headOf(lines.at(-1))
  expect((await command(['verify', saved('short', lines.slice(0, 3)), '--head', head])).code).toBe(1)
  expect((await command(['verify', saved('long', lines), '--head', headOf(lines[2])])).code).toBe(0)
})

it('asks a Berth that runs, with its key', async () => {
  const asked: unknown[] = []
  const server = createServer((request, reply) => {
    asked.push([request.url, request.headers.accept, request.headers.authorization])
    reply.end(lines.map((line) => `${line}\n`).join(''))
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { code } = await command(['verify'], { BERTH_URL: url, BERTH_KEY: 'secret-key' })
  server.close()
  expect([code, asked]).toEqual([0, [['/v1/audit', 'application/x-ndjson', 'Bearer secret-key']]])
})

it.each([[[]], [['check']], [['verify', '--nothing']], [['verify', join(folder, 'absent')]]])(
  'says in one line what is wrong with %j',
  async (args) => {
    const { code, said } = await command(args)
    expect(code).toBe(2)
    expect(said.trim().split('\n')).toHaveLength(1)
  },
)
