import { join } from 'node:path'
import { cached, provide } from './cache.ts'
import { run } from './run.ts'
import { GITEA_VERSION } from './versions.ts'

const MODULE = 'code.gitea.io/gitea'
const KEY = `gitea-${GITEA_VERSION}-${process.platform}-${process.arch}`
const DOWNLOAD_LIMIT_MS = 5 * 60_000
const BUILD_LIMIT_MS = 20 * 60_000

export interface GiteaBinaries {
  readonly gitea: string
  /** Templates and the like, which the program reads when it starts. */
  readonly files: string
}

/** What is on this machine already. */
export function locateGitea(): GiteaBinaries | undefined {
  const folder = cached(KEY)
  return folder === undefined ? undefined : inFolder(folder)
}

/**
 * Builds Gitea from its Go module, with SQLite (so there must be a C compiler) and without the pages for browsers. Some
 * minutes where Go's own build cache is empty. Throws where Go is too old, or a module is not to be had.
 */
export async function bringGitea(say: (line: string) => void): Promise<GiteaBinaries> {
  const found = locateGitea()
  if (found) return found
  say(`building Gitea ${GITEA_VERSION}`)
  return inFolder(await provide(KEY, build))
}

async function build(folder: string): Promise<void> {
  const wanted = `${MODULE}@v${GITEA_VERSION}`
  const downloaded: { Dir: string } = JSON.parse(
    await run('go', ['mod', 'download', '-json', wanted], { cwd: folder, limitMs: DOWNLOAD_LIMIT_MS }),
  )
  const flags = ['-trimpath', '-ldflags', '-s -w', '-tags', 'sqlite sqlite_unlock_notify']
  await run('nice', ['-n', '19', 'go', 'build', ...flags, '-o', inFolder(folder).gitea, '.'], {
    cwd: downloaded.Dir,
    limitMs: BUILD_LIMIT_MS,
    env: { CGO_ENABLED: '1', GOFLAGS: '-mod=readonly -buildvcs=false', GOWORK: 'off' },
  })
  const files = inFolder(folder).files
  await run('mkdir', [files], { limitMs: 10_000 })
  // Folders of Go's module cache are read-only; copies are not to be.
  const from = ['options', 'templates', 'public'].map((name) => join(downloaded.Dir, name))
  await run('cp', ['-r', '--no-preserve=mode', ...from, files], { limitMs: 60_000 })
}

function inFolder(folder: string): GiteaBinaries {
  return { gitea: join(folder, 'gitea'), files: join(folder, 'files') }
}
