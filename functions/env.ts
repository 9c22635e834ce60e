import { exports } from 'cloudflare:workers'
import { systemClock } from '../shared/clock.ts'
import type { ClusterPort } from '../shared/cluster/port.ts'
import { operation, reservation, reservations } from '../shared/command/find.ts'
import { deleteOwner, putOwner } from '../shared/command/owners.ts'
import { deletePool, putPool } from '../shared/command/pools.ts'
import type { CommandPorts } from '../shared/command/ports.ts'
import { release } from '../shared/command/release.ts'
import { reserve } from '../shared/command/reserve.ts'
import { deleteSubnet, putSubnet, subnet, subnets, suggest } from '../shared/command/subnets.ts'
import { validate } from '../shared/command/validate.ts'
import { consoleLog, type Log } from '../shared/log.ts'
import { problem } from '../shared/problem.ts'
import { systemRandom } from '../shared/random.ts'
import { err } from '../shared/result.ts'
import type { Berth, PartStatus } from './berth.ts'
import type { Cluster } from './objects/cluster.ts'
import { clusterClient } from './objects/cluster-client.ts'
import { subnetClient } from './objects/subnet-client.ts'
import { type Settings, settingsOf, type Variables } from './settings.ts'

/** Bindings and variables (settings.ts). */
export interface Env extends Variables {
  readonly ASSETS?: Fetcher
}

/** The one cluster there is so far. */
const CLUSTER_NAME = 'default'

interface Namespaces {
  readonly Subnet: DurableObjectNamespace
  readonly Cluster: DurableObjectNamespace<Cluster>
}

/** The Worker's own Durable Objects; the runtime offers them by class name. */
const namespaces = (): Namespaces => exports as unknown as Namespaces

/** What a Subnet object's alarm needs to finish an operation by itself. */
export function objectPorts(env: Env): {
  readonly settings: Settings
  readonly cluster: ClusterPort
  readonly log: Log
} {
  return {
    settings: settingsOf(env),
    cluster: clusterClient(namespaces().Cluster, CLUSTER_NAME),
    log: consoleLog,
  }
}

/** The composition root: variables and bindings in, everything a door may ask for out. */
export function berthOf(env: Env): Berth {
  const settings = settingsOf(env)
  const { Subnet, Cluster } = namespaces()
  const ports: CommandPorts = {
    clusterName: CLUSTER_NAME,
    cluster: clusterClient(Cluster, CLUSTER_NAME),
    ledger: (name) => subnetClient(Subnet, `${CLUSTER_NAME}/${name}`),
    clock: systemClock,
    random: systemRandom,
    log: consoleLog,
    settings: { waitMs: settings.waitMs, authority: settings.authority, ovn: false },
  }
  return {
    reserve: (command) => reserve(ports, command),
    validate: (command) => validate(ports, command),
    release: (command) => release(ports, command),
    reservation: (name, subnetName) => reservation(ports, name, subnetName),
    reservations: (filter, page) => reservations(ports, filter, page),
    operation: (id) => operation(ports, id),
    subnets: () => subnets(ports),
    subnet: (name) => subnet(ports, name),
    putSubnet: (manifest, context) => putSubnet(ports, manifest, context.dryRun),
    deleteSubnet: (name, context) => deleteSubnet(ports, name, context.dryRun),
    suggest: (name, wish) => suggest(ports, name, wish),
    putOwner: (manifest) => putOwner(ports, manifest),
    deleteOwner: (ref) => deleteOwner(ports, ref),
    putPool: (manifest) => putPool(ports, manifest),
    deletePool: (name) => deletePool(ports, name),
    ready: () => readiness(ports),
  }
}

async function readiness(ports: CommandPorts): Promise<PartStatus[]> {
  const listed = await subnets(ports).catch((error: unknown) =>
    err(problem('unavailable', error instanceof Error ? error.message : 'the ledger does not answer')),
  )
  const detail = listed.ok ? '' : listed.error.detail
  return [
    { part: 'ledger', ready: listed.ok, detail: listed.ok ? `${listed.value.length} Subnets` : detail },
    { part: 'cluster', ready: listed.ok, detail: listed.ok ? 'embedded' : detail },
    { part: 'ovn', ready: true, detail: 'none: logical switch ports are not looked after' },
    { part: 'authority', ready: true, detail: ports.settings.authority },
    { part: 'webhooks', ready: true, detail: 'none' },
  ]
}
