import type { SubnetConfig } from '../ipam/types.ts'
import { type Problem, problem } from '../problem.ts'
import { err, ok, type Result } from '../result.ts'
import { type PoolWrite, pending, type Retiring, settle, undertaking } from './announced.ts'
import { noCounts, recount } from './counts.ts'
import { free } from './ending.ts'
import { configOf, plainOf } from './facts.ts'
import type { LeaseRow } from './lease.ts'
import { settleClaim } from './place.ts'
import { applyPools, changedPools } from './pools.ts'
import type { PoolChange, SpaceView, SubnetFacts } from './port.ts'
import { spaceView, viewOf } from './reads.ts'
import { findingOf } from './refusals.ts'
import type { Space, Verdict } from './space.ts'
import { loseHold } from './steps.ts'
import { isOlder } from './version.ts'

/**
 * Takes the Subnet and its pools as the cluster has them. Older news of either is ignored; a changed CIDR, gateway or
 * exclude list strands what falls out and takes back what fits again (faults.md (a), semantics.md D22); of pools that
 * do not fit, what fits is in force (pools.ts).
 * @returns how many rows are stranded now; a problem if the Subnet cannot be kept here
 */
export function configure(
  space: Space,
  facts: SubnetFacts,
  token?: string,
): Result<{ readonly stranded: number }, Problem> {
  const config = usable(facts)
  if (!config.ok) return config
  return space.transaction(() => configured(space, facts, config.value, token))
}

/** What `configure` would make of the Subnet and its counts; changes nothing. */
export function preview(space: Space, facts: SubnetFacts): Result<SpaceView, Problem> {
  const config = usable(facts)
  if (!config.ok) return config
  return space.transaction((): Verdict<Result<SpaceView, Problem>> => {
    const verdict = configured(space, facts, config.value)
    const view = spaceView(space)
    if (!view) throw new Error('a configured space has a view')
    return { commit: false, value: verdict.value.ok ? ok(view) : verdict.value }
  })
}

/** The same where there is no space yet. */
export function previewNew(facts: SubnetFacts): Result<SpaceView, Problem> {
  const config = usable(facts)
  return config.ok ? ok(viewOf({ facts, orphaned: false }, plainOf(facts), noCounts())) : config
}

function usable(facts: SubnetFacts): Result<SubnetConfig, Problem> {
  const config = configOf(facts)
  if (!config.ok) {
    const { code, message, field } = findingOf(config.error)
    return err(problem(code, message, field === undefined ? {} : { field }))
  }
  if (config.value.protocol === 'Mac') {
    return err(
      problem('invalid_field', 'a Subnet without a CIDR has no addresses to reserve', { field: 'cidrBlock' }),
    )
  }
  return config
}

function configured(
  space: Space,
  told: SubnetFacts,
  toldConfig: SubnetConfig,
  token?: string,
  change?: PoolChange,
): Verdict<Result<{ readonly stranded: number }, Problem>> {
  // Whoever read the object before it went may still be telling of it.
  if (space.meta('gone') === told.uid) {
    const gone = problem('unknown_subnet', `Subnet ${told.name} is gone`, { field: 'subnet' })
    return { commit: false, value: err(gone) }
  }
  const known = space.subnet
  // News of an earlier Subnet of this name, told late: everything told since is newer.
  const highest = space.meta('seen')
  if (told.uid !== known?.facts.uid && highest !== undefined && isOlder(told.resourceVersion, highest)) {
    const late = problem('unknown_subnet', `this Subnet ${told.name} is gone`, { field: 'subnet' })
    return { commit: false, value: known ? ok({ stranded: space.leases.stranded().length }) : err(late) }
  }
  settle(space, told, token)
  const news = known?.facts.uid === told.uid ? newest(known.facts, told) : told
  if (known && news === known.facts && !change) {
    return { commit: true, value: ok({ stranded: space.leases.stranded().length }) }
  }
  if (known && known.facts.provider !== news.provider && space.leases.any()) {
    return { commit: false, value: err(providerFixed()) }
  }
  const facts = change ? { ...news, pools: changedPools(news.pools, change) } : news
  const config = facts.resourceVersion === told.resourceVersion ? toldConfig : space.config
  const fresh = known === undefined || known.facts.uid !== facts.uid
  if (highest === undefined || isOlder(highest, facts.resourceVersion)) {
    space.setMeta('seen', facts.resourceVersion)
  }
  space.adopt({ facts, epoch: fresh ? (known?.epoch ?? 0) + 1 : known.epoch, orphaned: false }, config)
  apply(space, config)
  const pools = applyPools(space.allocator, facts.pools, change?.ips && change.name)
  if (!pools.ok) {
    const { code, message, field = 'ips' } = findingOf(pools.error)
    return { commit: false, value: err(problem(code, message, { field: `spec.${field}` })) }
  }
  return { commit: true, value: ok({ stranded: space.leases.stranded().length }) }
}

