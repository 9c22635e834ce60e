import type { Clock } from '../../shared/clock.ts'
import type { Happening } from '../../shared/events/cloud-event.ts'
import type { Log } from '../../shared/log.ts'
import { guarded } from '../access/guard.ts'
import type { Berth } from '../berth.ts'
import { hex } from '../reply/hex.ts'
import { apply } from './apply.ts'
import { keyOf } from './desired.ts'
import { actualOf, look, readCommit } from './look.ts'
import type { Tracked } from './plan.ts'
import { type GitApi, GitAway, GitRefused, type Relation } from './provider.ts'
import { callerOf, type Repository } from './settings.ts'
import type { Begun, GitState } from './state.ts'
import { commentOf, markerOf, summaryOf } from './words.ts'

/** Something a webhook asked for, to be done by the repository's object, one after the other. */
export type GitJob =
  | { readonly kind: 'git'; readonly repository: string; readonly after: string; readonly before?: string }
  | { readonly kind: 'git-pull'; readonly repository: string; readonly number: number; readonly head: string }

export interface GitPorts {
  readonly repository: Repository
  readonly api: GitApi
  readonly berth: Berth
  readonly clock: Clock
  readonly log: Log
  /** Tells those who subscribed of what drifted; does nothing where nobody listens. */
  readonly tell: (happenings: readonly Happening[]) => Promise<void>
  readonly state: { load(): GitState; save(state: GitState): void }
}

/** Does a job as far as it goes now; `again` where it may go further later. */
export async function runGitJob(ports: GitPorts, job: GitJob): Promise<'done' | 'again'> {
  const { state, log, repository } = ports
  try {
    return job.kind === 'git' ? await onPush(ports, job) : await onPull(ports, job.number, job.head)
  } catch (error) {
    if (!(error instanceof GitAway) && !(error instanceof GitRefused)) throw error
    log.write('warn', 'git provider', { repository: repository.name, reason: error.message })
    state.save({ ...state.load(), trouble: error.message })
    // A commit that a webhook tells of may be where it is asked for a little later.
    const isYetToCome = job.kind === 'git' && error instanceof GitRefused && error.status === 404
    return error instanceof GitAway || isYetToCome ? 'again' : 'done'
  }
}

/** Brings Berth to the newest commit of the branch, whichever delivery came first. */
async function onPush(
  ports: GitPorts,
  { after, before }: Extract<GitJob, { kind: 'git' }>,
): Promise<'done' | 'again'> {
  const { repository, api, state } = ports
  const known = state.load()
  const commit = await newest(api, repository.branch, after)
  if (commit === undefined) return 'again'
  const relation = known.commit === undefined ? 'ahead' : await relationOf(api, known.commit, commit)
  // Who set the branch back set it back from what was applied; a delivery that comes late is from before that.
  const isSetBack = relation === 'behind' && before === known.commit
  // A delivery that comes late, or again: its commit is part of what was applied.
  if ((relation === 'behind' && !isSetBack) || relation === 'same') {
    await settleOwed(ports)
    return 'done'
  }
  const caller = callerOf(repository)
  const berth = guarded(ports.berth, caller)
  const read = await readCommit(api, commit)
  const tracked = [...known.tracked, ...(await cameOf(berth, known))]
  const plan = await look(berth, read, tracked)
  await ports.tell(await driftEvents(repository.name, commit, plan.drift, ports.clock.nowMs()))
  // Where a file cannot be read, nobody knows what is missing: nothing is done at all.
  if (read.findings.some(({ level }) => level === 'error')) {
    const { entries, findings } = plan
    const summary = `nothing was done: ${summaryOf([], read.findings, true)}`
    const verdict = { state: 'failure', summary, findings } as const
    state.save({ ...without(known), plan: { commit, entries, findings }, owed: { commit, verdict } })
    await settleOwed(ports)
    return 'done'
  }
  // Written down first: should this end in the middle, a later commit still knows what came from here.
  const begun = plan.entries.filter(({ action }) => action === 'reserve').map(briefly)
  if (begun.length > 0) state.save({ ...known, begun: [...(known.begun ?? []), ...begun] })
  const applied = await apply(berth, caller, commit, plan, read.desired, tracked)
  const findings = [...plan.findings, ...applied.findings]
  const failed = findings.some(({ level }) => level === 'error')
  const verdict = {
    state: applied.unfinished ? 'pending' : failed ? 'failure' : 'success',
    summary: summaryOf(applied.entries, findings, false),
    findings,
  } as const
  state.save({
    tracked: applied.tracked,
    plan: { commit, entries: applied.entries, findings },
    owed: { commit, verdict },
    ...(applied.unfinished
      ? { ...(known.commit === undefined ? {} : { commit: known.commit }), begun }
      : { commit, appliedAt: ports.clock.nowMs() }),
  })
  await settleOwed(ports)
  return applied.unfinished ? 'again' : 'done'
}

