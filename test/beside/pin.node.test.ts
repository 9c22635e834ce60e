import { describe, expect, test } from 'vitest'
import type { ClusterPort, ClusterRequest } from '../../shared/cluster/port.ts'
import { adopt } from '../../shared/command/adopt.ts'
import { pin } from '../../shared/command/pin.ts'
import type { CommandPorts } from '../../shared/command/ports.ts'
import { reserve } from '../../shared/command/reserve.ts'
import type { ReserveItem } from '../../shared/command/types.ts'
import { validate } from '../../shared/command/validate.ts'
import { err } from '../../shared/result.ts'
import { BesideWorld, WINDOW } from '../support/beside.ts'
import { refusal, reserved } from '../support/world.ts'

const SUBNET = { kind: 'Subnet', name: 'ovn-default' } as const
const EXCLUDED = ['10.16.0.1', WINDOW]

const pinning = (beside: BesideWorld): CommandPorts => ({
  ...beside.ports,
  settings: { ...beside.ports.settings, outsideWindow: 'pin' },
})

type Wishes = readonly Partial<ReserveItem>[]
const asking = (beside: BesideWorld, wishes: Wishes, more: object = {}) =>
  reserve(pinning(beside), beside.world.reserveCommand(wishes, more))
const pinned = (beside: BesideWorld, ...wishes: Wishes) => beside.during(asking(beside, wishes))

const subnet = async (beside: BesideWorld) => {
  const { metadata, spec, status } = await beside.hand({ verb: 'get', ref: SUBNET })
  const { excludeIps } = spec as { excludeIps: string[] }
  const { v4availableIPrange: available } = status as { v4availableIPrange: string }
  return { excludeIps, available, pins: metadata.annotations?.['berth/pinned'] }
}

/** Pod `p` that the controller has given 10.16.0.2 in its memory, and nobody sees it: each write of it is refused. */
async function unseen(beside: BesideWorld): Promise<void> {
  const failure = { reason: 'Unavailable', message: 'not now', outcome: 'refused' } as const
  const isOfPod = (request: ClusterRequest) =>
    (request.verb === 'create' && request.object.metadata.name === 'p.default') ||
    (request.verb === 'patch' && request.ref.kind === 'Pod' && request.ref.name === 'p')
  beside.guard = (port): ClusterPort => ({
    ...port,
    send: (requests) =>
      requests.some(isOfPod) ? Promise.resolve(requests.map(() => err(failure))) : port.send(requests),
  })
  await beside.pod('p')
  await beside.pass(500)
  expect(beside.controller.ipam?.rangeStrings('ovn-default', []).v4Using).toBe('10.16.0.2')
}

/** Compares and mends, as the hourly repair does. */
async function repaired(beside: BesideWorld, dryRun = false) {
  const found = await beside.repair(dryRun, pinning(beside))
  return found.map(({ kind, addresses, outcome }) => [kind, addresses, outcome])
}

