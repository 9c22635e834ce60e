import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RunningApiServer, startApiServer } from '../../infra/peers/apiserver.ts'
import { installCrds } from '../../infra/peers/crds.ts'
import { run } from '../../infra/peers/run.ts'
import { systemClock } from '../../shared/clock.ts'
import { kubernetesPort } from '../../shared/cluster/kubernetes/port.ts'
import { KINDS, type Kind, type KubeObject } from '../../shared/cluster/port.ts'
import { LABEL_RESERVED } from '../../shared/kube-ovn/names.ts'
import { systemRandom } from '../../shared/random.ts'
import { KubeOvnController } from '../support/controller/controller.ts'
import { MemoryNorth } from '../support/controller/north.ts'
import { Labels, type Plain, plain, unify, wanted } from '../support/controller/replay/compare.ts'
import { endState } from '../support/controller/replay/end-state.ts'
import { load, type RecordedStep, type Recording } from '../support/controller/replay/recording.ts'

/**
 * Recordings in which the order of the controller's writes to IP objects and Pods does not hang on a few milliseconds.
 * Here the server is real and so is the time: the server's own rules on finalizers, preconditions, graceful deletion
 * and admission policies are not modelled.
 */
const SAMPLE = [
  'R1-seeds',
  'R2-restart-absent-owners',
  'R3-restart-deny-policy',
  'R5-two-static-one-address',
  'R7-excluded-window',
  'D10-mac',
  'D19-finalizer-at-creation',
  'DS-dual-stack',
  'N2-control-release-one-of-two',
  'N3-own-finalizer',
  'P1-pod-uses-dynamic',
  'P8-pod-first-then-label',
  'P16-graceful-pod-deletion',
  'STS-graceful-set-lives',
  'VM1-stop-start-delete',
] as const

describe('the model controller on a real API server', () => {
  let api: RunningApiServer

  beforeAll(async () => {
    api = await startApiServer()
    await installCrds(api)
    const binding = ['clusterrolebinding', 'controller', '--clusterrole=cluster-admin', '--user=berth']
    await run(api.kubectl, [`--kubeconfig=${api.kubeconfig}`, 'create', ...binding], { limitMs: 30_000 })
  })
  afterAll(() => api?.stop())

  test.each(SAMPLE)('%s', async (name) => {
    const peer = new PeerRun(api, load(name))
    try {
      await peer.play()
    } finally {
      await peer.clear()
    }
  })
})

/** How long a write, or the end, may take in coming. */
const LIMIT_MS = 20_000
/** A gap between recorded steps in which the recorded controller had come to rest. */
const PAUSE_MS = 1_000

interface Sent {
  readonly code: number
  readonly body: KubeObject
}

/** A recording played on a real server: the user's requests as they were, the controller's writes awaited. */
class PeerRun {
  private readonly api: RunningApiServer
  private readonly recording: Recording
  private readonly north = new MemoryNorth()
  private readonly controller: KubeOvnController
  /** What the controller wrote to IP objects and Pods, by path; the same thing again at once counts once. */
  private readonly written = new Map<string, Plain[]>()
  private readonly awaited = new Map<string, Plain[]>()
  /** Sweeps that began. */
  private readonly begun = new Set<string>()
  private labels = new Labels()

  constructor(api: RunningApiServer, recording: Recording) {
    this.api = api
    this.recording = recording
    this.controller = new KubeOvnController({
      cluster: kubernetesPort({
        http: api.http,
        url: api.url,
        token: () => api.tokens.berth,
        clock: systemClock,
      }),
      north: this.north,
      clock: systemClock,
      random: systemRandom,
      turns: {
        next: async (step) => {
          if (step.step === 'sweep') this.begun.add(step.what)
        },
      },
      config: { nodeWaitMs: 300, gcIntervalMs: recording.given.controller.gc_interval_s * 1_000 },
      sent: (write) => note(this.written, plain(write)),
    })
  }

  async play(): Promise<void> {
    await this.prepare()
    let atMs = 0
    for (const step of this.recording.steps) {
      if (step.actor !== 'controller' && step.at_ms - atMs >= PAUSE_MS) await this.settled()
      atMs = step.at_ms
      if (step.actor === 'controller') await this.expect(step)
      else if (step.actor === 'user' && step.verb !== 'look') await this.request(step)
      else if (step.actor === 'restart' && step.verb === 'stop') this.controller.kill()
      else if (step.actor === 'restart' && step.verb === 'start') this.controller.start()
    }
    await expect.poll(() => this.difference(), { timeout: LIMIT_MS }).toBeUndefined()
    const counts = (all: ReadonlyMap<string, readonly Plain[]>) =>
      [...all].map(([path, writes]) => `${path} ${writes.length}`).sort()
    expect(counts(this.written)).toEqual(counts(this.awaited))
  }

  /** The Subnets as given, and a controller that has begun its work in them. */
  private async prepare(): Promise<void> {
    for (const [name, { spec, status, finalizers = [] }] of Object.entries(this.recording.given.subnets)) {
      const root = '/apis/kubeovn.io/v1/subnets'
      const metadata = { name, finalizers }
      const body = { apiVersion: 'kubeovn.io/v1', kind: 'Subnet', metadata, spec }
      expect((await this.send('POST', root, body)).code).toBe(201)
      await this.send('PATCH', `${root}/${name}/status`, { status }, 'application/merge-patch+json')
    }
    this.controller.start()
    // The collection at start comes last: what is made after it is not in its way.
    await expect.poll(() => this.begun.has('ips'), { timeout: LIMIT_MS }).toBe(true)
  }

