import { exports, waitUntil } from 'cloudflare:workers'
import { systemClock } from '../shared/clock.ts'
import { Authority } from '../shared/cluster/authority.ts'
import type { ClusterPort } from '../shared/cluster/port.ts'
import { Protection } from '../shared/cluster/protection.ts'
import { adopt } from '../shared/command/adopt.ts'
import { audit } from '../shared/command/audit.ts'
import { zone } from '../shared/command/dns/zone.ts'
import { operation, reservation, reservations } from '../shared/command/find.ts'
import type { MirrorPorts } from '../shared/command/mirror/mirror.ts'
import { once } from '../shared/command/once.ts'
import { deleteOwner, putOwner } from '../shared/command/owners.ts'
import { deletePool, putPool } from '../shared/command/pools.ts'
import type { CommandPorts } from '../shared/command/ports.ts'
import { release } from '../shared/command/release.ts'
import { renew } from '../shared/command/renew.ts'
import { repair } from '../shared/command/repair/repair.ts'
import { reserve } from '../shared/command/reserve.ts'
import type { SharedSpaces } from '../shared/command/spaces.ts'
import { mayHaveLedger, spared } from '../shared/command/spared.ts'
import { subnets } from '../shared/command/subnet-list.ts'
import { deleteSubnet, putSubnet, subnet, suggest } from '../shared/command/subnets.ts'
import { transfer } from '../shared/command/transfer.ts'
import type { WriteContext } from '../shared/command/types.ts'
import { validate } from '../shared/command/validate.ts'
import { widenWindow } from '../shared/command/window.ts'
import type { Mode } from '../shared/ledger/port.ts'
import { consoleLog, type Log } from '../shared/log.ts'
import { noOvn, unreadableOvn } from '../shared/ovn/none.ts'
import { Northbound } from '../shared/ovn/northbound.ts'
import { parseRemotes } from '../shared/ovn/ovsdb/remotes.ts'
import { workerdTcp } from '../shared/ovn/ovsdb/sockets.ts'
import type { OvnLister, OvnPort } from '../shared/ovn/port.ts'
import { type Problem, problem } from '../shared/problem.ts'
import { systemRandom } from '../shared/random.ts'
import { err, ok, type Result } from '../shared/result.ts'
import type { Callers } from './access/callers.ts'
import { callersOver } from './access/identify.ts'
import { Oidc } from './access/oidc.ts'
import { type AccessVariables, accessSettingsOf } from './access/settings.ts'
import { judges } from './admission/judges.ts'
import type { Berth } from './berth.ts'
import { type ChatVariables, chatSettingsOf } from './chatops/settings.ts'
import {
  type ClusterVariables,
  clusterNames,
  DEFAULT_CLUSTER,
  sharedSpaceOf,
  variablesOf,
} from './clusters.ts'
import type { EventBox } from './events/box.ts'
import type { OutwardBindings } from './events/outward.ts'
import { type EventSettings, type EventVariables, eventSettingsOf } from './events/settings.ts'
import { type GitVariables, gitSettingsOf } from './gitops/settings.ts'
import type { HookPorts } from './hooks/ports.ts'
import { misread } from './misread.ts'
import type { Access } from './objects/access.ts'
import type { Cluster } from './objects/cluster.ts'
import {
  answersClient,
  clusterClient,
  type MirrorClient,
  mirrorClient,
  serialsClient,
} from './objects/cluster-client.ts'
import type { Events } from './objects/events.ts'
import { eventBox } from './objects/events-client.ts'
import type { Hook } from './objects/hook.ts'
import { hookBox } from './objects/hook-client.ts'
import { type KubernetesBindings, kubernetesClient, reviewsClient } from './objects/kubernetes-client.ts'
import { ovnClient } from './objects/ovn-client.ts'
import type { SharedSpace } from './objects/shared-space.ts'
import { sharedSpaceClient } from './objects/shared-space-client.ts'
import { subnetClient } from './objects/subnet-client.ts'
import { readiness } from './readiness.ts'
import { type Settings, settingsOf, type Variables } from './settings.ts'
import { systemHttp } from './system-http.ts'

/** Bindings and variables (settings.ts). */
export interface Env
  extends Variables,
    KubernetesBindings,
    AccessVariables,
    ChatVariables,
    GitVariables,
    EventVariables,
    ClusterVariables,
    OutwardBindings {
  readonly ASSETS?: Fetcher
  /** A network whose certificates ssl: remotes of OVN_NB are reached with (infra/workerd). */
  readonly OVN?: Fetcher | null
  /** Whose variables these are, where it is not the default cluster; no variable can have this name. */
  readonly [CLUSTER]?: string
}

