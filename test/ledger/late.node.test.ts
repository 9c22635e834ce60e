import { describe, expect, it } from 'vitest'
import type { CommandPorts } from '../../shared/command/ports.ts'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import type { LedgerPort } from '../../shared/ledger/port.ts'
import { expectAgreement, ipObjects } from '../support/agreement.ts'
import { answered, driven, parked, warm } from '../support/drive.ts'
import { Steps } from '../support/steps.ts'
import { reserved, type World } from '../support/world.ts'

const rowOf = (world: World) =>
  world.sql().first(`SELECT id, state, epoch, op FROM lease WHERE nic = 'pod-a.default'`)

/** A reserve whose driver waits for its POST's reply while the alarm has bound the reservation. */
async function overtaken() {
  const world = await warm()
  const steps = new Steps(world)
  const park = parked(world, 'create', 'after')
  const settings = { ...world.ports.settings, waitMs: 60_000 }
  const late = reserve({ ...world.ports, settings }, world.reserveCommand([{}], { idempotencyKey: 'k' }))
  await park.arrived
  await world.pass(16_000)
  expect(rowOf(world)).toMatchObject({ state: 'bound' })
  return { world, steps, late, go: park.go }
}

describe('a driver that comes late', () => {
  it('with its evidence finds the promise made, and says so', async () => {
    const { world, steps, late, go } = await overtaken()
    const before = rowOf(world)
    go()
    expect(await answered(world, late)).toMatchObject({ kind: 'done', created: true })
    expect(rowOf(world)).toEqual(before)
    expect(steps.violations).toEqual([])
    await expectAgreement(world)
  })

  it('does not make a promise again that is being given back', async () => {
    const { world, steps, late, go } = await overtaken()
    const leaving = await driven(world, release(world.ports, world.releaseCommand('pod-a.default')))
    // The parked POST may land yet, for all the ledger knows.
    expect(leaving.kind).toBe('pending')
    const before = rowOf(world)
    go()
    await answered(world, late)
    expect(rowOf(world)).toEqual(before)
    expect(before).toMatchObject({ state: 'releasing' })
    await world.pass(200_000)
    expect(rowOf(world)).toBeUndefined()
    expect(steps.violations).toEqual([])
    expect(ipObjects(world)).toHaveLength(1)
    await expectAgreement(world)
  })

  it('does not touch who has the name by then', async () => {
    const { world, steps, late, go } = await overtaken()
    await driven(world, release(world.ports, world.releaseCommand('pod-a.default')))
    await world.pass(200_000)
    reserved(
      await answered(world, reserve(world.ports, world.reserveCommand([{ v4IpAddress: '10.16.0.99' }]))),
    )
    const before = rowOf(world)
    go()
    await answered(world, late)
    await world.pass(60_000)
    expect(rowOf(world)).toEqual(before)
    expect(steps.violations).toEqual([])
    await expectAgreement(world)
  })

  it('with a step it asked for too long ago sends nothing', async () => {
    for (const silentMs of [5_001, 20_000]) {
      const world = await warm()
      const steps = new Steps(world)
      const slow = (ledger: LedgerPort): LedgerPort =>
        new Proxy(ledger, {
          get:
            (port, verb: keyof LedgerPort) =>
            async (...parameters: unknown[]) => {
              const reply = await (port[verb] as (...given: unknown[]) => Promise<unknown>)(...parameters)
              if (verb === 'hold') await world.clock.sleep(silentMs)
              return reply
            },
        })
      const ports: CommandPorts = { ...world.ports, ledger: (name) => slow(world.ports.ledger(name)) }
      const outcome = await answered(world, reserve(ports, world.reserveCommand([{}])))
      await world.pass(60_000)
      if (outcome.kind === 'done') expect(reserved(outcome)[0]?.state).toBe('bound')
      expect(rowOf(world)).toMatchObject({ state: 'bound' })
      // Once, by whoever took the operation over or was told to go on.
      expect(world.sent.filter(({ verb }) => verb === 'create')).toHaveLength(1)
      expect(steps.violations).toEqual([])
      await expectAgreement(world)
    }
  })
})