/** The Subnet's part and the pools' part, each from whoever read it last; `known` itself where nothing is newer. */
function newest(known: SubnetFacts, told: SubnetFacts): SubnetFacts {
  const isStale = isOlder(told.resourceVersion, known.resourceVersion)
  const { pools, poolsVersion } = isOlder(told.poolsVersion, known.poolsVersion) ? known : told
  if (isStale && pools === known.pools) return known
  return { ...(isStale ? known : told), pools, poolsVersion }
}

/** Texts of a Subnet's pools beyond this have no room in the row that keeps them. */
const POOLS_CHARACTERS = 1_000_000

/**
 * Takes a pool that is about to be written to the cluster, or lets go of one about to be removed, and announces that:
 * until configured with the token, holds ask for fresh facts. The pool must fit whole, or nothing changes.
 */
export function propose(space: Space, facts: SubnetFacts, change: PoolChange): Result<string, Problem> {
  const config = usable(facts)
  if (!config.ok) return config
  return space.transaction((): Verdict<Result<string, Problem>> => {
    const other = pending(space, 'poolWrite')
    if (other && other.pool !== change.name && space.nowMs < other.untilMs) {
      const busy = problem('unavailable', `pool ${other.pool} is being written`, { retryAfterMs: 1_000 })
      return { commit: false, value: err(busy) }
    }
    const { value } = configured(space, facts, config.value, undefined, change)
    if (!value.ok) return { commit: false, value }
    if (JSON.stringify(space.subnet?.facts.pools).length > POOLS_CHARACTERS) {
      const long = problem('too_large', `the pools of ${facts.name} list too much`, { field: 'spec.ips' })
      return { commit: false, value: err(long) }
    }
    const write: PoolWrite = { ...undertaking(space), pool: change.name }
    space.setMeta('poolWrite', JSON.stringify(write))
    return { commit: true, value: ok(write.token) }
  })
}

/** Announces a write to the Subnet object. The token goes to the `configure` that reports its result. */
export function announce(space: Space, provider: string): Result<string, Problem> {
  return space.transaction((): Verdict<Result<string, Problem>> => {
    const known = space.subnet
    if (known && known.facts.provider !== provider && space.leases.any()) {
      return { commit: false, value: err(providerFixed()) }
    }
    const unverified = undertaking(space)
    space.setMeta('unverified', JSON.stringify(unverified))
    return { commit: true, value: ok(unverified.token) }
  })
}

/** No row may be left; from here no hold is taken until it is known what became of the Subnet object. */
export function retire(space: Space): Result<{ readonly view: SpaceView; readonly token: string }, Problem> {
  type Retired = Result<{ readonly view: SpaceView; readonly token: string }, Problem>
  return space.transaction((): Verdict<Retired> => {
    const view = spaceView(space)
    if (!view) return { commit: false, value: err(problem('unknown_subnet', 'the Subnet has no ledger')) }
    if (space.leases.any()) {
      return { commit: false, value: err(inUse(view.facts.name)) }
    }
    const retiring: Retiring = { ...undertaking(space), uid: view.facts.uid }
    space.setMeta('retiring', JSON.stringify(retiring))
    return { commit: true, value: ok({ view, token: retiring.token }) }
  })
}

