import { copyFileSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './run.ts'

const PACKAGE = 'etcd-server'
const LIMIT_MS = 120_000

/**
 * Takes etcd out of Debian's package into `folder`, without installing it: no service is started, and downloading needs
 * no rights. Throws with advice where there is no apt.
 */
export async function unpackEtcd(folder: string): Promise<void> {
  await checkApt()
  const download = () => run('apt-get', ['download', PACKAGE], { cwd: folder, limitMs: LIMIT_MS })
  try {
    await download()
  } catch {
    // A fresh machine has no package lists yet.
    await run('apt-get', ['update', '-qq'], { limitMs: LIMIT_MS })
    await download()
  }
  const archive = readdirSync(folder).find((name) => name.endsWith('.deb'))
  if (!archive) throw new Error(`apt-get download ${PACKAGE} left no package`)
  const tree = join(folder, 'tree')
  await run('dpkg-deb', ['-x', join(folder, archive), tree], { limitMs: LIMIT_MS })
  copyFileSync(join(tree, 'usr/bin/etcd'), join(folder, 'etcd'))
  rmSync(tree, { recursive: true })
  rmSync(join(folder, archive))
}

async function checkApt(): Promise<void> {
  try {
    await run('apt-get', ['--version'], { limitMs: 20_000 })
  } catch {
    throw new Error(
      `No etcd and no apt-get to bring it. Install etcd so that it is on PATH, or set KUBEBUILDER_ASSETS to a folder with kube-apiserver, etcd and kubectl.`,
    )
  }
}