const CLUSTER = Symbol('the cluster whose variables these are')

/** The cluster whose variables these are. */
export const clusterOf = (env: Env): string => env[CLUSTER] ?? DEFAULT_CLUSTER

const ENVIRONMENTS = new WeakMap<Env, Map<string, Env>>()
/** Variables as they were read: they do not change while the isolate lives. */
const SETTINGS = new WeakMap<Env, Settings>()

/** Bindings and variables as cluster `name` has them; undefined where there is no such cluster. */
export function envOf(env: Env, name: string): Env | undefined {
  if (name === clusterOf(env)) return env
  const known = ENVIRONMENTS.get(env) ?? new Map<string, Env>()
  ENVIRONMENTS.set(env, known)
  const made = known.get(name)
  if (made) return made
  const variables = variablesOf(env, name)
  if (!variables) return undefined
  // A mounted ServiceAccount is the default cluster's.
  const own: Env = { ...env, ...variables, KUBE_ACCOUNT: null, [CLUSTER]: name }
  known.set(name, own)
  return own
}

/** The same for an object of that cluster. A cluster that was taken out of the variables is not written to. */
export function envOfObject(env: Env, name: string | undefined): Env {
  const own = envOf(env, name ?? DEFAULT_CLUSTER)
  if (!own) throw new Error(`CLUSTERS does not name ${name}`)
  return own
}

/** What is known of a cluster, for all requests of this isolate. */
class Known {
  /** Of the controller's lease. */
  readonly authority = new Authority()
  /** What stands between reservations and a restart of the controller. */
  readonly protection = new Protection()
  /** Subnets that were seen to exist: their ledgers are asked without further ado. */
  readonly there = new Set<string>()
  /** Whether the mirror was started. */
  woken = false
}

const clusters = new Map<string, Known>()

function knownOf(env: Env): Known {
  const name = clusterOf(env)
  const known = clusters.get(name) ?? new Known()
  clusters.set(name, known)
  return known
}

interface Namespaces {
  readonly Access: DurableObjectNamespace<Access>
  readonly Subnet: DurableObjectNamespace
  readonly Cluster: DurableObjectNamespace<Cluster>
  readonly Events: DurableObjectNamespace<Events>
  readonly Hook: DurableObjectNamespace<Hook>
  readonly SharedSpace: DurableObjectNamespace<SharedSpace>
}

/** The Worker's own Durable Objects; the runtime offers them by class name. */
const namespaces = (): Namespaces => exports as unknown as Namespaces

function settingsIn(env: Env): Settings {
  const known = SETTINGS.get(env)
  if (known) return known
  const settings = settingsOf(env)
  SETTINGS.set(env, settings)
  return settings
}

/** What a Subnet object's alarm needs to finish an operation by itself. */
export function objectPorts(env: Env): {
  readonly settings: Settings
  readonly cluster: ClusterPort
  readonly ovn: OvnPort
  readonly spaces: SharedSpaces
  readonly events: EventBox
  readonly log: Log
  /** How Berth writes here; undefined where it does not. */
  readonly inCharge: () => Promise<Mode | undefined>
} {
  const known = settingsIn(env)
  const { on } = eventSettingsOf(env)
  const settings = { ...known, ledger: { ...known.ledger, feed: on } }
  const cluster = clusterPort(env, settings)
  const inCharge = async () => {
    const allowed = await mayWrite(env, cluster, settings)
    return allowed.ok ? allowed.value : undefined
  }
  const ovn = ovnPort(env, settings)
  const spaces = sharedSpaces(env)
  return { settings, cluster, ovn, spaces, events: eventPort(), log: consoleLog, inCharge }
}

/** The shared spaces that Subnets of this cluster are members of. */
function sharedSpaces(env: Env): SharedSpaces {
  const cluster = clusterOf(env)
  return (subnet) => {
    const space = sharedSpaceOf(env, cluster, subnet)
    return space === undefined
      ? undefined
      : sharedSpaceClient(namespaces().SharedSpace, space, `${cluster}/${subnet}`)
  }
}

