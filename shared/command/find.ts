import type { KubeObject } from '../cluster/port.ts'
import { formatAddress, parseAddress } from '../ipam/address.ts'
import { parseMac } from '../ipam/mac.ts'
import type { IpSpec } from '../kube-ovn/ip-object.ts'
import { spaceOfOperation } from '../ledger/ids.ts'
import type { Keyed, LeaseFilter, LeaseView, Located, Target } from '../ledger/port.ts'
import { type Finding, type Problem, problem, problemOf } from '../problem.ts'
import { err, ok, type Result } from '../result.ts'
import type { CommandPorts } from './ports.ts'
import { operationViewOf, reservationOf } from './render.ts'
import { subnetObjects } from './subnets.ts'
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
    ? ok(reservationOf(lease.value, ports.settings.authority))
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

  if (given !== undefined) return ok({ subnet: given, found: await locate(given) })
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
  const from = page.continue === undefined ? undefined : decodeContinue(page.continue)
  if (page.continue !== undefined && !from) {
    return err(problem('invalid_field', 'not a continue value of ours', { field: 'continue' }))
  }
  const objects = await subnetObjects(ports)
  if (!objects.ok) return objects
  const names = objects.value
    .map((object) => object.metadata.name)
    .filter(
      (name) => (filter.subnet === undefined || name === filter.subnet) && (!from || name >= from.subnet),
    )
  const items: Reservation[] = []
  for (const name of names) {
    let after: readonly [string, string] = from?.subnet === name ? [from.nic, from.id] : ['', '']
    for (;;) {
      const part = await ports.ledger(name).page(wanted.value, after, page.limit - items.length)
      items.push(...part.leases.map((lease) => reservationOf(lease, ports.settings.authority)))
      if (!part.after) break
      after = part.after
      if (items.length === page.limit) {
        return ok({ items, continue: encodeContinue({ subnet: name, nic: after[0], id: after[1] }) })
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
}

function encodeContinue(position: Position): string {
  return btoa(JSON.stringify([position.subnet, position.nic, position.id]))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}

function decodeContinue(text: string): Position | undefined {
  if (!/^[A-Za-z0-9_-]{1,1500}$/.test(text)) return undefined
  try {
    const parts: unknown = JSON.parse(atob(text.replaceAll('-', '+').replaceAll('_', '/')))
    if (!Array.isArray(parts) || parts.length !== 3 || !parts.every((part) => typeof part === 'string')) {
      return undefined
    }
    const [subnet, nic, id] = parts as [string, string, string]
    return { subnet, nic, id }
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
    ? ok(operationViewOf(view, ports.settings.authority))
    : err(problem('not_found', `there is no operation ${id}`, { field: 'id' }))
}
