import { exports } from 'cloudflare:workers'
import { systemClock } from '../shared/clock.ts'
import type { ClusterPort } from '../shared/cluster/port.ts'
import { operation, reservation, reservations } from '../shared/command/find.ts'
import { deleteOwner, putOwner } from '../shared/command/owners.ts'
import type { CommandPorts } from '../shared/command/ports.ts'
import { release } from '../shared/command/release.ts'
import { reserve } from '../shared/command/reserve.ts'
import { deleteSubnet, putSubnet, subnet, subnets, suggest } from '../shared/command/subnets.ts'
import { validate } from '../shared/command/validate.ts'
import { DEFAULT_SETTINGS, type LedgerSettings } from '../shared/ledger/settings.ts'
import { consoleLog, type Log } from '../shared/log.ts'
import { problem } from '../shared/problem.ts'
import { systemRandom } from '../shared/random.ts'
import { err } from '../shared/result.ts'
import type { Berth, PartStatus } from './berth.ts'
import type { AccessMode } from './middleware/access.ts'
import type { Cluster } from './objects/cluster.ts'
import { clusterClient } from './objects/cluster-client.ts'
import { subnetClient } from './objects/subnet-client.ts'

/** A variable: text, or null where a self-hosted runtime passes on one that is not set. */
type Variable = string | null | undefined

/** Variables (contract.md "Variables"). */
export interface Env {
  readonly ASSETS?: Fetcher
  readonly CLUSTER?: Variable
  readonly AUTHORITY?: Variable
  readonly OVN_NB?: Variable
  readonly WAIT_MS?: Variable
  readonly ACK_MS?: Variable
  readonly STRAGGLER_MS?: Variable
  readonly QUARANTINE_MS?: Variable
  readonly ACCESS?: Variable
}

/** The one cluster there is so far. */
const CLUSTER_NAME = 'default'

interface Namespaces {
  readonly Subnet: DurableObjectNamespace
  readonly Cluster: DurableObjectNamespace<Cluster>
}

/** The Worker's own Durable Objects; the runtime offers them by class name. */
const namespaces = (): Namespaces => exports as unknown as Namespaces

interface Settings {
  readonly ledger: LedgerSettings
  readonly waitMs: number
  readonly authority: 'alone' | 'beside'
}

/** Reads the variables. A value that makes no sense is an error, never a silent default. */
export function settingsOf(env: Env): Settings {
  const cluster = env.CLUSTER || 'embedded'
  if (cluster !== 'embedded') throw new Error(`CLUSTER=${cluster} is not available in this version`)
  const authority = env.AUTHORITY || 'auto'
  if (authority !== 'auto' && authority !== 'alone') {
    throw new Error(`AUTHORITY=${authority} is not available on the embedded cluster`)
  }
  if ((env.OVN_NB || 'none') !== 'none') throw new Error('OVN_NB is not available in this version')
  return {
    ledger: {
      ...DEFAULT_SETTINGS,
      ackMs: milliseconds(env, 'ACK_MS', DEFAULT_SETTINGS.ackMs),
      stragglerMs: milliseconds(env, 'STRAGGLER_MS', DEFAULT_SETTINGS.stragglerMs),
      quarantineMs: milliseconds(env, 'QUARANTINE_MS', 0),
    },
    waitMs: milliseconds(env, 'WAIT_MS', 5_000),
    authority: 'alone',
  }
}

/** Who may call without saying who they are; anything that is not understood closes the door. */
export function accessOf(env: Env): AccessMode {
  return (env.ACCESS || 'loopback-anonymous') === 'loopback-anonymous' ? 'loopback-anonymous' : 'required'
}

function milliseconds(
  env: Env,
  name: 'ACK_MS' | 'STRAGGLER_MS' | 'QUARANTINE_MS' | 'WAIT_MS',
  otherwise: number,
): number {
  const text = env[name]
  if (text === undefined || text === null || text === '') return otherwise
  if (!/^\d{1,12}$/.test(text)) throw new Error(`${name} must be a whole number of ms`)
  return Number(text)
}

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
