import { timing } from './issue.ts'
import { learn } from './learn.ts'
import { isKubeOvnFinalizer } from './learn-beside.ts'
import type { LeaseRow } from './lease.ts'
import type { OpRow } from './op.ts'
import type { ItemState, SeenObject } from './operations.ts'
import type { SeenIp } from './port.ts'
import { agrees } from './said.ts'
import type { Space } from './space.ts'
import { advance } from './steps.ts'

/** How long a driver that listens has before the alarm looks. */
const ALARM_MS = 500

/**
 * The object of a hold at admission is there: what was held is promised, by the news of it (P22). Were it being deleted
 * already, it was there all the same, and what follows is its release.
 * @returns the row as it is then
 */
export function arrived(space: Space, row: LeaseRow, seen: SeenIp): LeaseRow {
  const op = admissionOf(space, row)
  const item = op?.items[0]
  if (!op || !item) return row
  const learnt = learn(
    op.phase,
    item,
    { item: 0, result: 'object', object: objectOf(seen) },
    timing(space, op),
  )
  if (item.beside) {
    // R4 begins: there is something to ask for now, and as long for the answer as any reserve has.
    const deadlineMs = item.made ? op.deadlineMs : space.slowMs + space.settings.ackMs
    const { notBeforeMs: _now, proofMs: _arrived, ...known } = learnt
    const items = [item.admitted === 1 ? known : { ...known, ...proofOf(learnt) }]
    // Nobody is superseded: a driver that listens goes on with it, else the alarm comes.
    const nextMs = item.made ? space.nowMs + ALARM_MS : space.nowMs
    space.ops.update({ ...op, items, deadlineMs, nextMs })
    space.touch(op.id)
    return row
  }
  // Whoever looks for the object just now comes too late.
  advance(space, { ...op, items: [settled(learnt)], driver: op.driver + 1 })
  return space.leases.get(row.nic, row.id) ?? row
}

/** An object that was let through and says something else than was held for it is somebody's, but not what was held. */
export function isStranger(space: Space, row: LeaseRow, seen: SeenIp): boolean {
  return admissionOf(space, row) !== undefined && !asHeld(space, row, seen)
}

function admissionOf(space: Space, row: LeaseRow): OpRow | undefined {
  const op = row.state === 'held' ? space.ops.get(row.op) : undefined
  return op?.kind === 'admission' && op.state === 'running' ? op : undefined
}

const proofOf = ({ proofMs }: ItemState) => (proofMs === undefined ? {} : { proofMs })

/** One answer is followed by one object at most: here it is. After several, another may still land. */
function settled(item: ItemState): ItemState {
  const { proofMs: _arrived, ...rest } = item
  return item.admitted === 1 ? rest : item
}

/** Whether an object says what is held for it. */
export function asHeld(space: Space, row: LeaseRow, seen: SeenIp): boolean {
  const { v4, v6, mac, namespace, podName } = space.view(row)
  const sameFamilies = (seen.v4IpAddress !== '') === (v4 !== '') && (seen.v6IpAddress !== '') === (v6 !== '')
  const sameOwner = seen.namespace === namespace && seen.podName === podName
  return sameOwner && sameFamilies && agrees(seen, { v4, v6, mac })
}

function objectOf(seen: SeenIp): SeenObject {
  return {
    whose: 'ours',
    uid: seen.uid,
    rv: seen.resourceVersion,
    createdAt: seen.createdAt,
    terminating: seen.terminating,
    finalizer: seen.finalizers.some(isKubeOvnFinalizer),
    finalizers: seen.finalizers,
    sameOwner: true,
    agrees: true,
    holds: true,
    description: `${seen.namespace}/${seen.podName}`,
  }
}
