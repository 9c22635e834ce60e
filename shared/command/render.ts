import { rfc3339 } from '../clock.ts'
import { KINDS, type KubeObject } from '../cluster/port.ts'
import { VIP_PREFIX } from '../kube-ovn/names.ts'
import type { Answer, LeaseView, OpView } from '../ledger/port.ts'
import { objectOf } from './evidence.ts'
import type { CommandPorts } from './ports.ts'
import type { OperationView, Reservation, WriteOutcome } from './types.ts'

/** Said in every answer of a dry run. */
export const DRY_RUN = 'dry run: nothing was changed and nothing is promised'

/** A ledger row as callers see it: `object` is the IP object as the cluster has it, or will have it. */
export function reservationOf(
  lease: LeaseView,
  authority: 'alone' | 'beside',
  warnings: readonly string[] = [],
): Reservation {
  const object = objectOf(lease, authority)
  // Of somebody else's object no more is known than what it says: none of our marks are on it.
  if (lease.state === 'foreign') object.metadata = { name: lease.name }
  if (lease.uid !== undefined) {
    object.metadata = {
      ...object.metadata,
      ...(lease.objectAt === undefined ? {} : { creationTimestamp: lease.objectAt }),
      ...(lease.state === 'foreign' ? {} : { generation: 1 }),
      ...(lease.resourceVersion === undefined ? {} : { resourceVersion: lease.resourceVersion }),
      uid: lease.uid,
    }
  }
  return {
    id: lease.id,
    state: lease.state,
    ...(lease.contested ? { contested: true as const } : {}),
    name: lease.name,
    subnet: lease.subnet,
    cluster: lease.cluster,
    owner: {
      namespace: lease.namespace,
      name: lease.podName,
      kind: lease.podType,
      provider: lease.provider,
    },
    v4IpAddress: lease.v4,
    v6IpAddress: lease.v6,
    macAddress: lease.mac,
    createdAt: rfc3339(lease.createdAt),
    ...(lease.expiresAt === undefined ? {} : { expiresAt: rfc3339(lease.expiresAt) }),
    ...(lease.overdue ? { overdue: true as const } : {}),
    ...(lease.reason === undefined ? {} : { reason: lease.reason }),
    operation: lease.operation,
    warnings: [...(lease.notes ?? []), ...warnings],
    object: lease.name.startsWith(VIP_PREFIX) ? vipOf(lease) : object,
  }
}

/** The same with what its reader should know of how it is protected just now. */
export function reservationIn(
  { settings }: Pick<CommandPorts, 'settings'>,
  lease: LeaseView,
  warnings: readonly string[] = [],
): Reservation {
  const isPromised = lease.state === 'held' || lease.state === 'bound' || lease.state === 'stranded'
  const exposed = isPromised ? (settings.exposed ?? []) : []
  return reservationOf(lease, settings.authority, [...warnings, ...exposed])
}

/** A Vip that holds addresses, as far as it is known. */
function vipOf({ name, uid, resourceVersion, subnet, namespace, v4, v6, mac }: LeaseView): KubeObject {
  return {
    apiVersion: KINDS.Vip.apiVersion,
    kind: 'Vip',
    metadata: {
      name: name.slice(VIP_PREFIX.length),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
    spec: { subnet, namespace, v4ip: v4, v6ip: v6, macAddress: mac },
  }
}

/** The outcome a door renders. */
export function outcomeOf(
  answer: Answer,
  ports: CommandPorts,
  warnings: readonly string[] = [],
): WriteOutcome {
  if (answer.kind === 'refused') return { kind: 'refused', problem: answer.problem }
  return {
    kind: 'done',
    created: answer.created,
    reservations: answer.leases.map((lease) => reservationIn(ports, lease, warnings)),
  }
}

/** Said in every answer about a release where ports are not looked after. */
const NO_OVN = 'OVN_NB is none: no logical switch port was looked for'

/** What whoever releases should know of this installation. */
export const releaseWarnings = ({ settings }: Pick<CommandPorts, 'settings'>): readonly string[] =>
  settings.ovn ? [] : [NO_OVN]

/** An operation, whose reservations say what its own answer does. */
export function operationViewOf(view: OpView, ports: Pick<CommandPorts, 'settings'>): OperationView {
  const warnings = view.kind === 'release' ? releaseWarnings(ports) : []
  return {
    id: view.id,
    tenant: view.tenant,
    kind: view.kind,
    state: view.state,
    phase: view.phase,
    reservations: view.leases.map((lease) => reservationIn(ports, lease, warnings)),
    ...(view.problem ? { problem: view.problem } : {}),
    createdAt: rfc3339(view.createdAt),
    updatedAt: rfc3339(view.updatedAt),
  }
}
