import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { buildKubernetes } from './build.ts'
import { cached, provide } from './cache.ts'
import { fetchEnvtest } from './envtest.ts'
import { unpackEtcd } from './etcd-package.ts'
import { run } from './run.ts'
import { isAtLeast, KUBERNETES_VERSION, OLDEST_KUBERNETES } from './versions.ts'

/** Paths of real programs. */
export interface Binaries {
  readonly apiserver: string
  readonly etcd: string
  readonly kubectl: string
}

const PLATFORM = `${process.platform}-${process.arch}`
const ENVTEST = `envtest-${KUBERNETES_VERSION}-${PLATFORM}`
const BUILT = `kubernetes-${KUBERNETES_VERSION}-${PLATFORM}`
const ETCD = `etcd-server-${PLATFORM}`

/** What is on this machine already. Throws when `npm run peers` has to run first. */
export function locate(): Binaries {
  const found = located()
  if (!found) throw new Error('There is no API server on this machine yet: run `npm run peers` first.')
  return found
}

/**
 * Brings the programs where they are missing: KUBEBUILDER_ASSETS if set, else what is cached, else the official
 * envtest binaries, else a build from the Go module with Debian's etcd. `say` gets a line for each slow step.
 */
export async function bring(say: (line: string) => void): Promise<Binaries> {
  const assets = process.env.KUBEBUILDER_ASSETS
  if (assets) return checkAssets(assets)
  const found = located()
  if (found) return found
  try {
    return inFolder(await provide(ENVTEST, fetchEnvtest))
  } catch (error) {
    say(`no official binaries (${(error as Error).message}); building Kubernetes ${KUBERNETES_VERSION}`)
  }
  if (!onPath('etcd')) await provide(ETCD, unpackEtcd)
  await provide(BUILT, buildKubernetes)
  return locate()
}

function located(): Binaries | undefined {
  const assets = process.env.KUBEBUILDER_ASSETS
  if (assets) return inFolder(assets)
  const envtest = cached(ENVTEST)
  if (envtest) return inFolder(envtest)
  const built = cached(BUILT)
  const folder = cached(ETCD)
  const etcd = folder ? join(folder, 'etcd') : onPath('etcd')
  return built && etcd ? { ...inFolder(built), etcd } : undefined
}

function inFolder(folder: string): Binaries {
  return {
    apiserver: join(folder, 'kube-apiserver'),
    etcd: join(folder, 'etcd'),
    kubectl: join(folder, 'kubectl'),
  }
}

async function checkAssets(folder: string): Promise<Binaries> {
  const binaries = inFolder(folder)
  for (const path of Object.values(binaries)) {
    if (!isExecutable(path)) throw new Error(`KUBEBUILDER_ASSETS is set, but there is no ${path}`)
  }
  const version = await run(binaries.apiserver, ['--version'], { limitMs: 30_000 })
  if (!isAtLeast(version, OLDEST_KUBERNETES)) {
    const oldest = OLDEST_KUBERNETES.join('.')
    throw new Error(`KUBEBUILDER_ASSETS holds ${version.trim()}; ${oldest} or later is needed`)
  }
  return binaries
}

function onPath(name: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter)
  return folders.map((folder) => join(folder, name)).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
