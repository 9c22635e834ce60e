import { describe, expect, it } from 'vitest'
import type { ClusterRequest } from '../../shared/cluster/port.ts'
import { reserve } from '../../shared/command/reserve.ts'
import { err } from '../../shared/result.ts'
import { expectAgreement, ipObjects } from '../support/agreement.ts'
import { busy, driven, first, warm } from '../support/drive.ts'
import { refusal, reserved, type World } from '../support/world.ts'

const count = (world: World, verb: ClusterRequest['verb']) =>
  world.sent.filter((request) => request.verb === verb).length

describe('a name that is taken to whoever posts it and absent to whoever reads it', () => {
  const taken = err({ reason: 'AlreadyExists', outcome: 'refused', message: 'exists' } as const)
  const absent = err({ reason: 'NotFound', outcome: 'refused', message: 'gone' } as const)

  it('is asked about ever more slowly, and given up at the deadline', async () => {
    const world = await warm()
    let left = 1_000
    world.intercept = async (requests) => {
      if (left-- < 0) throw new Error('no back-off')
      return requests.map(({ verb }) => (verb === 'create' ? taken : absent))
    }
    const outcome = await driven(world, reserve(world.ports, world.reserveCommand([{}])))
    expect(outcome.kind).toBe('pending')
    await world.pass(200_000)
    expect(count(world, 'create')).toBeGreaterThan(3)
    expect(count(world, 'create')).toBeLessThan(20)
    expect(await world.ledger().find('pod-a.default')).toBeUndefined()
    await expectAgreement(world)
  })

  it('for a moment only is bound at once', async () => {
    const world = await warm()
    world.intercept = first(1, 'create', async () => [taken])
    reserved(await reserve(world.ports, world.reserveCommand([{}])))
    expect(world.sent.map(({ verb }) => verb)).toEqual(['create', 'get', 'create'])
  })
})

describe('a driver that waited past the deadline', () => {
  it('posts nothing any more, alone and in a group', async () => {
    for (const names of [['a'], ['a', 'b']]) {
      const world = await warm({ ackMs: 3_000 })
      // Refused, so nothing is in doubt; asked to wait until after the deadline.
      world.intercept = first(1, 'create', async ([, ...rest], pass) => [
        err(busy(4_000)),
        ...(rest.length > 0 ? await pass(rest) : []),
      ])
      const wishes = names.map((podName) => ({ podName }))
      const outcome = await driven(world, reserve(world.ports, world.reserveCommand(wishes)))
      expect(count(world, 'create')).toBe(names.length)
      expect(refusal(outcome).code).toBe('unavailable')
      await world.pass(200_000)
      expect(ipObjects(world)).toHaveLength(1)
      await expectAgreement(world)
    }
  })

  it('because the others of its group took so long posts nothing any more', async () => {
    const world = await warm({ ackMs: 2_000 })
    let batch = 0
    world.intercept = async (requests, pass) => {
      if (batch++ === 0) return [err(busy(2_500)), err(busy(100))]
      const replies = await pass(requests)
      if (batch === 2) await world.clock.sleep(2_800)
      return replies
    }
    const wishes = ['a', 'b'].map((podName) => ({ podName }))
    await driven(world, reserve(world.ports, world.reserveCommand(wishes)))
    await world.pass(200_000)
    const posted = world.sent.flatMap((sent) => (sent.verb === 'create' ? [sent.object.metadata.name] : []))
    expect(posted).toEqual(['a.default', 'b.default', 'b.default'])
    expect(ipObjects(world)).toHaveLength(1)
    await expectAgreement(world)
  })
})
