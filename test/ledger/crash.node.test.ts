import { describe, expect, it } from 'vitest'
import { reservation } from '../../shared/command/find.ts'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import { expectAgreement, ipObjects } from '../support/agreement.ts'
import { answered, dyingAt, insisted, warm } from '../support/drive.ts'
import { reserved } from '../support/world.ts'

const QUIET_MS = 400_000
const TARGET = { name: 'pod-a.default', subnet: 'ovn-default' }
const wish = { podName: 'pod-a', v4IpAddress: '10.16.0.9' }

const RESERVE_POINTS = [
  ['before hold is flushed', 'P1'],
  ['before the reply of hold', 'P2, P3'],
  ['before create is sent', 'P4, none'],
  ['after create took effect', 'P4, P5'],
  ['before report is flushed', 'P6, P7'],
  ['before the reply of report', 'P8'],
] as const

describe('a reserve dies', () => {
  it.each(RESERVE_POINTS.map(([name, point], n) => [point, name, n] as const))(
    'at %s (%s): once and only once there, with or without a retry',
    async (_, name, n) => {
      for (const retried of [false, true]) {
        const world = await warm()
        const command = world.reserveCommand([wish], { idempotencyKey: 'k' })
        expect(await dyingAt(world, n, () => reserve(world.ports, command))).toBe(name)
        if (!retried) await world.pass(QUIET_MS)
        else {
          const outcome = await insisted(world, () => reserve(world.ports, command))
          await world.pass(QUIET_MS)
          expect(reserved(outcome)[0]).toMatchObject({ state: 'bound', v4IpAddress: '10.16.0.9' })
        }
        await expectAgreement(world)
        const posts = world.sent.filter(({ verb }) => verb === 'create').length
        expect(posts).toBeLessThanOrEqual(2)
        const bound = ipObjects(world).filter(({ metadata }) => metadata.name === 'pod-a.default').length
        // P1: nothing was promised, so without a retry nothing is there. From P2 on the alarm rolls forward.
        expect(bound).toBe(n === 0 && !retried ? 0 : 1)
        const again = reserved(await reserve(world.ports, command))
        const once = reserved(await reserve(world.ports, command))
        expect(again).toEqual(once)
        await expectAgreement(world)
      }
    },
  )

  it('has no other points', async () => {
    const world = await warm()
    const command = world.reserveCommand([wish], { idempotencyKey: 'k' })
    expect(await dyingAt(world, RESERVE_POINTS.length, () => reserve(world.ports, command))).toBeUndefined()
  })
})

const RELEASE_POINTS = [
  ['before locate is flushed', 'P13'],
  ['before the reply of locate', 'P13'],
  ['before get is sent', 'P13'],
  ['after get took effect', 'P13'],
  ['before release is flushed', 'P13'],
  ['before the reply of release', 'P14'],
  ['before delete is sent', 'P16, alive'],
  ['after delete took effect', 'P16, terminating'],
  ['before report is flushed', 'P16'],
  ['before the reply of report', 'P16'],
  ['before get is sent', 'L4, the owner is asked for'],
  ['after get took effect', 'L4, the owner is asked for'],
  ['before report is flushed', 'L4, the owner is asked for'],
  ['before the reply of report', 'L4, the owner is asked for'],
  ['before patch is sent', 'P18'],
  ['after patch took effect', 'P18'],
  ['before report is flushed', 'P18'],
  ['before the reply of report', 'P18'],
  ['before get is sent', 'P18'],
  ['after get took effect', 'P18'],
  ['before report is flushed', 'P19'],
  ['before the reply of report', 'P20'],
] as const

describe('a release dies', () => {
  it.each(RELEASE_POINTS.map(([name, point], n) => [n, point, name] as const))(
    'at point %i, %s (%s): bound still, or gone for good',
    async (n, _, name) => {
      for (const quarantineMs of [0, 300_000]) {
        const world = await warm({ quarantineMs })
        reserved(await reserve(world.ports, world.reserveCommand([wish])))
        const command = world.releaseCommand('pod-a.default', { targets: [TARGET], idempotencyKey: 'r' })
        expect(await dyingAt(world, n, () => release(world.ports, command))).toBe(name)
        const begun = n > 4
        await world.pass(QUIET_MS)
        await expectAgreement(world)
        const left = await reservation(world.ports, 'pod-a.default')
        expect(left.ok && left.value.state).toBe(begun ? false : 'bound')
        const [gone] = reserved(await answered(world, release(world.ports, command)))
        expect(['free', 'quarantined']).toContain(gone?.state)
        expect(reserved(await release(world.ports, command))[0]).toEqual(gone)
        await world.pass(QUIET_MS)
        await expectAgreement(world)
      }
    },
  )

  it('has no other points', async () => {
    const world = await warm()
    reserved(await reserve(world.ports, world.reserveCommand([wish])))
    const command = world.releaseCommand('pod-a.default', { targets: [TARGET] })
    expect(await dyingAt(world, RELEASE_POINTS.length, () => release(world.ports, command))).toBeUndefined()
  })
})
