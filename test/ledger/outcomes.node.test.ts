import { describe, expect, it } from 'vitest'
import type { ClusterRequest } from '../../shared/cluster/port.ts'
import { operation, reservation } from '../../shared/command/find.ts'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import { err } from '../../shared/result.ts'
import { expectAgreement, ipObjects } from '../support/agreement.ts'
import { answered, busy, driven, first, lost, refuse, warm } from '../support/drive.ts'
import { remove } from '../support/foreign.ts'
import { Killed, refusal, reserved, type World } from '../support/world.ts'

const count = (world: World, verb: ClusterRequest['verb']) =>
  world.sent.filter((request) => request.verb === verb).length

describe('a POST whose reply is lost', () => {
  it.each([1, 3])('is rolled forward: applied, then the reply lost %i times', async (times) => {
    const world = await warm()
    world.intercept = first(times, 'create', async (requests, pass) => {
      await pass(requests)
      return requests.map(() => err(lost))
    })
    const outcome = await driven(world, reserve(world.ports, world.reserveCommand([{}])))
    expect(reserved(outcome)[0]?.state).toBe('bound')
    expect(ipObjects(world)).toHaveLength(2)
    await expectAgreement(world)
  })

  it('that was never applied is sent again', async () => {
    const world = await warm()
    world.intercept = first(1, 'create', refuse(lost))
    reserved(await driven(world, reserve(world.ports, world.reserveCommand([{}]))))
    expect(count(world, 'create')).toBe(2)
    await expectAgreement(world)
  })

  it('past the deadline is looked for until it cannot land any more, and only then free', async () => {
    const world = await warm()
    world.intercept = (requests, pass) =>
      requests.some(({ verb }) => verb === 'create') ? refuse(lost)(requests) : pass(requests)
    const outcome = await driven(world, reserve(world.ports, world.reserveCommand([{}])))
    if (outcome.kind !== 'pending') throw new Error(`expected 202, got ${outcome.kind}`)
    await world.pass(60_000)
    expect(await world.ledger().find('pod-a.default')).toMatchObject({ state: 'held' })
    await world.pass(120_000)
    expect(await world.ledger().find('pod-a.default')).toBeUndefined()
    const view = await operation(world.ports, outcome.operation)
    expect(view.ok && view.value).toMatchObject({ state: 'failed', problem: { code: 'unavailable' } })
    await expectAgreement(world)
  })

  it('past the deadline is bound when the straggler lands after all', async () => {
    const world = await warm()
    let straggler: readonly ClusterRequest[] = []
    world.intercept = (requests, pass) => {
      if (!requests.some(({ verb }) => verb === 'create')) return pass(requests)
      straggler = requests
      return refuse(lost)(requests)
    }
    await driven(world, reserve(world.ports, world.reserveCommand([{}])))
    await world.pass(40_000)
    world.store.send(straggler)
    await world.pass(120_000)
    expect(await world.ledger().find('pod-a.default')).toMatchObject({ state: 'bound' })
    await expectAgreement(world)
  })

  // Found by the simulation: our own finalizer held the object, and nobody took it off (invariant 17).
  it('turns back when somebody deletes the object before its reply is known', async () => {
    const world = await warm()
    world.intercept = first(1, 'create', async (requests, pass) => {
      await pass(requests)
      remove(world, 'pod-a.default')
      return requests.map(() => err(lost))
    })
    const outcome = await driven(world, reserve(world.ports, world.reserveCommand([{}])), 120_000)
    await world.pass(300_000)
    const now = await answered(world, reserve(world.ports, world.reserveCommand([{}])))
    expect(outcome.kind).not.toBe('done')
    expect(reserved(now)[0]?.state).toBe('bound')
    expect(ipObjects(world)).toHaveLength(2)
    await expectAgreement(world)
  })

  it('with another object in the 201 is no evidence', async () => {
    const world = await warm()
    world.intercept = first(1, 'create', async (requests, pass) => {
      const replies = await pass(requests)
      return replies.map((reply) =>
        reply.ok
          ? {
              ok: true,
              value: { ...reply.value, metadata: { ...reply.value.metadata, name: 'somebody.else' } },
            }
          : reply,
      )
    })
    const outcome = await driven(world, reserve(world.ports, world.reserveCommand([{}])))
    expect(reserved(outcome)[0]).toMatchObject({ name: 'pod-a.default', state: 'bound' })
    await expectAgreement(world)
  })
})

