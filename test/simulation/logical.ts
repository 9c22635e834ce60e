import type { Reservation } from '../../shared/command/types.ts'
import { type History, isFinal, placeOf, type Seen } from './history.ts'
import type { Scenario } from './scenario.ts'
import { LEASE_SECONDS, LEASED, portOf } from './write.ts'

/**
 * One operation as its clients meant it: all calls under one key are one, which took effect at most once, somewhere
 * between the first of them and the first final answer.
 */
export interface Logical {
  readonly kind: 'reserve' | 'release' | 'read'
  /** Port name. */
  readonly name: string
  /** Where; undefined: nobody was told, it may be any. */
  readonly subnet: string | undefined
  readonly fromMs: number
  /** Infinity: whether it took effect, and when, nobody was told. */
  readonly toMs: number
  /** What a reserve gave, or a read saw; undefined: nothing, or nobody was told. */
  readonly reservation?: Reservation | undefined
  /** It is new; undefined: some of its group are. */
  readonly created?: boolean | undefined
  /** It may never have taken effect. */
  readonly isOptional: boolean
  /** Addresses and MAC the caller named. */
  readonly wished: readonly (string | undefined)[]
}

/** A read by name: what was found, while it was asked. */
export interface Read {
  readonly name: string
  readonly subnet: string
  readonly fromMs: number
  readonly toMs: number
  readonly reservation: Reservation | undefined
}

/** Everything that may have given or taken a reservation of that Subnet, in no order. */
export function logical(
  history: History,
  scenario: Scenario,
  reads: readonly Read[],
  startMs: number,
): readonly Logical[] {
  const groups = new Map<string, Seen[]>()
  for (const [index, seen] of history.seen.entries()) {
    if (seen.write.do === 'reserve' && seen.write.dryRun) continue
    const place = seen.write.key === undefined ? `call ${index}` : placeOf(seen)
    groups.set(place, [...(groups.get(place) ?? []), seen])
  }
  const all: Logical[] = []
  for (const group of groups.values()) {
    const [first] = group
    if (!first) continue
    const fromMs = Math.min(...group.map(({ invokedMs }) => invokedMs))
    const done = group.find(({ answered }) => answered?.kind === 'done')
    const refused = group.every(({ answered }) => isFinal(answered) && answered?.kind === 'refused')
    if (refused) continue
    const toMs = done?.returnedMs ?? Number.POSITIVE_INFINITY
    const answer = done?.answered?.kind === 'done' ? done.answered : undefined
    const kind = first.write.do === 'release' ? 'release' : 'reserve'
    for (const name of namesOf(first)) {
      const reservation = answer?.reservations.find((one) => one.name === name)
      const item =
        first.write.do === 'reserve'
          ? first.write.items.find(({ podName }) => portOf(podName) === name)
          : undefined
      if (kind === 'reserve' && first.write.do === 'reserve' && name === portOf(LEASED)) {
        const over = { fromMs: fromMs + LEASE_SECONDS * 1_000, toMs: Number.POSITIVE_INFINITY }
        all.push({
          kind: 'release',
          name,
          subnet: subnetOf(first.write),
          ...over,
          isOptional: true,
          wished: [],
        })
      }
      all.push({
        kind,
        name,
        fromMs,
        toMs,
        reservation,
        subnet: reservation?.subnet ?? (first.write.do === 'adopt' ? undefined : subnetOf(first.write)),
        created: answer?.created === true && namesOf(first).length > 1 ? undefined : answer?.created,
        isOptional: answer === undefined,
        wished: [item?.v4IpAddress, item?.v6IpAddress, item?.macAddress],
      })
    }
  }
  for (const op of scenario.ops) {
    const open = {
      subnet: 'subnet' in op ? op.subnet : undefined,
      fromMs: startMs + op.atMs,
      toMs: Number.POSITIVE_INFINITY,
      isOptional: true,
      wished: [],
    }
    if (op.do === 'ip deleted' || op.do === 'ip stripped')
      all.push({ kind: 'release', name: portOf(op.pod), ...open })
    if (op.do === 'ip written') all.push({ kind: 'reserve', name: portOf(op.pod), ...open })
  }
  for (const read of reads) all.push({ kind: 'read', isOptional: false, wished: [], ...read })
  return all
}

function subnetOf(write: Exclude<Seen['write'], { do: 'adopt' }>): string | undefined {
  return write.do === 'reserve' ? write.items[0]?.subnet : write.subnet
}

function namesOf({ write }: Seen): readonly string[] {
  switch (write.do) {
    case 'reserve':
      return write.items.map(({ podName }) => portOf(podName))
    case 'release':
      return write.pods.map(portOf)
    default:
      return [portOf(write.pod)]
  }
}
