import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RunningApiServer, startApiServer } from '../../infra/peers/apiserver.ts'
import { run } from '../../infra/peers/run.ts'
import { kustomize, makeInstallation } from '../support/manifests.ts'

/** cert-manager's kinds, as far as an API server must know them to take a manifest. */
const CERT_MANAGER = ['Issuer', 'Certificate'].map((kind) => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${kind.toLowerCase()}s.cert-manager.io` },
  spec: {
    group: 'cert-manager.io',
    scope: 'Namespaced',
    names: { kind, plural: `${kind.toLowerCase()}s`, singular: kind.toLowerCase() },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
}))

describe('infra/kubernetes on a real API server', () => {
  let api: RunningApiServer
  let folder: string
  let installation: string

  beforeAll(async () => {
    api = await startApiServer()
    folder = mkdtempSync(join(tmpdir(), 'berth-manifests-'))
    installation = await makeInstallation(folder)
    // A dry run keeps no namespace for the objects in it.
    await kubectl('apply', '-f', join(installation, 'base/namespace.yaml'))
    const file = join(folder, 'cert-manager.json')
    writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: CERT_MANAGER }))
    await kubectl('apply', '-f', file)
    await kubectl('wait', '--for=condition=Established', '--timeout=30s', '-f', file)
  })
  afterAll(async () => {
    await api?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const kubectl = (...args: readonly string[]) =>
    run(api.kubectl, [`--kubeconfig=${api.kubeconfig}`, ...args], { limitMs: 60_000 })

  /** The overlay, with its certificate from where it is told. */
  function overlay(name: string, certificate: string): string {
    const path = join(installation, 'overlays', name)
    const file = join(path, 'kustomization.yaml')
    const text = readFileSync(file, 'utf8').replace(
      /components\/(given-certificate|cert-manager)$/m,
      `components/${certificate}`,
    )
    writeFileSync(file, text)
    return path
  }

  test.each([
    ['alone', 'given-certificate'],
    ['beside', 'given-certificate'],
    ['alone', 'cert-manager'],
    ['beside', 'cert-manager'],
  ])('%s with %s passes a dry run, without a warning', async (name, certificate) => {
    const path = overlay(name, certificate)
    const output = await kubectl('apply', '--dry-run=server', '--warnings-as-errors', '-k', path)
    const kinds = output.split('\n').map((line) => line.split(/[./]/)[0])
    for (const kind of [
      'deployment',
      'service',
      'serviceaccount',
      'poddisruptionbudget',
      'networkpolicy',
      'persistentvolumeclaim',
      'validatingadmissionpolicy',
      'validatingadmissionpolicybinding',
      'mutatingwebhookconfiguration',
      'validatingwebhookconfiguration',
      'clusterrole',
      'clusterrolebinding',
    ])
      expect(kinds, output).toContain(kind)
    const objects = await kustomize(api.kubectl, path)
    const deployment = objects.find(({ kind }) => kind === 'Deployment')
    expect(JSON.stringify(deployment)).toContain(`{"name":"AUTHORITY","value":"${name}"}`)
  })

  test('no path of a webhook is left without the secret, and no webhook without an authority', async () => {
    const objects = await kustomize(api.kubectl, overlay('alone', 'given-certificate'))
    const hooks = objects.filter(({ kind }) => kind.endsWith('WebhookConfiguration'))
    const secret = objects.find(({ metadata }) => metadata.name === 'berth-admission') as unknown as {
      stringData: { secret: string }
    }
    const clients = hooks.flatMap((hook) =>
      (
        hook as unknown as { webhooks: { clientConfig: { caBundle: string; service: { path: string } } }[] }
      ).webhooks.map(({ clientConfig }) => clientConfig),
    )
    expect(clients).toHaveLength(6)
    for (const { caBundle, service } of clients) {
      expect(service.path).toMatch(
        new RegExp(`^/admission/${secret.stringData.secret}/(mutate|validate)/(ip|pod)$`),
      )
      expect(atob(caBundle.replaceAll('\n', ''))).toContain('BEGIN CERTIFICATE')
    }
  })
})
