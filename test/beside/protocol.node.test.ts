import { describe, expect, test } from 'vitest'
import type { ClusterRequest } from '../../shared/cluster/port.ts'
import { objectOf } from '../../shared/command/evidence.ts'
import { holdIn, reserve } from '../../shared/command/reserve.ts'
import { FINALIZER } from '../../shared/kube-ovn/names.ts'
import { err } from '../../shared/result.ts'
import { BesideWorld } from '../support/beside.ts'
import { FakePorts } from '../support/ports.ts'
import { refusal, reserved } from '../support/world.ts'

describe('reserve beside the controller (R1-R4)', () => {
  test('an address of the window is promised once the controller has it and nobody else', async () => {
    const beside = await BesideWorld.start()
    const [reservation] = reserved(await beside.reserve({ podName: 'a' }))
    expect(reservation).toMatchObject({ state: 'bound', v4IpAddress: '10.16.0.100' })
    const object = beside.ip('a.default')
    expect(object?.metadata.finalizers).toEqual([FINALIZER])
    expect(object?.metadata.labels?.['ovn.kubernetes.io/ip_reserved']).toBe('true')
    expect(beside.controller.ipam?.subnet('ovn-default')).toBeDefined()
    // Posted without a finalizer and without the lists: either makes the controller pass it over (D19, D6).
    const [post] = beside.world.sent.filter(({ verb }) => verb === 'create')
    expect(post).toMatchObject({ object: { metadata: { name: 'a.default' } } })
    const { metadata, spec } = (post as { object: { metadata: object; spec: object } }).object
    expect(metadata).not.toHaveProperty('finalizers')
    expect(spec).not.toHaveProperty('attachIps')
  })

  test('and given back: the controller frees it, Berth waits for that', async () => {
    const beside = await BesideWorld.start()
    reserved(await beside.reserve({ podName: 'a' }))
    const [released] = reserved(await beside.release('a.default'))
    expect(released?.state).toBe('quarantined')
    expect(beside.ip('a.default')).toBeUndefined()
    // No patch of Berth's took a finalizer off.
    expect(beside.world.sent.filter(({ verb }) => verb === 'patch')).toEqual([])
  })

  test('outside the window is refused', async () => {
    const beside = await BesideWorld.start()
    const problem = refusal(await beside.reserve({ podName: 'a', v4IpAddress: '10.16.0.9' }))
    expect(problem).toMatchObject({ code: 'outside_window', field: 'v4IpAddress' })
  })
})

describe('the owner’s Pod is asked for before the POST, in the step that posts (R2)', () => {
  const isPod = (request: ClusterRequest) => request.verb === 'get' && request.ref.kind === 'Pod'
  const beforePost = (beside: BesideWorld) => {
    const { sent } = beside.world
    const post = sent.findIndex(({ verb }) => verb === 'create')
    return sent.slice(0, post < 0 ? sent.length : post).filter(isPod).length
  }

  test('an answer that took too long is asked for again: the POST would be later than the ledger allows', async () => {
    const beside = await BesideWorld.start()
    let isSlow = true
    beside.world.intercept = async (requests, pass) => {
      const replies = await pass(requests)
      if (isSlow && requests.some(isPod)) {
        isSlow = false
        beside.world.clock.advance(beside.world.settings.sendMs + 1)
      }
      return replies
    }
    await beside.reserve({ podName: 'a' })
    await beside.pass(30_000)
    expect(beforePost(beside)).toBe(2)
    expect(await beside.world.ledger().find('a.default')).toMatchObject({ state: 'bound' })
  })

  test('where it is not to be had, nothing is posted', async () => {
    const beside = await BesideWorld.start()
    const failure = { reason: 'Unavailable', message: 'not now', outcome: 'refused' } as const
    let isDown = true
    beside.world.intercept = async (requests, pass) =>
      isDown && requests.some(isPod) ? requests.map(() => err(failure)) : pass(requests)
    await beside.reserve({ podName: 'a' })
    expect(beside.ip('a.default')).toBeUndefined()
    isDown = false
    await beside.pass(20_000)
    expect(await beside.world.ledger().find('a.default')).toMatchObject({ state: 'bound' })
  })

  test('of several, the one that runs takes the others back', async () => {
    const beside = await BesideWorld.start()
    beside.controller.pause()
    await beside.pod('b')
    const wishes = [{ podName: 'a' }, { podName: 'b' }, { podName: 'c' }]
    const asked = beside.during(reserve(beside.ports, beside.world.reserveCommand(wishes)))
    beside.controller.continue()
    expect(refusal(await asked).findings).toMatchObject([
      { code: expect.stringMatching(/pod_alive|reserved/), item: 1 },
    ])
    await beside.pass(60_000)
    expect([beside.ip('a.default'), beside.ip('c.default')]).toEqual([undefined, undefined])
  })
})

