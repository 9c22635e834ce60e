/** The transaction that cuts a port, from what was read before it. No I/O. */
import type { Condition, Operation } from '../ovsdb/messages.ts'
import { map, set, uuid } from '../ovsdb/notation.ts'
import type { Schema } from '../ovsdb/schema.ts'
import { DHCP, PORT, type PortRow, SWITCH, type Switch, VENDOR } from './rows.ts'
import { type AddressSetChange, addressSetOperations } from './security-groups.ts'

/** The operations before this one are guards: when one of them fails, the port is not what was read. */
export const FIRST_CHANGE = 2

/**
 * All or nothing: the row is still the one that was read and still on that switch, else nothing happens; it leaves the
 * switch [pkg/ovs/ovn-nb-logical_switch.go:318-358], whereupon OVSDB collects it with its places in port groups; its own
 * DHCP rows go [pkg/ovs/ovn-nb-dhcp_options.go:290-309]; the address sets of its security groups follow. As durable as
 * Kube-OVN's own writes: a cluster flushes to a majority's disks before it answers, a server that stands alone hands
 * the write to its kernel, and should its machine lose power, the address is still looked for by the next reserve.
 */
export function cutOperations(
  schema: Schema,
  port: PortRow,
  holder: Switch,
  sets: readonly AddressSetChange[],
): Operation[] {
  const { view, externalIds } = port
  const itself: readonly Condition[] = [['_uuid', '==', uuid(view.uuid)]]
  const onSwitch: Condition = ['_uuid', '==', uuid(holder.uuid)]
  const as = { _uuid: uuid(view.uuid), name: view.name, type: view.type, external_ids: map(externalIds) }
  const dhcp = map([
    ['vendor', VENDOR],
    ['port', view.name],
  ])
  return [
    { op: 'wait', table: PORT, where: itself, columns: Object.keys(as), until: '==', rows: [as], timeout: 0 },
    {
      op: 'wait',
      table: SWITCH,
      where: [onSwitch, ['ports', 'includes', uuid(view.uuid)]],
      columns: ['name'],
      until: '==',
      rows: [{ name: holder.name }],
      timeout: 0,
    },
    {
      op: 'mutate',
      table: SWITCH,
      where: [onSwitch],
      mutations: [['ports', 'delete', set([uuid(view.uuid)])]],
    },
    ...(schema.tables.get(DHCP)?.has('external_ids')
      ? [{ op: 'delete', table: DHCP, where: [['external_ids', 'includes', dhcp]] } satisfies Operation]
      : []),
    ...addressSetOperations(sets),
    { op: 'comment', comment: `berth: release of ${view.name}` },
  ]
}
