import { rfc3339 } from '../clock.ts'
import { type Finding, problem } from '../problem.ts'
import { knownKey } from './hold.ts'
import { enqueue } from './issue.ts'
import type { LeaseRow } from './lease.ts'
import { lifetimeOf } from './lifetime.ts'
import type { Answer, LeaseView, Opened, RenewRequest } from './port.ts'
import { lastingFinding } from './quota.ts'
import { isFinal, refusedAnswer } from './refusals.ts'
import type { Space, Verdict } from './space.ts'

/** What one reservation is to have; undefined: no end. */
interface Renewal {
  readonly row: LeaseRow
  readonly lifetimeMs: number | undefined
}

/**
 * Gives reservations another lifetime, counted from now: all of them or none. The ledger's word counts at once; the
 * object's annotation follows. One that is being released is released.
 */
export function renew(space: Space, request: RenewRequest): Opened {
  return space.transaction((): Verdict<Opened> => {
    const known = request.dryRun ? undefined : knownKey(space, request)
    if (known) return { commit: false, value: known }
    space.told(request.mode)
    const renewals: Renewal[] = []
    const findings: Finding[] = []
    for (const [index, item] of request.items.entries()) {
      const found = renewalOf(space, item, request)
      if ('op' in found)
        return { commit: false, value: { kind: 'busy', op: found.op, problem: found.problem } }
      if ('row' in found) renewals.push(found)
      else findings.push(request.items.length === 1 ? found : { ...found, item: index })
    }
    if (findings.length > 0) return answered(space, request, refusedAnswer(findings))
    const wallMs = space.clock.nowMs()
    const leases = renewals.map((one) => renewed(space, one, request, wallMs))
    return answered(space, request, { kind: 'done', created: false, leases })
  })
}

function renewalOf(
  space: Space,
  { name, id, epoch }: RenewRequest['items'][number],
  { lasting }: RenewRequest,
): Renewal | Finding | { readonly op: string; readonly problem: ReturnType<typeof problem> } {
  const row = space.leases.get(name, id)
  if (!row || row.state === 'quarantined') {
    return { code: 'not_found', field: 'name', message: `there is no reservation ${name}` }
  }
  if (row.state === 'foreign') {
    return { code: 'contested', field: 'name', message: `${name} was not made here; adopt it first` }
  }
  const open = space.ops.get(row.op)
  const leaves = open?.state === 'running' && open.phase === 'owner' && open.items[0]?.lapsed === undefined
  if (row.state === 'held' || row.state === 'releasing' || row.epoch !== epoch || leaves) {
    const why = problem('releasing', `an operation on ${name} is under way`, { retryAfterMs: 1_000 })
    return { op: row.op, problem: why }
  }
  const lifetimeMs = wished(space, row, lasting)
  if (typeof lifetimeMs === 'object') return lifetimeMs
  return lastingFinding(space, row.namespace, lifetimeMs) ?? { row, lifetimeMs }
}

function wished(space: Space, row: LeaseRow, lasting: RenewRequest['lasting']): number | undefined | Finding {
  if (lasting === 'always') return undefined
  if (lasting !== 'again') return lifetimeOf(lasting, space.clock.nowMs())
  return (
    space.lifetimes.of(row.id)?.ttlMs ?? {
      code: 'invalid_field',
      field: 'ttlSeconds',
      message: `${row.nic} has no end; say how long it is to last`,
    }
  )
}

function renewed(
  space: Space,
  { row, lifetimeMs }: Renewal,
  { tenant, dryRun }: RenewRequest,
  wallMs: number,
): LeaseView {
  const before = space.lifetimes.of(row.id)
  if (lifetimeMs === undefined) space.lifetimes.drop(row.id)
  else space.lifetimes.put(row, lifetimeMs, wallMs, space.slowMs)
  if (!dryRun) space.audit.renewed(row, tenant, before)
  const open = space.ops.get(row.op)
  // Whatever is under way writes the object itself, or leaves it; the hourly repair brings what is left.
  const isFree = open?.state !== 'running' && row.state === 'bound' && row.uid !== null
  if (dryRun || !isFree) return space.view(row)
  const expires = lifetimeMs === undefined ? '' : rfc3339(wallMs + lifetimeMs)
  const item = {
    nic: row.nic,
    id: row.id,
    uid: row.uid,
    stage: 'inspect',
    tries: 0,
    mends: 'expires',
    expires,
  } as const
  return space.view(space.leases.update(row, { op: enqueue(space, 'repair', 'mend', [item], tenant).id }))
}

function answered(space: Space, request: RenewRequest, answer: Answer): Verdict<Opened> {
  const opened = { kind: 'answer', answer } as const
  if (request.dryRun) return { commit: false, value: opened }
  const isKept = request.key !== undefined && isFinal(answer)
  if (isKept) space.keys.put(request, { answer }, space.keptUntilMs)
  return { commit: isKept || answer.kind === 'done', value: opened }
}
