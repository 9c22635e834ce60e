import { unknownPool } from '../ipam/refusals.ts'
import { ownerKey, portName } from '../kube-ovn/names.ts'
import { type Finding, problem } from '../problem.ts'
import { ok } from '../result.ts'
import { admitted, admittedAgain, existsFinding } from './admission.ts'
import { adopted, adoptionFinding } from './adopt.ts'
import { holdGate } from './announced.ts'
import { placed } from './block.ts'
import { operationId, reservationId } from './ids.ts'
import { issue } from './issue.ts'
import type { LeaseRow } from './lease.ts'
import type { LeaseTag } from './lease-index.ts'
import { lifetimeOf } from './lifetime.ts'
import { awaitsAddress, fixedBy, foreignFinding, heldBy } from './met.ts'
import type { OpRow } from './op.ts'
import type { ItemState } from './operations.ts'
import { askAgainFor, askAgainForAll } from './others.ts'
import type { Answer, HoldRequest, Opened, Wish } from './port.ts'
import { mayReturn, termsFinding, withUse } from './quota.ts'
import { findingOf, isFinal, refusedAnswer } from './refusals.ts'
import { tooLarge } from './size.ts'
import type { Space, Verdict } from './space.ts'
import { firstStage } from './vacancy.ts'
import { isKept, windowFinding } from './window.ts'
import { nameFinding, presentFinding } from './wish.ts'

/**
 * The first transaction of a reserve (R1): all rows of the group, their bits, the operation and the key, or nothing.
 * A wish of somebody who has the address already is answered from the row; one under way is joined.
 */
export function hold(space: Space, request: HoldRequest): Opened {
  return space.transaction((): Verdict<Opened> => {
    const known = request.dryRun ? undefined : knownKey(space, request)
    if (known) return { commit: false, value: known }
    space.told(request.mode)
    const gate = holdGate(space, request.verified === true)
    if (gate) return { commit: false, value: gate }
    const opened = open(space, request)
    if (opened.value.kind !== 'answer' || request.dryRun) return opened
    return remembered(space, request, opened)
  })
}

/** A refusal changes nothing but the memory of its key; that needs a transaction of its own after the rollback. */
export function rememberRefusal(space: Space, request: HoldRequest, opened: Opened): void {
  if (opened.kind !== 'answer' || opened.answer.kind !== 'refused') return
  if (request.dryRun || request.key === undefined || !isFinal(opened.answer)) return
  // The caller is about to pin it, and asks again.
  if (request.pins !== undefined && opened.answer.problem.code === 'outside_window') return
  if (opened.answer.problem.code === 'idempotency_mismatch') return
  const { answer } = opened
  space.transaction(() => {
    // A replay is no news: its key is forgotten when the first answer's day is over.
    if (knownKey(space, request)) return { commit: false, value: undefined }
    space.keys.put(request, { answer }, space.keptUntilMs)
    return { commit: true, value: undefined }
  })
}

function remembered(space: Space, request: HoldRequest, opened: Verdict<Opened>): Verdict<Opened> {
  if (opened.value.kind !== 'answer' || opened.value.answer.kind !== 'done') return opened
  if (request.key === undefined) return opened
  space.keys.put(request, { answer: opened.value.answer }, space.keptUntilMs)
  return { commit: true, value: opened.value }
}

/** What this key says already: its stored answer, the operation to wait for, or that it is another request's. */
export function knownKey(
  space: Space,
  request: { readonly tenant: string; readonly key?: string; readonly bodyHash: string },
): Opened | undefined {
  if (request.key === undefined) return undefined
  const row = space.keys.get(request.tenant, request.key, space.slowMs)
  if (!row) return undefined
  const op = row.op === null ? undefined : space.ops.get(row.op)
  const answer = row.answer ?? (op && op.state !== 'running' ? answerOf(op) : undefined)
  // An operation that ended retryably is as if it had never been asked for.
  if (op?.state !== 'running' && !(answer && isFinal(answer))) return undefined
  if (row.hash !== request.bodyHash) {
    const mismatch = problem('idempotency_mismatch', 'this Idempotency-Key was used for another request', {
      field: 'Idempotency-Key',
    })
    return { kind: 'answer', answer: { kind: 'refused', problem: mismatch } }
  }
  if (!answer) return op && { kind: 'join', op: op.id, joined: row.joined }
  return { kind: 'answer', answer: row.joined ? asFound(answer) : answer }
}

/** How a closed operation was answered. */
export function answerOf(op: OpRow): Answer | undefined {
  return op.response ?? (op.problem ? { kind: 'refused', problem: op.problem } : undefined)
}

/** The answer of somebody who did not make the reservation. */
export function asFound(answer: Answer): Answer {
  return answer.kind === 'done' ? { ...answer, created: false } : answer
}

