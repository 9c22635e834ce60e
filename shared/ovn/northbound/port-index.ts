import { formatAddress, parseAddress } from '../../ipam/address.ts'
import { atomsOf, type Row, textMap, texts } from '../ovsdb/notation.ts'
import { Replica } from '../ovsdb/replica.ts'
import type { ListedPort } from '../port.ts'
import { PORT, VENDOR } from './rows.ts'

const COLUMNS = ['name', 'addresses', 'dynamic_addresses', 'port_security', 'external_ids']

/**
 * Which port has a name or an address, kept by the session's monitor: ovsdb-server looks through the whole table for
 * either. About 1 KB a port. What it says is checked against the row itself before anybody acts on it.
 */
export class PortIndex {
  readonly replica = new Replica(PORT, COLUMNS, (uuid, before, after) => this.#change(uuid, before, after))
  readonly #byName = new Map<string, string>()
  readonly #byAddress = new Map<string, Set<string>>()

  /** uuid */
  named(name: string): string | undefined {
    return this.#byName.get(name)
  }

  /** uuids of the ports that carry one of the addresses, in any spelling, but not the port of that name. */
  holding(addresses: readonly string[], except?: string): string[] {
    const found = new Set(
      addresses.flatMap((text) => [...(this.#byAddress.get(canonical(text) ?? '') ?? [])]),
    )
    const own = except === undefined ? undefined : this.#byName.get(except)
    if (own !== undefined) found.delete(own)
    return [...found]
  }

  /** Kube-OVN's ports of Pods in a Subnet, by its own marks [pkg/ovs/ovn-nb-logical_switch_port.go:22-96]. */
  ofPods(subnet: string): ListedPort[] {
    const ports: ListedPort[] = []
    for (const [uuid, row] of this.replica.rows) {
      const ids = externalIdsOf(row)
      const pod = ids.get('pod')
      const isPods = ids.get('vendor') === VENDOR && ids.get('ls') === subnet
      if (!isPods || !pod || typeof row.name !== 'string') continue
      ports.push({ name: row.name, uuid, pod, addresses: addressesOf(row) })
    }
    return ports.sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** Rows of all ports but `except`. */
  *others(except: string): Iterable<Row> {
    for (const [uuid, row] of this.replica.rows) if (uuid !== except) yield row
  }

  #change(uuid: string, before: Row | undefined, after: Row | undefined): void {
    const [oldName, newName] = [before?.name, after?.name]
    if (oldName !== newName) {
      // Of a port that was re-created in one transaction both rows come, in any order.
      if (typeof oldName === 'string' && this.#byName.get(oldName) === uuid) this.#byName.delete(oldName)
      if (typeof newName === 'string') this.#byName.set(newName, uuid)
    }
    const now = new Set(after ? addressesOf(after) : [])
    for (const address of before ? addressesOf(before) : []) if (!now.has(address)) this.#leave(address, uuid)
    for (const address of now) {
      const holders = this.#byAddress.get(address)
      if (holders) holders.add(uuid)
      else this.#byAddress.set(address, new Set([uuid]))
    }
  }

  #leave(address: string, uuid: string): void {
    const holders = this.#byAddress.get(address)
    holders?.delete(uuid)
    if (holders?.size === 0) this.#byAddress.delete(address)
  }
}

/** What stands in a set of strings that may be missing. */
export function wordsIn(row: Row, column: string): readonly string[] {
  const value = row[column]
  if (value === undefined || atomsOf(value)?.length === 0) return []
  const read = texts(value, column)
  return read.ok ? read.value : []
}

/** A port's external_ids, empty when they cannot be read. */
export function externalIdsOf(row: Row): ReadonlyMap<string, string> {
  const read = textMap(row.external_ids, 'external_ids')
  return read.ok ? read.value : new Map()
}

/** Looks like an IPv6 address for longer than it need. */
const MAC = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i

/** ovn-nb(5) Logical_Switch_Port.addresses: `MAC IP…`, and words such as dynamic, router, unknown. */
function addressesOf(row: Row): string[] {
  const found: string[] = []
  for (const line of [...wordsIn(row, 'addresses'), ...wordsIn(row, 'dynamic_addresses')]) {
    for (const word of line.split(/\s+/)) {
      const address = MAC.test(word) ? undefined : canonical(word.split('/')[0] ?? '')
      if (address !== undefined) found.push(address)
    }
  }
  return found
}

function canonical(text: string): string | undefined {
  const address = parseAddress(text)
  return address.ok ? formatAddress(address.value.family, address.value.value) : undefined
}