  /** The object's next write is this one. */
  private async expect(step: RecordedStep): Promise<void> {
    const want = wanted(step)
    if (!isCompared(want.path) || !note(this.awaited, want)) return
    const at = this.awaited.get(want.path)!.length - 1
    await expect.poll(() => this.written.get(want.path)?.[at], { timeout: LIMIT_MS }).toBeDefined()
    const got = this.written.get(want.path)![at]
    const labels = unify(want, got, this.labels)
    if (labels === undefined) expect(got).toEqual(want)
    this.labels = labels!
  }

  /** Where the recording paused, the controller had done all that was to do. */
  private async settled(): Promise<void> {
    await expect.poll(() => this.controller.isSettled(), { timeout: LIMIT_MS }).toBe(true)
  }

  private async request(step: RecordedStep): Promise<void> {
    const { verb, path = '', body, contentType = 'application/json' } = step
    const method = { create: 'POST', patch: 'PATCH', delete: 'DELETE' }[verb]
    if (method === undefined) throw new Error(`${verb} is not in the sample`)
    const { code } = await this.send(method, path, await this.adapted(body), contentType)
    expect(`${verb} ${path} ${code}`).toBe(`${verb} ${path} ${step.code}`)
    if (path.endsWith('/validatingadmissionpolicybindings')) await this.policyInForce()
  }

  /** Uids of owners as they are here; policies against the account the controller has here. */
  private async adapted(body: unknown): Promise<unknown> {
    const text = JSON.stringify(body ?? null).replaceAll('system:serviceaccount:kube-system:ovn', 'berth')
    const object = JSON.parse(text) as KubeObject | null
    for (const owner of object?.metadata?.ownerReferences ?? []) {
      const { plural, namespaced } = KINDS[owner.kind as Kind]
      const scope = namespaced ? '/namespaces/default' : ''
      owner.uid =
        (await this.send('GET', `/apis/${owner.apiVersion}${scope}/${plural}/${owner.name}`)).body.metadata
          .uid ?? ''
    }
    return object
  }

  /** Policies take a moment: a reserved object is there that the controller's account may not delete. */
  private async policyInForce(): Promise<void> {
    const root = '/apis/kubeovn.io/v1/ips'
    const metadata = { name: 'probe.policy', labels: { [LABEL_RESERVED]: 'true' } }
    await this.send('POST', root, { apiVersion: 'kubeovn.io/v1', kind: 'IP', metadata, spec: {} })
    const path = `${root}/${metadata.name}`
    const asController = async () =>
      (await this.send('DELETE', `${path}?dryRun=All`, null, 'application/json', this.api.tokens.berth)).code
    await expect.poll(asController, { timeout: LIMIT_MS }).toBe(422)
    await this.send('DELETE', path)
  }

  private async difference(): Promise<string | undefined> {
    const ips = await this.list('/apis/kubeovn.io/v1/ips')
    const pods = await this.list('/api/v1/namespaces/default/pods')
    const subnets = await this.list('/apis/kubeovn.io/v1/subnets')
    for (const { metadata, status } of subnets) {
      const want = this.recording.subnet_after[metadata.name]?.status
      for (const key of ['v4usingIPs', 'v4availableIPs', 'v6usingIPs', 'v6availableIPs']) {
        const got = (status as Record<string, unknown>)[key]
        if (got !== want?.[key]) return `${metadata.name}: ${key} is ${got}, not ${want?.[key]}`
      }
    }
    return endState(this.recording, { ips, pods }, this.north, this.labels)
  }

  private async list(path: string): Promise<KubeObject[]> {
    const { body } = await this.send('GET', path)
    return (body as unknown as { items: KubeObject[] }).items
  }

  private async send(
    method: string,
    path: string,
    body: unknown = null,
    contentType = 'application/json',
    token = this.api.tokens.admin,
  ): Promise<Sent> {
    const headers = { authorization: `Bearer ${token}`, 'content-type': contentType }
    const content = body === null ? {} : { body: JSON.stringify(body) }
    const reply = await this.api.http.fetch(new Request(this.api.url + path, { method, headers, ...content }))
    return { code: reply.status, body: (await reply.json()) as KubeObject }
  }

  /** Nothing of this recording is left for the next. */
  async clear(): Promise<void> {
    this.controller.kill()
    const namespace = '/namespaces/default'
    for (const root of [
      `/api/v1${namespace}/pods`,
      '/apis/kubeovn.io/v1/ips',
      '/apis/kubeovn.io/v1/subnets',
      `/apis/apps/v1${namespace}/statefulsets`,
      `/apis/kubevirt.io/v1${namespace}/virtualmachineinstances`,
      `/apis/kubevirt.io/v1${namespace}/virtualmachines`,
      '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings',
      '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies',
    ]) {
      for (const { metadata } of await this.list(root)) {
        const path = `${root}/${metadata.name}`
        if (metadata.finalizers?.length)
          await this.send('PATCH', path, { metadata: { finalizers: null } }, 'application/merge-patch+json')
        await this.send('DELETE', `${path}?gracePeriodSeconds=0`)
      }
      await expect.poll(async () => (await this.list(root)).length, { timeout: LIMIT_MS }).toBe(0)
    }
  }
}

/** IP objects and Pods; a Subnet's counters depend on who counts first. */
const isCompared = (path: string) => /\/(ips|pods)(\/|$)/.test(path)

/** Takes a write in under its path. @returns whether it is not merely the last one again */
function note(all: Map<string, Plain[]>, write: Plain): boolean {
  if (!isCompared(write.path)) return false
  const before = all.get(write.path) ?? []
  if (JSON.stringify(before.at(-1)) === JSON.stringify(write)) return false
  all.set(write.path, [...before, write])
  return true
}