function open(space: Space, request: HoldRequest): Verdict<Opened> {
  const findings: Finding[] = []
  const rows: LeaseRow[] = []
  const fresh: ItemState[] = []
  const seen = new Map<string, number>()
  const wallMs = space.clock.nowMs()
  const facts = space.subnet?.facts
  if (!facts) return { commit: false, value: { kind: 'unconfigured' } }
  const op = operationId(wallMs, space.random, facts.cluster, facts.name)
  const single = request.items.length === 1
  if (!single) {
    space.leases.lookUp(request.items.map((wish) => portName(wish.podName, wish.namespace, facts.provider)))
  }
  const places = request.block ? placed(space, request.items, request.block) : ok(request.items)
  if (!places.ok) {
    const { error } = places
    const findings = single ? error.map(({ item: _, ...finding }) => finding) : error
    return { commit: false, value: { kind: 'answer', answer: refusedAnswer(findings) } }
  }

  for (const [index, wish] of places.value.entries()) {
    const note = (finding: Finding) => findings.push(single ? finding : { ...finding, item: index })
    const nic = portName(wish.podName, wish.namespace, facts.provider)
    const twin = seen.get(nic)
    if (twin !== undefined) {
      note({ code: 'invalid_field', field: 'podName', message: `the same owner as item ${twin}` })
      continue
    }
    seen.set(nic, index)
    const wrongName = nameFinding(wish, nic, facts.provider)
    if (wrongName) {
      note(wrongName)
      continue
    }
    const foreign = single ? undefined : foreignFinding(space, nic)
    if (foreign) {
      note(foreign)
      continue
    }
    const exists = request.admission ? existsFinding(space, nic) : undefined
    if (exists) {
      note(exists)
      continue
    }
    const claim = single ? space.claims.get(nic) : undefined
    const theirs = claim && !space.leases.promise(nic) && space.leases.get(nic, claim.id)
    if (claim && theirs && !awaitsAddress(claim)) {
      const finding = adoptionFinding(space, theirs, claim, wish)
      if (!finding) return adopted(space, request, theirs, claim)
      note(finding)
      continue
    }
    const present = space.leases.promise(nic)
    if (present) {
      const finding = presentFinding(wish, present)
      if (finding) {
        note(finding)
        continue
      }
      if (present.state === 'held') {
        if (request.dryRun) rows.push(present)
        else if (request.admission) return admittedAgain(space, present)
        else return joinHeld(space, request, present)
      } else rows.push(present)
      continue
    }
    const lifetimeMs = lifetimeOf(wish, wallMs)
    if (typeof lifetimeMs === 'object') {
      note(lifetimeMs)
      continue
    }
    const against = termsFinding(space, wish, lifetimeMs)
    if (against) {
      note(against)
      continue
    }
    const back = returning(space, wish, nic, op)
    const outside = back ? undefined : windowFinding(space, wish, request)
    if (outside) {
      note(outside)
      continue
    }
    const row = back ?? chosen(space, wish, nic, op, wallMs, note)
    if (!row) continue
    if (lifetimeMs === undefined) space.lifetimes.drop(row.id)
    else space.lifetimes.put(row, lifetimeMs, wallMs, space.slowMs)
    rows.push(row)
    const fixed = fixedBy(wish)
    fresh.push({
      nic,
      id: row.id,
      stage: firstStage(space),
      tries: 0,
      ...space.begun,
      ...(space.begun.beside ? { unlessRunning: true as const } : {}),
      ...(fixed.length > 0 ? { fixed } : {}),
    })
  }

  if (findings.length > 0) {
    return { commit: false, value: { kind: 'answer', answer: refusedAnswer(findings) } }
  }
  const leases = rows.map((row) => space.view(row))
  const large = tooLarge(leases)
  if (large) return { commit: false, value: { kind: 'answer', answer: { kind: 'refused', problem: large } } }
  if (fresh.length === 0 || request.dryRun) {
    const answer: Answer = { kind: 'done', created: fresh.length > 0, leases: withUse(space, leases) }
    return { commit: false, value: { kind: 'answer', answer } }
  }
  if (request.admission) {
    return admitted(
      space,
      soleOf(rows),
      { id: op, tenant: request.tenant, wallMs },
      soleOf(fresh).fixed ?? [],
    )
  }
  if (fresh.length !== rows.length) return partlyPresent(space, request, rows, fresh, op, wallMs)
  return started(space, request, rows, fresh, op, wallMs)
}

function soleOf<T>(rows: readonly T[]): T {
  const [row] = rows
  if (!row || rows.length > 1) throw new Error('admission holds one wish at a time')
  return row
}

/** Rows that were there already take part in the answer but not in the work. */
function partlyPresent(
  space: Space,
  request: HoldRequest,
  rows: readonly LeaseRow[],
  fresh: readonly ItemState[],
  op: string,
  wallMs: number,
): Verdict<Opened> {
  const posting = new Map(fresh.map((item) => [item.nic, item]))
  const items = rows.map(
    (row): ItemState =>
      posting.get(row.nic) ?? {
        nic: row.nic,
        id: row.id,
        stage: 'proven',
        present: true,
        tries: 0,
      },
  )
  return started(space, request, rows, items, op, wallMs)
}

