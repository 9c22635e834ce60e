import type { Clock } from '../../clock.ts'
import type { Log } from '../../log.ts'
import type { Random } from '../../random.ts'
import type { ClusterFailure, ClusterPort } from '../port.ts'
import { MIRRORED, type MirroredKind } from './kinds.ts'
import type { MirrorStore } from './store.ts'

export interface FollowPorts {
  readonly cluster: ClusterPort
  readonly store: MirrorStore
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Rows changed (or the kind is whole for the first time): these Subnets' ledgers may have something to hear. */
  readonly told: (kind: MirroredKind, subnets: ReadonlySet<string> | 'all') => void
}

/** Silence longer than this makes what is mirrored old: the watch brings a bookmark every minute. */
export const OLD_MS = 150_000
/** How often a kind the cluster does not serve is asked for. */
const ABSENT_MS = 60_000
const PAGE_ITEMS = 500
const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 30_000

/**
 * Follows one kind until the signal aborts: a list where there is no version to go on from, then its watch, and so on.
 * A list that fails, on whichever page, is begun anew; what it has not named yet is not gone. Can be cut off anywhere.
 */
export async function follow(ports: FollowPorts, kind: MirroredKind, signal: AbortSignal): Promise<void> {
  const { store, clock, random, log, told } = ports
  let waitMs = FIRST_WAIT_MS
  const rest = async (what: string, failure: ClusterFailure) => {
    log.write('warn', `mirror: ${what}`, { kind, reason: failure.reason, message: failure.message })
    // Between half and all of it, so that many do not come back at once.
    const jittered = waitMs * (0.5 + (random.bytes(1)[0] ?? 0) / 512)
    await clock.sleep(Math.max(jittered, failure.retryAfterMs ?? 0), signal)
    waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)
  }
  while (!signal.aborted) {
    const { rv, heardMs, state } = store.kind(kind)
    // After a long sleep the version may still be good, but nobody could tell how old the rows are.
    if (rv === '' || Math.abs(clock.nowMs() - heardMs) > OLD_MS) {
      const failure = await relist(ports, kind, signal)
      if (signal.aborted) return
      if (failure?.reason === 'NotFound' && MIRRORED[kind].optional) {
        const touched = store.absent(kind, clock.nowMs())
        told(kind, state === 'absent' ? touched : 'all')
        await clock.sleep(ABSENT_MS, signal)
        continue
      }
      if (failure) {
        await rest('list failed', failure)
        continue
      }
      told(kind, 'all')
    }
    const failure = await watch(ports, kind, signal, () => {
      waitMs = FIRST_WAIT_MS
    })
    if (signal.aborted) return
    store.forgetVersion(kind)
    // A version that is too old needs no rest: the list brings the next one.
    if (failure && failure.reason !== 'Expired') await rest('watch ended', failure)
  }
}

async function relist(
  { cluster, store, clock, told }: FollowPorts,
  kind: MirroredKind,
  signal: AbortSignal,
): Promise<ClusterFailure | undefined> {
  const list = store.beginList(kind)
  let from: string | undefined
  for (;;) {
    const page = await cluster.list(kind, {
      limit: PAGE_ITEMS,
      ...(from === undefined ? {} : { continue: from }),
    })
    if (signal.aborted) return undefined
    if (!page.ok) return page.error
    told(kind, store.takePage(list, page.value.items))
    from = page.value.continue
    if (from === undefined) {
      told(kind, store.endList(kind, list, page.value.resourceVersion, clock.nowMs()))
      return undefined
    }
  }
}

/** @returns why it ended; undefined when the signal did it */
async function watch(
  { cluster, store, clock, told }: FollowPorts,
  kind: MirroredKind,
  signal: AbortSignal,
  heard: () => void,
): Promise<ClusterFailure | undefined> {
  const { rv } = store.kind(kind)
  for await (const event of cluster.watch(kind, { resourceVersion: rv, signal })) {
    if (signal.aborted) return undefined
    if (event.type === 'ERROR') return event.failure
    heard()
    const touched = store.apply(kind, event, clock.nowMs())
    if (touched.size > 0) told(kind, touched)
  }
  return undefined
}
