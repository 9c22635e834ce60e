/** Address sets of security groups follow their ports (semantics.md §7) [pkg/controller/security_group.go:361-427]. */
import type { Condition, Mutation, Operation } from '../ovsdb/messages.ts'
import { atomsOf, type Row, set, text, texts, uuid, uuidText } from '../ovsdb/notation.ts'
import { externalIdsOf, wordsIn } from './port-index.ts'
import { ADDRESS_SET } from './rows.ts'

const ASSOCIATED = 'associated_sg_'

/** Security groups whose address sets list a port. */
export function groupsOf(externalIds: ReadonlyMap<string, string>): string[] {
  return [...externalIds].flatMap(([key, value]) =>
    key.startsWith(ASSOCIATED) && key.length > ASSOCIATED.length && value === 'true'
      ? [key.slice(ASSOCIATED.length)]
      : [],
  )
}

/** [pkg/ovs/util.go:52-58] OVN takes no dash in a set's name. */
export function addressSetName(group: string, family: 4 | 6): string {
  return `ovn.sg.${group}.associated.v${family}`.replaceAll('-', '.')
}

/** What a group's set must hold when these are its ports: of port_security, else of addresses, all but the MAC. */
export function associatedAddresses(group: string, family: 4 | 6, ports: Iterable<Row>): ReadonlySet<string> {
  const wanted = new Set<string>()
  for (const port of ports) {
    if (externalIdsOf(port).get(ASSOCIATED + group) !== 'true') continue
    const secured = wordsIn(port, 'port_security')
    for (const line of secured.length > 0 ? secured : wordsIn(port, 'addresses')) {
      for (const word of line.split(/\s+/).filter(Boolean).slice(1)) {
        if (word.includes(':') === (family === 6)) wanted.add(word)
      }
    }
  }
  return wanted
}

/** A set that does not hold what it must. */
export interface AddressSetChange {
  readonly uuid: string
  readonly remove: readonly string[]
  readonly add: readonly string[]
}

/** The rows of the sets `wanted` names that have to change. A set that does not exist is nobody's to make here. */
export function addressSetChanges(
  rows: readonly Row[],
  wanted: ReadonlyMap<string, ReadonlySet<string>>,
): AddressSetChange[] {
  return rows.flatMap((row) => {
    const [id, name] = [uuidText(row._uuid, '_uuid'), text(row.name, 'name')]
    const must = name.ok ? wanted.get(name.value) : undefined
    if (!id.ok || !must) return []
    const empty = row.addresses === undefined || atomsOf(row.addresses)?.length === 0
    const read = empty ? undefined : texts(row.addresses, 'addresses')
    const has = new Set(read?.ok ? read.value : [])
    const remove = [...has].filter((address) => !must.has(address))
    const add = [...must].filter((address) => !has.has(address))
    return remove.length + add.length > 0 ? [{ uuid: id.value, remove, add }] : []
  })
}

/** As differences, so that what others add meanwhile stays. */
export function addressSetOperations(changes: readonly AddressSetChange[]): Operation[] {
  return changes.map(({ uuid: id, remove, add }) => {
    const where: readonly Condition[] = [['_uuid', '==', uuid(id)]]
    const mutations: Mutation[] = []
    if (remove.length > 0) mutations.push(['addresses', 'delete', set(remove)])
    if (add.length > 0) mutations.push(['addresses', 'insert', set(add)])
    return { op: 'mutate', table: ADDRESS_SET, where, mutations }
  })
}