/** What the Cluster object needs to be the mirror of a real cluster. */
export function mirrorPorts(env: Env): Omit<MirrorPorts, 'store'> {
  const { cluster, log, inCharge, settings } = objectPorts(env)
  const { Subnet } = namespaces()
  return {
    ...{ cluster, log, inCharge },
    windows: (name) => settings.windows.get(name),
    ledger: (name) => subnetClient(Subnet, `${clusterOf(env)}/${name}`),
    clock: systemClock,
    random: systemRandom,
    clusterName: clusterOf(env),
  }
}

/** The mirror, where there is one to be had. */
function mirrorOf(env: Env, { cluster }: Settings): MirrorClient | undefined {
  return cluster.kind === 'kubernetes' ? mirrorClient(namespaces().Cluster, clusterOf(env)) : undefined
}

/** Starts the mirror, once for each isolate: from then on its own alarm keeps it going. */
function wakeOnce(env: Env, mirror: MirrorClient): void {
  const known = knownOf(env)
  if (known.woken) return
  known.woken = true
  waitUntil(
    mirror.wake().catch(() => {
      known.woken = false
    }),
  )
}

/** Each cluster by itself: one that is away keeps no other waiting. */
async function forEachCluster(env: Env, work: (own: Env) => Promise<void>): Promise<void> {
  await Promise.all(
    clusterNames(env).map(async (name) => {
      try {
        await work(envOfObject(env, name))
      } catch (error) {
        const reason = error instanceof Error ? error.message : 'unknown'
        consoleLog.write('error', 'cluster not looked after', { cluster: name, reason })
      }
    }),
  )
}

/** What the clock asks for (cron trigger): that the mirror runs, and once an hour that ledgers and cluster agree. */
export function scheduled(env: Env): Promise<void> {
  return forEachCluster(env, async (own) => {
    await mirrorOf(own, settingsIn(own))?.wake()
    if (await namespaces().Cluster.getByName(clusterOf(own)).claimRepair()) await repairAll(own, 'cron')
  })
}

/** How long a repair nobody waits for goes on beginning operations. */
const REPAIR_MS = 120_000

