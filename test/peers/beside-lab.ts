import { until } from '../../infra/dev/wait.ts'
import type { RunningApiServer } from '../../infra/peers/apiserver.ts'
import { systemClock } from '../../shared/clock.ts'
import { kubernetesPort } from '../../shared/cluster/kubernetes/port.ts'
import type { ClusterPort, KubeObject } from '../../shared/cluster/port.ts'
import type { IpSpec } from '../../shared/kube-ovn/ip-object.ts'
import { systemRandom } from '../../shared/random.ts'
import { KubeOvnController } from '../support/controller/controller.ts'
import { MemoryNorth } from '../support/controller/north.ts'
import { SUBNETS } from './berth.ts'

export const WINDOW = '10.16.4.0..10.16.7.255'

/** The account the model controller works as. */
export const CONTROLLER_USER = 'system:serviceaccount:kube-system:ovn'

/** The model controller on a real API server, under the account that Kube-OVN gives the real one. */
export class ControllerOnCluster {
  readonly controller: KubeOvnController
  readonly north = new MemoryNorth()
  /** The cluster as its administrator has it. */
  readonly admin: ClusterPort
  /** What the controller logs as an error. */
  readonly log: string[] = []
  /** Sweeps the controller began. */
  readonly begun: string[] = []

  constructor(api: RunningApiServer) {
    const port = (headers: Readonly<Record<string, string>>) =>
      kubernetesPort({
        http: {
          fetch: (request) => {
            for (const [name, value] of Object.entries(headers)) request.headers.set(name, value)
            return api.http.fetch(request)
          },
        },
        url: api.url,
        token: () => api.tokens.admin,
        clock: systemClock,
      })
    this.admin = port({})
    this.controller = new KubeOvnController({
      cluster: port({ 'impersonate-user': CONTROLLER_USER, 'impersonate-group': 'system:masters' }),
      north: this.north,
      clock: systemClock,
      random: systemRandom,
      config: { nodeWaitMs: 100, lease: true },
      log: (event, why) => this.log.push(`${event}: ${why}`),
      turns: {
        next: async (step) => {
          if (step.step === 'sweep') this.begun.push(step.what)
        },
      },
    })
  }

  /** A process of the controller that has begun the last of what it does at its start. */
  async restart(): Promise<void> {
    const collections = () => this.begun.filter((what) => what === 'ips').length
    const before = collections()
    this.controller.restart()
    await until('the controller has started', 30_000, () => (collections() > before ? true : undefined))
  }

  async ips(): Promise<readonly KubeObject<IpSpec>[]> {
    const listed = await this.admin.list('IP')
    if (!listed.ok) throw new Error(listed.error.message)
    return listed.value.items as KubeObject<IpSpec>[]
  }

  /** Subnet ovn-default of the seed's cluster, with these excluded besides. */
  async subnet(apply: (object: unknown) => Promise<void>, ...excluded: readonly string[]): Promise<void> {
    const spec = { ...SUBNETS['ovn-default'], excludeIps: ['10.16.0.1', ...excluded] }
    await apply({ apiVersion: 'kubeovn.io/v1', kind: 'Subnet', metadata: { name: 'ovn-default' }, spec })
  }

  async pod(name: string): Promise<void> {
    const spec = { containers: [{ name: 'main', image: 'none' }] }
    const metadata = { name, namespace: 'default' }
    const [reply] = await this.admin.send([
      { verb: 'create', object: { apiVersion: 'v1', kind: 'Pod', metadata, spec } },
    ])
    if (!reply?.ok) throw new Error(reply?.error.message)
  }

  /** Address and MAC that the controller gave a Pod; undefined while it has given none. */
  async given(name: string): Promise<{ readonly ip: string; readonly mac: string } | undefined> {
    const [reply] = await this.admin.send([{ verb: 'get', ref: { kind: 'Pod', namespace: 'default', name } }])
    const annotations = reply?.ok ? (reply.value.metadata.annotations ?? {}) : {}
    if (annotations['ovn.kubernetes.io/allocated'] !== 'true') return undefined
    return {
      ip: annotations['ovn.kubernetes.io/ip_address'] ?? '',
      mac: annotations['ovn.kubernetes.io/mac_address'] ?? '',
    }
  }
}
