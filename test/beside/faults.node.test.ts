import { describe, expect, test } from 'vitest'
import type { ClusterPort, ClusterReply, ClusterRequest, KubeObject } from '../../shared/cluster/port.ts'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import type { WriteOutcome } from '../../shared/command/types.ts'
import { DEPRECATED_FINALIZER, FINALIZER, LABEL_RESERVED } from '../../shared/kube-ovn/names.ts'
import { err } from '../../shared/result.ts'
import { expectAgreement } from '../support/agreement.ts'
import { BesideWorld } from '../support/beside.ts'
import { refusal, reserved } from '../support/world.ts'

const IP = (name: string) => ({ kind: 'IP', name }) as const
const SUBNET = { kind: 'Subnet', name: 'ovn-default' } as const
const MINUTE_MS = 60_000
/** Whatever was begun is over: the reserve's deadline, the fence, and the straggler time after it. */
const QUIET_MS = 40 * MINUTE_MS
const WISH = { podName: 'a', v4IpAddress: '10.16.0.150' }

const using = (beside: BesideWorld) => beside.controller.ipam?.rangeStrings('ovn-default', []).v4Using ?? ''
const lease = (beside: BesideWorld, name = 'a.default') => beside.world.ledger().find(name)
const operation = async (beside: BesideWorld, id: string) => {
  const view = await beside.world.ledger().operation(id)
  return { state: view?.state, phase: view?.phase, code: view?.problem?.code }
}

function operationOf(outcome: WriteOutcome): string {
  if (outcome.kind !== 'pending') throw new Error(`expected 202, got ${JSON.stringify(outcome)}`)
  return outcome.operation
}

const written = (beside: BesideWorld, verb: ClusterRequest['verb']) =>
  beside.world.sent.filter(
    (request) => request.verb === verb && ('ref' in request ? request.ref : request.object).kind === 'IP',
  )

/** Does something once, before the first such request of Berth's passes. */
function first(
  beside: BesideWorld,
  is: (request: ClusterRequest) => boolean,
  act: () => Promise<void>,
): void {
  let done = false
  beside.world.intercept = async (requests, pass) => {
    if (!done && requests.some(is)) {
      done = true
      await act()
    }
    return pass(requests)
  }
}

describe('29: the controller’s last label patch is late, and comes from a stale copy', () => {
  test('what Berth wrote meanwhile is written over, found by its annotation, and mended once', async () => {
    const beside = await BesideWorld.start()
    const late = Promise.withResolvers<void>()
    const isLabels = (request: ClusterRequest) =>
      request.verb === 'patch' &&
      request.ref.kind === 'IP' &&
      JSON.stringify(request.patch).includes(LABEL_RESERVED)
    let held = 0
    beside.guard = (port): ClusterPort => ({
      ...port,
      send: async (requests) => {
        if (!requests.some(isLabels)) return port.send(requests)
        held++
        await late.promise
        return port.send(requests)
      },
    })
    reserved(await beside.reserve(WISH))
    expect(held).toBe(1)
    // Somebody takes the label off, and Berth gives it back, before the controller's patch lands.
    await beside.change(IP('a.default'), { metadata: { labels: { [LABEL_RESERVED]: 'false' } } })
    await beside.pass(5_000)
    const mended = written(beside, 'patch').length
    expect([mended, beside.ip('a.default')?.metadata.labels?.[LABEL_RESERVED]]).toEqual([1, 'true'])
    late.resolve()
    await beside.pass(MINUTE_MS)
    const { labels, annotations } = beside.ip('a.default')?.metadata ?? {}
    expect(labels?.[LABEL_RESERVED]).toBe('true')
    expect(annotations?.['berth/op']).toBe((await lease(beside))?.origin)
    // No loop of the one against the other.
    expect(written(beside, 'patch')).toHaveLength(mended)
    expect(await lease(beside)).toMatchObject({ state: 'bound', contested: false })
  })
})

