/** What news of an object of ours means to whoever waits for kube-ovn-controller just now. */
import { asHeld } from './arrival.ts'
import { enqueue } from './issue.ts'
import { isKubeOvnFinalizer } from './learn-beside.ts'
import type { LeaseRow } from './lease.ts'
import type { ItemState } from './operations.ts'
import type { SeenIp } from './port.ts'
import type { Space } from './space.ts'

/** The driver that listens goes on at once; the alarm comes after this, should there be none. */
const ALARM_MS = 2_000

/** A held object of ours is acknowledged, or the ledger has been told up to its acknowledgement: R4 goes on. */
export function hearHeld(space: Space, row: LeaseRow, seen: SeenIp): void {
  const op = row.state === 'held' ? space.ops.get(row.op) : undefined
  if (op?.state !== 'running' || op.phase !== 'post' || op.kind !== 'reserve') return
  if (seen.operation !== row.origin || seen.terminating || !asHeld(space, row, seen)) return
  if (!seen.finalizers.some(isKubeOvnFinalizer)) return
  const items = op.items.map((item): ItemState => {
    if (item.nic !== row.nic || !item.beside) return item
    const { notBeforeMs: _now, ...rest } = item
    if (item.stage === 'witness') return rest
    if (item.stage !== 'ack') return item
    const { uid, resourceVersion: rv, createdAt: objectAt } = seen
    return { ...rest, made: true, stage: 'holders', uid, rv, objectAt, tries: 0 }
  })
  if (items.every((item, index) => item === op.items[index])) return
  space.ops.update({ ...op, items, nextMs: space.nowMs + ALARM_MS })
  space.touch(op.id)
}

/** An object that is made again waits for the controller: it has done something, so it is looked at now. */
export function hearPromised(space: Space, row: LeaseRow): void {
  const op = space.ops.get(row.op)
  if (op?.state !== 'running' || op.phase !== 'reassert') return
  if (!op.items.some(({ beside, stage }) => beside && (stage === 'ack' || stage === 'inspect'))) return
  const items = op.items.map(({ notBeforeMs: _now, ...item }): ItemState => item)
  space.ops.update({ ...op, items, nextMs: space.nowMs })
  space.touch(op.id)
}

/** How long whoever takes a label off again is left alone; the hourly comparison (command/repair) tries again. */
const LEFT_ALONE_MS = 600_000

/**
 * A promise's object has lost the label that keeps it from being collected (D5; D18 writes "false"): it is given back, by
 * its uid and resourceVersion. Somebody who takes it again and again is not fought with (fault 29).
 */
export function mendLabel(space: Space, row: LeaseRow, seen: SeenIp): void {
  if (seen.reserved === 'true' || seen.terminating || !seen.finalizers.some(isKubeOvnFinalizer)) return
  const last = space.ops.get(row.op)
  if (last?.state === 'running') return
  if (last?.kind === 'repair' && space.clock.nowMs() - last.updatedAt < LEFT_ALONE_MS) return
  const item: ItemState = {
    nic: row.nic,
    id: row.id,
    stage: 'inspect',
    uid: seen.uid,
    mends: 'labels',
    beside: true,
    tries: 0,
  }
  const op = enqueue(space, 'repair', 'mend', [item])
  space.leases.update(row, { op: op.id })
}
