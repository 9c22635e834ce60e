import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './run.ts'

const LIMIT_MS = 120_000

/**
 * Unpacks Debian packages into `folder` without installing them: no service is started, and downloading needs no
 * rights. `otherwise` is the advice where there is no apt.
 */
export async function unpackDebian(
  packages: readonly string[],
  folder: string,
  otherwise: string,
): Promise<void> {
  await checkApt(otherwise)
  const download = () => run('apt-get', ['download', ...packages], { cwd: folder, limitMs: LIMIT_MS })
  try {
    await download()
  } catch {
    // A fresh machine has no package lists yet, and old lists name files that are gone.
    await run('apt-get', ['update', '-qq'], { limitMs: LIMIT_MS })
    await download()
  }
  const archives = readdirSync(folder).filter((name) => name.endsWith('.deb'))
  if (archives.length === 0) throw new Error(`apt-get download ${packages.join(' ')} left no package`)
  for (const archive of archives) {
    await run('dpkg-deb', ['-x', join(folder, archive), folder], { limitMs: LIMIT_MS })
    rmSync(join(folder, archive))
  }
}

/** What would be installed here for these packages: they and all they need that this machine lacks. */
export async function missingFor(packages: readonly string[], otherwise: string): Promise<string[]> {
  await checkApt(otherwise)
  const simulate = () =>
    run('apt-get', ['install', '--simulate', '--no-install-recommends', ...packages], { limitMs: LIMIT_MS })
  let plan: string
  try {
    plan = await simulate()
  } catch {
    await run('apt-get', ['update', '-qq'], { limitMs: LIMIT_MS })
    plan = await simulate()
  }
  return [...plan.matchAll(/^Inst (\S+)/gm)].map((match) => match[1] ?? '')
}

async function checkApt(otherwise: string): Promise<void> {
  try {
    await run('apt-get', ['--version'], { limitMs: 20_000 })
  } catch {
    throw new Error(otherwise)
  }
}