describe('55: the deprecated finalizer', () => {
  test.each([
    ['alone', [DEPRECATED_FINALIZER]],
    ['beside the new one', [DEPRECATED_FINALIZER, FINALIZER]],
  ])(
    '%s: an object that has it is released by the controller, whose migration comes in between',
    async (_, had) => {
      const beside = await BesideWorld.start()
      reserved(await beside.reserve(WISH))
      await beside.change(IP('a.default'), { metadata: { finalizers: had } })
      // Its start replaces the whole list while Berth's DELETE is on its way.
      first(
        beside,
        ({ verb }) => verb === 'delete',
        async () => beside.change(IP('a.default'), { metadata: { finalizers: [FINALIZER] } }),
      )
      reserved(await beside.release('a.default'))
      await beside.pass(5_000)
      expect(beside.ip('a.default')).toBeUndefined()
      expect(using(beside)).toBe('')
      // None of it was Berth's to take off.
      expect(written(beside, 'patch')).toEqual([])
    },
  )

  test('is migrated while a label is mended: the mend reads again, and brings nothing back', async () => {
    const beside = await BesideWorld.start()
    reserved(await beside.reserve(WISH))
    await beside.change(IP('a.default'), { metadata: { finalizers: [DEPRECATED_FINALIZER] } })
    first(
      beside,
      ({ verb }) => verb === 'patch',
      async () => beside.change(IP('a.default'), { metadata: { finalizers: [FINALIZER] } }),
    )
    await beside.change(IP('a.default'), { metadata: { labels: { [LABEL_RESERVED]: 'false' } } })
    await beside.pass(MINUTE_MS)
    const { finalizers, labels } = beside.ip('a.default')?.metadata ?? {}
    expect([finalizers, labels?.[LABEL_RESERVED]]).toEqual([[FINALIZER], 'true'])
    expect(written(beside, 'patch')).toHaveLength(2)
  })

  test('of an object that was being deleted while the controller was away is taken off by its start', async () => {
    const beside = await BesideWorld.start()
    reserved(await beside.reserve(WISH))
    await beside.change(IP('a.default'), { metadata: { finalizers: [DEPRECATED_FINALIZER] } })
    beside.controller.kill()
    const id = operationOf(await beside.release('a.default'))
    expect(beside.ip('a.default')?.metadata.deletionTimestamp).toBeDefined()
    beside.controller.restart()
    await beside.pass(MINUTE_MS)
    expect(await operation(beside, id)).toMatchObject({ state: 'done' })
    expect(beside.ip('a.default')).toBeUndefined()
  })
})

describe('57: the CIDR shrinks and grows while a reserve is on its way', () => {
  /** Shrinks it at the request of that number, before it is sent or after it took effect, and lets it grow later. */
  async function shrunkAt(n: number, when: 'before' | 'after') {
    const beside = await BesideWorld.start({ settings: { quarantineMs: 0 } })
    reserved(await beside.reserve({ podName: 'kept', v4IpAddress: '10.16.0.160' }))
    const cidr = async (cidrBlock: string) => {
      await beside.change(SUBNET, { spec: { cidrBlock } })
      await beside.learn()
    }
    let count = 0
    let shrunk = false
    const shrink = async () => {
      shrunk = true
      beside.world.intercept = (requests, pass) => pass(requests)
      await cidr('10.16.0.0/25')
    }
    const around = async <T>(pass: () => Promise<T>): Promise<T> => {
      const isIt = count++ === n
      if (isIt && when === 'before') await shrink()
      const replies = await pass()
      if (isIt && when === 'after') await shrink()
      return replies
    }
    beside.world.intercept = (requests, pass) => around(() => pass(requests))
    const { cluster } = beside.ports
    const watched: ClusterPort = {
      ...cluster,
      list: (kind, options) => around(() => cluster.list(kind, options)),
    }
    const asked = reserve({ ...beside.ports, cluster: watched }, beside.world.reserveCommand([WISH]))
    const outcome = await beside.during(asked)
    if (!shrunk) return undefined
    expect(await lease(beside, 'kept.default')).toMatchObject({ state: 'stranded' })
    await beside.pass(10_000)
    await cidr('10.16.0.0/16')
    expect(await lease(beside, 'kept.default')).toMatchObject({ state: 'bound', v4: '10.16.0.160' })
    await beside.pass(QUIET_MS)
    return { beside, outcome }
  }

  test.each(['before', 'after'] as const)(
    '%s each request of its own: it turns back, and nothing is left of it; a promise is kept',
    async (when) => {
      let n = 0
      for (; ; n++) {
        const run = await shrunkAt(n, when)
        if (!run) break
        const { beside, outcome } = run
        const code =
          outcome.kind === 'refused'
            ? outcome.problem.code
            : (await operation(beside, operationOf(outcome))).code
        expect([n, code]).toEqual([n, 'out_of_range'])
        expect([n, await lease(beside), beside.ip('a.default')]).toEqual([n, undefined, undefined])
        // The controller forgot the promise, too (D22); in excludeIps it is safe from that.
        expect([n, using(beside)]).toEqual([n, ''])
        await expectAgreement(beside.world)
      }
      // The Pod, the POST, and the look for others.
      expect(n).toBeGreaterThanOrEqual(3)
    },
    60_000,
  )
})