describe('OUTSIDE_WINDOW=pin', () => {
  test('a wish outside is put into excludeIps first, and waits until the controller shows it', async () => {
    const beside = await BesideWorld.start()
    const order: string[] = []
    beside.world.intercept = async (requests, pass) => {
      for (const request of requests) if (request.verb !== 'get') order.push(request.verb)
      if (requests.some(({ verb }) => verb === 'create'))
        order.push(`available ${(await subnet(beside)).available.includes('10.16.1.6-')}`)
      return pass(requests)
    }
    const [made] = reserved(await pinned(beside, { podName: 'a', v4IpAddress: '10.16.1.5' }))
    expect(made).toMatchObject({ state: 'bound', v4IpAddress: '10.16.1.5' })
    expect(await subnet(beside)).toMatchObject({ excludeIps: [...EXCLUDED, '10.16.1.5'], pins: '10.16.1.5' })
    // In excludeIps, and gone from what the controller has to give, before anything is posted.
    expect(order).toEqual(['patch', 'create', 'available true'])
  })

  test('an address that a Pod got before is not shared with it, and nothing is written for it', async () => {
    const beside = await BesideWorld.start()
    await beside.pod('p')
    await beside.pass(1_000)
    const problem = refusal(await pinned(beside, { podName: 'a', v4IpAddress: '10.16.0.2' }))
    expect(problem.code).toBe('address_taken')
    expect(beside.ip('a.default')).toBeUndefined()
    expect(await subnet(beside)).toMatchObject({ excludeIps: EXCLUDED, pins: undefined })
  })

  test('that refusal is kept under its key, as any other', async () => {
    const beside = await BesideWorld.start()
    await beside.pod('p')
    await beside.pass(1_000)
    const wish = [{ podName: 'a', v4IpAddress: '10.16.0.2' }]
    const ask = () => beside.during(asking(beside, wish, { idempotencyKey: 'k' }))
    const first = await ask()
    await beside.remove({ kind: 'Pod', namespace: 'default', name: 'p' })
    await beside.pass(1_000_000)
    expect(await ask()).toEqual(first)
    reserved(await pinned(beside, ...wish))
  })

  test('while the controller does not show it, nothing is promised', async () => {
    const beside = await BesideWorld.start()
    beside.controller.kill()
    const waited = await beside.during(pin(beside.ports, 'ovn-default', ['10.16.1.5'], () => 0))
    expect(waited).toMatchObject({ ok: false, error: { code: 'unavailable' } })
    expect(refusal(await pinned(beside, { podName: 'a', v4IpAddress: '10.16.1.6' })).code).toBe('unavailable')
    expect(beside.ip('a.default')).toBeUndefined()
  })

  test('a block outside is pinned whole', async () => {
    const beside = await BesideWorld.start()
    const wishes = [{ podName: 'a', v4IpAddress: '10.16.1.4' }, { podName: 'b' }, { podName: 'c' }]
    const made = reserved(await beside.during(asking(beside, wishes, { block: { aligned: false } })))
    expect(made.map(({ v4IpAddress }) => v4IpAddress)).toEqual(['10.16.1.4', '10.16.1.5', '10.16.1.6'])
    expect((await subnet(beside)).pins).toBe('10.16.1.4,10.16.1.5,10.16.1.6')
  })

  test('a dry run and a validation say what would be put there, and put nothing there', async () => {
    const beside = await BesideWorld.start()
    const wish = [{ podName: 'a', v4IpAddress: '10.16.1.5' }]
    const before = await subnet(beside)
    const said = expect.stringContaining('10.16.1.5 is outside the window: it is put into excludeIps')
    const [dry] = reserved(await beside.during(asking(beside, wish, { dryRun: true })))
    expect(dry).toMatchObject({
      v4IpAddress: '10.16.1.5',
      warnings: [expect.stringContaining('dry run'), said],
    })
    const valid = await beside.during(validate(pinning(beside), beside.world.reserveCommand(wish)))
    expect(valid).toMatchObject({ allowed: true, findings: [], preview: [{ warnings: [said] }] })
    expect(await subnet(beside)).toEqual(before)
    // Of one inside nothing is said, and what is refused for another reason is.
    const inside = beside.world.reserveCommand([{ podName: 'a', v4IpAddress: '10.16.0.150' }])
    expect(await beside.during(validate(pinning(beside), inside))).toMatchObject({
      preview: [{ warnings: [] }],
    })
    const gateway = beside.world.reserveCommand([{ podName: 'a', v4IpAddress: '10.16.0.1' }])
    expect(await beside.during(validate(pinning(beside), gateway))).toMatchObject({
      allowed: false,
      findings: [{ code: 'excluded_gateway' }],
    })
    // Without pinning it is refused as before.
    const refused = beside.world.reserveCommand(wish)
    expect(await beside.during(validate(beside.ports, refused))).toMatchObject({
      allowed: false,
      findings: [{ code: 'outside_window' }],
    })
  })
})

