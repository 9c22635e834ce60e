import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { run } from '../../infra/peers/run.ts'
import type { KubeObject } from '../../shared/cluster/port.ts'

const MANIFESTS = join(import.meta.dirname, '../../infra/kubernetes')

/** A copy of infra/kubernetes with an installation's own secret and certificate in it. @returns its folder */
export async function makeInstallation(folder: string, names = ''): Promise<string> {
  const copy = join(folder, 'kubernetes')
  cpSync(MANIFESTS, copy, { recursive: true })
  await run(join(copy, 'secrets.sh'), [], { limitMs: 30_000, env: { SECRETS_NAMES: names } })
  return copy
}

/** The objects of a kustomization. */
export async function kustomize(kubectl: string, folder: string): Promise<KubeObject[]> {
  const text = await run(kubectl, ['kustomize', folder], { limitMs: 30_000 })
  return parseAllDocuments(text).map((document) => document.toJS() as KubeObject)
}