describe('59: excludeIps or the gateway are moved onto promises', () => {
  const counted = async (beside: BesideWorld) => {
    const view = await beside.world.ledger().view()
    return { bound: view?.v4?.bound, excluded: view?.v4?.excluded }
  }

  test('the window comes back to excludeIps: a promise in it was kept, uncontested, and is counted once', async () => {
    const beside = await BesideWorld.start()
    reserved(await beside.reserve(WISH))
    expect(await counted(beside)).toEqual({ bound: 1n, excluded: 100n })
    await beside.change(SUBNET, { spec: { excludeIps: ['10.16.0.1'] } })
    await beside.learn()
    expect(await counted(beside)).toEqual({ bound: 1n, excluded: 1n })
    await beside.change(SUBNET, { spec: { excludeIps: ['10.16.0.1', '10.16.0.150'] } })
    await beside.learn()
    expect(await counted(beside)).toEqual({ bound: 1n, excluded: 1n })
    expect(await lease(beside)).toMatchObject({ state: 'bound', contested: false, v4: '10.16.0.150' })
    reserved(await beside.release('a.default'))
    await beside.pass(10 * MINUTE_MS)
    // The window is this one address by now.
    expect(reserved(await beside.reserve({ podName: 'b' }))[0]?.v4IpAddress).toBe('10.16.0.150')
    expect(refusal(await beside.reserve({ podName: 'c' })).code).toBe('no_capacity')
  })

  test('the gateway is moved onto a promise, and away again', async () => {
    const beside = await BesideWorld.start()
    reserved(await beside.reserve(WISH))
    const gateway = async (to: string) => {
      await beside.change(SUBNET, { spec: { gateway: to } })
      await beside.learn()
      return (await lease(beside))?.contested
    }
    expect([await gateway('10.16.0.150'), await gateway('10.16.0.1')]).toEqual([true, false])
    await gateway('10.16.0.150')
    reserved(await beside.release('a.default'))
    await beside.pass(10 * MINUTE_MS)
    expect(refusal(await beside.reserve(WISH)).code).toBe('excluded_gateway')
  })
})

describe('85: AUTHORITY changes from alone to beside while operations are open', () => {
  const unavailable = (requests: readonly ClusterRequest[]): ClusterReply[] =>
    requests.map(() => err({ reason: 'Unavailable', message: 'not now', outcome: 'refused' }))

  /** The next wish comes beside the controller: from here the ledger begins everything so. */
  const beside = (world: BesideWorld) =>
    world.during(reserve(world.ports, world.world.reserveCommand([{ podName: 'b' }])))

  test('a reserve that began alone ends so: with the finalizer of Berth’s, and nobody’s acknowledgement', async () => {
    const world = await BesideWorld.start()
    world.controller.pause()
    let isDown = true
    world.world.intercept = async (requests, pass) =>
      isDown && requests.some(({ verb }) => verb === 'create') ? unavailable(requests) : pass(requests)
    const wish = world.world.reserveCommand([{ podName: 'a' }])
    const id = operationOf(await world.during(reserve(world.world.ports, wish)))
    isDown = false
    operationOf(await beside(world))
    await world.pass(10_000)
    expect(await operation(world, id)).toMatchObject({ state: 'done' })
    expect(world.ip('a.default')?.metadata.finalizers).toEqual([FINALIZER])
    // The other waits for the controller, and was posted without it.
    expect(world.ip('b.default')).toBeDefined()
    expect(world.ip('b.default')?.metadata.finalizers).toBeUndefined()
  })

  test('a release that began alone ends so: Berth takes the finalizer off', async () => {
    const world = await BesideWorld.start()
    world.controller.pause()
    const wish = world.world.reserveCommand([{ podName: 'a' }])
    reserved(await world.during(reserve(world.world.ports, wish)))
    let isDown = true
    world.world.intercept = async (requests, pass) =>
      isDown && requests.some(({ verb }) => verb === 'delete') ? unavailable(requests) : pass(requests)
    const give = world.world.releaseCommand('a.default')
    const id = operationOf(await world.during(release(world.world.ports, give)))
    isDown = false
    operationOf(await beside(world))
    await world.pass(MINUTE_MS)
    expect(await operation(world, id)).toMatchObject({ state: 'done' })
    expect(world.ip('a.default')).toBeUndefined()
  })

  test('a reservation made alone is released beside: the controller lets it go', async () => {
    const world = await BesideWorld.start()
    world.controller.pause()
    const wish = world.world.reserveCommand([{ podName: 'a' }])
    reserved(await world.during(reserve(world.world.ports, wish)))
    const id = operationOf(await world.release('a.default'))
    expect(await operation(world, id)).toMatchObject({ phase: 'waiting_for_controller' })
    world.controller.continue()
    await world.pass(MINUTE_MS)
    expect(await operation(world, id)).toMatchObject({ state: 'done' })
    expect(world.ip('a.default')).toBeUndefined()
  })
})

