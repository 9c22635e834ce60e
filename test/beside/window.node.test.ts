import { describe, expect, test } from 'vitest'
import { widenWindow } from '../../shared/command/window.ts'
import { BesideWorld, WINDOW } from '../support/beside.ts'
import { refusal, reserved } from '../support/world.ts'

const SUBNET = { kind: 'Subnet', name: 'ovn-default' } as const

const subnet = async (beside: BesideWorld) => {
  const { metadata, spec, status } = await beside.hand({ verb: 'get', ref: SUBNET })
  const { excludeIps } = spec as { excludeIps: string[] }
  return {
    window: metadata.annotations?.['berth/window'],
    excludeIps,
    available: (status as { v4availableIPrange: string }).v4availableIPrange,
  }
}

describe('the window of a Subnet', () => {
  test('without one nothing is chosen, and the way to one is said', async () => {
    const beside = await BesideWorld.start({
      subnet: { annotations: {}, spec: { excludeIps: ['10.16.0.1'] } },
    })
    const problem = refusal(await beside.reserve({ podName: 'a' }))
    expect(problem).toMatchObject({ code: 'outside_window', field: 'v4IpAddress' })
    expect(problem.findings?.[0]?.hint).toContain('/v1/subnets/ovn-default/window')
  })

  test('of one that excludeIps do not list, only what they list is chosen', async () => {
    const beside = await BesideWorld.start({
      subnet: {
        annotations: { 'berth/window': '10.16.0.90..10.16.0.101' },
        spec: { excludeIps: ['10.16.0.1', '10.16.0.100..10.16.0.199'] },
      },
    })
    const chosen = []
    for (const podName of ['a', 'b']) chosen.push(...reserved(await beside.reserve({ podName })))
    expect(chosen.map(({ v4IpAddress }) => v4IpAddress)).toEqual(['10.16.0.100', '10.16.0.101'])
    expect(refusal(await beside.reserve({ podName: 'c' })).code).toBe('no_capacity')
    expect(refusal(await beside.reserve({ podName: 'c', v4IpAddress: '10.16.0.90' })).code).toBe(
      'outside_window',
    )
  })

  test('the gateway is never chosen, though the window names it', async () => {
    const beside = await BesideWorld.start({
      subnet: {
        annotations: { 'berth/window': '10.16.0.1..10.16.0.2' },
        spec: { excludeIps: ['10.16.0.1..10.16.0.2'] },
      },
    })
    expect(reserved(await beside.reserve({ podName: 'a' }))[0]?.v4IpAddress).toBe('10.16.0.2')
    expect(refusal(await beside.reserve({ podName: 'b' })).code).toBe('no_capacity')
  })

  test('the counts of the Subnet stay Kube-OVN’s: a window is excludeIps, and takes nothing else away', async () => {
    const beside = await BesideWorld.start()
    const before = await beside.world.ledger().view()
    expect(before?.v4?.excluded).toBe(101n)
    expect(before?.v4?.free).toBe(65_534n - 101n)
    reserved(await beside.reserve({ podName: 'a' }))
    const after = await beside.world.ledger().view()
    expect([after?.v4?.bound, after?.v4?.excluded, after?.using]).toEqual([1n, 100n, 0n])
  })

  test('made on request: a dry run says whose addresses are in it, and changes nothing', async () => {
    const beside = await BesideWorld.start({
      subnet: { annotations: {}, spec: { excludeIps: ['10.16.0.1'] } },
    })
    await beside.pod('p')
    await beside.pass(1_000)
    const before = await subnet(beside)
    const dry = await beside.during(widenWindow(beside.ports, 'ovn-default', ['10.16.0.2..10.16.0.9'], true))
    expect(dry).toMatchObject({
      ok: true,
      value: {
        window: ['10.16.0.2..10.16.0.9'],
        added: ['10.16.0.2..10.16.0.9'],
        displaced: [{ name: 'p.default', state: 'foreign', addresses: ['10.16.0.2'] }],
      },
    })
    expect(await subnet(beside)).toEqual(before)
    const made = await beside.during(
      widenWindow(beside.ports, 'ovn-default', ['10.16.0.2..10.16.0.9'], false),
    )
    expect(made).toEqual(dry)
    await beside.pass(2_000)
    expect(await subnet(beside)).toMatchObject({
      window: '10.16.0.2..10.16.0.9',
      excludeIps: ['10.16.0.1', '10.16.0.2..10.16.0.9'],
      available: '10.16.0.10-10.16.255.254',
    })
    // The Pod keeps its own; a reservation gets the next.
    expect(reserved(await beside.reserve({ podName: 'a' }))[0]?.v4IpAddress).toBe('10.16.0.3')
    // Asked again it is as it is.
    const again = await beside.during(
      widenWindow(beside.ports, 'ovn-default', ['10.16.0.2..10.16.0.9'], false),
    )
    expect(again).toMatchObject({ ok: true, value: { added: [], displaced: [] } })
  })

  test.each([
    ['10.16.0.9..10.16.0.2', 'invalid_range'],
    ['10.17.0.2..10.17.0.9', 'out_of_range'],
    ['10.16.0.1..10.16.0.9', 'excluded_gateway'],
    ['fd00::1', 'out_of_range'],
    ['ten', 'invalid_range'],
  ])('a window of %s is refused: %s', async (range, code) => {
    const beside = await BesideWorld.start()
    const before = await subnet(beside)
    const widened = await beside.during(widenWindow(beside.ports, 'ovn-default', [range], false))
    expect(widened).toMatchObject({ ok: false, error: { code, field: 'ranges' } })
    expect(await subnet(beside)).toEqual(before)
  })
})

