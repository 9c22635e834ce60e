import { rfc3339 } from '../clock.ts'
import type { ClusterFailure, ClusterPort, EventObject } from '../cluster/port.ts'
import { countersStatus, saysCounters } from '../kube-ovn/subnet-status.ts'
import type { CountersReport } from '../ledger/counters.ts'
import type { LedgerEvent } from '../ledger/outbox.ts'
import type { ReportOutcomes, Reports, Told } from '../ledger/reports.ts'

/** Cluster-scoped objects have their Events here [k8s.io/client-go/tools/reference]. */
const EVENT_NAMESPACE = 'default'
const COMPONENT = 'berth'
/** Somebody else wrote the Subnet in between: read it again. */
const CONFLICT_MS = 200

const DONE: Told = { outcome: 'done' }

/** Tells the cluster what a ledger has to report. Nobody waits for it, and it must hold nobody up. */
export async function tell(
  cluster: Pick<ClusterPort, 'send'>,
  { events, counters }: Reports,
): Promise<ReportOutcomes> {
  const [tellings, status] = await Promise.all([
    tellEvents(cluster, events),
    counters && tellCounters(cluster, counters),
  ])
  return {
    events: tellings,
    ...(counters && status ? { counters: { revision: counters.revision, told: status } } : {}),
  }
}

/** Beside kube-ovn-controller, which keeps the counters itself. */
export async function tellBeside(
  cluster: Pick<ClusterPort, 'send'>,
  { events, counters }: Reports,
): Promise<ReportOutcomes> {
  const told = await tell(cluster, { events })
  return { ...told, ...(counters ? { counters: { revision: counters.revision, told: DONE } } : {}) }
}

/** Nothing of it is known to have been told. */
export function untold({ events, counters }: Reports): ReportOutcomes {
  const told: Told = { outcome: 'later' }
  return {
    events: events.map(({ name }) => ({ name, told })),
    ...(counters ? { counters: { revision: counters.revision, told } } : {}),
  }
}

async function tellEvents(
  cluster: Pick<ClusterPort, 'send'>,
  events: readonly LedgerEvent[],
): Promise<ReportOutcomes['events']> {
  if (events.length === 0) return []
  const replies = await cluster.send(events.map((event) => ({ verb: 'create', object: eventObject(event) })))
  return events.map(({ name }, index) => {
    const reply = replies[index]
    if (!reply) throw new Error('fewer replies than requests')
    return { name, told: reply.ok ? DONE : eventFailed(reply.error) }
  })
}

/** One that is there was told before; one the cluster will not have is not told at all. */
function eventFailed({ reason, retryAfterMs }: ClusterFailure): Told {
  if (reason === 'AlreadyExists' || reason === 'Invalid' || reason === 'Forbidden' || reason === 'NotFound') {
    return DONE
  }
  return { outcome: 'later', ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
}

function eventObject({ name, reason, message, object, uid, atMs }: LedgerEvent): EventObject {
  const at = `${rfc3339(atMs).slice(0, 19)}Z`
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name, namespace: EVENT_NAMESPACE },
    involvedObject: { apiVersion: 'kubeovn.io/v1', kind: 'IP', name: object, uid },
    reason,
    message,
    type: reason === 'Reserved' || reason === 'Released' ? 'Normal' : 'Warning',
    source: { component: COMPONENT },
    reportingComponent: COMPONENT,
    firstTimestamp: at,
    lastTimestamp: at,
    count: 1,
  }
}

/** Writes the counters where they differ; a Subnet that is gone, or another one, has none of ours. */
async function tellCounters(
  cluster: Pick<ClusterPort, 'send'>,
  { subnet, uid, counters }: CountersReport,
): Promise<Told> {
  const ref = { kind: 'Subnet', name: subnet } as const
  const [read] = await cluster.send([{ verb: 'get', ref }])
  if (!read) throw new Error('no reply to one request')
  if (!read.ok) return read.error.reason === 'NotFound' ? DONE : later(read.error)
  const { metadata, status } = read.value
  if (metadata.uid !== uid || saysCounters(status, counters)) return DONE
  const [written] = await cluster.send([
    {
      verb: 'patch',
      ref,
      patch: { metadata: { uid }, status: countersStatus(counters) },
      resourceVersion: metadata.resourceVersion ?? '',
      subresource: 'status',
    },
  ])
  if (!written) throw new Error('no reply to one request')
  if (written.ok || written.error.reason === 'NotFound') return DONE
  return written.error.reason === 'Conflict'
    ? { outcome: 'later', retryAfterMs: CONFLICT_MS }
    : later(written.error)
}

function later({ retryAfterMs }: ClusterFailure): Told {
  return { outcome: 'later', ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
}
