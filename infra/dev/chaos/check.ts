import { type Answer, type Intent, isKept, isSuccess, type Promised, promisedIn } from './history.ts'
import type { Snapshot, SubnetCount } from './snapshot.ts'

export interface Violation {
  readonly rule: string
  readonly detail: string
  /** Whose history to show. */
  readonly names: readonly string[]
}

/** Every rule of docs/reliability.md that can be judged from outside, over the whole history and the final state. */
export function violations(intents: readonly Intent[], snapshot: Snapshot): Violation[] {
  const promises = collectPromises(intents)
  return [
    ...answersAreSound(intents),
    ...sameKeySameAnswer(intents),
    ...nothingIsHeldTwice(snapshot),
    ...nothingWasPromisedTwice(promises),
    ...promisesAreKept(promises, snapshot),
    ...nothingCameFromNowhere(promises, snapshot),
    ...nothingIsLeftOpen(snapshot),
    ...countersEqualRecount(snapshot),
    ...noReleaseUnderLivingPod(intents),
  ]
}

/** A reservation as the world was told of it. A returning owner gets its old id back, so the operation is part of it. */
interface Promise2xx {
  readonly reservation: Promised
  /** When the first reply that named it came back. */
  sinceMs: number
  /** When the first request of the release that ended it was sent; infinite while it stands. */
  untilMs: number
}

/** By name and reserve operation. */
type Promises = ReadonlyMap<string, Promise2xx>

const promiseKey = (reservation: Promised) => `${reservation.name} ${reservation.operation}`

