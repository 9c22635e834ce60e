import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { processTree, signal } from '../../infra/dev/process-tree.ts'
import { answers200, until } from '../../infra/dev/wait.ts'
import { freePorts } from '../../infra/peers/ports.ts'
import { missingLines, stepsOf } from '../house/readme.ts'
import { BerthOnCluster } from './berth.ts'

const root = resolve(import.meta.dirname, '../..')
const steps = stepsOf(readFileSync(join(root, 'README.md'), 'utf8')).filter(
  ({ runBy }) => runBy === 'test/peers/readme-served.test.ts',
)

/** Berth served on a machine of one's own, beside a cluster. */
describe('the README on a real cluster', () => {
  let cluster: BerthOnCluster
  let port = 0
  let server: ChildProcess | undefined

  beforeAll(async () => {
    cluster = await BerthOnCluster.start()
    await cluster.berth.stop()
    // The page makes it itself.
    await cluster.dropAccount()
    const [free = 0] = await freePorts(1)
    port = free
    mkdirSync(join(cluster.folder, 'bin'))
    symlinkSync(cluster.api.kubectl, join(cluster.folder, 'bin/kubectl'))
    chmodSync(cluster.api.kubeconfig, 0o600)
  })
  afterAll(async () => {
    for (const member of server?.pid ? processTree(server.pid) : []) signal(member, 'SIGKILL')
    await cluster?.stop()
  })

  /** The page says 8787 and .berth; the test must not be in anybody's way. */
  const here = (text: string) =>
    text
      .replaceAll('127.0.0.1:8787', `127.0.0.1:${port}`)
      .replaceAll('.berth/', `${join(cluster.folder, 'readme')}/`)

  const shell = (script: string) =>
    spawn('bash', ['-euo', 'pipefail', '-c', here(script)], {
      cwd: root,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        PATH: `${join(cluster.folder, 'bin')}:${process.env.PATH}`,
        KUBECONFIG: cluster.api.kubeconfig,
      },
    })

  test('has commands for it', () => {
    expect(steps.length).toBeGreaterThan(4)
  })

  test.each(steps.map((step) => [`line ${step.line}: ${step.script.split('\n')[0]}`, step] as const))(
    '%s',
    async (_, { script, output: shown }) => {
      const child = shell(script)
      let output = ''
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('utf8').on('data', (chunk: string) => {
          output += chunk
        })
      }
      if (script.includes('workerd serve')) {
        server = child
        await until('Berth is ready', 60_000, async () => {
          if (child.exitCode !== null) throw new Error(output)
          return (await answers200(`http://127.0.0.1:${port}/readyz`)) || undefined
        })
        return
      }
      const code = await new Promise((done) => child.once('close', done))
      expect(code, output).toBe(0)
      expect(shown ? missingLines(shown.text, output) : [], output).toEqual([])
    },
  )
})
