import type { Clock } from '../clock.ts'
import type { Random } from '../random.ts'
import { err, ok, type Result } from '../result.ts'
import type { Tcp } from '../tcp.ts'
import { cutOperations, FIRST_CHANGE } from './northbound/cut.ts'
import { PortIndex } from './northbound/port-index.ts'
import {
  ADDRESS_SET,
  DATABASE,
  lackOf,
  ownersPort,
  PORT,
  type PortRow,
  portColumns,
  readPort,
  SWITCH,
  switchColumns,
} from './northbound/rows.ts'
import {
  type AddressSetChange,
  addressSetChanges,
  addressSetName,
  associatedAddresses,
  groupsOf,
} from './northbound/security-groups.ts'
import type { OvsdbLimits } from './ovsdb/limits.ts'
import type { Operation, OperationResult } from './ovsdb/messages.ts'
import { type Row, uuid } from './ovsdb/notation.ts'
import type { Remote } from './ovsdb/remotes.ts'
import { NO_TRANSACTION } from './ovsdb/replica.ts'
import type { Schema } from './ovsdb/schema.ts'
import { type OvsdbFailure, Session } from './ovsdb/session.ts'
import type { OvnEvidence, OvnLister, OvnPort, OvnRequest, OvnStatus, PortList, PortOwner } from './port.ts'

export interface NorthboundParts {
  readonly tcp: Tcp
  readonly clock: Clock
  readonly random: Random
  readonly remotes: readonly Remote[]
  readonly limits?: Partial<OvsdbLimits>
}

/** How often a read is made when what it is about changes under it, or its connection ends. */
const READ_TRIES = 3
/** How many ports are remembered between being found and being cut; one that is forgotten is read again. */
const CHECKED_PORTS = 1_000

type Absent = { readonly result: 'absent' }
type Later = Extract<OvnEvidence, { result: 'later' }>

/**
 * The OVN port over a real Northbound database. Reads are repeated within bounds, a cut is sent once. Keeps one
 * connection, so it lives where connections may live on between calls.
 *
 *     const ovn = new Northbound({ tcp, clock, random, remotes })
 *     const [evidence] = await ovn.send([{ verb: 'name', owner: { name: 'web.shop', subnet: 'ovn-default', pod: 'shop/web' } }])
 */
export class Northbound implements OvnPort, OvnLister {
  readonly #session: Session
  readonly #index = new PortIndex()
  /** Ports as they were found, for the cut that is to follow: its guards compare with just that. */
  readonly #checked = new Map<string, PortRow>()

  constructor(parts: NorthboundParts) {
    this.#session = new Session({ ...parts, database: DATABASE, replicas: [this.#index.replica] })
  }

