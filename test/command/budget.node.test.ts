import { describe, expect, it } from 'vitest'
import { operation, reservation } from '../../shared/command/find.ts'
import type { CommandPorts } from '../../shared/command/ports.ts'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import type { WriteOutcome } from '../../shared/command/types.ts'
import type { LedgerPort } from '../../shared/ledger/port.ts'
import { driven, parked, turns, warm } from '../support/drive.ts'
import { refusal, reserved, World } from '../support/world.ts'

/** Longer than WAIT_MS, shorter than it takes the alarm to take over. */
const LONGER_MS = 6_000

/** The world's ports with some calls to the ledger replaced. */
function withLedger(world: World, replaced: Partial<LedgerPort>): CommandPorts {
  const port = (ledger: LedgerPort) =>
    new Proxy(ledger, {
      get: (target, verb: keyof LedgerPort) => replaced[verb] ?? target[verb],
    })
  return { ...world.ports, ledger: (subnet) => port(world.ports.ledger(subnet)) }
}

const never = <T>(): Promise<T> => new Promise(() => {})
const gone = async (): Promise<never> => {
  throw new Error('the ledger does not answer')
}

function operationOf(outcome: WriteOutcome): string {
  if (outcome.kind !== 'pending') throw new Error(`expected 202, got ${JSON.stringify(outcome)}`)
  expect(outcome.retryAfterMs).toBeGreaterThan(0)
  return outcome.operation
}

/** Lets the alarm finish an operation, and tells how it ended. */
async function finished(world: World, id: string) {
  await world.pass(60_000)
  const view = await operation(world.ports, id)
  return view.ok && { state: view.value.state, kind: view.value.kind }
}

describe('a call to the cluster that hangs', () => {
  it('while reserving: 202 after WAIT_MS, and the alarm binds', async () => {
    const world = await warm()
    parked(world, 'create')
    const command = world.reserveCommand([{}], { idempotencyKey: 'k' })
    const startedMs = world.clock.nowMs()
    const op = operationOf(await driven(world, reserve(world.ports, command), LONGER_MS))
    expect(world.clock.nowMs() - startedMs).toBe(5_000)
    expect(await finished(world, op)).toEqual({ state: 'done', kind: 'reserve' })
    const [bound] = reserved(await reserve(world.ports, command))
    expect(bound).toMatchObject({ state: 'bound', operation: op })
  })

  it('while reserving: what comes back late still counts, once', async () => {
    const world = await warm()
    const create = parked(world, 'create')
    const op = operationOf(await driven(world, reserve(world.ports, world.reserveCommand([{}])), LONGER_MS))
    create.go()
    await turns()
    const view = await operation(world.ports, op)
    expect(view.ok && view.value.state).toBe('done')
    expect(world.sent.filter(({ verb }) => verb === 'create')).toHaveLength(1)
  })

  it('while releasing: 202 after WAIT_MS, and the alarm frees', async () => {
    const world = await warm()
    reserved(await reserve(world.ports, world.reserveCommand([{}])))
    parked(world, 'delete')
    const op = operationOf(
      await driven(world, release(world.ports, world.releaseCommand('pod-a.default')), LONGER_MS),
    )
    expect(await finished(world, op)).toEqual({ state: 'done', kind: 'release' })
    expect((await reservation(world.ports, 'pod-a.default')).ok).toBe(false)
  })

  it('before a hold: 503, and nothing is held when it comes back', async () => {
    const world = new World()
    const read = parked(world, 'get')
    const work = reserve(world.ports, world.reserveCommand([{}]))
    expect(refusal(await driven(world, work, LONGER_MS))).toMatchObject({
      code: 'unavailable',
      retryAfterMs: 1_000,
    })
    read.go()
    await turns()
    expect(await world.ledger().find('pod-a.default')).toBeUndefined()
  })

  it('before a release: 503, and nothing is released when it comes back', async () => {
    const world = await warm()
    reserved(await reserve(world.ports, world.reserveCommand([{}])))
    const read = parked(world, 'get')
    const work = release(world.ports, world.releaseCommand('pod-a.default'))
    expect(refusal(await driven(world, work, LONGER_MS)).code).toBe('unavailable')
    read.go()
    await turns()
    expect((await world.ledger().find('pod-a.default'))?.state).toBe('bound')
  })
})

describe('a ledger that hangs', () => {
  it('with the hold: 503', async () => {
    const world = await warm()
    const work = reserve(withLedger(world, { hold: never }), world.reserveCommand([{}]))
    expect(refusal(await driven(world, work, LONGER_MS)).code).toBe('unavailable')
  })

  it('while it is asked how somebody else’s operation ended: 202', async () => {
    const world = await warm()
    parked(world, 'create')
    const first = reserve(world.ports, world.reserveCommand([{}]))
    await turns()
    const second = reserve(withLedger(world, { settled: never }), world.reserveCommand([{}]))
    const [one, two] = await driven(world, Promise.all([first, second]), LONGER_MS)
    expect(operationOf(two)).toBe(operationOf(one))
  })

  it('while it is asked how the operation in the way ended: 409 releasing', async () => {
    const world = await warm()
    reserved(await reserve(world.ports, world.reserveCommand([{}])))
    parked(world, 'delete')
    const first = release(world.ports, world.releaseCommand('pod-a.default'))
    await turns()
    const second = reserve(withLedger(world, { settled: never }), world.reserveCommand([{}]))
    const [, two] = await driven(world, Promise.all([first, second]), LONGER_MS)
    expect(refusal(two)).toMatchObject({ code: 'releasing' })
  })
})

describe('a ledger that fails', () => {
  it('with the hold: the failure is told, nothing is promised', async () => {
    const world = await warm()
    const work = reserve(withLedger(world, { hold: gone }), world.reserveCommand([{}]))
    await expect(work).rejects.toThrow('the ledger does not answer')
  })

  it('with the report of a reserve: 202, and the alarm binds', async () => {
    const world = await warm()
    const op = operationOf(await reserve(withLedger(world, { report: gone }), world.reserveCommand([{}])))
    expect(await finished(world, op)).toEqual({ state: 'done', kind: 'reserve' })
  })

  it('with the report of a release: 202, and the alarm frees', async () => {
    const world = await warm()
    reserved(await reserve(world.ports, world.reserveCommand([{}])))
    const ports = withLedger(world, { report: gone })
    const op = operationOf(await release(ports, world.releaseCommand('pod-a.default')))
    expect(await finished(world, op)).toEqual({ state: 'done', kind: 'release' })
  })
})

describe('WAIT_MS=0', () => {
  const hasty = (world: World): CommandPorts => ({
    ...world.ports,
    settings: { ...world.ports.settings, waitMs: 0 },
  })

  it('answers 202 as soon as an operation is written down', async () => {
    const world = await warm()
    parked(world, 'create')
    operationOf(await reserve(hasty(world), world.reserveCommand([{}])))
  })

  it('still gives refusals as such', async () => {
    const world = await warm()
    const outcome = await reserve(hasty(world), world.reserveCommand([{ v4IpAddress: '10.99.0.1' }]))
    expect(refusal(outcome).code).toBe('out_of_range')
  })

  it('still says 503 where nothing is held for long', async () => {
    const world = new World()
    parked(world, 'get')
    const work = reserve(hasty(world), world.reserveCommand([{}]))
    expect(refusal(await driven(world, work, LONGER_MS)).code).toBe('unavailable')
  })
})