/** A release ends the promise before it: operation ids sort by time, so each name's story is their order. */
function collectPromises(intents: readonly Intent[]): Promises {
  const promises = new Map<string, Promise2xx>()
  const releases = new Map<string, { readonly operation: string; invokedMs: number }[]>()
  for (const intent of intents) {
    if (!isSuccess(intent.final)) continue
    for (const reservation of promisedIn(intent.final)) {
      if (intent.kind === 'reserve') {
        const key = promiseKey(reservation)
        const known = promises.get(key)
        if (known) known.sinceMs = Math.min(known.sinceMs, intent.final.returnedMs)
        else
          promises.set(key, {
            reservation,
            sinceMs: intent.final.returnedMs,
            untilMs: Number.POSITIVE_INFINITY,
          })
      }
      if (intent.kind === 'release') {
        const ofName = releases.get(reservation.name) ?? []
        const known = ofName.find((release) => release.operation === reservation.operation)
        if (known) known.invokedMs = Math.min(known.invokedMs, intent.invokedMs)
        else ofName.push({ operation: reservation.operation, invokedMs: intent.invokedMs })
        releases.set(reservation.name, ofName)
      }
    }
  }
  for (const ofName of releases.values()) ofName.sort((a, b) => compare(a.operation, b.operation))
  for (const { reservation } of promises.values()) {
    const promise = promises.get(promiseKey(reservation)) as Promise2xx
    const ending = releases
      .get(reservation.name)
      ?.find((r) => compare(r.operation, reservation.operation) > 0)
    if (ending) promise.untilMs = ending.invokedMs
  }
  return promises
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

function answersAreSound(intents: readonly Intent[]): Violation[] {
  return intents.flatMap((intent) => {
    const bad = intent.answers.find((a) => a.status >= 500 && a.status !== 503 && a.status !== 507)
    if (bad) return [violation('no 5xx', `${describe(intent)}: ${bad.status} ${bad.text}`, intent.names)]
    if (!intent.final) return [violation('every request is answered', describe(intent), intent.names)]
    if (intent.kind === 'reserve' && isSuccess(intent.final)) {
      const named = promisedIn(intent.final).map((promised) => promised.name)
      const missing = intent.names.filter((name) => !named.includes(name))
      if (missing.length > 0 || named.length !== intent.names.length) {
        return [violation('a group is all or none', `${describe(intent)}: answered ${named}`, intent.names)]
      }
    }
    return []
  })
}

/** Requests are the same when key, path and body are; another body under the key is 422. */
function sameKeySameAnswer(intents: readonly Intent[]): Violation[] {
  const byKey = new Map<string, Intent[]>()
  for (const intent of intents) {
    if (intent.key && (intent.kind === 'reserve' || intent.kind === 'release')) {
      byKey.set(intent.key, [...(byKey.get(intent.key) ?? []), intent])
    }
  }
  const found: Violation[] = []
  for (const [key, users] of byKey) {
    const first = users[0] as Intent
    const kept: Answer[] = []
    for (const user of users) {
      const answers = user.answers.filter(isKept)
      if (user.body === first.body && user.path === first.path) {
        kept.push(...answers)
      } else if (answers.some((answer) => answer.status !== 422)) {
        found.push(violation('a used key refuses another body', `key ${key}: ${describe(user)}`, user.names))
      }
    }
    const different = kept.find((answer) => !sameAnswer(answer, kept[0] as Answer))
    if (different) {
      const detail = `key ${key}: ${kept[0]?.status} ${kept[0]?.text}\n  then ${different.status} ${different.text}`
      found.push(violation('same key, same status and body', detail, first.names))
    }
  }
  return found
}

const sameAnswer = (a: Answer, b: Answer) => a.status === b.status && a.text === b.text

function nothingIsHeldTwice(snapshot: Snapshot): Violation[] {
  const found: Violation[] = []
  const holders = new Map<string, Promised>()
  for (const row of snapshot.reservations) {
    for (const thing of thingsOf(row)) {
      const other = holders.get(thing)
      if (other && other.id !== row.id) {
        found.push(
          violation('one owner for an address or MAC', `${thing}: ${other.name} and ${row.name}`, [
            other.name,
            row.name,
          ]),
        )
      }
      holders.set(thing, row)
    }
    const named = holders.get(`name ${row.name}`)
    if (named) found.push(violation('a name is listed once', row.name, [row.name]))
    holders.set(`name ${row.name}`, row)
  }
  return found
}

/** What only one reservation may have at a time. MACs are unique in their Subnet. */
function thingsOf(row: Promised): string[] {
  return [
    ...(row.v4IpAddress ? [`address ${row.v4IpAddress}`] : []),
    ...(row.v6IpAddress ? [`address ${row.v6IpAddress}`] : []),
    ...(row.macAddress ? [`MAC ${row.macAddress} in ${row.subnet}`] : []),
  ]
}

function nothingWasPromisedTwice(promises: Promises): Violation[] {
  const byThing = new Map<string, Promise2xx[]>()
  for (const promise of promises.values()) {
    // Released before its first reply arrived: nobody ever relied on it.
    if (promise.untilMs <= promise.sinceMs) continue
    for (const thing of [...thingsOf(promise.reservation), `name ${promise.reservation.name}`]) {
      byThing.set(thing, [...(byThing.get(thing) ?? []), promise])
    }
  }
  const found: Violation[] = []
  for (const [thing, users] of byThing) {
    const inOrder = users.sort((a, b) => a.sinceMs - b.sinceMs)
    for (const [index, later] of inOrder.entries()) {
      const earlier = inOrder[index - 1]
      if (earlier && later.sinceMs < earlier.untilMs) {
        const names = [earlier.reservation.name, later.reservation.name]
        const detail = `${thing}: ${names.join(' and ')} at ${later.sinceMs.toFixed(0)} ms`
        found.push(violation('never two promises at a time', detail, names))
      }
    }
  }
  return found
}

function promisesAreKept(promises: Promises, snapshot: Snapshot): Violation[] {
  const rows = new Map(snapshot.reservations.map((row) => [row.name, row]))
  return [...promises.values()].flatMap(({ reservation, untilMs }) => {
    const row = rows.get(reservation.name)
    const names = [reservation.name]
    const told = `${reservation.name} ${thingsOf(reservation).join(', ')}`
    if (untilMs !== Number.POSITIVE_INFINITY) {
      const stands = row?.state === 'bound' && promiseKey(row) === promiseKey(reservation)
      return stands ? [violation('released stays released', `${told}, now ${row.state}`, names)] : []
    }
    if (!row) return [violation('a promise is kept', `${told} is gone`, names)]
    if (row.state !== 'bound') return [violation('a promise is kept', `${told} is ${row.state}`, names)]
    const changed = thingsOf(row).join() !== thingsOf(reservation).join() || row.id !== reservation.id
    return changed
      ? [violation('a promise is kept', `${told} became ${thingsOf(row).join(', ')}`, names)]
      : []
  })
}

/** Refused, dry and validating requests leave nothing: every row was promised to somebody. */
function nothingCameFromNowhere(promises: Promises, snapshot: Snapshot): Violation[] {
  return snapshot.reservations
    .filter((row) => row.state === 'bound' && !promises.has(promiseKey(row)))
    .map((row) =>
      violation('a refused request changes nothing', `${row.name} was promised to nobody`, [row.name]),
    )
}

function nothingIsLeftOpen(snapshot: Snapshot): Violation[] {
  return snapshot.reservations
    .filter((row) => row.state === 'held' || row.state === 'releasing')
    .map((row) => violation('nothing is left half done', `${row.name} is still ${row.state}`, [row.name]))
}

const STATES = ['bound', 'held', 'releasing', 'quarantined', 'foreign', 'stranded'] as const

function countersEqualRecount(snapshot: Snapshot): Violation[] {
  return snapshot.subnets.flatMap((subnet) =>
    (['v4', 'v6'] as const).flatMap((f) => recount(subnet, f, snapshot)),
  )
}

function recount(subnet: SubnetCount, family: 'v4' | 'v6', snapshot: Snapshot): Violation[] {
  const counts = subnet.ledger[family]
  if (!counts) return []
  const rows = snapshot.reservations.filter(
    (row) => row.subnet === subnet.name && row[family === 'v4' ? 'v4IpAddress' : 'v6IpAddress'] !== '',
  )
  const found: Violation[] = []
  const expect = (what: string, told: number | undefined, counted: number) => {
    if (told !== counted) {
      const detail = `${subnet.name} ${family} ${what}: told ${told}, counted ${counted}`
      found.push(violation('counters equal a recount', detail, []))
    }
  }
  for (const state of STATES) {
    expect(state, counts[state], rows.filter((row) => row.state === state).length)
  }
  const taken = STATES.filter((state) => state !== 'stranded').reduce(
    (sum, state) => sum + (counts[state] ?? 0),
    0,
  )
  expect('free', counts.free, (counts.usable ?? 0) - (counts.excluded ?? 0) - taken)
  const using = rows.filter((row) => row.state === 'bound').length
  expect('usingIPs', family === 'v4' ? subnet.v4usingIPs : subnet.v6usingIPs, using)
  return found
}

/**
 * A Pod that was there before the release was sent and after it was answered keeps its reservation. An answer that
 * repeats a release begun before the Pod came (it names the same operation) releases nothing.
 */
function noReleaseUnderLivingPod(intents: readonly Intent[]): Violation[] {
  const lives = new Map<string, { fromMs: number; toMs: number }[]>()
  for (const intent of intents) {
    const name = intent.names[0] ?? ''
    const life = lives.get(name) ?? []
    if (intent.kind === 'put-pod' && isSuccess(intent.final)) {
      life.push({ fromMs: intent.final.returnedMs, toMs: Number.POSITIVE_INFINITY })
    }
    if (intent.kind === 'delete-pod') {
      for (const span of life) span.toMs = Math.min(span.toMs, intent.invokedMs)
    }
    lives.set(name, life)
  }
  const releases = intents.filter((intent) => intent.kind === 'release')
  return releases.flatMap((intent) => {
    const answer = intent.final
    if (!isSuccess(answer) || intent.attempts > 1) return []
    const span = intent.names
      .flatMap((name) => lives.get(name) ?? [])
      .find((life) => life.fromMs < intent.invokedMs && answer.returnedMs < life.toMs)
    if (!span) return []
    const replay = intents.find((other) => other.key === intent.key) !== intent
    const begunEarlier = releases.some(
      (other) => other !== intent && other.invokedMs < span.fromMs && mayBe(other, intent),
    )
    return replay || begunEarlier
      ? []
      : [violation('no release under a living Pod', describe(intent), intent.names)]
  })
}

/** Whether `earlier` may have begun the operation that `later` was told of: its answer names it, or it has none. */
function mayBe(earlier: Intent, later: Intent): boolean {
  if (!earlier.names.some((name) => later.names.includes(name))) return false
  const told = operationsIn(earlier)
  return told.length === 0
    ? earlier.final === undefined
    : operationsIn(later).every((operation) => told.includes(operation))
}

const operationsIn = (intent: Intent) =>
  intent.answers.flatMap((answer) => promisedIn(answer).map((promised) => promised.operation))

const describe = (intent: Intent) =>
  `client ${intent.client} ${intent.method} ${intent.path} ${intent.names.join(' ')} at ${intent.invokedMs.toFixed(0)} ms`

const violation = (rule: string, detail: string, names: readonly string[]): Violation => ({
  rule,
  detail,
  names,
})