describe('a Pod that has an address in the controller’s memory alone (R-protocol, pin)', () => {
  const WISH = { podName: 'a', v4IpAddress: '10.16.0.2' }

  test('is waited for, and the wish refused where it shows that very address', async () => {
    const beside = await BesideWorld.start()
    await unseen(beside)
    const asked = asking(beside, [WISH])
    await beside.pass(2_000)
    expect(beside.ip('a.default')).toBeUndefined()
    beside.guard = (port) => port
    expect(refusal(await beside.during(asked)).code).toBe('address_taken')
    expect(beside.ip('a.default')).toBeUndefined()
    expect(beside.world.sent.some(({ verb }) => verb === 'create')).toBe(false)
  })

  test('is waited for, and the wish granted where it shows another or goes', async () => {
    const beside = await BesideWorld.start()
    await unseen(beside)
    const asked = asking(beside, [{ podName: 'a', v4IpAddress: '10.16.0.9' }])
    await beside.pass(2_000)
    expect(beside.ip('a.default')).toBeUndefined()
    await beside.remove({ kind: 'Pod', namespace: 'default', name: 'p' })
    expect(reserved(await beside.during(asked))[0]).toMatchObject({
      state: 'bound',
      v4IpAddress: '10.16.0.9',
    })
  })

  test('refuses the wish where it shows nothing in time, the second wish as the first', async () => {
    const beside = await BesideWorld.start()
    await unseen(beside)
    for (const turn of [1, 2]) {
      const problem = refusal(await pinned(beside, WISH))
      expect([turn, problem.code]).toEqual([turn, 'outside_window'])
      expect(problem.detail).toContain('Pod default/p')
    }
    expect(beside.ip('a.default')).toBeUndefined()
    // What was put there for nothing is taken out.
    expect(await repaired(beside)).toContainEqual(['window_drift', ['10.16.0.2'], 'repaired'])
    expect((await subnet(beside)).excludeIps).toEqual(EXCLUDED)
  })

  test.each([
    ['of another Subnet', { 'ovn.kubernetes.io/logical_switch': 'other' }, {}, 'Pending'],
    ['on the host’s network', {}, { hostNetwork: true }, 'Pending'],
    ['that has ended', {}, {}, 'Succeeded'],
    ['without this network', { 'v1.multus-cni.io/default-network': 'kube-system/other' }, {}, 'Pending'],
  ])('%s is not waited for', async (_, annotations, spec, phase) => {
    const beside = await BesideWorld.start()
    beside.controller.pause()
    const metadata = { name: 'p', namespace: 'default', annotations }
    await beside.hand({
      verb: 'create',
      object: { apiVersion: 'v1', kind: 'Pod', metadata, spec, status: { phase } },
    })
    beside.controller.continue()
    beside.guard = (port) => port
    const outcome = await pinned(beside, { podName: 'a', v4IpAddress: '10.16.1.5' })
    expect(reserved(outcome)[0]?.state).toBe('bound')
  })
})