describe('87: a live migration has two Pods on one address', () => {
  const MACHINE = { podName: 'vm1', podType: 'VirtualMachine' as const, v4IpAddress: '10.16.0.150' }
  const instance = {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstance',
    metadata: { name: 'vm1', namespace: 'default' },
    spec: {},
    status: { phase: 'Running' },
  }
  const launcher = (name: string, made: { v4IpAddress: string; macAddress: string }): KubeObject => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'default',
      annotations: {
        'ovn.kubernetes.io/ip_address': made.v4IpAddress,
        'ovn.kubernetes.io/mac_address': made.macAddress,
      },
      ownerReferences: [{ ...instance, name: 'vm1', uid: 'u' }].map(
        ({ apiVersion, kind, name: of, uid }) => ({
          ...{ apiVersion, kind, name: of, uid },
        }),
      ),
    },
    spec: {},
    status: { phase: 'Pending' },
  })

  test('that begins under a release: nothing is taken away, and the release waits until the machine has gone', async () => {
    const beside = await BesideWorld.start()
    const [made] = reserved(await beside.reserve(MACHINE))
    if (!made) throw new Error('nothing was made')
    first(
      beside,
      ({ verb }) => verb === 'delete',
      async () => {
        await beside.hand({ verb: 'create', object: instance })
        for (const name of ['source', 'target'])
          await beside.hand({ verb: 'create', object: launcher(name, made) })
        // The machine is there before the DELETE is tried again.
        throw new Error('the driver is gone')
      },
    )
    await beside.release('vm1.default').catch(() => undefined)
    await beside.pass(10 * MINUTE_MS)
    const row = await lease(beside, 'vm1.default')
    expect(row).toMatchObject({ state: 'releasing', v4: '10.16.0.150' })
    expect(await operation(beside, row?.operation ?? '')).toMatchObject({
      state: 'running',
      phase: 'pod_started',
    })
    expect(beside.ip('vm1.default')?.metadata.deletionTimestamp).toBeUndefined()
    expect(written(beside, 'delete')).toHaveLength(1)
    // Both Pods of the machine have its address, and nobody contests that.
    for (const name of ['source', 'target']) {
      const pod = await beside.hand({ verb: 'get', ref: { kind: 'Pod', namespace: 'default', name } })
      expect(pod.metadata.annotations?.['ovn.kubernetes.io/allocated']).toBe('true')
    }
    // The source has gone, the target lives: so does the machine.
    await beside.remove({ kind: 'Pod', namespace: 'default', name: 'source' })
    await beside.pass(10 * MINUTE_MS)
    expect((await lease(beside, 'vm1.default'))?.state).toBe('releasing')
    await beside.remove({ kind: 'Pod', namespace: 'default', name: 'target' })
    await beside.remove({ kind: 'VirtualMachineInstance', namespace: 'default', name: 'vm1' })
    await beside.pass(10 * MINUTE_MS)
    expect(beside.ip('vm1.default')).toBeUndefined()
    expect(await operation(beside, row?.operation ?? '')).toMatchObject({ state: 'done' })
  })
})