function started(
  space: Space,
  request: HoldRequest,
  rows: readonly LeaseRow[],
  items: readonly ItemState[],
  op: string,
  wallMs: number,
): Verdict<Opened> {
  const next = issue(
    space,
    {
      id: op,
      tenant: request.tenant,
      kind: 'reserve',
      phase: 'post',
      state: 'running',
      driver: 1,
      attempt: 0,
      issuedMs: space.nowMs,
      deadlineMs: space.slowMs + space.settings.ackMs,
      nextMs: null,
      items,
      problem: null,
      response: null,
      createdAt: wallMs,
      updatedAt: wallMs,
    },
    'insert',
  )
  space.keys.put(request, { op }, space.keptUntilMs)
  return { commit: true, value: { kind: 'drive', op, leases: rows.map((row) => space.view(row)), next } }
}

/** One wish joins the open operation; a group waits for it and asks again. */
function joinHeld(space: Space, request: HoldRequest, present: LeaseRow): Verdict<Opened> {
  const op = space.ops.get(present.op)
  if (request.items.length > 1 || !op || op.items.length > 1) {
    const waiting = problem('unavailable', `a reservation of ${present.nic} is under way`, {
      retryAfterMs: 1_000,
    })
    return { commit: false, value: { kind: 'busy', op: present.op, problem: waiting } }
  }
  space.keys.put(request, { op: op.id, joined: true }, space.keptUntilMs)
  return { commit: request.key !== undefined, value: { kind: 'join', op: op.id, joined: true } }
}

/**
 * The owner is back within the cool-down: same address, same MAC, next epoch. What cools down of somebody else's object
 * may be what nobody would be given: one family of two, or a gateway.
 */
export function returning(space: Space, wish: Wish, nic: string, op: string): LeaseRow | undefined {
  const row = space.leases.quarantined(nic)
  if (!row?.bit || presentFinding({ ...wish, podType: '' }, row) || !mayReturn(space, row)) return undefined
  const { v4, v6 } = space.config
  const lacks = (v4 && row.v4 === null) || (v6 && row.v6 === null)
  if (lacks || space.excludes().isGateway(row) || !isKept(space, row)) return undefined
  return space.leases.update(row, {
    podType: wish.podType,
    state: 'held',
    epoch: row.epoch + 1,
    op,
    origin: op,
    originEpoch: row.epoch + 1,
    uid: null,
    rv: null,
    objectAt: null,
    reason: wish.reason ?? null,
    freeMs: null,
  })
}

/** In a shared space what others had when it was last asked keeps nobody from asking again. */
function chosen(
  space: Space,
  wish: Wish,
  nic: string,
  op: string,
  wallMs: number,
  note: (finding: Finding) => void,
): LeaseRow | undefined {
  if (space.settings.sharedSpace === undefined) return allocated(space, wish, nic, op, wallMs, note)
  askAgainFor(space, wish)
  const findings: Finding[] = []
  const row = allocated(space, wish, nic, op, wallMs, (finding) => findings.push(finding))
  if (row) return row
  if (findings.some(({ code }) => code === 'no_capacity') && askAgainForAll(space)) {
    return allocated(space, wish, nic, op, wallMs, note)
  }
  for (const finding of findings) note(finding)
  return undefined
}

export function allocated(
  space: Space,
  wish: Wish,
  nic: string,
  op: string,
  wallMs: number,
  note: (finding: Finding) => void,
): LeaseRow | undefined {
  const tag: LeaseTag = {
    id: reservationId(wallMs, space.random),
    namespace: wish.namespace,
    podName: wish.podName,
    podType: wish.podType,
    pool: wish.ipPool ?? '',
    state: 'held',
    bit: true,
    contested: false,
    epoch: 1,
    op,
    origin: op,
    originEpoch: 1,
    uid: null,
    rv: null,
    objectAt: null,
    proofMs: null,
    reason: wish.reason ?? null,
    createdAt: wallMs,
    freeMs: null,
  }
  // The core looks for the pool only where it chooses; a name that is wrong is wrong beside wished addresses too.
  if (wish.ipPool && !space.allocator.pools.has(wish.ipPool)) {
    note(findingOf(unknownPool(wish.ipPool)))
    return undefined
  }
  const lease = space.allocator.allocate({
    owner: ownerKey(wish.namespace, wish.podName),
    nic,
    ...(wish.v4IpAddress === undefined ? {} : { v4: wish.v4IpAddress }),
    ...(wish.v6IpAddress === undefined ? {} : { v6: wish.v6IpAddress }),
    ...(wish.macAddress === undefined ? {} : { mac: wish.macAddress }),
    ...(wish.ipPool === undefined ? {} : { pool: wish.ipPool }),
    tag,
  })
  if (lease.ok)
    return { ...tag, nic, v4: lease.value.v4 ?? null, v6: lease.value.v6 ?? null, mac: lease.value.mac }
  note(heldBy(space, wish, findingOf(lease.error)))
  return undefined
}
