import { describe, expect, test } from 'vitest'
import type { ClusterPort, ClusterRequest } from '../../shared/cluster/port.ts'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import type { Reservation, WriteOutcome } from '../../shared/command/types.ts'
import { DEPRECATED_FINALIZER, FINALIZER, LABEL_RESERVED } from '../../shared/kube-ovn/names.ts'
import { err } from '../../shared/result.ts'
import { BesideWorld } from '../support/beside.ts'
import { refusal, reserved } from '../support/world.ts'

const IP = (name: string) => ({ kind: 'IP', name }) as const
const MINUTE_MS = 60_000

/** Addresses the controller's own memory has given out. */
const using = (beside: BesideWorld) => beside.controller.ipam?.rangeStrings('ovn-default', []).v4Using ?? ''

const lease = (beside: BesideWorld, name: string) => beside.world.ledger().find(name)

/** Lets time pass until it is so. */
async function until(beside: BesideWorld, condition: () => boolean | Promise<boolean>, limitMs = 3_600_000) {
  for (let passed = 0; passed < limitMs; passed += 200) {
    if (await condition()) return
    await beside.pass(200)
  }
  throw new Error(`it has not become so within ${limitMs} ms`)
}

/** The operation a write was left as. */
function operationOf(outcome: WriteOutcome): string {
  if (outcome.kind !== 'pending') throw new Error(`expected 202, got ${JSON.stringify(outcome)}`)
  return outcome.operation
}

const operation = async (beside: BesideWorld, id: string) => {
  const view = await beside.world.ledger().operation(id)
  return { state: view?.state, phase: view?.phase, code: view?.problem?.code }
}

/** Keeps some of the controller's requests from the API server. */
function refusing(beside: BesideWorld, isRefused: (request: ClusterRequest) => boolean): void {
  const failure = { reason: 'Unavailable', message: 'not now', outcome: 'refused' } as const
  beside.guard = (port): ClusterPort => ({
    ...port,
    send: (requests) =>
      requests.some(isRefused) ? Promise.resolve(requests.map(() => err(failure))) : port.send(requests),
  })
}

const passing = (beside: BesideWorld) => {
  beside.guard = (port) => port
}
const isUpdateOfIp = (request: ClusterRequest) => request.verb === 'replace' && request.object.kind === 'IP'

/** Berth's own writes to IP objects, without those that read. */
const written = (beside: BesideWorld, verb: ClusterRequest['verb']) =>
  beside.world.sent.filter(
    (request) => request.verb === verb && ('ref' in request ? request.ref : request.object).kind === 'IP',
  )

describe('a restart of the controller without the policy (D1, R2)', () => {
  test('collects every reservation, and each is made again with its address and MAC', async () => {
    const beside = await BesideWorld.start()
    const before: Reservation[] = []
    for (const podName of ['a', 'b', 'c']) before.push(...reserved(await beside.reserve({ podName })))
    const uids = before.map(({ name }) => beside.ip(name)?.metadata.uid)
    beside.controller.restart()
    await until(beside, () =>
      before.every(({ name }, index) => {
        const { uid, finalizers = [] } = beside.ip(name)?.metadata ?? {}
        return uid !== undefined && uid !== uids[index] && finalizers.includes(FINALIZER)
      }),
    )
    await beside.pass(2_000)
    for (const { name, v4IpAddress, macAddress } of before) {
      expect(await lease(beside, name)).toMatchObject({ state: 'bound', v4: v4IpAddress, mac: macAddress })
      expect(beside.ip(name)?.spec).toMatchObject({ v4IpAddress, macAddress })
      expect(beside.ip(name)?.metadata.labels?.[LABEL_RESERVED]).toBe('true')
    }
  })

  test('what somebody wanted deleted, and was asked about, is released instead', async () => {
    const beside = await BesideWorld.start()
    reserved(await beside.reserve({ podName: 'a' }))
    await beside.world.ledger().want({ name: 'a.default', uid: beside.ip('a.default')?.metadata.uid ?? '' })
    await beside.remove(IP('a.default'))
    await until(beside, async () => (await lease(beside, 'a.default'))?.state === 'quarantined')
    await beside.pass(2_000)
    expect(beside.ip('a.default')).toBeUndefined()
  })

  test('so is what is marked with berth/force', async () => {
    const beside = await BesideWorld.start()
    reserved(await beside.reserve({ podName: 'a' }))
    await beside.change(IP('a.default'), { metadata: { annotations: { 'berth/force': 'true' } } })
    await beside.remove(IP('a.default'))
    await until(beside, async () => (await lease(beside, 'a.default'))?.state === 'quarantined')
  })
})

