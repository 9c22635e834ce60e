import type { KubeObject } from '../cluster/port.ts'
import { formatAddress, parseAddress } from '../ipam/address.ts'
import { parseMac } from '../ipam/mac.ts'
import type { IpSpec } from '../kube-ovn/ip-object.ts'
import { spaceOfOperation } from '../ledger/ids.ts'
import type { Keyed, LeaseFilter, LeaseView, Located, Target } from '../ledger/port.ts'
import { type Finding, type Problem, problem, problemOf } from '../problem.ts'
import { err, ok, type Result } from '../result.ts'
import { withPort } from './port-view.ts'
import type { CommandPorts } from './ports.ts'
import { operationViewOf, reservationIn } from './render.ts'
import { readSubnet, subnetObjects } from './subnets.ts'
import type {
  OperationView,
  ReleaseTarget,
  Reservation,
  ReservationFilter,
  ReservationPage,
} from './types.ts'

/** Ledgers asked at the same time when nobody knows which one has a name. */
const ASKED_AT_ONCE = 16

/** One reservation by its object's name. */
export async function reservation(
  ports: CommandPorts,
  name: string,
  subnet?: string,
): Promise<Result<Reservation, Problem>> {
  const lease = subnet === undefined ? await search(ports, name) : ok(await ports.ledger(subnet).find(name))
  if (!lease.ok) return lease
  return lease.value
    ? ok(await withPort(ports, lease.value, reservationIn(ports, lease.value)))
    : err(problem('not_found', `there is no reservation ${name}`, { field: 'name' }))
}

async function search(ports: CommandPorts, name: string): Promise<Result<LeaseView | undefined, Problem>> {
  const hinted = await subnetHint(ports, name)
  if (hinted !== undefined) {
    const lease = await ports.ledger(hinted).find(name)
    if (lease) return ok(lease)
  }
  const found = await firstLedger(ports, async (subnet) => ports.ledger(subnet).find(name))
  return found.ok ? ok(found.value?.found) : found
}

/** The Subnet that the IP object of this name says it is in; a hint only, the ledger knows. */
async function subnetHint(ports: CommandPorts, name: string): Promise<string | undefined> {
  const [reply] = await ports.cluster.send([{ verb: 'get', ref: { kind: 'IP', name } }])
  if (!reply?.ok) return undefined
  return (reply.value as KubeObject<Partial<IpSpec>>).spec?.subnet || undefined
}

async function firstLedger<T>(
  ports: CommandPorts,
  ask: (subnet: string) => Promise<T | undefined>,
): Promise<Result<{ readonly subnet: string; readonly found: T } | undefined, Problem>> {
  const objects = await subnetObjects(ports)
  if (!objects.ok) return objects
  const names = objects.value.map((object) => object.metadata.name)
  for (let start = 0; start < names.length; start += ASKED_AT_ONCE) {
    const asked = names.slice(start, start + ASKED_AT_ONCE)
    const answers = await Promise.all(asked.map(ask))
    for (const [index, found] of answers.entries()) {
      const subnet = asked[index]
      if (found !== undefined && subnet !== undefined) return ok({ subnet, found })
    }
  }
  return ok(undefined)
}

/** Where the targets of one release are, and what the caller's key says there. All must be of one Subnet. */
export async function locateAll(
  ports: CommandPorts,
  targets: readonly ReleaseTarget[],
  keyed: Keyed,
): Promise<Result<{ readonly subnet: string; readonly found: Located }, Problem>> {
  const named = new Set(targets.flatMap((target) => (target.subnet === undefined ? [] : [target.subnet])))
  if (named.size > 1) {
    return err(problem('invalid_field', 'one call releases in one Subnet', { field: 'subnet' }))
  }
  const [given] = named
  const plain: Target[] = targets.map((target) =>
    'name' in target ? { name: target.name } : { namespace: target.namespace, podName: target.podName },
  )
  const isRepeat = (found: Located) => found.stored !== undefined || found.running !== undefined
  const tells = (found: Located) => isRepeat(found) || found.leases.some((lease) => lease !== null)
  const locate = (subnet: string) => ports.ledger(subnet).locate(plain, keyed)

  if (given !== undefined) {
    const found = await locate(given)
    if (tells(found)) return ok({ subnet: given, found })
    // Nothing there: is there such a Subnet?
    const known = await readSubnet(ports, given)
    if (known.ok || known.error.code !== 'unknown_subnet')
      return known.ok ? ok({ subnet: given, found }) : known
    return err(problemOf(targets.flatMap((target, item) => unknownSubnet(target, item, targets.length))))
  }
  // A bare name may have moved to another Subnet since this key was answered; the key stayed where it was used.
  if (keyed.key !== undefined) {
    const answered = await firstLedger(ports, async (subnet) => {
      const found = await locate(subnet)
      return isRepeat(found) ? found : undefined
    })
    if (!answered.ok) return answered
    if (answered.value) return ok(answered.value)
  }
  const firstName = targets.flatMap((target) => ('name' in target ? [target.name] : []))[0]
  const hinted = firstName === undefined ? undefined : await subnetHint(ports, firstName)
  if (hinted !== undefined) {
    const found = await locate(hinted)
    if (tells(found)) return ok({ subnet: hinted, found })
  }
  const first = await firstLedger(ports, async (subnet) => {
    const found = await locate(subnet)
    return tells(found) ? found : undefined
  })
  if (!first.ok) return first
  if (first.value) return ok(first.value)
  return err(problemOf(targets.map((target, item) => missing(target, targets.length > 1 ? item : undefined))))
}

