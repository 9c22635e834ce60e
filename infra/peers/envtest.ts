import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { run } from './run.ts'
import { KUBERNETES_VERSION } from './versions.ts'

/** The official list of envtest archives with their checksums [sigs.k8s.io/controller-runtime setup-envtest]. */
const INDEX = 'https://raw.githubusercontent.com/kubernetes-sigs/controller-tools/HEAD/envtest-releases.yaml'
const INDEX_LIMIT_MS = 8_000
const ARCHIVE_LIMIT_MS = 240_000

/** Fetches the official kube-apiserver, etcd and kubectl into `folder`. One try, bounded; throws when it fails. */
export async function fetchEnvtest(folder: string): Promise<void> {
  const { hash, selfLink } = archiveOf(await (await get(INDEX, INDEX_LIMIT_MS)).text())
  const archive = new Uint8Array(await (await get(selfLink, ARCHIVE_LIMIT_MS)).arrayBuffer())
  if (createHash('sha512').update(archive).digest('hex') !== hash) {
    throw new Error('the envtest archive does not have the checksum of its index')
  }
  const file = join(folder, 'envtest.tar.gz')
  writeFileSync(file, archive)
  await run('tar', ['-xzf', file, '-C', folder, '--strip-components=2'], { limitMs: 60_000 })
  await run('rm', ['-f', file], { limitMs: 10_000 })
}

interface Archive {
  readonly hash: string
  readonly selfLink: string
}

function archiveOf(index: string): Archive {
  const cpu = process.arch === 'x64' ? 'amd64' : process.arch
  const name = `envtest-v${KUBERNETES_VERSION}-${process.platform}-${cpu}.tar.gz`
  const { releases }: { releases?: Record<string, Record<string, Partial<Archive>>> } = parse(index)
  const { hash, selfLink } = releases?.[`v${KUBERNETES_VERSION}`]?.[name] ?? {}
  if (!hash || !selfLink?.startsWith('https://')) throw new Error(`no ${name} in the index`)
  return { hash, selfLink }
}

async function get(url: string, limitMs: number): Promise<Response> {
  const response = await fetch(url, { signal: AbortSignal.timeout(limitMs) })
  if (!response.ok) throw new Error(`HTTP ${response.status}`)
  return response
}