describe('the Subnet changes beside the controller (57, 59)', () => {
  test('a window that leaves excludeIps: what was promised stays, and the repair finds it', async () => {
    const beside = await BesideWorld.start()
    reserved(await beside.reserve({ podName: 'a' }))
    await beside.change(SUBNET, { spec: { excludeIps: ['10.16.0.1'] } })
    await beside.learn()
    expect(await beside.world.ledger().find('a.default')).toMatchObject({ state: 'bound', contested: false })
    expect(refusal(await beside.reserve({ podName: 'b' })).code).toBe('outside_window')
    const found = await beside.repair(false)
    expect(found.map(({ kind, addresses, outcome }) => [kind, addresses, outcome])).toEqual([
      ['window_drift', ['10.16.0.100'], 'not_repaired'],
      ['window_drift', [WINDOW], 'not_repaired'],
    ])
    // Nothing was taken away.
    expect(await beside.world.ledger().find('a.default')).toMatchObject({ state: 'bound', contested: false })
  })

  test('the CIDR shrinks while the acknowledgement is awaited: the reserve turns back, a promise is stranded (57)', async () => {
    const beside = await BesideWorld.start()
    reserved(await beside.reserve({ podName: 'a', v4IpAddress: '10.16.0.150' }))
    beside.controller.pause()
    const pending = await beside.reserve({ podName: 'b', v4IpAddress: '10.16.0.151' })
    expect(pending.kind).toBe('pending')
    await beside.change(SUBNET, { spec: { cidrBlock: '10.16.0.0/25' } })
    await beside.learn()
    expect(await beside.world.ledger().find('b.default')).toMatchObject({ state: 'releasing' })
    expect(await beside.world.ledger().find('a.default')).toMatchObject({ state: 'stranded' })
    await beside.change(SUBNET, { spec: { cidrBlock: '10.16.0.0/16' } })
    await beside.learn()
    expect(await beside.world.ledger().find('a.default')).toMatchObject({ state: 'bound' })
    beside.controller.continue()
    await beside.pass(60_000)
    expect(beside.ip('b.default')).toBeUndefined()
    expect(beside.ip('a.default')).toBeDefined()
  })

  test('the gateway is moved onto a promise: contested, and never chosen again (59)', async () => {
    const beside = await BesideWorld.start()
    reserved(await beside.reserve({ podName: 'a' }))
    await beside.change(SUBNET, { spec: { gateway: '10.16.0.100' } })
    await beside.learn()
    expect(await beside.world.ledger().find('a.default')).toMatchObject({ state: 'bound', contested: true })
    reserved(await beside.release('a.default'))
    await beside.pass(400_000)
    expect(reserved(await beside.reserve({ podName: 'b' }))[0]?.v4IpAddress).toBe('10.16.0.101')
  })
})