/**
 * Shows a commit its verdict, and forgets that it is owed. What was done stays done where the provider will not have it:
 * the state tells why.
 */
async function settleOwed({ api, state, log, repository }: GitPorts): Promise<void> {
  const { owed, ...known } = state.load()
  if (!owed) return
  try {
    await api.report(owed.commit, owed.verdict)
    state.save(without(known))
  } catch (error) {
    if (!(error instanceof GitRefused)) throw error
    log.write('warn', 'git provider', { repository: repository.name, reason: error.message })
    state.save({ ...known, trouble: error.message })
  }
}

const briefly = ({ subnet, namespace, podName, file }: Begun): Begun => ({ subnet, namespace, podName, file })

/** What came of reserves that were begun and not seen to end. */
async function cameOf(berth: Berth, { tracked, begun = [] }: GitState): Promise<Tracked[]> {
  const known = new Set(tracked.map(keyOf))
  const open = new Map(begun.map((one) => [keyOf(one), one]))
  const unknown = [...open.values()].filter((one) => !known.has(keyOf(one)))
  const actual = await actualOf(berth, unknown)
  return unknown.flatMap((one) => {
    const there = actual.get(keyOf(one))
    return there ? [{ ...one, name: there.name, id: there.id }] : []
  })
}

/** One event for each thing that drifted, with an id that follows from it: looking again tells nothing new. */
async function driftEvents(
  repository: string,
  commit: string,
  drift: readonly string[],
  nowMs: number,
): Promise<Happening[]> {
  return Promise.all(
    drift.map(async (what) => {
      const bytes = new TextEncoder().encode(`${repository}\n${commit}\n${what}`)
      const digest = hex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)))
      const data = JSON.stringify({ repository, commit, drift: what })
      return {
        space: `git/${repository}`,
        id: `evt_${digest.slice(0, 32)}`,
        type: 'drift',
        subject: repository,
        data,
        at: nowMs,
      }
    }),
  )
}

/**
 * The commit to go to: what the provider says the branch is at, unless its answer is older than the delivery (replicas
 * lag). Undefined where the two have parted, which the next look may clear up.
 */
async function newest(api: GitApi, branch: string, after: string): Promise<string | undefined> {
  const head = await api.head(branch)
  if (head === after) return head
  // One that is not there is not known to be nobody's ancestor: it is on its way.
  switch (await api.relation(after, head)) {
    case 'same':
    case 'ahead':
      return head
    case 'behind':
      return after
    case 'diverged':
      // The branch was rewritten since: what it is at counts, once somebody is told of that push.
      return head
  }
}

/** A commit that is gone from the repository is nobody's ancestor. */
async function relationOf(api: GitApi, base: string, head: string): Promise<Relation> {
  if (base === head) return 'same'
  return api.relation(base, head).catch((error: unknown) => {
    if (error instanceof GitRefused) return 'diverged'
    throw error
  })
}

/** The plan alone, as a status and as the one comment of ours. */
async function onPull(ports: GitPorts, number: number, head: string): Promise<'done' | 'again'> {
  const { repository, api, state } = ports
  const berth = guarded(ports.berth, callerOf(repository))
  const plan = await look(berth, await readCommit(api, head), state.load().tracked)
  const { entries, findings } = plan
  const failed = findings.some(({ level }) => level === 'error')
  const marker = await markerOf(repository, number)
  await api.comment(number, marker, commentOf(marker, head, plan))
  await api.report(head, {
    state: failed ? 'failure' : 'success',
    summary: summaryOf(entries, findings, true),
    findings,
  })
  return 'done'
}

/** A look that went well leaves nothing of the trouble before. */
function without({ trouble: _, ...state }: GitState): GitState {
  return state
}