  send(requests: readonly OvnRequest[]): Promise<OvnEvidence[]> {
    return Promise.all(requests.map((request) => this.#answer(request)))
  }

  async status(): Promise<OvnStatus> {
    const asked = await this.#schema()
    const { remote, clustered } = this.#session.status()
    if (!asked.ok) return { ready: false, detail: asked.error.detail }
    return { ready: true, detail: `${remote}${clustered ? ', which leads its cluster' : ''}` }
  }

  async ports(subnet: string): Promise<PortList> {
    // A read of nothing: the index is as new as its reply.
    const asked = await this.#read(() => [])
    return asked.ok ? { result: 'listed', ports: this.#index.ofPods(subnet) } : asked.error
  }

  /** Ends the connection for good. */
  close(): void {
    this.#session.close()
  }

  #answer(request: OvnRequest): Promise<OvnEvidence> {
    switch (request.verb) {
      case 'name':
        return this.#whoseName(request.owner)
      case 'address':
        return this.#whoseAddress(request.subnet, request.addresses, request.except)
      case 'cut':
        return this.#cut(request.owner, request.uuid)
      default:
        return request satisfies never
    }
  }

  async #whoseName(owner: PortOwner): Promise<OvnEvidence> {
    const found = await this.#read(() => {
      const uuid = this.#index.named(owner.name)
      return uuid === undefined ? [] : [uuid]
    })
    if (!found.ok) return found.error
    const [port] = found.value
    if (!port) return { result: 'absent' }
    this.#remember(port)
    return judged(port, owner)
  }

  async #whoseAddress(subnet: string, addresses: readonly string[], except?: string): Promise<OvnEvidence> {
    const found = await this.#read(() => this.#index.holding(addresses, except))
    if (!found.ok) return found.error
    // The same address on another switch is another address, unless the port says it belongs here.
    const here = found.value.filter(
      ({ view, externalIds }) => view.switches.includes(subnet) || externalIds.get('ls') === subnet,
    )
    return here.length > 0 ? { result: 'held', ports: here.map((port) => port.view) } : { result: 'absent' }
  }

  async #cut(owner: PortOwner, uuid: string): Promise<OvnEvidence> {
    const checked = this.#checked.get(uuid)
    this.#checked.delete(uuid)
    const before = checked ? { result: 'found' as const, port: checked } : await this.#look(owner, uuid)
    if (before.result !== 'found') return before
    const { port } = before
    const holder = ownersPort(port, owner)
    if (!holder.ok) return { result: 'not_ours', port: port.view, why: holder.error }
    const schema = await this.#schema()
    if (!schema.ok) return schema.error
    const sets = await this.#addressSets(schema.value, port)
    if (!sets.ok) return sets.error
    const operations = cutOperations(schema.value, port, holder.value, sets.value)
    const done = await this.#session.transact(operations)
    if (done.ok) return { result: 'cut' }
    const failure = done.error
    const guarded =
      failure.error === 'timed out' && typeof failure.at === 'number' && failure.at < FIRST_CHANGE
    if (failure.outcome === 'refused' && !guarded) return later(failure)
    return this.#findOut(owner, uuid, failure)
  }

  #remember(port: PortRow): void {
    this.#checked.delete(port.view.uuid)
    this.#checked.set(port.view.uuid, port)
    const [oldest] = this.#checked.keys()
    if (this.#checked.size > CHECKED_PORTS && oldest !== undefined) this.#checked.delete(oldest)
  }

  /** After a cut without a result, or with guards that did not hold: what is there now, by name and uuid. */
  async #findOut(owner: PortOwner, uuid: string, failure: OvsdbFailure): Promise<OvnEvidence> {
    const open = failure.outcome === 'unknown'
    const now = await this.#look(owner, uuid)
    switch (now.result) {
      case 'absent':
      case 'not_ours':
        return now
      case 'later':
        return open ? { result: 'unknown', detail: failure.message } : now
      case 'found': {
        const judgement = judged(now.port, owner)
        if (judgement.result === 'not_ours') return judgement
        if (open) return { result: 'unknown', detail: failure.message }
        return { result: 'later', reason: 'refused', detail: 'the port changed while it was to be cut' }
      }
      default:
        return now satisfies never
    }
  }

  /** The port of that uuid; when it is gone, whether another one has the name. */
  async #look(
    owner: PortOwner,
    uuid: string,
  ): Promise<
    { result: 'found'; port: PortRow } | Absent | Later | Extract<OvnEvidence, { result: 'not_ours' }>
  > {
    const found = await this.#read(() => {
      const named = this.#index.named(owner.name)
      return named === undefined || named === uuid ? [uuid] : [uuid, named]
    })
    if (!found.ok) return found.error
    const same = found.value.find((port) => port.view.uuid === uuid)
    if (same) return { result: 'found', port: same }
    const [other] = found.value
    if (!other) return { result: 'absent' }
    return { result: 'not_ours', port: other.view, why: 'it was made anew' }
  }

  async #addressSets(schema: Schema, port: PortRow): Promise<Result<readonly AddressSetChange[], Later>> {
    const wanted = new Map<string, ReadonlySet<string>>()
    const groups = groupsOf(port.externalIds)
    if (groups.length === 0 || !schema.tables.get(ADDRESS_SET)?.has('addresses')) return ok([])
    const names = groups.flatMap((group) => ([4, 6] as const).map((family) => addressSetName(group, family)))
    const read = await this.#session.transact(
      names.map((name) => ({
        op: 'select',
        table: ADDRESS_SET,
        where: [['name', '==', name]],
        columns: ['_uuid', 'name', 'addresses'],
      })),
    )
    if (!read.ok) return err(later(read.error))
    for (const group of groups) {
      for (const family of [4, 6] as const) {
        const others = this.#index.others(port.view.uuid)
        wanted.set(addressSetName(group, family), associatedAddresses(group, family, others))
      }
    }
    return ok(addressSetChanges(rowsOf(read.value), wanted))
  }

  /**
   * The ports that `choose` picks from the index, read themselves. The index is as new as the reply, so when it picks
   * the same ports after the reply as before it, they are all there are.
   */
  async #read(choose: () => readonly string[]): Promise<Result<readonly PortRow[], Later>> {
    let failure: Later = { result: 'later', reason: 'refused', detail: 'the ports keep changing' }
    for (let attempt = 0; attempt < READ_TRIES; attempt++) {
      // Connects first, so that the index is filled.
      const schema = await this.#schema()
      if (!schema.ok) return schema
      const chosen = choose()
      const reply = await this.#session.transact(portSelects(schema.value, chosen))
      if (!reply.ok) {
        failure = later(reply.error)
        if (reply.error.outcome === 'unknown') continue
        return err(failure)
      }
      if (choose().join() !== chosen.join()) continue
      return portRows(chosen, reply.value)
    }
    return err(failure)
  }

  async #schema(): Promise<Result<Schema, Later>> {
    const schema = await this.#session.schema()
    if (!schema.ok) return err(later(schema.error))
    const lack = lackOf(schema.value)
    return lack === undefined ? schema : err({ result: 'later', reason: 'refused', detail: lack })
  }
}

