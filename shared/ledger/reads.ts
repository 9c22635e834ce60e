import { parseAddress } from '../ipam/address.ts'
import type { FamilyConfig, SubnetConfig } from '../ipam/types.ts'
import { portName } from '../kube-ovn/names.ts'
import { type Counts, usingObjects } from './counts.ts'
import { knownKey } from './hold.ts'
import type { LeaseRow, LeaseState } from './lease.ts'
import type { OpRow } from './op.ts'
import { fitPools } from './pools.ts'
import type {
  FamilyView,
  Keyed,
  LeaseFilter,
  LeasePage,
  LeaseView,
  Located,
  OpView,
  SpaceView,
  Target,
} from './port.ts'
import { quotasOf } from './quota.ts'
import type { Space, SubnetRecord } from './space.ts'
import { itemLeases } from './steps.ts'

/** Rows looked at in one page request; a filter that matches little continues in the next. */
const ROWS_PER_SCAN = 5_000
const ROWS_PER_READ = 500

/** The reservations of these names, and what the caller's key says already. */
export function locate(space: Space, targets: readonly Target[], keyed: Keyed): Located {
  const provider = space.subnet?.facts.provider
  if (provider === undefined) return { leases: targets.map(() => null) }
  const leases = targets.map((target) => {
    const name = 'name' in target ? target.name : portName(target.podName, target.namespace, provider)
    const row = space.leases.visible(name)
    return row ? space.view(row) : null
  })
  const known = knownKey(space, keyed)
  if (!known) return { leases }
  if (known.kind === 'join') return { leases, running: known.op }
  if (known.kind !== 'answer') return { leases }
  const { answer } = known
  const mismatch = answer.kind === 'refused' && answer.problem.code === 'idempotency_mismatch'
  return mismatch ? { leases, mismatch } : { leases, stored: answer }
}

/** One page in name order; nothing that is there throughout is missed, since names do not move. */
export function page(
  space: Space,
  filter: LeaseFilter,
  after: readonly [string, string],
  limit: number,
): LeasePage {
  if (!space.subnet) return { leases: [] }
  const few = direct(space, filter)
  if (few) {
    const [nic, id] = after
    const rows = few.filter((row) => row.nic > nic || (row.nic === nic && row.id > id))
    const found = rows.map((row) => space.view(row)).filter((view) => matches(view, filter))
    const last = found.length > limit ? found[limit - 1] : undefined
    return last ? { leases: found.slice(0, limit), after: [last.name, last.id] } : { leases: found }
  }
  const leases: LeaseView[] = []
  let cursor = after
  for (let scanned = 0; scanned < ROWS_PER_SCAN; ) {
    const rows = space.leases.after(cursor[0], cursor[1], ROWS_PER_READ)
    for (const row of rows) {
      cursor = [row.nic, row.id]
      const view = space.view(row)
      if (!matches(view, filter)) continue
      leases.push(view)
      if (leases.length === limit) return { leases, after: cursor }
    }
    if (rows.length < ROWS_PER_READ) return { leases }
    scanned += rows.length
  }
  return { leases, after: cursor }
}

/** The few rows a selective filter can mean, in name order; undefined where only a scan tells. */
function direct(space: Space, filter: LeaseFilter): readonly LeaseRow[] | undefined {
  if (filter.namespace !== undefined && filter.podName !== undefined) {
    const provider = space.subnet?.facts.provider ?? ''
    return space.leases.named(portName(filter.podName, filter.namespace, provider))
  }
  if (filter.mac !== undefined) return space.leases.byMac(filter.mac).sort(byName)
  const text = filter.v4 ?? filter.v6
  if (text === undefined) return undefined
  const address = parseAddress(text)
  if (!address.ok) return []
  const { family, value } = address.value
  const held = family === 4 ? space.leases.byV4(value) : space.leases.byV6(value)
  const outside = space.leases.outside().filter((row) => (family === 4 ? row.v4 : row.v6) === value)
  return [...(held ? [held] : []), ...outside].sort(byName)
}

function byName(a: LeaseRow, b: LeaseRow): number {
  if (a.nic !== b.nic) return a.nic < b.nic ? -1 : 1
  return a.id < b.id ? -1 : 1
}

function matches(view: LeaseView, filter: LeaseFilter): boolean {
  return (
    (filter.namespace === undefined || view.namespace === filter.namespace) &&
    (filter.podName === undefined || view.podName === filter.podName) &&
    (filter.state === undefined ||
      (filter.state === 'contested' ? view.contested : view.state === filter.state)) &&
    (filter.v4 === undefined || view.v4 === filter.v4) &&
    (filter.v6 === undefined || view.v6 === filter.v6) &&
    (filter.mac === undefined || view.mac === filter.mac) &&
    (filter.overdue === undefined || (view.overdue === true) === filter.overdue)
  )
}

export function find(space: Space, name: string): LeaseView | undefined {
  const row: LeaseRow | undefined = space.subnet && space.leases.visible(name)
  return row && space.view(row)
}

