import { copyFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { unpackDebian } from './debian-package.ts'

const ADVICE =
  'No etcd and no apt-get to bring it. Install etcd so that it is on PATH, or set KUBEBUILDER_ASSETS to a folder with kube-apiserver, etcd and kubectl.'

/** Takes etcd out of Debian's package into `folder`. Throws with advice where there is no apt. */
export async function unpackEtcd(folder: string): Promise<void> {
  await unpackDebian(['etcd-server'], folder, ADVICE)
  copyFileSync(join(folder, 'usr/bin/etcd'), join(folder, 'etcd'))
  for (const part of ['usr', 'etc', 'lib', 'var'])
    rmSync(join(folder, part), { recursive: true, force: true })
}