describe('a controller that is late', () => {
  test('202 waiting_for_controller, and bound once it goes on', async () => {
    const beside = await BesideWorld.start()
    beside.controller.pause()
    const id = operationOf(await beside.reserve({ podName: 'a' }))
    expect(await operation(beside, id)).toMatchObject({ state: 'running', phase: 'waiting_for_controller' })
    beside.controller.continue()
    await until(beside, async () => (await operation(beside, id)).state === 'done', MINUTE_MS)
    expect(await lease(beside, 'a.default')).toMatchObject({ state: 'bound', v4: '10.16.0.100' })
  })

  test('past its deadline the reserve turns back, and 16 minutes later the controller frees what it took (27)', async () => {
    const beside = await BesideWorld.start()
    // Its write of the finalizer fails: the address is taken in its memory, and the back-off grows.
    refusing(beside, isUpdateOfIp)
    const id = operationOf(await beside.reserve({ podName: 'a' }))
    await until(beside, async () => (await lease(beside, 'a.default'))?.state === 'releasing')
    expect(using(beside)).toContain('10.16.0.100')
    beside.controller.pause()
    await beside.pass(16 * MINUTE_MS)
    expect(await lease(beside, 'a.default')).toMatchObject({ state: 'releasing' })
    expect(await operation(beside, id)).toMatchObject({ state: 'running' })
    passing(beside)
    beside.controller.continue()
    await until(beside, async () => (await operation(beside, id)).state === 'failed')
    expect(await operation(beside, id)).toMatchObject({ state: 'failed', code: 'unavailable' })
    await beside.pass(20 * MINUTE_MS)
    // Nothing of it is left: not in the cluster, not in the controller's memory, not in the ledger.
    expect(beside.ip('a.default')).toBeUndefined()
    expect(using(beside)).toBe('')
    expect(await lease(beside, 'a.default')).toBeUndefined()
    // The fence marked the object and gave it the finalizer it is released by (D15).
    const [fence] = written(beside, 'patch')
    expect(fence).toMatchObject({
      patch: { metadata: { finalizers: [FINALIZER], annotations: { 'berth/fenced': expect.any(String) } } },
    })
  })

  test.each(['the controller first', 'Berth first'])(
    'the finalizer that comes once the fence began is no acknowledgement: %s (27)',
    async (order) => {
      const beside = await BesideWorld.start()
      beside.controller.pause()
      const id = operationOf(await beside.reserve({ podName: 'a' }))
      // Either its write lands between the fence's look at the object and the fence's own write, or after both.
      let isFenced = false
      beside.world.intercept = async (requests, pass) => {
        const isFence = requests.some(({ verb }) => verb === 'patch')
        if (isFence && !isFenced && order === 'the controller first') {
          isFenced = true
          beside.controller.continue()
          await beside.settled(() => beside.ip('a.default')?.metadata.finalizers !== undefined)
        }
        return pass(requests)
      }
      await until(beside, async () => (await lease(beside, 'a.default'))?.state === 'releasing')
      beside.controller.continue()
      await until(beside, async () => (await operation(beside, id)).state === 'failed')
      await beside.pass(10_000)
      expect(beside.ip('a.default')).toBeUndefined()
      expect(using(beside)).toBe('')
      expect((await lease(beside, 'a.default'))?.state).toBe('quarantined')
    },
  )

  test('a release waits for it, and never takes the finalizer off', async () => {
    const beside = await BesideWorld.start()
    reserved(await beside.reserve({ podName: 'a' }))
    beside.controller.pause()
    const id = operationOf(await beside.release('a.default'))
    await beside.pass(18 * MINUTE_MS)
    expect(await operation(beside, id)).toMatchObject({ state: 'running', phase: 'waiting_for_controller' })
    expect(beside.ip('a.default')?.metadata.finalizers).toEqual([FINALIZER])
    expect(written(beside, 'patch')).toEqual([])
    beside.controller.continue()
    await until(beside, async () => (await operation(beside, id)).state === 'done')
    expect(using(beside)).toBe('')
  })

  test('by force it is taken off once the controller has had its time (T_ctl)', async () => {
    const beside = await BesideWorld.start()
    reserved(await beside.reserve({ podName: 'a' }))
    beside.controller.kill()
    const id = operationOf(await beside.release('a.default', { force: true }))
    await beside.pass(16 * MINUTE_MS)
    expect(await operation(beside, id)).toMatchObject({ state: 'running' })
    await beside.pass(3 * MINUTE_MS)
    expect(await operation(beside, id)).toMatchObject({ state: 'done' })
    expect(beside.ip('a.default')).toBeUndefined()
  })
})

