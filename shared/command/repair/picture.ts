import { parseAddress } from '../../ipam/address.ts'
import { parseSubnet } from '../../ipam/config.ts'
import { DEFAULT_PROVIDER } from '../../kube-ovn/names.ts'
import type { SubnetObject } from '../../kube-ovn/subnet-object.ts'
import { saysCounters } from '../../kube-ovn/subnet-status.ts'
import type { Inspection, LeaseView } from '../../ledger/port.ts'
import type { PortList } from '../../ovn/port.ts'
import { type Problem, problem } from '../../problem.ts'
import { err, ok, type Result } from '../../result.ts'
import { type PoolList, windowOf as windowIn } from '../facts.ts'
import { pinnedOf } from '../pin.ts'
import { clusterProblem } from '../subnets.ts'
import { compare } from './compare.ts'
import { type FreshList, type NotedPod, podsIn, readAgain } from './read.ts'
import type { RepairPorts } from './repair.ts'
import type { Drift, DriftKind, FreshIp, Picture } from './types.ts'

/** Rows read in one call. */
const ROWS = 1_000
/** Objects looked at once more; a cluster that lost more of them at once is told so by its list alone. */
const MOST_AGAIN = 1_000

/** What was read so far: the Subnet object and its ledger, and the whole cluster. */
export interface Fresh {
  readonly object: SubnetObject
  readonly inspection: Inspection
  readonly ips: FreshList<FreshIp>
  readonly pods: FreshList<NotedPod>
  readonly pools: PoolList
}

export interface Drawn {
  readonly drifts: readonly Drift[]
  readonly version: string
  /** Whether ports were looked at, in words. */
  readonly looked: string
}

/** Kinds that rest on one object, which is read again before anybody is told of it. */
const BY_OBJECT: ReadonlySet<DriftKind> = new Set([
  'missing_object',
  'foreign_holder',
  'changed_object',
  'label_lost',
  'finalizer',
])

/**
 * Draws the picture and compares. The cluster was listed before the rows are read, so a row may be newer than the list:
 * whatever a difference rests on is read again, and the rows with it, and only what is still so is told.
 */
export async function picture(ports: RepairPorts, fresh: Fresh): Promise<Result<Drawn, Problem>> {
  const { object, ips } = fresh
  const { name } = object.metadata
  const isInside = insideOf(object)
  if (!isInside) return err(problem('unavailable', `the CIDR of Subnet ${name} cannot be read`))
  const [leases, listed] = await Promise.all([rowsOf(ports, name), ports.ovn.ports(name)])
  const drawn = pictureOf(ports, fresh, isInside, leases, ips.items, listed)
  const drifts = await counted(ports, drawn, compare(drawn))
  const doubted = drifts.filter(({ kind }) => BY_OBJECT.has(kind)).flatMap(({ names }) => names.slice(0, 1))
  const names = [...new Set(doubted)].filter((one) => !one.includes('/')).slice(0, MOST_AGAIN)
  const looked = lookedAt(listed)
  if (names.length === 0) return ok({ drifts, version: ips.version, looked })
  const again = await readAgain(ports.cluster, names)
  if (!again.ok) return err(clusterProblem(again.error))
  const objects = [
    ...ips.items.filter((one) => !again.value.has(one.name)),
    ...[...again.value.values()].filter((one) => one !== undefined),
  ]
  const settled = pictureOf(ports, fresh, isInside, await rowsOf(ports, name), objects, listed)
  return ok({ drifts: await counted(ports, settled, compare(settled)), version: ips.version, looked })
}

/** Counters that differ are read again: they may just have been told. */
async function counted(
  { cluster }: RepairPorts,
  { subnet, counters }: Picture,
  drifts: readonly Drift[],
): Promise<readonly Drift[]> {
  if (!counters || !drifts.some(({ kind }) => kind === 'counter_drift')) return drifts
  const [reply] = await cluster.send([{ verb: 'get', ref: { kind: 'Subnet', name: subnet } }])
  const isTold = reply?.ok && saysCounters(reply.value.status, counters.should)
  return isTold ? drifts.filter(({ kind }) => kind !== 'counter_drift') : drifts
}

function pictureOf(
  { settings, mirror, windowOf }: RepairPorts,
  { object, inspection, ips, pods }: Fresh,
  isInside: Picture['isInside'],
  leases: readonly LeaseView[],
  objects: readonly FreshIp[],
  listed: PortList,
): Picture {
  const { name } = object.metadata
  const provider = object.spec?.provider || DEFAULT_PROVIDER
  const window = windowOf?.(name) ?? windowIn(object, settings.windows)
  return {
    subnet: name,
    version: ips.version,
    isInside,
    leases,
    objects,
    pods: podsIn(pods.items, name, provider),
    ...(listed.result === 'listed' ? { ports: listed.ports } : {}),
    // Without a mirror the ledger writes none.
    ...(mirror && inspection.counters
      ? {
          counters: {
            should: inspection.counters,
            says: object.status,
            isTelling: inspection.isTelling,
          },
        }
      : {}),
    excludeIps: object.spec?.excludeIps ?? [],
    pinned: pinnedOf(object),
    ...(window ? { window } : {}),
    authority: settings.authority,
    mirrored: mirror !== undefined,
  }
}

function lookedAt(listed: PortList): string {
  switch (listed.result) {
    case 'listed':
      return 'compared'
    case 'unasked':
      return 'not compared: OVN_NB is none'
    case 'later':
      return `not compared: ${listed.detail}`
    default:
      return listed satisfies never
  }
}

async function rowsOf(ports: RepairPorts, subnet: string): Promise<readonly LeaseView[]> {
  const rows: LeaseView[] = []
  let after: readonly [string, string] | undefined = ['', '']
  while (after) {
    const page = await ports.ledger(subnet).page({}, after, ROWS)
    rows.push(...page.leases)
    after = page.after
  }
  return rows
}

function insideOf({ spec = {} }: SubnetObject): Picture['isInside'] | undefined {
  const { cidrBlock = '', gateway = '', excludeIps = [] } = spec
  const parsed = parseSubnet({ cidrBlock, gateway, excludeIps })
  if (!parsed.ok) return undefined
  const { v4, v6 } = parsed.value
  return (text) => {
    const address = parseAddress(text)
    if (!address.ok) return false
    const { family, value } = address.value
    const part = family === 4 ? v4 : v6
    return part !== undefined && BigInt(value) >= BigInt(part.first) && BigInt(value) <= BigInt(part.last)
  }
}