describe('409 AlreadyExists', () => {
  it('of an older operation of ours waits until that is gone', async () => {
    const world = await warm()
    const [bound] = reserved(await reserve(world.ports, world.reserveCommand([{}])))
    await release(world.ports, world.releaseCommand('pod-a.default'))
    if (!bound) throw new Error('nothing bound')
    const { uid: _uid, resourceVersion: _rv, ...metadata } = bound.object.metadata
    world.store.send([{ verb: 'create', object: { ...bound.object, metadata } }])
    const outcome = await driven(world, reserve(world.ports, world.reserveCommand([{}])))
    expect(refusal(outcome)).toMatchObject({ code: 'releasing' })
    expect(count(world, 'delete')).toBe(1)
  })

  it('of the same owner elsewhere is already_reserved', async () => {
    const world = await warm()
    await reserve(world.ports, world.reserveCommand([{ subnet: 'dual-stack' }]))
    const outcome = await reserve(world.ports, world.reserveCommand([{}]))
    expect(refusal(outcome).code).toBe('already_reserved')
    await expectAgreement(world)
  })
})

describe('a busy API server', () => {
  it.each([undefined, 2_000, -1, 1e9])(
    'with Retry-After %s is asked again within bounds',
    async (retryAfterMs) => {
      const world = await warm()
      world.intercept = first(3, 'create', refuse(busy(retryAfterMs)))
      const outcome = await driven(world, reserve(world.ports, world.reserveCommand([{}])))
      if (outcome.kind === 'pending') expect(outcome.retryAfterMs).toBeLessThanOrEqual(60_000)
      await world.pass(200_000)
      const found = await reservation(world.ports, 'pod-a.default')
      // Retry-After beyond the deadline ends the reserve; nothing was ever in doubt, so the address is free at once.
      if (retryAfterMs === 1e9) expect(found.ok).toBe(false)
      else expect(found.ok && found.value.state).toBe('bound')
      await expectAgreement(world)
    },
  )
})

describe('a group', () => {
  it('with one refusal is taken back as a whole', async () => {
    const world = await warm()
    world.intercept = first(1, 'create', async (requests, pass) => {
      const [one, ...rest] = requests
      if (!one) throw new Error('nothing sent')
      return [err({ ...lost, reason: 'Invalid', outcome: 'refused' }), ...(await pass(rest))]
    })
    const wishes = ['a', 'b', 'c'].map((podName) => ({ podName }))
    const outcome = await driven(world, reserve(world.ports, world.reserveCommand(wishes)))
    expect(refusal(outcome)).toMatchObject({ code: 'invalid_field', findings: [{ item: 0 }] })
    expect(ipObjects(world)).toHaveLength(1)
    await expectAgreement(world)
  })

  it('is nowhere bound before all of it is', async () => {
    const world = await warm()
    world.intercept = first(1, 'create', async (requests, pass) => {
      const replies = await pass(requests.slice(1))
      return [err(busy(1_000)), ...replies]
    })
    const wishes = ['a', 'b'].map((podName) => ({ podName }))
    const pending = reserve(world.ports, world.reserveCommand(wishes))
    for (let turn = 0; turn < 200; turn++) await Promise.resolve()
    expect(await world.ledger().find('b.default')).toMatchObject({ state: 'held' })
    const both = reserved(await driven(world, pending))
    expect(both.map(({ state }) => state)).toEqual(['bound', 'bound'])
    await expectAgreement(world)
  })
})