function unknownSubnet({ subnet }: ReleaseTarget, item: number, of: number): Finding[] {
  if (subnet === undefined) return []
  const message = `there is no Subnet ${subnet}`
  return [{ code: 'unknown_subnet', field: 'subnet', message, ...(of > 1 ? { item } : {}) }]
}

/** Nobody knows this reservation. `item`: its index in a group. */
export function missing(target: Target, item?: number): Finding {
  const byName = 'name' in target
  return {
    code: 'not_found',
    field: byName ? 'name' : 'podName',
    message: `there is no reservation ${byName ? target.name : `${target.namespace}/${target.podName}`}`,
    ...(item === undefined ? {} : { item }),
  }
}

/** A page over all Subnets, or one, in order of Subnet and name. */
export async function reservations(
  ports: CommandPorts,
  filter: ReservationFilter,
  page: { readonly limit: number; readonly continue?: string },
): Promise<Result<ReservationPage, Problem>> {
  const wanted = leaseFilter(filter)
  if (!wanted.ok) return wanted
  const asked = JSON.stringify([filter.subnet ?? '', wanted.value])
  const from = page.continue === undefined ? undefined : decodeContinue(page.continue)
  if (page.continue !== undefined && from?.asked !== asked) {
    const why = from ? 'the token is of a list with other filters' : 'not a continue value of ours'
    return err(problem('invalid_field', why, { field: 'continue' }))
  }
  // A Subnet that is named is asked even if its object is gone: reservations outlive it.
  const objects = filter.subnet === undefined ? await subnetObjects(ports) : undefined
  if (objects && !objects.ok) return objects
  const all = objects ? objects.value.map(({ metadata }) => metadata.name) : [filter.subnet ?? '']
  const names = all.filter((name) => !from || name >= from.subnet)
  const items: Reservation[] = []
  for (const name of names) {
    let after: readonly [string, string] = from?.subnet === name ? [from.nic, from.id] : ['', '']
    // A page that is full at the end of a Subnet goes on at the beginning of the next one.
    if (items.length === page.limit) {
      return ok({ items, continue: encodeContinue({ subnet: name, nic: '', id: '', asked }) })
    }
    for (;;) {
      const part = await ports.ledger(name).page(wanted.value, after, page.limit - items.length)
      items.push(...part.leases.map((lease) => reservationIn(ports, lease)))
      if (!part.after) break
      after = part.after
      if (items.length === page.limit) {
        return ok({ items, continue: encodeContinue({ subnet: name, nic: after[0], id: after[1], asked }) })
      }
    }
  }
  return ok({ items })
}

function leaseFilter(filter: ReservationFilter): Result<LeaseFilter, Problem> {
  const { namespace, podName, state } = filter
  let wanted: LeaseFilter = {
    ...(namespace === undefined ? {} : { namespace }),
    ...(podName === undefined ? {} : { podName }),
    ...(state === undefined ? {} : { state }),
    ...(filter.overdue === undefined ? {} : { overdue: filter.overdue }),
  }
  if (filter.address !== undefined) {
    const address = parseAddress(filter.address)
    if (!address.ok) return err(problem('invalid_address', address.error.detail, { field: 'address' }))
    const { family, value } = address.value
    const text = formatAddress(family, value)
    wanted = { ...wanted, ...(family === 4 ? { v4: text } : { v6: text }) }
  }
  if (filter.mac !== undefined) {
    const mac = parseMac(filter.mac)
    if (!mac.ok) return err(problem('invalid_mac', mac.error.detail, { field: 'mac' }))
    wanted = { ...wanted, mac: mac.value }
  }
  return ok(wanted)
}

interface Position {
  readonly subnet: string
  readonly nic: string
  readonly id: string
  /** The filters of the list, for a token is of no use with others. */
  readonly asked: string
}

function encodeContinue(position: Position): string {
  return btoa(JSON.stringify([position.subnet, position.nic, position.id, position.asked]))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}

function decodeContinue(text: string): Position | undefined {
  if (!/^[A-Za-z0-9_-]{1,4096}$/.test(text)) return undefined
  try {
    const parts: unknown = JSON.parse(atob(text.replaceAll('-', '+').replaceAll('_', '/')))
    if (!Array.isArray(parts) || parts.length !== 4 || !parts.every((part) => typeof part === 'string')) {
      return undefined
    }
    const [subnet, nic, id, asked] = parts as [string, string, string, string]
    return { subnet, nic, id, asked }
  } catch {
    return undefined
  }
}

/** One operation, from the ledger its id names. */
export async function operation(ports: CommandPorts, id: string): Promise<Result<OperationView, Problem>> {
  const space = spaceOfOperation(id)
  const view =
    space && space.cluster === ports.clusterName ? await ports.ledger(space.subnet).operation(id) : undefined
  return view
    ? ok(operationViewOf(view, ports))
    : err(problem('not_found', `there is no operation ${id}`, { field: 'id' }))
}