/** Compares all Subnets and mends what differs, for nobody in particular. Never throws. */
export async function repairAll(env: Env, by: 'cron' | 'alarm'): Promise<void> {
  const command = { tenant: 'berth', requestId: `${by}-${systemClock.nowMs()}`, dryRun: false }
  try {
    const outcome = await berthOf(env).repair({ ...command, budgetMs: REPAIR_MS })
    if (outcome.kind === 'refused') {
      consoleLog.write('warn', 'repair refused', { ...command, code: outcome.problem.code })
    } else {
      const total = outcome.subnets.reduce((sum, subnet) => sum + subnet.total, 0)
      consoleLog.write('info', 'repair compared', { ...command, subnets: outcome.subnets.length, total })
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'unknown'
    consoleLog.write('error', 'repair failed', { ...command, reason })
  }
}

/** One for all clusters: each event says which space it is of. */
const eventPort = () => eventBox(() => namespaces().Events.getByName(DEFAULT_CLUSTER))

/** Who is told what happens, and who may send wishes. */
export const eventSettings = (env: Env): EventSettings => eventSettingsOf(env)

function clusterPort(env: Env, { cluster }: Settings): ClusterPort {
  return cluster.kind === 'kubernetes'
    ? kubernetesClient(env, cluster)
    : clusterClient(namespaces().Cluster, clusterOf(env))
}

function ovnPort(env: Env, { northbound }: Settings): OvnPort & OvnLister {
  if (northbound === undefined) return noOvn
  const remotes = parseRemotes(northbound)
  return remotes.ok
    ? ovnClient(namespaces().Cluster, clusterOf(env))
    : unreadableOvn(`OVN_NB: ${remotes.error}`)
}

/** OVN's Northbound database, for the Cluster object, which keeps the one connection there is. */
export function northboundOf(env: Env): OvnPort & OvnLister {
  const { northbound } = settingsIn(env)
  if (northbound === undefined) return noOvn
  const remotes = parseRemotes(northbound)
  if (!remotes.ok) return unreadableOvn(`OVN_NB: ${remotes.error}`)
  const { OVN } = env
  const tcp = workerdTcp(OVN ? (address, options) => OVN.connect(address, options) : undefined)
  return new Northbound({ tcp, clock: systemClock, random: systemRandom, remotes: remotes.value })
}

async function isThere({ there }: Known, cluster: ClusterPort, name: string): Promise<boolean> {
  if (there.has(name)) return true
  const found = await mayHaveLedger(cluster, name)
  if (found) there.add(name)
  return found
}

/** The composition root: variables and bindings in, everything a door may ask for out. */
export function berthOf(env: Env): Berth {
  const settings = settingsIn(env)
  const { Subnet, Cluster } = namespaces()
  const mirror = mirrorOf(env, settings)
  if (mirror) wakeOnce(env, mirror)
  const known = knownOf(env)
  const clusterName = clusterOf(env)
  const cluster = clusterPort(env, settings)
  const ovn = ovnPort(env, settings)
  const ports: CommandPorts = {
    clusterName,
    cluster,
    ovn,
    ledger: (name) =>
      spared(subnetClient(Subnet, `${clusterName}/${name}`), () => isThere(known, cluster, name)),
    clock: systemClock,
    random: systemRandom,
    log: consoleLog,
    settings: {
      waitMs: settings.waitMs,
      authority: modeOf(known, settings),
      windows: (name) => settings.windows.get(name),
      outsideWindow: settings.outsideWindow,
      ovn: settings.northbound !== undefined,
      keepVmIp: settings.keepVmIp,
      account: settings.account,
    },
    spaces: sharedSpaces(env),
    background: waitUntil,
    ...(mirror
      ? { mirror: { learn: (name) => mirror.learn(name, settings.waitMs), peek: mirror.peek } }
      : {}),
  }
  const inCharge = () => mayWrite(env, ports.cluster, settings)
  const portsFor = async (mode: Mode) => portsAs(ports, mode, await exposedTo(known, cluster, settings, mode))
  const portsNow = () => portsFor(ports.settings.authority)
  return {
    reserve: ifAllowed(inCharge, portsFor, reserve),
    validate: async (command) => {
      const allowed = await inCharge()
      return validate(allowed.ok ? await portsFor(allowed.value) : ports, command)
    },
    release: ifAllowed(inCharge, portsFor, release),
    renew: ifAllowed(inCharge, portsFor, renew),
    transfer: ifAllowed(inCharge, portsFor, transfer),
    adopt: ifAllowed(inCharge, portsFor, adopt),
    repair: async (command) => {
      // To compare changes nothing, whoever is in charge.
      const allowed = await inCharge()
      if (!allowed.ok && !command.dryRun) return { kind: 'refused', problem: allowed.error }
      return repair({ ...(allowed.ok ? portsAs(ports, allowed.value) : ports), ovn }, command)
    },
    reservation: async (name, subnetName) => reservation(await portsNow(), name, subnetName),
    reservations: async (filter, page) => reservations(await portsNow(), filter, page),
    audit: (query, page) => audit(ports, query, page),
    zone: (query) => zone({ ...ports, serials: serialsClient(Cluster, clusterName) }, query),
    operation: async (id) => operation(await portsNow(), id),
    subnets: () => subnets(ports),
    subnet: (name) => subnet(ports, name),
    suggest: (name, wish) => suggest(ports, name, wish),
    ready: () => {
      const hasSecret = settings.admissionSecret !== undefined
      const exposed = (mode: Mode) => exposedTo(known, cluster, settings, mode)
      return readiness({ ports, cluster: settings.cluster, hasSecret, inCharge, mirror, exposed })
    },
    widenWindow: async (name, ranges, { dryRun }) => {
      const allowed = await inCharge()
      if (!allowed.ok && !dryRun) return allowed
      return widenWindow(allowed.ok ? portsAs(ports, allowed.value) : ports, name, ranges, dryRun)
    },
    ...judges(ports, inCharge),
    ...(settings.cluster.kind === 'embedded' ? embeddedWrites(ports) : foreignCluster),
  }
}

type EmbeddedWrites = Pick<
  Berth,
  'putSubnet' | 'deleteSubnet' | 'putOwner' | 'deleteOwner' | 'putPool' | 'deletePool'
>

function embeddedWrites(ports: CommandPorts): EmbeddedWrites {
  const answers = answersClient(namespaces().Cluster, ports.clusterName)
  const keyed = <T>(context: WriteContext, write: () => Promise<Result<T, Problem>>) =>
    once({ answers, clock: ports.clock }, context, write)
  return {
    putSubnet: (manifest, by) => keyed(by, () => putSubnet(ports, manifest, by.dryRun)),
    deleteSubnet: (name, by) => keyed(by, () => deleteSubnet(ports, name, by.dryRun)),
    putOwner: (manifest, by) => keyed(by, () => putOwner(ports, manifest)),
    deleteOwner: (ref, by) => keyed(by, () => deleteOwner(ports, ref)),
    putPool: (manifest, by) => keyed(by, () => putPool(ports, manifest)),
    deletePool: (name, by) => keyed(by, () => deletePool(ports, name)),
  }
}

/** On a real cluster these are written by those whose they are, with kubectl. */
const notOurs = async () =>
  err(
    problem('forbidden', 'Subnets, pools and owners of a Kubernetes cluster are written there', {
      field: 'path',
    }),
  )

const foreignCluster: EmbeddedWrites = {
  putSubnet: notOurs,
  deleteSubnet: notOurs,
  putOwner: notOurs,
  deleteOwner: notOurs,
  putPool: notOurs,
  deletePool: notOurs,
}

/** Whether Berth is the one that writes IP objects here. */
async function mayWrite(
  env: Env,
  port: ClusterPort,
  { cluster, waitMs }: Settings,
): Promise<Result<Mode, Problem>> {
  if (cluster.kind === 'embedded') return ok('alone')
  return knownOf(env).authority.check({
    cluster: port,
    clock: systemClock,
    wish: cluster.authority,
    waitMs,
    background: waitUntil,
  })
}

/** What a restart of the controller would do; nobody's concern where there is none. */
async function exposedTo(
  { protection }: Known,
  cluster: ClusterPort,
  { waitMs }: Settings,
  mode: Mode,
): Promise<readonly string[]> {
  return mode === 'beside' ? protection.exposures(cluster, systemClock, waitMs) : []
}

/** How Berth wrote last, for what only reads. */
function modeOf({ authority }: Known, { cluster }: Settings): Mode {
  return cluster.kind === 'embedded' ? 'alone' : authority.last(cluster.authority)
}

/** The ports of what is done so. */
function portsAs(ports: CommandPorts, authority: Mode, exposed: readonly string[] = []): CommandPorts {
  return { ...ports, settings: { ...ports.settings, authority, exposed } }
}

/** A write that is refused where Berth may not, and done as it may. */
function ifAllowed<Command, Outcome>(
  inCharge: () => Promise<Result<Mode, Problem>>,
  portsFor: (mode: Mode) => Promise<CommandPorts>,
  write: (ports: CommandPorts, command: Command) => Promise<Outcome>,
): (command: Command) => Promise<Outcome | { readonly kind: 'refused'; readonly problem: Problem }> {
  return async (command) => {
    const allowed = await inCharge()
    return allowed.ok
      ? write(await portsFor(allowed.value), command)
      : { kind: 'refused', problem: allowed.error }
  }
}

/** Key sets and settings live as long as the isolate, whose variables do not change. */
const CALLERS = new WeakMap<Env, Callers>()

/** Who knows credentials, from the variables. */
export function callersOf(env: Env): Callers {
  const known = CALLERS.get(env)
  if (known) return known
  const { cluster } = settingsIn(env)
  const { adminKeyHash, issuers, rate, audiences } = accessSettingsOf(env)
  const callers = callersOver({
    // A fresh stub each time: after an error the old one may stay broken.
    cluster: clusterOf(env),
    access: () => namespaces().Access.getByName(DEFAULT_CLUSTER),
    clock: systemClock,
    random: systemRandom,
    rate,
    oidc: new Oidc({ cluster: clusterOf(env), issuers, http: systemHttp, clock: systemClock }),
    ...(adminKeyHash === undefined ? {} : { adminKeyHash }),
    ...(cluster.kind === 'kubernetes' ? { reviews: reviewsClient(env, cluster, audiences) } : {}),
  })
  CALLERS.set(env, callers)
  return callers
}

/** What is wrong with the variables, a sentence each. */
export const misreadIn = (env: Env): readonly string[] => misread(env, parseRemotes)

/** What the doors of foreign senders need, from the variables. */
export function hookPortsOf(env: Env): HookPorts {
  return {
    cluster: clusterOf(env),
    chat: chatSettingsOf(env),
    git: gitSettingsOf(env),
    events: { ...eventSettingsOf(env), box: eventPort() },
    box: hookBox(() => namespaces().Hook.getByName(DEFAULT_CLUSTER)),
    boxOf: (sender) => hookBox(() => namespaces().Hook.getByName(sender)),
    clock: systemClock,
    http: systemHttp,
    log: consoleLog,
  }
}