describe('what was pinned is taken out of excludeIps again', () => {
  const WISHES = [
    { podName: 'a', v4IpAddress: '10.16.1.5' },
    { podName: 'b', v4IpAddress: '10.16.1.6' },
  ]

  test('by the repair, once nobody has it: after the cool-down, and not what others put there', async () => {
    const beside = await BesideWorld.start({ subnet: { spec: { excludeIps: [...EXCLUDED, '10.16.1.9'] } } })
    reserved(await pinned(beside, ...WISHES))
    reserved(await pinned(beside, { podName: 'c', v4IpAddress: '10.16.1.9' }))
    expect((await subnet(beside)).pins).toBe('10.16.1.5,10.16.1.6')
    for (const name of ['a.default', 'c.default']) reserved(await beside.release(name))
    // It cools down: the controller has it to give to nobody until its owner may not have it back any more.
    expect(await repaired(beside)).toEqual([])
    await beside.pass(400_000)
    expect(await repaired(beside, true)).toEqual([['window_drift', ['10.16.1.5'], 'would_repair']])
    expect(await repaired(beside)).toEqual([['window_drift', ['10.16.1.5'], 'repaired']])
    await beside.pass(2_000)
    expect(await subnet(beside)).toMatchObject({
      excludeIps: [...EXCLUDED, '10.16.1.6', '10.16.1.9'],
      pins: '10.16.1.6',
      available: expect.stringContaining('-10.16.1.5'),
    })
    expect(await repaired(beside)).toEqual([])
  })

  test('no wish is granted on it while it is being taken out', async () => {
    const beside = await BesideWorld.start()
    reserved(await pinned(beside, { podName: 'a', v4IpAddress: '10.16.1.5' }))
    reserved(await beside.release('a.default'))
    await beside.pass(400_000)
    const between = Promise.withResolvers<undefined>()
    const written = Promise.withResolvers<undefined>()
    beside.world.intercept = async (requests, pass) => {
      const [request] = requests
      const isUnpin = request?.verb === 'patch' && request.ref.kind === 'Subnet'
      if (!isUnpin) return pass(requests)
      written.resolve(undefined)
      await between.promise
      return pass(requests)
    }
    const mending = repaired(beside)
    await written.promise
    // It reads excludeIps that have the address still, and must not rely on them.
    const asked = await beside.during(asking(beside, [{ podName: 'b', v4IpAddress: '10.16.1.5' }]))
    expect(refusal(asked).code).toBe('unavailable')
    between.resolve(undefined)
    expect(await mending).toEqual([['window_drift', ['10.16.1.5'], 'repaired']])
    beside.world.intercept = (requests, pass) => pass(requests)
    expect(reserved(await pinned(beside, { podName: 'b', v4IpAddress: '10.16.1.5' }))[0]?.state).toBe('bound')
    expect((await subnet(beside)).excludeIps).toEqual([...EXCLUDED, '10.16.1.5'])
  })

  test('somebody who writes the Subnet meanwhile is not written over', async () => {
    const beside = await BesideWorld.start()
    reserved(await pinned(beside, { podName: 'a', v4IpAddress: '10.16.1.5' }))
    reserved(await beside.release('a.default'))
    await beside.pass(400_000)
    let once = true
    beside.world.intercept = async (requests, pass) => {
      if (once && requests.some(({ verb }) => verb === 'patch')) {
        once = false
        await beside.change(SUBNET, { spec: { excludeIps: [...EXCLUDED, '10.16.1.5', '10.16.9.9'] } })
      }
      return pass(requests)
    }
    expect(await repaired(beside)).toEqual([['window_drift', ['10.16.1.5'], 'failed']])
    expect((await subnet(beside)).excludeIps).toEqual([...EXCLUDED, '10.16.1.5', '10.16.9.9'])
    expect(await repaired(beside)).toEqual([['window_drift', ['10.16.1.5'], 'repaired']])
    expect((await subnet(beside)).excludeIps).toEqual([...EXCLUDED, '10.16.9.9'])
  })
})

test('an address adopted outside excludeIps does not come back to its owner: the controller gives it to others', async () => {
  const beside = await BesideWorld.start()
  await beside.pod('p')
  await beside.pass(1_000)
  const { tenant, requestId, bodyHash } = beside.world.releaseCommand('p.default')
  const context = { tenant, requestId, bodyHash, dryRun: false }
  const adopted = await beside.during(adopt(beside.ports, { ...context, target: { name: 'p.default' } }))
  expect(adopted).toMatchObject({
    reservations: [
      { state: 'bound', v4IpAddress: '10.16.0.2', warnings: [expect.stringContaining('not in the Subnet')] },
    ],
  })
  expect(await repaired(beside)).toEqual([['window_drift', ['10.16.0.2'], 'not_repaired']])
  await beside.remove({ kind: 'Pod', namespace: 'default', name: 'p' })
  await beside.pass(1_000)
  reserved(await beside.release('p.default'))
  // It cools down in Berth; the controller has it to give already.
  expect(reserved(await beside.reserve({ podName: 'p' }))[0]?.v4IpAddress).toBe('10.16.0.100')
})
