import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { RunningApiServer } from './apiserver.ts'
import { run } from './run.ts'

const FOLDER = join(dirname(fileURLToPath(import.meta.url)), 'crds')
const LIMIT_MS = 60_000

/** Installs Kube-OVN's and KubeVirt's definitions with kubectl; resolves when the API server serves them all. */
export async function installCrds(api: Pick<RunningApiServer, 'kubectl' | 'kubeconfig'>): Promise<void> {
  const kubectl = (...args: readonly string[]) =>
    run(api.kubectl, [`--kubeconfig=${api.kubeconfig}`, ...args], { limitMs: LIMIT_MS })
  await kubectl('apply', '-f', FOLDER)
  await kubectl('wait', '--for=condition=Established', '--timeout=30s', '-f', FOLDER)
}