/** Why a Subnet with rows is not removed. */
export const inUse = (name: string): Problem =>
  problem('subnet_in_use', `${name} has reservations, or addresses that cool down`, { field: 'name' })

/** Whether any row is left, as far as the counts tell. */
export function isOccupied({ v4, v6, using }: SpaceView): boolean {
  if (using > 0n) return true
  return [v4, v6].some((by) => {
    if (!by) return false
    return by.bound + by.held + by.releasing + by.quarantined + by.foreign + by.stranded > 0n
  })
}

function providerFixed(): Problem {
  return problem(
    'immutable_field',
    'provider cannot change while reservations exist: it is part of their names',
    {
      field: 'provider',
    },
  )
}

/** The Subnet object of that uid is gone. An empty space is forgotten, one with rows is orphaned: releases go on. */
export function subnetGone(space: Space, uid: string): void {
  space.transaction((): Verdict<undefined> => {
    const known = space.subnet
    if (!known || known.facts.uid !== uid) return { commit: false, value: undefined }
    space.deleteMeta('retiring')
    space.setMeta('gone', uid)
    if (space.leases.any()) space.adopt({ ...known, orphaned: true }, space.config)
    else space.forget()
    return { commit: true, value: undefined }
  })
}

function apply(space: Space, config: SubnetConfig): void {
  const { changed } = space.allocator.configure(config)
  if (!changed) return
  for (const { nic, id } of [...space.leases.all()].filter((row) => !contains(config, row))) {
    // Taking back one item of a group takes back the others: each is looked at as it is by then.
    const row = space.leases.get(nic, id)
    if (row) fallOut(space, row)
  }
  for (const row of space.leases.outside()) {
    if (row.state === 'foreign') continue
    holdInside(space, row)
    if (contains(config, row)) comeBack(space, row)
  }
  for (const claim of space.claims.every()) settleClaim(space, claim)
  space.setCounts(recount(space.leases.all(), space.excludes()))
}

/** What becomes of a row whose address the CIDR no longer contains (faults.md (a), transitions). */
function fallOut(space: Space, row: LeaseRow): void {
  switch (row.state) {
    case 'bound':
      space.leases.update(row, { state: 'stranded', bit: false, epoch: row.epoch + 1 })
      return
    case 'held': {
      const stranded = space.leases.update(row, { bit: false })
      loseHold(
        space,
        stranded,
        problem('out_of_range', `${row.nic}: the Subnet no longer contains the address`),
      )
      return
    }
    case 'releasing':
    // The CIDR may be back before the cool-down is over.
    case 'quarantined':
      space.leases.update(row, { bit: false })
      return
    case 'foreign': {
      const claim = space.claims.get(row.nic)
      if (claim?.id === row.id) settleClaim(space, claim)
      else free(space, row)
      return
    }
    case 'stranded':
      return
    default:
      row.state satisfies never
  }
}

function comeBack(space: Space, row: LeaseRow): void {
  const taken =
    (row.v4 !== null && space.leases.byV4(row.v4) !== undefined) ||
    (row.v6 !== null && space.leases.byV6(row.v6) !== undefined)
  if (taken) return
  if (row.state === 'stranded') {
    space.leases.update(row, { state: 'bound', bit: true, epoch: row.epoch + 1 })
  } else space.leases.update(row, { bit: true })
}

/** An address the CIDR contains is nobody else's while its row lives, though the row's other family fell out. */
function holdInside(space: Space, row: LeaseRow): void {
  if (row.v4 !== null) space.allocator.occupy(4, row.v4)
  if (row.v6 !== null) space.allocator.occupy(6, row.v6)
}

/** Whether every address of the row is usable in the Subnet. */
function contains(config: SubnetConfig, row: LeaseRow): boolean {
  const { v4, v6 } = config
  if (row.v4 !== null && !(v4 && row.v4 >= v4.first && row.v4 <= v4.last)) return false
  if (row.v6 !== null && !(v6 && row.v6 >= v6.first && row.v6 <= v6.last)) return false
  return true
}
