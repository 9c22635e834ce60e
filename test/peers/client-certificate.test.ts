import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RunningWorkerd, startWorkerd } from '../../infra/dev/workerd.ts'
import { type RunningApiServer, startApiServer } from '../../infra/peers/apiserver.ts'
import { certify, makeAuthority } from '../../infra/peers/certificates.ts'
import { installCrds } from '../../infra/peers/crds.ts'
import { run } from '../../infra/peers/run.ts'

/** docs/kubernetes.md "The API server proves itself", the second way: no secret anywhere. */
describe('an API server that shows its client certificate', () => {
  const folder = mkdtempSync(join(tmpdir(), 'berth-client-'))
  const inFolder = (...names: string[]) => join(folder, ...names)
  let api: RunningApiServer
  let berth: RunningWorkerd

  beforeAll(async () => {
    for (const name of ['serving', 'api-server']) mkdirSync(inFolder(name))
    const serving = await makeAuthority(inFolder('serving'))
    const names = 'IP:127.0.0.1'
    await certify(inFolder('serving'), serving, {
      name: 'tls',
      commonName: 'berth',
      usage: 'serverAuth',
      names,
    })
    const authority = await makeAuthority(inFolder('api-server'))
    const client = await certify(inFolder('api-server'), authority, {
      name: 'client',
      commonName: 'api-server',
      usage: 'clientAuth',
    })
    berth = await startWorkerd({
      port: 0,
      dataDir: inFolder('data'),
      tls: { folder: inFolder('serving'), apiServerCa: authority.certificate },
    })
    const kubeConfigFile = inFolder('webhooks.kubeconfig')
    const user = { 'client-certificate': client.certificate, 'client-key': client.key }
    writeFileSync(
      kubeConfigFile,
      JSON.stringify({ apiVersion: 'v1', kind: 'Config', users: [{ name: '*', user }] }),
    )
    const configuration = {
      apiVersion: 'apiserver.config.k8s.io/v1',
      kind: 'WebhookAdmissionConfiguration',
      kubeConfigFile,
    }
    const control = inFolder('admission.json')
    writeFileSync(
      control,
      JSON.stringify({
        apiVersion: 'apiserver.config.k8s.io/v1',
        kind: 'AdmissionConfiguration',
        plugins: ['MutatingAdmissionWebhook', 'ValidatingAdmissionWebhook'].map((name) => ({
          name,
          configuration,
        })),
      }),
    )
    api = await startApiServer({ args: [`--admission-control-config-file=${control}`] })
    await installCrds(api)
    await apply(webhook('berth', `https://127.0.0.1:${berth.ports['api-server']}/admission/mutate/ip`))
  })
  afterAll(async () => {
    await api?.stop()
    await berth?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const kubectl = (...args: readonly string[]) =>
    run(api.kubectl, [`--kubeconfig=${api.kubeconfig}`, ...args], { limitMs: 30_000 })
  async function apply(object: object): Promise<void> {
    const file = inFolder('object.json')
    writeFileSync(file, JSON.stringify(object))
    await kubectl('apply', '-f', file)
  }
  const webhook = (name: string, url: string) => ({
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name },
    webhooks: [
      {
        name: 'ips.mutate.berth.svc',
        admissionReviewVersions: ['v1'],
        sideEffects: 'NoneOnDryRun',
        timeoutSeconds: 3,
        clientConfig: { url, caBundle: readFileSync(inFolder('serving', 'ca.crt')).toString('base64') },
        rules: [
          { apiGroups: ['kubeovn.io'], apiVersions: ['v1'], resources: ['ips'], operations: ['CREATE'] },
        ],
      },
    ],
  })
  const ip = (podName: string) => ({
    apiVersion: 'kubeovn.io/v1',
    kind: 'IP',
    metadata: { name: `${podName}.default` },
    spec: { subnet: 'ovn-default', podType: '', namespace: 'default', podName },
  })

  test('is let in without a secret', async () => {
    // A new webhook takes effect in the API server's own time.
    let count = 0
    await expect
      .poll(
        async () => {
          const podName = `pod-${++count}`
          await apply(ip(podName))
          return kubectl('get', 'ips', `${podName}.default`, '-o', 'jsonpath={.spec.ipAddress}')
        },
        { timeout: 20_000 },
      )
      .toMatch(/^10\.16\./)
  })

  test('and the other socket asks for a secret, certificate or not', async () => {
    await apply(webhook('berth', `https://127.0.0.1:${berth.ports.https}/admission/mutate/ip`))
    let count = 0
    await expect
      .poll(() => apply(ip(`late-${++count}`)).catch((error: Error) => error.message), { timeout: 20_000 })
      .toMatch(/failed calling webhook/)
  })
})
