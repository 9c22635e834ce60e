import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { until } from '../../infra/dev/wait.ts'
import { workerdBinary } from '../../infra/dev/workerd.ts'
import { startNorthbound } from '../../infra/peers/ovn.ts'
import { OwnedProcess } from '../../infra/peers/owned-process.ts'
import { freePorts } from '../../infra/peers/ports.ts'
import { projectRoot } from '../../infra/workerd/bundle.ts'

const DOCS = readFileSync(join(projectRoot, 'docs/ovn.md'), 'utf8')

/** The query of docs/ovn.md as a Worker that answers with what it would print. */
function workerOf(remotes: string): string {
  const code = /A query in ten lines[^`]*```ts\n([\s\S]*?)```/.exec(DOCS)?.[1]
  if (code === undefined) throw new Error('docs/ovn.md has no query')
  const lines = code.replaceAll("'./shared/", `'${projectRoot}/shared/`).split('\n')
  const imports = lines.filter((line) => line.startsWith('import '))
  const body = lines.filter((line) => line !== '' && !line.startsWith('import '))
  expect(lines.filter((line) => line !== '').length).toBeLessThanOrEqual(12)
  const shown = body
    .join('\n')
    .replace("'tcp:127.0.0.1:6641'", `'${remotes}'`)
    .replace(/console\.log\((.*)\)/, 'return Response.json($1)')
  return `${imports.join('\n')}\nexport default { async fetch() {\n${shown}\n} }\n`
}

test('the query of docs/ovn.md runs in workerd as it is written', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'berth-ovn-query-'))
  const northbound = await startNorthbound()
  const [port] = await freePorts(1)
  let worker: OwnedProcess | undefined
  try {
    await northbound.nbctl('ls-add', 'ovn-default')
    writeFileSync(join(folder, 'query.ts'), workerOf(northbound.remotes))
    const wrangler = createRequire(import.meta.url).resolve('wrangler/package.json')
    await createRequire(wrangler)('esbuild').build({
      entryPoints: [join(folder, 'query.ts')],
      bundle: true,
      format: 'esm',
      external: ['cloudflare:*'],
      outfile: join(folder, 'worker.js'),
    })
    writeFileSync(
      join(folder, 'query.capnp'),
      `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "internet", network = (allow = ["public", "private"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const main :Workerd.Worker = (
  compatibilityDate = "2026-10-01",
  modules = [(name = "worker.js", esModule = embed "worker.js")],
);
`,
    )
    const started = new OwnedProcess(
      workerdBinary(),
      ['serve', join(folder, 'query.capnp')],
      join(folder, 'log'),
    )
    worker = started
    const reply = await until('workerd answers', 20_000, async () => {
      if (!started.isRunning) throw new Error(started.log())
      return fetch(`http://127.0.0.1:${port}`).catch(() => undefined)
    })
    expect(await reply.json()).toEqual([{ name: 'ovn-default' }])
  } finally {
    await worker?.stop()
    await northbound.stop()
    rmSync(folder, { recursive: true, force: true })
  }
})
