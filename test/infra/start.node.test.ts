import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { isAlive, processTree, signal } from '../../infra/dev/process-tree.ts'
import { answers200, until } from '../../infra/dev/wait.ts'

const root = resolve(import.meta.dirname, '../..')
const folder = mkdtempSync(join(tmpdir(), 'berth-start-'))
const started: number[] = []
afterAll(() => {
  for (const pid of started) for (const member of processTree(pid)) signal(member, 'SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

function npmStart(
  port: number,
  data: string,
  vars: Readonly<Record<string, string>> = {},
): { child: ChildProcess; output: () => string } {
  const env = { ...process.env, PORT: String(port), DATA: join(folder, data), ...vars }
  const child = spawn('npm', ['start'], { cwd: root, detached: true, stdio: ['ignore', 'pipe', 'pipe'], env })
  if (child.pid) started.push(child.pid)
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
  }
  return { child, output: () => text }
}

/** A port nobody listens on, and the server that holds it until it is closed. */
function holdPort(): Promise<{ port: number; server: Server }> {
  return new Promise((done) => {
    const server = createServer()
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      done({ port: typeof address === 'object' && address ? address.port : 0, server })
    })
  })
}

async function freePort(): Promise<number> {
  const { port, server } = await holdPort()
  await new Promise((closed) => server.close(closed))
  return port
}

const ready = (port: number) =>
  until(`port ${port} is ready`, 60_000, async () =>
    (await answers200(`http://127.0.0.1:${port}/readyz`)) ? true : undefined,
  )

/** What belongs to a process that runs. */
const ofProcess = (data: string) =>
  readdirSync(join(folder, data)).filter((name) => name === 'berth.pid' || name === 'variables.env')

describe('npm start', () => {
  it('says so when the port is taken, and ends with 1', async () => {
    const { port, server } = await holdPort()
    const { child, output } = npmStart(port, 'taken')
    const code = await new Promise((done) => child.once('close', done))
    server.close()
    expect(code).toBe(1)
    expect(output()).toContain(`Port ${port} on 127.0.0.1 is taken`)
  }, 60_000)

  it.each([
    ['DATA', '/proc/berth', 'DATA=/proc/berth cannot be made or is no folder (ENOENT).'],
    ['DATA', join(root, 'package.json'), 'cannot be made or is no folder (ENOTDIR).'],
    ['ACCESS', 'reqired', 'ACCESS: there is loopback-anonymous and required.'],
    ['CHAT', '[', 'CHAT is not JSON.'],
    ['OVN_NB', 'udp:1.2.3.4:1', 'OVN_NB: '],
  ])('says what is wrong with %s=%s, and ends with 1', async (name, value, words) => {
    const { child, output } = npmStart(await freePort(), 'unused', { [name]: value })
    expect(await new Promise((done) => child.once('close', done))).toBe(1)
    expect(output()).toContain(words)
    expect(output()).not.toContain('    at ')
  })

  it('tells who lets known callers only how the first key is made', async () => {
    const port = await freePort()
    const { child, output } = npmStart(port, 'required', { ACCESS: 'required' })
    await until('it greets', 60_000, () => (output().includes('nobody has a key yet') ? true : undefined))
    expect(output()).toContain('npm run keys -- admin')
    expect(output()).not.toContain('curl')
    process.kill(-(child.pid as number), 'SIGTERM')
    await new Promise((done) => child.once('close', done))
  }, 90_000)

  it('runs twice side by side, and leaves nothing behind when npm itself is killed with -9', async () => {
    const ports = [await freePort(), await freePort()] as const
    const first = npmStart(ports[0], 'first')
    const second = npmStart(ports[1], 'second')
    await Promise.all(ports.map(ready))
    for (const data of ['first', 'second']) expect(ofProcess(data)).toEqual(['berth.pid', 'variables.env'])
    const tree = processTree(first.child.pid as number)
    expect(tree.length).toBeGreaterThan(4)
    first.child.kill('SIGKILL')
    await until('every process of the first is gone', 20_000, () => (tree.some(isAlive) ? undefined : true))
    expect(await answers200(`http://127.0.0.1:${ports[1]}/readyz`)).toBe(true)
    process.kill(-(second.child.pid as number), 'SIGTERM')
    await new Promise((done) => second.child.once('close', done))
    for (const data of ['first', 'second']) expect(ofProcess(data)).toEqual([])
  }, 120_000)
})