describe('an acknowledgement is not exclusivity (N1, R5, fault 31)', () => {
  test('a Pod that is starting has the address in the controller’s memory, and no object yet', async () => {
    const beside = await BesideWorld.start()
    // What the Pod gets it gets in memory at once; its object comes much later.
    const isOfPod = (request: ClusterRequest) =>
      request.verb === 'create' &&
      request.object.kind === 'IP' &&
      request.object.metadata.name === 'p.default'
    refusing(beside, isOfPod)
    await beside.pod('p', { 'ovn.kubernetes.io/ip_address': '10.16.0.100' })
    await beside.pass(500)
    expect(using(beside)).toContain('10.16.0.100')
    const problem = refusal(await beside.reserve({ podName: 'a', v4IpAddress: '10.16.0.100' }))
    expect(problem.code).toBe('address_taken')
    expect(problem.detail).toContain('Pod default/p')
    passing(beside)
    await until(beside, () => beside.ip('p.default') !== undefined)
    await beside.pass(5_000)
    expect(beside.ip('a.default')).toBeUndefined()
    // Somebody else's from here, and the Pod has it still.
    expect(await lease(beside, 'p.default')).toMatchObject({ state: 'foreign', v4: '10.16.0.100' })
    expect(using(beside)).toContain('10.16.0.100')
    expect(written(beside, 'delete')).toHaveLength(1)
  })

  test('another object says it, made in the same moment', async () => {
    const beside = await BesideWorld.start()
    beside.tells = false
    const spec = { subnet: 'ovn-default', namespace: 'default', podType: '', v4IpAddress: '10.16.0.100' }
    const object = {
      apiVersion: 'kubeovn.io/v1',
      kind: 'IP',
      metadata: { name: 'x.default' },
      spec: { ...spec, podName: 'x' },
    }
    await beside.hand({ verb: 'create', object })
    await beside.pass(200)
    const reserving = reserve(beside.ports, beside.world.reserveCommand([{ podName: 'a' }]))
    await beside.pass(300)
    // Both have the finalizer (R5); the mirror is not as new as ours.
    expect(beside.ip('x.default')?.metadata.finalizers).toEqual([FINALIZER])
    expect(beside.ip('a.default')?.metadata.finalizers).toEqual([FINALIZER])
    beside.tells = true
    expect(refusal(await beside.during(reserving)).code).toBe('address_taken')
    await beside.pass(5_000)
    expect(beside.ip('a.default')).toBeUndefined()
    expect(await lease(beside, 'x.default')).toMatchObject({ state: 'foreign', v4: '10.16.0.100' })
    expect(using(beside)).toContain('10.16.0.100')
  })

  test('nothing is promised on the word of a mirror older than the acknowledgement', async () => {
    const beside = await BesideWorld.start()
    beside.tells = false
    const id = operationOf(await beside.reserve({ podName: 'a' }))
    expect(beside.ip('a.default')?.metadata.finalizers).toEqual([FINALIZER])
    expect(await operation(beside, id)).toMatchObject({ state: 'running' })
    beside.tells = true
    await until(beside, async () => (await operation(beside, id)).state === 'done', MINUTE_MS)
  })
})