/** Two selects a port: the row, and who holds it. Without ports one that finds nothing, whose reply tells the time. */
function portSelects(schema: Schema, uuids: readonly string[]): Operation[] {
  const row = (id: string): Operation => ({
    op: 'select',
    table: PORT,
    where: [['_uuid', '==', uuid(id)]],
    columns: portColumns(schema),
  })
  if (uuids.length === 0) return [row(NO_TRANSACTION)]
  return uuids.flatMap((id) => [
    row(id),
    { op: 'select', table: SWITCH, where: [['ports', 'includes', uuid(id)]], columns: switchColumns(schema) },
  ])
}

function portRows(
  uuids: readonly string[],
  results: readonly OperationResult[],
): Result<readonly PortRow[], Later> {
  const ports: PortRow[] = []
  for (const index of uuids.keys()) {
    const [row] = results[2 * index]?.rows ?? []
    if (!row) continue
    const port = readPort(row, results[2 * index + 1]?.rows ?? [])
    if (!port.ok)
      return err({ result: 'later', reason: 'refused', detail: `a port cannot be read: ${port.error}` })
    ports.push(port.value)
  }
  return ok(ports)
}

function judged(port: PortRow, owner: PortOwner): Extract<OvnEvidence, { result: 'found' | 'not_ours' }> {
  const whose = ownersPort(port, owner)
  return whose.ok
    ? { result: 'found', port: port.view }
    : { result: 'not_ours', port: port.view, why: whose.error }
}

/** A failure that changed nothing. */
function later(failure: OvsdbFailure): Later {
  const reason =
    failure.reason === 'no_leader' ? 'no_leader' : failure.reason === 'failed' ? 'refused' : 'unreachable'
  return { result: 'later', reason, detail: failure.message }
}

function rowsOf(results: readonly OperationResult[]): Row[] {
  return results.flatMap((result) => result.rows ?? [])
}
