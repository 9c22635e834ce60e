import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { claimFolder } from '../../infra/dev/claim.ts'
import { processTree } from '../../infra/dev/process-tree.ts'
import { until } from '../../infra/dev/wait.ts'

const claim = resolve(import.meta.dirname, '../../infra/dev/claim.ts')
let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'berth-claim-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Another process that claims the folder and stays. */
async function holder() {
  const script = `const { claimFolder } = await import(${JSON.stringify(claim)})
    console.log((await claimFolder(${JSON.stringify(folder)})) ? 'held' : 'refused')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let told = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    told += chunk
  })
  await until('the other process answers', 20_000, () => (told.includes('\n') ? true : undefined))
  return { child, told: told.trim() }
}

describe('a data folder', () => {
  it('is claimed by one process at a time', async () => {
    const { child, told } = await holder()
    expect(told).toBe('held')
    expect(await claimFolder(folder)).toBeUndefined()
    expect(processTree(process.pid)).toContain(child.pid)
    child.kill('SIGKILL')
    await until('the folder is free', 10_000, async () => {
      const server = await claimFolder(folder)
      server?.close()
      return server
    })
  })
})
