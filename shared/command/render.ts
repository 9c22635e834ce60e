import { rfc3339 } from '../clock.ts'
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
  if (lease.uid !== undefined) {
    object.metadata = {
      ...object.metadata,
      ...(lease.objectAt === undefined ? {} : { creationTimestamp: lease.objectAt }),
      generation: 1,
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
    ...(lease.reason === undefined ? {} : { reason: lease.reason }),
    operation: lease.operation,
    warnings,
    object,
  }
}

/** The outcome a door renders. */
export function outcomeOf(
  answer: Answer,
  ports: CommandPorts,
  warnings: readonly string[] = [],
): WriteOutcome {
  if (answer.kind === 'refused') return { kind: 'refused', problem: answer.problem }
  const { authority } = ports.settings
  return {
    kind: 'done',
    created: answer.created,
    reservations: answer.leases.map((lease) => reservationOf(lease, authority, warnings)),
  }
}

export function operationViewOf(view: OpView, authority: 'alone' | 'beside'): OperationView {
  return {
    id: view.id,
    kind: view.kind,
    state: view.state,
    phase: view.phase,
    reservations: view.leases.map((lease) => reservationOf(lease, authority)),
    ...(view.problem ? { problem: view.problem } : {}),
    createdAt: rfc3339(view.createdAt),
    updatedAt: rfc3339(view.updatedAt),
  }
}
