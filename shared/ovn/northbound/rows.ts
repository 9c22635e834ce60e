/** Rows of OVN's Northbound schema as Kube-OVN writes them (semantics.md §7), and whose they are. No I/O. */
import { err, ok, type Result } from '../../result.ts'
import { flag, optional, type Row, readColumns, text, textMap, texts, uuidText } from '../ovsdb/notation.ts'
import { knownColumns, type Schema } from '../ovsdb/schema.ts'
import type { PortOwner, PortView } from '../port.ts'

export const DATABASE = 'OVN_Northbound'
export const PORT = 'Logical_Switch_Port'
export const SWITCH = 'Logical_Switch'
export const DHCP = 'DHCP_Options'
export const ADDRESS_SET = 'Address_Set'

/** Kube-OVN's mark on every row it makes [pkg/util/const.go CniTypeName]. */
export const VENDOR = 'kube-ovn'

const PORT_COLUMNS = {
  _uuid: uuidText,
  name: text,
  external_ids: textMap,
  type: optional(text),
  addresses: optional(texts),
  up: optional(flag),
  options: optional(textMap),
}

const SWITCH_COLUMNS = { _uuid: uuidText, name: text }

export const portColumns = (schema: Schema) => knownColumns(schema, PORT, Object.keys(PORT_COLUMNS))
export const switchColumns = (schema: Schema) => knownColumns(schema, SWITCH, Object.keys(SWITCH_COLUMNS))

/** What a schema must have for ports to be judged and cut; the rest may be missing. */
const REQUIRED: readonly (readonly [table: string, column: string])[] = [
  [PORT, 'name'],
  [PORT, 'external_ids'],
  [PORT, 'type'],
  [PORT, 'addresses'],
  [SWITCH, 'name'],
  [SWITCH, 'ports'],
]

/** What this schema lacks that cannot be done without; undefined when it will do. */
export function lackOf(schema: Schema): string | undefined {
  const lacking = REQUIRED.filter(([table, column]) => !schema.tables.get(table)?.has(column))
  if (lacking.length === 0) return undefined
  return `schema ${schema.version} has no ${lacking.map((pair) => pair.join('.')).join(', ')}`
}

export interface Switch {
  readonly uuid: string
  readonly name: string
}

/** A port's row and the switches that hold it. */
export interface PortRow {
  readonly view: PortView
  readonly externalIds: ReadonlyMap<string, string>
  readonly switches: readonly Switch[]
}

export function readPort(row: Row, switches: readonly Row[]): Result<PortRow, string> {
  const port = readColumns(PORT_COLUMNS, row)
  if (!port.ok) return port
  const holders: Switch[] = []
  for (const one of switches) {
    const read = readColumns(SWITCH_COLUMNS, one)
    if (!read.ok) return read
    holders.push({ uuid: read.value._uuid, name: read.value.name })
  }
  const { _uuid, name, external_ids, type, addresses, up, options } = port.value
  const chassis = options?.get('requested-chassis')
  const view: PortView = {
    name,
    uuid: _uuid,
    type: type ?? '',
    switches: holders.map((holder) => holder.name),
    addresses: addresses ?? [],
    externalIds: Object.fromEntries(external_ids),
    ...(up === undefined ? {} : { up }),
    ...(chassis === undefined || chassis === '' ? {} : { requestedChassis: chassis }),
  }
  return ok({ view, externalIds: external_ids, switches: holders })
}

/**
 * The one switch a port is to be cut from, if it is the owner's in everything Kube-OVN writes; else why not. The keys
 * are those of pkg/ovs/ovn-nb-logical_switch_port.go:22-96.
 */
export function ownersPort(port: PortRow, owner: PortOwner): Result<Switch, string> {
  const { view, externalIds, switches } = port
  const [holder, ...more] = switches
  const id = (key: string) => JSON.stringify(externalIds.get(key) ?? '')
  if (view.name !== owner.name) return err(`its name is ${JSON.stringify(view.name)}`)
  if (view.type !== '') return err(`it is a ${view.type} port`)
  if (externalIds.get('vendor') !== VENDOR) return err(`its vendor is ${id('vendor')}, not ${VENDOR}`)
  if (externalIds.get('ls') !== owner.subnet) return err(`its ls is ${id('ls')}, not ${owner.subnet}`)
  if (externalIds.get('pod') !== owner.pod) return err(`its pod is ${id('pod')}, not ${owner.pod}`)
  if (!holder) return err('no logical switch holds it')
  if (more.length > 0) return err(`several logical switches hold it: ${view.switches.join(', ')}`)
  if (holder.name !== owner.subnet) return err(`it is on switch ${holder.name}, not ${owner.subnet}`)
  return ok(holder)
}
