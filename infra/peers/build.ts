import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './run.ts'
import { isAtLeast, KUBERNETES_VERSION, OLDEST_GO } from './versions.ts'

const MODULE = 'k8s.io/kubernetes'
const VERSION_PACKAGE = 'k8s.io/component-base/version'
const DOWNLOAD_LIMIT_MS = 10 * 60_000
const BUILD_LIMIT_MS = 45 * 60_000

/**
 * Builds kube-apiserver and kubectl from the Kubernetes Go module into `folder`. Several minutes where Go's own build
 * cache is empty. Throws with advice when there is no fitting Go.
 */
export async function buildKubernetes(folder: string): Promise<void> {
  await checkGo()
  const downloaded: { GoMod: string } = JSON.parse(
    await go(['mod', 'download', '-json', `${MODULE}@v${KUBERNETES_VERSION}`], folder, DOWNLOAD_LIMIT_MS),
  )
  writeFileSync(join(folder, 'go.mod'), goMod(readFileSync(downloaded.GoMod, 'utf8'), KUBERNETES_VERSION))
  const [major, minor] = KUBERNETES_VERSION.split('.')
  const facts = { gitVersion: `v${KUBERNETES_VERSION}`, gitMajor: major, gitMinor: minor }
  const stamps = Object.entries(facts).map(([name, value]) => `-X ${VERSION_PACKAGE}.${name}=${value}`)
  const flags = ['-trimpath', '-ldflags', ['-s -w', ...stamps].join(' ')]
  await go(
    ['build', ...flags, '-o', `${folder}/`, `${MODULE}/cmd/kube-apiserver`, `${MODULE}/cmd/kubectl`],
    folder,
    BUILD_LIMIT_MS,
  )
  for (const name of ['go.mod', 'go.sum']) rmSync(join(folder, name), { force: true })
}

/**
 * A module that requires Kubernetes as a library: its own go.mod points the staging modules at folders of its
 * repository, so each is replaced by its published twin (1.x.y is published as 0.x.y).
 */
export function goMod(kubernetes: string, version: string): string {
  const staged = [...kubernetes.matchAll(/^\s*(k8s\.io\/\S+) => \.\/staging\//gm)].map((match) => match[1])
  if (staged.length === 0) throw new Error(`go.mod of ${MODULE} ${version} names no staging modules`)
  const published = `v0.${version.split('.').slice(1).join('.')}`
  const language = /^go \S+$/m.exec(kubernetes)?.[0] ?? `go ${OLDEST_GO.join('.')}.0`
  const godebug = /^godebug \S+$/m.exec(kubernetes)?.[0] ?? ''
  return [
    'module berth/peers',
    language,
    godebug,
    `require ${MODULE} v${version}`,
    ...staged.map((name) => `replace ${name} => ${name} ${published}`),
    '',
  ].join('\n')
}

async function checkGo(): Promise<void> {
  const oldest = OLDEST_GO.join('.')
  const advice = `kube-apiserver has to be built, which takes Go ${oldest} or later. Install Go, or set KUBEBUILDER_ASSETS to a folder with kube-apiserver, etcd and kubectl.`
  let version: string
  try {
    version = await run('go', ['version'], { limitMs: 20_000 })
  } catch {
    throw new Error(`No Go was found. ${advice}`)
  }
  if (!isAtLeast(version, OLDEST_GO)) throw new Error(`${version.trim()} is too old. ${advice}`)
}

/** go at the lowest priority: the build is long and nobody should feel it. */
function go(args: readonly string[], cwd: string, limitMs: number): Promise<string> {
  return run('nice', ['-n', '19', 'go', ...args], {
    cwd,
    limitMs,
    env: { CGO_ENABLED: '0', GOFLAGS: '-mod=mod -buildvcs=false', GOWORK: 'off' },
  })
}