describe('logical switch ports, where OVN_NB is set (R2)', () => {
  async function lab() {
    const beside = await BesideWorld.start({ settings: { ovn: true } })
    const ports = new FakePorts()
    beside.world.ovn = ports
    return { beside, ports }
  }
  const posted = (beside: BesideWorld) => beside.world.sent.filter(({ verb }) => verb === 'create')

  test('are looked at by name and by address before anything is posted', async () => {
    const { beside, ports } = await lab()
    ports.intercept = (_, pass) => {
      expect(posted(beside)).toEqual([])
      return pass()
    }
    reserved(await beside.reserve({ podName: 'a' }))
    expect(ports.asked.map(({ verb }) => verb)).toEqual(['name', 'address'])
    // The controller cuts what a release leaves (D18 is refused before).
    reserved(await beside.release('a.default'))
    expect(ports.cuts).toEqual([])
  })

  test('of its name: the controller would never acknowledge it (D21), so it is refused at once', async () => {
    const { beside, ports } = await lab()
    ports.add('a.default', 'default/a', '10.16.0.150')
    expect(refusal(await beside.reserve({ podName: 'a' })).code).toBe('port_exists')
    expect([posted(beside), await beside.world.ledger().find('a.default')]).toEqual([[], undefined])
  })

  test('that are vacant tell nothing of Pods: one that runs is not taken its address (F7)', async () => {
    const { beside } = await lab()
    beside.controller.pause()
    await beside.pod('a')
    expect(refusal(await beside.reserve({ podName: 'a' })).code).toBe('pod_alive')
  })

  test('that carry its address: another is chosen, or the wish is refused', async () => {
    const { beside, ports } = await lab()
    ports.add('stray.default', 'default/stray', '10.16.0.100')
    expect(reserved(await beside.reserve({ podName: 'a' }))[0]?.v4IpAddress).toBe('10.16.0.101')
    const wish = { podName: 'b', v4IpAddress: '10.16.0.100' }
    expect(refusal(await beside.reserve(wish)).code).toBe('address_taken')
    ports.add('late.default', 'default/late', '10.16.0.130')
    const foretold = beside.world.reserveCommand([{ podName: 'c', v4IpAddress: '10.16.0.130' }], {
      dryRun: true,
    })
    expect(refusal(await beside.during(reserve(beside.ports, foretold))).code).toBe('address_taken')
  })

  test('of which OVN says nothing: nothing is posted, and past its deadline nothing is held', async () => {
    const { beside, ports } = await lab()
    ports.intercept = () => ({ result: 'later', reason: 'unreachable', detail: 'nobody answers' })
    const pending = await beside.reserve({ podName: 'a' })
    if (pending.kind !== 'pending') throw new Error(pending.kind)
    await beside.pass(120_000)
    expect(await beside.world.ledger().operation(pending.operation)).toMatchObject({
      state: 'failed',
      problem: { code: 'unavailable' },
    })
    expect([posted(beside), await beside.world.ledger().find('a.default')]).toEqual([[], undefined])
  })
})

describe('an object somebody else writes (admission)', () => {
  const held = async (beside: BesideWorld) => {
    const { items } = beside.world.reserveCommand([{ podName: 'a' }])
    const request = {
      tenant: 'alice',
      mode: 'beside',
      bodyHash: '',
      items,
      dryRun: false,
      admission: true,
    } as const
    const opened = await holdIn(beside.ports, 'ovn-default', request)
    if (opened.kind !== 'answer' || opened.answer.kind !== 'done') throw new Error(JSON.stringify(opened))
    const [lease] = opened.answer.leases
    if (!lease) throw new Error('nothing is held')
    return lease
  }

  test('is promised once the controller has acknowledged it, not when it is seen', async () => {
    const beside = await BesideWorld.start()
    const lease = await held(beside)
    beside.controller.pause()
    await beside.hand({ verb: 'create', object: objectOf(lease, 'beside') })
    await beside.pass(2_000)
    expect((await beside.world.ledger().find('a.default'))?.state).toBe('held')
    beside.controller.continue()
    await beside.pass(5_000)
    expect(await beside.world.ledger().find('a.default')).toMatchObject({ state: 'bound', v4: lease.v4 })
    expect(beside.ip('a.default')?.metadata.finalizers).toEqual([FINALIZER])
  })

  test('that the controller never acknowledges is taken back after as long as any other', async () => {
    const beside = await BesideWorld.start()
    const lease = await held(beside)
    beside.controller.pause()
    await beside.hand({ verb: 'create', object: objectOf(lease, 'beside') })
    await beside.pass(120_000)
    expect((await beside.world.ledger().find('a.default'))?.state).toBe('releasing')
    beside.controller.continue()
    await beside.pass(60_000)
    expect(beside.ip('a.default')).toBeUndefined()
  })

  test('that never comes frees its address', async () => {
    const beside = await BesideWorld.start()
    await held(beside)
    await beside.pass(200_000)
    expect(await beside.world.ledger().find('a.default')).toBeUndefined()
  })
})

test('several are bound together, or none: one whose address is shared takes the others back', async () => {
  const beside = await BesideWorld.start()
  const wishes = [{ podName: 'a' }, { podName: 'b', v4IpAddress: '10.16.0.150' }, { podName: 'c' }]
  const group = (podNames: readonly object[]) =>
    beside.during(reserve(beside.ports, beside.world.reserveCommand(podNames)))
  expect(reserved(await group(wishes)).map(({ state }) => state)).toEqual(['bound', 'bound', 'bound'])
  await beside.pod('p', { 'ovn.kubernetes.io/ip_address': '10.16.0.160' })
  beside.guard = (port) => ({
    ...port,
    send: (requests) =>
      requests.some((request) => request.verb === 'create' && request.object.metadata.name === 'p.default')
        ? new Promise(() => {})
        : port.send(requests),
  })
  await beside.pass(500)
  const problem = refusal(await group([{ podName: 'd' }, { podName: 'e', v4IpAddress: '10.16.0.160' }]))
  expect(problem.findings).toMatchObject([{ code: 'address_taken', item: 1 }])
  await beside.pass(5_000)
  expect([beside.ip('d.default'), beside.ip('e.default')]).toEqual([undefined, undefined])
})