describe('what the controller does to the object besides', () => {
  test('a label it loses is given back by resourceVersion, once (D5, fault 29)', async () => {
    const beside = await BesideWorld.start()
    reserved(await beside.reserve({ podName: 'a' }))
    await beside.change(IP('a.default'), { metadata: { labels: { [LABEL_RESERVED]: 'false' } } })
    await until(beside, () => beside.ip('a.default')?.metadata.labels?.[LABEL_RESERVED] === 'true')
    await beside.pass(MINUTE_MS)
    const patches = written(beside, 'patch')
    expect(patches).toHaveLength(1)
    expect(patches[0]).toMatchObject({ resourceVersion: expect.any(String) })
    expect(await lease(beside, 'a.default')).toMatchObject({ state: 'bound', contested: false })
  })

  test('somebody who takes it again and again is left alone (fault 29)', async () => {
    const beside = await BesideWorld.start()
    reserved(await beside.reserve({ podName: 'a' }))
    let rounds = 0
    beside.world.intercept = async (requests, pass) => {
      const replies = await pass(requests)
      if (requests.some(({ verb }) => verb === 'patch')) {
        rounds++
        await beside.change(IP('a.default'), { metadata: { labels: { [LABEL_RESERVED]: 'false' } } })
      }
      return replies
    }
    await beside.change(IP('a.default'), { metadata: { labels: { [LABEL_RESERVED]: 'false' } } })
    await beside.pass(5 * MINUTE_MS)
    // Once; the hourly comparison tries again.
    expect(rounds).toBe(1)
    expect(await lease(beside, 'a.default')).toMatchObject({ state: 'bound' })
  })

  test('the deprecated finalizer alone is an acknowledgement, and comes off by the controller too (55)', async () => {
    const beside = await BesideWorld.start()
    beside.controller.pause()
    const id = operationOf(await beside.reserve({ podName: 'a' }))
    await beside.change(IP('a.default'), { metadata: { finalizers: [DEPRECATED_FINALIZER] } })
    await until(beside, async () => (await operation(beside, id)).state === 'done', MINUTE_MS)
    beside.controller.restart()
    await beside.pass(5_000)
    const [released] = reserved(await beside.release('a.default'))
    expect(released?.state).toBe('quarantined')
    expect(beside.ip('a.default')).toBeUndefined()
  })

  test('a finalizer under other content is none: the object is somebody else’s (55)', async () => {
    const beside = await BesideWorld.start()
    beside.controller.pause()
    const id = operationOf(await beside.reserve({ podName: 'a' }))
    await beside.change(IP('a.default'), {
      metadata: { finalizers: [DEPRECATED_FINALIZER] },
      spec: { v4IpAddress: '10.16.0.150', ipAddress: '10.16.0.150' },
    })
    beside.controller.continue()
    await until(beside, async () => (await operation(beside, id)).state === 'failed', MINUTE_MS)
    expect(beside.ip('a.default')).toBeUndefined()
  })

  test('an object that lost its finalizer gets it before it is deleted: a DELETE alone frees nothing (D15, F10)', async () => {
    const beside = await BesideWorld.start()
    reserved(await beside.reserve({ podName: 'a' }))
    beside.controller.pause()
    await beside.change(IP('a.default'), { metadata: { finalizers: null } })
    beside.controller.continue()
    reserved(await beside.release('a.default'))
    const [patch] = written(beside, 'patch')
    // Nothing of the spec: an edit and a delete seen as one would never end (D20).
    expect(patch).toMatchObject({ patch: { metadata: { finalizers: [FINALIZER] } } })
    expect((patch as { patch: object }).patch).not.toHaveProperty('spec')
    expect(using(beside)).toBe('')
  })
})

describe('AUTHORITY changes while operations are open (85)', () => {
  test('a reserve begun beside ends so, whoever drives it', async () => {
    const beside = await BesideWorld.start()
    beside.controller.pause()
    const id = operationOf(await beside.reserve({ podName: 'a' }))
    // Alone by now: the next wish says so.
    await beside.during(reserve(beside.world.ports, beside.world.reserveCommand([{ podName: 'b' }])))
    expect(beside.ip('b.default')?.metadata.finalizers).toEqual([FINALIZER])
    expect(beside.ip('a.default')?.metadata.finalizers).toBeUndefined()
    expect(await operation(beside, id)).toMatchObject({ state: 'running', phase: 'waiting_for_controller' })
    beside.controller.continue()
    await until(beside, async () => (await operation(beside, id)).state === 'done', MINUTE_MS)
  })

  test('a release begun beside still waits for the controller', async () => {
    const beside = await BesideWorld.start()
    reserved(await beside.reserve({ podName: 'a' }))
    beside.controller.pause()
    const id = operationOf(await beside.release('a.default'))
    await beside.during(release(beside.world.ports, beside.world.releaseCommand('none.default')))
    await beside.pass(MINUTE_MS)
    expect(beside.ip('a.default')?.metadata.finalizers).toEqual([FINALIZER])
    beside.controller.continue()
    await until(beside, async () => (await operation(beside, id)).state === 'done')
  })
})

