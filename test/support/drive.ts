import type { ClusterFailure, ClusterReply, ClusterRequest } from '../../shared/cluster/port.ts'
import { reserve } from '../../shared/command/reserve.ts'
import { putSubnet } from '../../shared/command/subnets.ts'
import type { SubnetView, WriteOutcome } from '../../shared/command/types.ts'
import type { LedgerSettings } from '../../shared/ledger/settings.ts'
import { isRetryable } from '../../shared/problem.ts'
import { err } from '../../shared/result.ts'
import { type Intercept, Killed, reserved, World } from './world.ts'

/** A world whose ledger knows ovn-default, so that only what the test asks for is left to see. */
export async function warm(
  settings: Partial<LedgerSettings> = {},
  prepare: (world: World) => void = () => {},
): Promise<World> {
  const world = new World(settings)
  prepare(world)
  reserved(await reserve(world.ports, world.reserveCommand([{ podName: 'before' }])))
  world.sent.length = 0
  return world
}

export const subnetManifest = (spec: object, name = 'lab') => ({
  apiVersion: 'kubeovn.io/v1',
  kind: 'Subnet',
  metadata: { name },
  spec,
})

/** Makes or changes a Subnet that cannot be refused. */
export async function put(
  world: World,
  spec: object,
  name = 'lab',
): Promise<{ readonly created: boolean; readonly subnet: SubnetView }> {
  const result = await putSubnet(world.ports, subnetManifest({ vpc: name, ...spec }, name), false)
  if (!result.ok) throw new Error(JSON.stringify(result.error))
  return result.value
}

/** Lets everything that waits for nothing but its turn have it. */
export async function turns(count = 200): Promise<void> {
  for (let turn = 0; turn < count; turn++) await Promise.resolve()
}

/** Runs a write while the clock goes on and no alarm does. */
export async function driven<T>(world: World, work: Promise<T>, ms = 6_000): Promise<T> {
  const state = watched(work)
  for (let spent = 0; spent < ms && !state.done; spent += 100) {
    await turns(50)
    if (!state.done) world.clock.advance(100)
  }
  return work
}

/** Runs a write while the clock and the alarm go on, until it has its outcome. */
export async function answered<T>(world: World, work: Promise<T>, subnet?: string): Promise<T> {
  const state = watched(work)
  for (let round = 0; round < 200 && !state.done; round++) {
    await turns(20)
    if (!state.done && world.clock.sleeping > 0) await world.pass(100, subnet)
  }
  return work
}

/** Asks again, as a client with a key does, until the answer is final. */
export async function insisted(
  world: World,
  ask: () => Promise<WriteOutcome>,
  subnet?: string,
): Promise<WriteOutcome> {
  for (let turn = 0; turn < 100; turn++) {
    const outcome = await answered(world, ask(), subnet)
    const isFinal =
      outcome.kind === 'done' || (outcome.kind === 'refused' && !isRetryable(outcome.problem.code))
    if (isFinal) return outcome
    await world.pass(1_000, subnet)
  }
  throw new Error('no final answer after a hundred times')
}

function watched(work: Promise<unknown>): { done: boolean } {
  const state = { done: false }
  const end = () => {
    state.done = true
  }
  work.then(end, end)
  return state
}

/**
 * Runs `work`, dying at its point number `n` (from 0; the `first` of that name is the first that counts) and at every one
 * after it. No new incarnation is begun.
 * @returns the point's name; undefined if there is none and `work` ended by itself
 */
export async function killedAt(
  world: World,
  n: number,
  work: () => Promise<unknown>,
  first = '',
): Promise<string | undefined> {
  let passed = 0
  let counts = first === ''
  let died: string | undefined
  world.point = (name) => {
    counts ||= name === first
    if (died !== undefined || (counts && passed++ === n)) {
      died ??= name
      throw new Killed(name)
    }
  }
  try {
    await work()
  } catch (error) {
    if (!(error instanceof Killed)) throw error
  } finally {
    world.point = () => {}
  }
  return died
}

/** The same while clock and alarm go on; then a new incarnation begins. */
export async function dyingAt(
  world: World,
  n: number,
  work: () => Promise<unknown>,
  subnet?: string,
): Promise<string | undefined> {
  const died = await killedAt(world, n, () => answered(world, work(), subnet))
  if (died !== undefined) world.restart(subnet)
  return died
}

/** The reply never came: the call may have been carried out, or may be yet. */
export const lost: ClusterFailure = { reason: 'Unavailable', outcome: 'unknown', message: 'connection reset' }

/** The cluster says later. */
export const busy = (retryAfterMs?: number): ClusterFailure => ({
  reason: 'TooManyRequests',
  outcome: 'refused',
  message: 'slow down',
  ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
})

/** The cluster will never take this. */
export const invalid: ClusterFailure = { reason: 'Invalid', outcome: 'refused', message: 'is not valid' }

/** Answers the first `times` batches that hold this verb itself. */
export function first(
  times: number,
  verb: ClusterRequest['verb'],
  answer: (requests: readonly ClusterRequest[], pass: Parameters<Intercept>[1]) => Promise<ClusterReply[]>,
): Intercept {
  let left = times
  return (requests, pass) => {
    if (!requests.some((request) => request.verb === verb) || left <= 0) return pass(requests)
    left--
    return answer(requests, pass)
  }
}

export const refuse = (failure: ClusterFailure) => async (requests: readonly ClusterRequest[]) =>
  requests.map(() => err(failure))

/** Holds back the first batch with this verb until `go`, before or after it reached the cluster. */
export function parked(world: World, verb: ClusterRequest['verb'], when: 'before' | 'after' = 'before') {
  const gate = Promise.withResolvers<void>()
  const arrived = Promise.withResolvers<void>()
  world.intercept = first(1, verb, async (requests, pass) => {
    if (when === 'before') {
      arrived.resolve()
      await gate.promise
      return pass(requests)
    }
    const replies = await pass(requests)
    arrived.resolve()
    await gate.promise
    return replies
  })
  return { arrived: arrived.promise, go: () => gate.resolve() }
}
