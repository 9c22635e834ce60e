import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { RunningApiServer } from './apiserver.ts'
import { run } from './run.ts'

const FOLDER = join(dirname(fileURLToPath(import.meta.url)), 'crds')
const LIMIT_MS = 60_000

/** What a freshly established kind is asked to take in a dry run. */
const PROBE = { apiVersion: 'kubeovn.io/v1', kind: 'IP', metadata: { name: 'probe' } }

/**
 * Installs Kube-OVN's and KubeVirt's definitions with kubectl; resolves when the API server serves them all. It lets
 * creates of a kind younger than two seconds sleep [k8s.io/apiextensions-apiserver customresource_handler.go]; that is
 * over when this returns, so that nobody takes it for a slow server.
 */
export async function installCrds(api: Pick<RunningApiServer, 'kubectl' | 'kubeconfig'>): Promise<void> {
  const kubectl = (...args: readonly string[]) =>
    run(api.kubectl, [`--kubeconfig=${api.kubeconfig}`, ...args], { limitMs: LIMIT_MS })
  await kubectl('apply', '-f', FOLDER)
  await kubectl('wait', '--for=condition=Established', '--timeout=30s', '-f', FOLDER)
  const folder = mkdtempSync(join(tmpdir(), 'berth-probe-'))
  try {
    const file = join(folder, 'probe.json')
    writeFileSync(file, JSON.stringify(PROBE))
    await kubectl('create', '--dry-run=server', '-f', file)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