describe('Pods and the reservation', () => {
  const VM = { podName: 'vm1', podType: 'VirtualMachine' as const, v4IpAddress: '10.16.0.150' }
  /** A Pod that runs a machine, as KubeVirt makes it. */
  async function launcher(beside: BesideWorld, machine: string, annotations: Record<string, string> = {}) {
    const name = `virt-launcher-${machine}-abcde`
    const owner = { apiVersion: 'kubevirt.io/v1', kind: 'VirtualMachineInstance', name: machine, uid: 'u' }
    const metadata = { name, namespace: 'default', annotations, ownerReferences: [owner] }
    const object = { apiVersion: 'v1', kind: 'Pod', metadata, spec: {}, status: { phase: 'Pending' } }
    await beside.hand({ verb: 'create', object })
  }

  test('a machine’s own launcher Pod that starts with its address is no stranger to it', async () => {
    const beside = await BesideWorld.start()
    // It comes while the acknowledgement is awaited, with what Berth's webhook writes into it.
    beside.world.intercept = async (requests, pass) => {
      const replies = await pass(requests)
      if (!requests.some(({ verb }) => verb === 'create')) return replies
      await launcher(beside, 'vm1', {
        'ovn.kubernetes.io/ip_address': '10.16.0.150',
        'ovn.kubernetes.io/mac_address': (await lease(beside, 'vm1.default'))?.mac ?? '',
      })
      return replies
    }
    const [made] = reserved(await beside.reserve(VM))
    expect(made).toMatchObject({ state: 'bound', v4IpAddress: '10.16.0.150' })
  })

  test('another machine’s is one', async () => {
    const beside = await BesideWorld.start()
    refusing(beside, (request) => request.verb === 'create' && request.object.metadata.name === 'vm2.default')
    await launcher(beside, 'vm2', { 'ovn.kubernetes.io/ip_address': '10.16.0.150' })
    await beside.pass(500)
    const problem = refusal(await beside.reserve(VM))
    expect([problem.code, problem.detail]).toEqual([
      'address_taken',
      expect.stringContaining('Pod default/virt-launcher-vm2-abcde'),
    ])
  })

  test('a machine that runs without an object of its own is not taken its address (F7, D7)', async () => {
    const beside = await BesideWorld.start()
    beside.controller.pause()
    const metadata = { name: 'vm1', namespace: 'default' }
    const object = { apiVersion: 'kubevirt.io/v1', kind: 'VirtualMachineInstance', metadata, spec: {} }
    await beside.hand({ verb: 'create', object })
    await launcher(beside, 'vm1')
    expect(refusal(await beside.reserve(VM)).code).toBe('pod_alive')
    expect(beside.ip('vm1.default')).toBeUndefined()
  })

  test('a Pod of that name that runs without an object of its own is not taken its address (F7, D7)', async () => {
    const beside = await BesideWorld.start()
    beside.controller.pause()
    await beside.pod('a')
    const problem = refusal(await beside.reserve({ podName: 'a' }))
    expect(problem).toMatchObject({ code: 'pod_alive' })
    expect(beside.ip('a.default')).toBeUndefined()
  })

  test('one that comes back while its object is being deleted keeps it: it is made again (87)', async () => {
    const beside = await BesideWorld.start()
    const [made] = reserved(await beside.reserve({ podName: 'a' }))
    await beside.world.ledger().want({ name: 'a.default', uid: beside.ip('a.default')?.metadata.uid ?? '' })
    const mac = made?.macAddress ?? ''
    await beside.pod('a', {
      'ovn.kubernetes.io/ip_address': made?.v4IpAddress ?? '',
      'ovn.kubernetes.io/mac_address': mac,
    })
    await beside.remove(IP('a.default'))
    await beside.pass(MINUTE_MS)
    const kept = await lease(beside, 'a.default')
    expect(kept).toMatchObject({ state: 'bound', v4: '10.16.0.100', mac })
    // Ours again, and nothing waits for the Pod to go.
    expect(beside.ip('a.default')?.metadata.annotations?.['berth/op']).toBe(kept?.origin)
    expect(await operation(beside, kept?.operation ?? '')).toMatchObject({ state: 'done' })
    expect(beside.ip('a.default')?.spec).toMatchObject({ v4IpAddress: '10.16.0.100', macAddress: mac })
  })

  test('one that starts while the DELETE of a release is kept back has its object left whole (87)', async () => {
    const beside = await BesideWorld.start()
    const [made] = reserved(await beside.reserve({ podName: 'a' }))
    let isRefused = true
    const failure = { reason: 'Unavailable', message: 'not now', outcome: 'refused' } as const
    beside.world.intercept = async (requests, pass) =>
      isRefused && requests.some(({ verb }) => verb === 'delete')
        ? requests.map(() => err(failure))
        : pass(requests)
    const id = operationOf(await beside.release('a.default'))
    await beside.pod('a', {
      'ovn.kubernetes.io/ip_address': made?.v4IpAddress ?? '',
      'ovn.kubernetes.io/mac_address': made?.macAddress ?? '',
    })
    await beside.pass(10_000)
    isRefused = false
    await beside.pass(2 * MINUTE_MS)
    expect(beside.ip('a.default')?.metadata.deletionTimestamp).toBeUndefined()
    expect(await operation(beside, id)).toMatchObject({ state: 'running', phase: 'pod_started' })
  })
})
