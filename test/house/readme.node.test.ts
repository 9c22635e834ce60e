import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse as parseYaml } from 'yaml'
import { processTree, signal } from '../../infra/dev/process-tree.ts'
import { answers200, until } from '../../infra/dev/wait.ts'
import { missingLines, type Step, sameShape, shapeOf, stepsOf } from './readme.ts'

const root = resolve(import.meta.dirname, '../..')
const markdown = readFileSync(join(root, 'README.md'), 'utf8')

/**
 * `npm ci` would take away the very packages this test runs with, and `npm test` would start this test again.
 * `.ci/run` runs both, from a fresh clone, in these words.
 */
const RUN_ELSEWHERE = new Map([
  ['npm ci && npm start', 'npm start'],
  ['npm ci && npm test', ''],
])

const STARTS_SERVER = /(^|&& )(npm start|npx workerd serve)\b/
const START_LIMIT_MS = 90_000
const COMMAND_LIMIT_MS = 120_000

let port = 0
let data = ''
let server: { readonly child: ChildProcess; readonly output: () => string } | undefined

/** The page says 8787 and .berth; the test must not be in anybody's way. */
const here = (text: string) =>
  text.replaceAll('127.0.0.1:8787', `127.0.0.1:${port}`).replaceAll('.berth', data)

function shell(script: string): { child: ChildProcess; output: () => string } {
  const child = spawn('bash', ['-euo', 'pipefail', '-c', script], {
    cwd: root,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PORT: String(port), DATA: data },
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
  }
  return { child, output: () => text }
}

const ended = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null

async function stopServer(): Promise<void> {
  if (!server?.child.pid) return
  const { child } = server
  const pid = server.child.pid
  const tree = processTree(pid)
  if (!ended(child)) process.kill(-pid, 'SIGTERM')
  await until('the server ends', 20_000, () => (ended(child) ? true : undefined)).catch(() => {})
  for (const member of tree) signal(member, 'SIGKILL')
  await until('the port is free', 20_000, async () => ((await isFree()) ? true : undefined))
  server = undefined
}

function isFree(): Promise<boolean> {
  return new Promise((done) => {
    const probe = createServer()
    probe.once('error', () => done(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => done(true)))
  })
}

/** Starts a server as the page says and waits until it is ready; gives what it has written by then. */
async function startServer(script: string, shown: string): Promise<string> {
  await stopServer()
  const started = shell(here(script))
  server = started
  await until(`${script} is ready`, START_LIMIT_MS, async () => {
    if (ended(started.child)) throw new Error(`${script} ended:\n${started.output()}`)
    const told = missingLines(here(shown), started.output()).length === 0
    return told && (await answers200(`http://127.0.0.1:${port}/readyz`)) ? true : undefined
  }).catch((error: Error) => {
    throw new Error(`${error.message}\n${started.output()}`)
  })
  return started.output()
}

async function runCommand(script: string): Promise<string> {
  const { child, output } = shell(here(script))
  const code = await new Promise<number | null>((done) => child.once('close', done))
  expect(code, `${script}\n${output()}`).toBe(0)
  return output()
}

function compare(step: Step, output: string, page = 'README.md'): void {
  const shown = step.output
  if (!shown) return
  if (shown.language === 'text') {
    expect(missingLines(here(shown.text), output), `in the output:\n${output}`).toEqual([])
    return
  }
  const parse: (text: string) => unknown = shown.language === 'json' ? JSON.parse : parseYaml
  expect(shapeOf(parse(output)), `line ${shown.line} of ${page}; the output:\n${output}`).toEqual(
    shapeOf(parse(here(shown.text))),
  )
}

describe('the README', () => {
  // What needs a cluster is run where there is one.
  const steps = stepsOf(markdown).filter(({ runBy }) => runBy === undefined)
  /** Pages with commands for the server that the README started last. */
  const pages = ['docs/blocks.md', 'docs/quotas.md'].flatMap((page) =>
    stepsOf(readFileSync(join(root, page), 'utf8')).map((step) => [page, step] as const),
  )

  beforeAll(async () => {
    data = join(mkdtempSync(join(tmpdir(), 'berth-readme-')), 'data')
    port = await new Promise<number>((done) => {
      const probe = createServer()
      probe.listen(0, '127.0.0.1', () => {
        const address = probe.address()
        probe.close(() => done(typeof address === 'object' && address ? address.port : 0))
      })
    })
  })

  afterAll(async () => {
    await stopServer()
    rmSync(resolve(data, '..'), { recursive: true, force: true })
  }, 60_000)

  it('leaves steps only to a test that is there', () => {
    for (const { runBy } of stepsOf(markdown))
      if (runBy !== undefined) expect(existsSync(join(root, runBy)), runBy).toBe(true)
  })

  it('shows a walk-through with a kill -9 in it', () => {
    expect(steps.length).toBeGreaterThan(8)
    expect(markdown).toContain('kill -9')
  })

  it.each(steps.map((step) => [`line ${step.line}: ${step.script.split('\n')[0]}`, step] as const))(
    '%s',
    async (_, step) => {
      const script = RUN_ELSEWHERE.get(step.script) ?? step.script
      if (script === '') return
      const isServer = STARTS_SERVER.test(script)
      const output = isServer ? await startServer(script, step.output?.text ?? '') : await runCommand(script)
      compare(step, output)
    },
    COMMAND_LIMIT_MS,
  )

  it.each(pages.map(([page, step]) => [`${page} line ${step.line}`, page, step] as const))(
    'leads to %s',
    async (_, page, step) => compare(step, await runCommand(step.script), page),
    COMMAND_LIMIT_MS,
  )
})

describe('the comparison', () => {
  it('sees through what changes and nothing else', () => {
    const a = {
      mac: '02:00:00:00:00:01',
      uid: '6a1b6f0e-5a39-4f0c-9d55-7d1f2f9f3a11',
      at: '2026-10-01T12:00:00Z',
      n: 1,
    }
    const b = {
      mac: '0a:00:00:00:00:02',
      uid: '00000000-5a39-4f0c-9d55-7d1f2f9f3a11',
      at: '2027-10-01T12:00:00.5Z',
      n: 1,
    }
    expect(sameShape(a, b)).toBe(true)
    expect(sameShape(a, { ...b, n: 2 })).toBe(false)
    expect(sameShape(a, { ...b, extra: '' })).toBe(false)
    expect(sameShape(a, { ...b, mac: '' })).toBe(false)
    expect(sameShape({ ip: '10.16.0.2' }, { ip: '10.16.0.3' })).toBe(false)
  })

  it('finds lines that are not there, in order', () => {
    expect(missingLines('a\nb', 'x\na\nb\n')).toEqual([])
    expect(missingLines('b\na', 'x\na\nb\n')).toEqual(['a'])
  })

  it('knows which section another test runs', () => {
    const page = '## A\n<!-- run by test/x.ts -->\n```sh\none\n```\n## B\n```sh\ntwo\n```\n'
    expect(stepsOf(page).map(({ script, runBy }) => [script, runBy])).toEqual([
      ['one', 'test/x.ts'],
      ['two', undefined],
    ])
  })

  it('pairs a script with the output after it', () => {
    const page = '```sh\none\n```\n\n```json\n{}\n```\n\n```sh\ntwo\n```\n\n```sh\nthree\n```\n'
    expect(stepsOf(page).map((step) => [step.script, step.output?.language])).toEqual([
      ['one', 'json'],
      ['two', undefined],
      ['three', undefined],
    ])
  })
})