describe('a release', () => {
  it.each(['delete', 'patch'] as const)('whose %s reply is lost goes on', async (verb) => {
    const world = await warm()
    reserved(await reserve(world.ports, world.reserveCommand([{}])))
    world.intercept = first(2, verb, async (requests, pass) => {
      await pass(requests)
      return requests.map(() => err(lost))
    })
    const outcome = await driven(world, release(world.ports, world.releaseCommand('pod-a.default')))
    expect(reserved(outcome)[0]?.state).toBe('free')
    await expectAgreement(world)
  })

  it('every DELETE has the row’s uid and every PATCH a resourceVersion', async () => {
    const world = await warm()
    const [bound] = reserved(await reserve(world.ports, world.reserveCommand([{}])))
    await release(world.ports, world.releaseCommand('pod-a.default'))
    for (const request of world.sent) {
      if (request.verb === 'delete') expect(request.uid).toBe(bound?.object.metadata.uid)
      if (request.verb === 'patch') expect(request.resourceVersion).toMatch(/^\d+$/)
    }
    expect(count(world, 'delete')).toBe(1)
    expect(count(world, 'patch')).toBe(1)
  })

  it('leaves another object of the name alone', async () => {
    const world = await warm()
    const [bound] = reserved(await reserve(world.ports, world.reserveCommand([{}])))
    const ref = { kind: 'IP', name: 'pod-a.default' } as const
    const [present] = world.store.send([{ verb: 'get', ref }])
    if (!present?.ok || !bound?.object.metadata.uid) throw new Error('nothing bound')
    const resourceVersion = present.value.metadata.resourceVersion ?? ''
    world.store.send([
      { verb: 'patch', ref, patch: { metadata: { finalizers: null } }, resourceVersion },
      { verb: 'delete', ref, uid: bound.object.metadata.uid },
      {
        verb: 'create',
        object: {
          apiVersion: 'kubeovn.io/v1',
          kind: 'IP',
          metadata: { name: ref.name },
          spec: { podName: 'x' },
        },
      },
    ])
    const outcome = await driven(world, release(world.ports, world.releaseCommand('pod-a.default')))
    expect(reserved(outcome)[0]?.state).toBe('free')
    const [left] = world.store.send([{ verb: 'get', ref }])
    expect(left?.ok && left.value.spec).toEqual({ podName: 'x' })
  })
})

describe('a late driver', () => {
  it('can neither commit nor send after a takeover', async () => {
    const world = await warm()
    let park: (() => void) | undefined
    world.intercept = first(1, 'create', async (requests, pass) => {
      const replies = await pass(requests)
      await new Promise<void>((resolve) => {
        park = resolve
      })
      return replies
    })
    const late = reserve(world.ports, world.reserveCommand([{}]))
    for (let turn = 0; turn < 200 && !park; turn++) await Promise.resolve()
    await world.pass(16_000)
    expect(await world.ledger().find('pod-a.default')).toMatchObject({ state: 'bound' })
    // The parked POST may land yet, for all the ledger knows: a 404 proves nothing before that is out of the question.
    const releasing = await driven(world, release(world.ports, world.releaseCommand('pod-a.default')))
    expect(releasing.kind).toBe('pending')
    park?.()
    await driven(world, late)
    await world.pass(100_000)
    expect(await world.ledger().find('pod-a.default')).toBeUndefined()
    expect(ipObjects(world)).toHaveLength(1)
    await expectAgreement(world)
  })
})

describe('the wall clock', () => {
  it.each([
    ['an hour back', -3_600_000],
    ['an hour ahead', 3_600_000],
    ['ten years ahead', 315_360_000_000],
  ])('jumps %s: no cool-down ends early, none is frozen', async (_, jumpMs) => {
    const world = await warm({ quarantineMs: 300_000 })
    reserved(await reserve(world.ports, world.reserveCommand([{}])))
    reserved(await release(world.ports, world.releaseCommand('pod-a.default')))
    await world.pass(100_000)
    world.clock.jump(jumpMs)
    await world.alarm()
    await world.pass(200_000)
    expect(await world.ledger().find('pod-a.default')).toMatchObject({ state: 'quarantined' })
    await world.pass(300_000)
    expect(await world.ledger().find('pod-a.default')).toBeUndefined()
  })
})

describe('a reserve whose process was down past the deadline', () => {
  it('posts nothing any more; what was never posted is free once that is proven', async () => {
    const world = await warm()
    world.point = (name) => {
      if (name === 'before create is sent') throw new Killed()
    }
    await reserve(world.ports, world.reserveCommand([{}])).catch(() => {})
    world.point = () => {}
    world.restart()
    world.clock.advance(3_600_000)
    await world.pass(200_000)
    expect(count(world, 'create')).toBe(0)
    expect(await world.ledger().find('pod-a.default')).toBeUndefined()
    await expectAgreement(world)
  })

  it('reads no faster than its back-off while the cluster is away', async () => {
    const world = await warm()
    world.intercept = async (requests) => requests.map(() => err(lost))
    const outcome = await driven(world, reserve(world.ports, world.reserveCommand([{}])))
    expect(outcome.kind).toBe('pending')
    await world.pass(600_000)
    expect(world.sent.length).toBeLessThan(40)
  })
})
