import { exports } from 'cloudflare:workers'
import type { Cluster } from '../../functions/objects/cluster.ts'
import { clusterClient } from '../../functions/objects/cluster-client.ts'
import type { Subnet } from '../../functions/objects/subnet.ts'
import { subnetClient } from '../../functions/objects/subnet-client.ts'
import { systemClock } from '../../shared/clock.ts'
import type { ClusterPort } from '../../shared/cluster/port.ts'
import type { CommandPorts } from '../../shared/command/ports.ts'
import type { ReserveItem } from '../../shared/command/types.ts'
import type { LedgerPort } from '../../shared/ledger/port.ts'
import { silentLog } from '../../shared/log.ts'
import { noOvn } from '../../shared/ovn/none.ts'
import { systemRandom } from '../../shared/random.ts'

const namespaces = exports as unknown as {
  Subnet: DurableObjectNamespace<Subnet>
  Cluster: DurableObjectNamespace<Cluster>
}

/** The production ports, with `between` run before each call to the ledger or the cluster, and after each reply. */
export function portsWith(between: () => Promise<void>): CommandPorts {
  const watched = <T extends object>(port: T): T =>
    new Proxy(port, {
      get:
        (target, verb) =>
        async (...parameters: unknown[]) => {
          await between()
          const call = Reflect.get(target, verb) as (...parameters: unknown[]) => Promise<unknown>
          const reply = await call.apply(target, parameters)
          await between()
          return reply
        },
    })
  return {
    ovn: noOvn,
    clusterName: 'default',
    cluster: watched<ClusterPort>(clusterClient(namespaces.Cluster, 'default')),
    ledger: (name) => watched<LedgerPort>(subnetClient(namespaces.Subnet, `default/${name}`)),
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    settings: { waitMs: 5_000, authority: 'alone', ovn: false, keepVmIp: true, account: 'berth' },
    background: () => {},
  }
}

/** What every write brings along, under a key of its own. */
export const context = (key: string) => ({
  tenant: 'anonymous',
  requestId: 'test',
  dryRun: false,
  idempotencyKey: key,
  bodyHash: key,
})

/** Object names are unique in the cluster, so each Subnet has a namespace of its own. */
export const wishOf = (subnet: string, podName: string): ReserveItem => ({
  subnet,
  namespace: subnet,
  podName,
  podType: '',
})

/** Runs `at` for gap after gap until one does not exist; returns how many there were. */
export async function eachGap(at: (n: number) => Promise<boolean>): Promise<number> {
  for (let n = 0; n < 60; n++) if (!(await at(n))) return n
  throw new Error('no end of gaps')
}