/** An operation as its caller may see it: the rows now while it runs, its answer afterwards. */
export function operation(space: Space, id: string): OpView | undefined {
  const op = space.subnet && space.ops.get(id)
  if (!op) return undefined
  const answered = op.response?.kind === 'done' ? op.response.leases : undefined
  return {
    id: op.id,
    tenant: op.tenant,
    kind: op.kind,
    state: op.state,
    phase: phaseOf(op),
    leases:
      answered ?? (op.state === 'failed' ? [] : itemLeases(space, op).filter((lease) => lease !== undefined)),
    ...(op.state === 'failed' && op.problem ? { problem: op.problem } : {}),
    createdAt: op.createdAt,
    updatedAt: op.updatedAt,
  }
}

/** As its caller reads it: what waits for kube-ovn-controller, or for a Pod that came back, says so (faults.md 87). */
function phaseOf({ kind, state, phase, items }: OpRow): string {
  if (state !== 'running') return phase
  if ((kind === 'release' || kind === 'transfer') && items.some(({ alive }) => alive !== undefined))
    return 'pod_started'
  const isWaiting = items.some(
    ({ beside, stage, uid, made }) =>
      beside && (stage === 'ack' || (stage === 'recheck' && uid !== undefined && !made)),
  )
  return isWaiting ? 'waiting_for_controller' : phase
}

/** The Subnet with its counts; undefined while nobody told the ledger of one. */
export function spaceView(space: Space): SpaceView | undefined {
  const record = space.subnet
  if (!record) return undefined
  const quotas = quotasOf(space)
  const view = viewOf(record, space.plain, space.counts, excludedSayings(space))
  return quotas ? { ...view, quotas } : view
}

/** Objects that only say an address inside excludeIps, which their rows do not have and so do not count. */
function excludedSayings(space: Space): number {
  const { leases, claims } = space
  leases.flush()
  const excludes = space.excludes()
  return claims.unplaced().filter((claim) => {
    const row = leases.get(claim.name, claim.id)
    if (!row) return false
    const isCounted = (row.v4 !== null && excludes.v4(row.v4)) || (row.v6 !== null && excludes.v6(row.v6))
    const said = { ...row, v4: claim.v4, v6: claim.v6 }
    const isExcluded =
      (said.v4 !== null && excludes.v4(said.v4)) || (said.v6 !== null && excludes.v6(said.v6))
    return isExcluded && !isCounted && !excludes.isGateway(said)
  }).length
}

/** A Subnet's view from its parts. */
export function viewOf(
  record: Pick<SubnetRecord, 'facts' | 'orphaned'>,
  config: SubnetConfig,
  counts: Counts,
  excludedSayings = 0,
): SpaceView {
  const using = BigInt(usingObjects(counts) - excludedSayings)
  return {
    facts: record.facts,
    protocol: config.protocol === 'Mac' ? 'IPv4' : config.protocol,
    cidrBlock: config.cidrBlock,
    gateway: config.gateway,
    excludeIps: config.excludeIps,
    orphaned: record.orphaned,
    poolsLeftOut: fitPools(record.facts.pools, config).flatMap(({ pool: { name }, leftOut }) =>
      leftOut.length > 0 ? [{ name, ips: leftOut }] : [],
    ),
    using,
    v4Available: config.v4 ? available(config.v4, using) : 0n,
    v6Available: config.v6 ? available(config.v6, using) : 0n,
    ...(config.v4 ? { v4: familyView(config.v4, counts.v4, counts.excludedV4) } : {}),
    ...(config.v6 ? { v6: familyView(config.v6, counts.v6, counts.excludedV6) } : {}),
  }
}

/** 2^host - 2 (all for a host part of one or no bit) less excludeIps less using, not below 0 [pkg/controller/subnet_status.go:205-230]. */
function available(family: FamilyConfig, using: bigint): bigint {
  const hostBits = (family.family === 4 ? 32 : 128) - family.prefix
  const all = 1n << BigInt(hostBits)
  const left = (hostBits <= 1 ? all : all - 2n) - family.excludes.size - using
  return left < 0n ? 0n : left
}

function familyView(family: FamilyConfig, by: Counts['v4'], excludedHeld: number): FamilyView {
  const usable = BigInt(family.last) - BigInt(family.first) + 1n
  const of = (state: LeaseState) => BigInt(by[state])
  const excluded = family.excludes.size - BigInt(excludedHeld)
  const taken = of('bound') + of('held') + of('releasing') + of('quarantined') + of('foreign')
  return {
    usable: usable < 0n ? 0n : usable,
    bound: of('bound'),
    held: of('held'),
    releasing: of('releasing'),
    quarantined: of('quarantined'),
    foreign: of('foreign'),
    stranded: of('stranded'),
    excluded,
    free: (usable < 0n ? 0n : usable) - taken - excluded,
  }
}
