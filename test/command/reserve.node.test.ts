import { describe, expect, it } from 'vitest'
import { reservation, reservations } from '../../shared/command/find.ts'
import { putOwner } from '../../shared/command/owners.ts'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import { subnet } from '../../shared/command/subnets.ts'
import { validate } from '../../shared/command/validate.ts'
import { refusal, reserved, World } from '../support/world.ts'

const dynamic = { podName: 'vm-dynamic-01', podType: 'VirtualMachine' } as const
const fixed = { podName: 'pod-static-01', v4IpAddress: '10.16.0.3' } as const

describe('reserve', () => {
  it('gives the seed’s two reservations', async () => {
    const world = new World()
    const [vm] = reserved(await reserve(world.ports, world.reserveCommand([dynamic])))
    const [pod] = reserved(await reserve(world.ports, world.reserveCommand([fixed])))
    expect(vm).toMatchObject({ state: 'bound', name: 'vm-dynamic-01.default', v4IpAddress: '10.16.0.2' })
    expect(pod).toMatchObject({ state: 'bound', name: 'pod-static-01.default', v4IpAddress: '10.16.0.3' })
    const [stored] = world.store.send([{ verb: 'get', ref: { kind: 'IP', name: 'pod-static-01.default' } }])
    expect(stored?.ok && stored.value).toEqual(pod?.object)
  })

  it('takes two calls to the ledger and one to the cluster', async () => {
    const world = new World()
    await reserve(world.ports, world.reserveCommand([dynamic]))
    world.sent.length = 0
    await reserve(world.ports, world.reserveCommand([fixed]))
    expect(world.sent.map(({ verb }) => verb)).toEqual(['create'])
  })

  it('answers a second wish of the same owner with the same reservation', async () => {
    const world = new World()
    const first = await reserve(world.ports, world.reserveCommand([dynamic]))
    const second = await reserve(world.ports, world.reserveCommand([dynamic]))
    expect(second).toEqual({ ...first, created: false })
  })

  it('refuses the same owner another address, and another owner the same', async () => {
    const world = new World()
    reserved(await reserve(world.ports, world.reserveCommand([fixed])))
    const other = await reserve(world.ports, world.reserveCommand([{ ...fixed, v4IpAddress: '10.16.0.4' }]))
    expect(refusal(other)).toMatchObject({ code: 'already_reserved', field: 'v4IpAddress' })
    const stranger = await reserve(world.ports, world.reserveCommand([{ ...fixed, podName: 'stranger' }]))
    expect(refusal(stranger)).toMatchObject({ code: 'address_taken', field: 'v4IpAddress' })
  })

  it('counts', async () => {
    const world = new World()
    await reserve(world.ports, world.reserveCommand([dynamic, fixed]))
    const view = await subnet(world.ports, 'ovn-default')
    expect(view.ok && view.value).toMatchObject({
      v4usingIPs: 2n,
      v4availableIPs: 65531n,
      ledger: { v4: { usable: 65534n, bound: 2n, excluded: 1n, free: 65531n } },
    })
  })

  it('knows no Subnet that is not there, and leaves nothing behind', async () => {
    const world = new World()
    const outcome = await reserve(world.ports, world.reserveCommand([{ ...dynamic, subnet: 'nowhere' }]))
    expect(refusal(outcome).code).toBe('unknown_subnet')
    expect(world.sql('nowhere').all(`SELECT name FROM sqlite_master`)).toEqual([])
  })

  it('binds a group as a whole or not at all', async () => {
    const world = new World()
    const bad = await reserve(
      world.ports,
      world.reserveCommand([dynamic, { podName: 'b', v4IpAddress: '10.17.0.1' }]),
    )
    expect(refusal(bad)).toMatchObject({
      code: 'out_of_range',
      findings: [{ item: 1, field: 'v4IpAddress' }],
    })
    const page = await reservations(world.ports, {}, { limit: 10 })
    expect(page.ok && page.value.items).toEqual([])
    const both = reserved(await reserve(world.ports, world.reserveCommand([dynamic, fixed])))
    expect(both.map(({ v4IpAddress }) => v4IpAddress)).toEqual(['10.16.0.2', '10.16.0.3'])
  })

  it('gives both families or none', async () => {
    const world = new World()
    const [both] = reserved(
      await reserve(world.ports, world.reserveCommand([{ ...dynamic, subnet: 'dual-stack' }])),
    )
    expect(both).toMatchObject({ v4IpAddress: '10.17.0.2', v6IpAddress: 'fd00:10:17::2' })
    expect(both?.object.spec).toMatchObject({ ipAddress: '10.17.0.2,fd00:10:17::2' })
  })

  it('refuses a name another object has, and keeps nothing of it', async () => {
    const world = new World()
    world.store.send([
      {
        verb: 'create',
        object: {
          apiVersion: 'kubeovn.io/v1',
          kind: 'IP',
          metadata: { name: 'pod-a.default' },
          spec: { namespace: 'other', podName: 'x', subnet: 'elsewhere' },
        },
      },
    ])
    const outcome = await reserve(world.ports, world.reserveCommand([{}]))
    expect(refusal(outcome)).toMatchObject({ code: 'name_collision', field: 'name' })
    expect(await world.ledger().find('pod-a.default')).toBeUndefined()
    const said = await validate(world.ports, world.reserveCommand([{}]))
    expect(said).toMatchObject({ allowed: false, findings: [{ code: 'name_collision' }] })
  })
})

describe('release', () => {
  it('gives back, and the name is free again', async () => {
    const world = new World()
    await reserve(world.ports, world.reserveCommand([dynamic]))
    const [gone] = reserved(await release(world.ports, world.releaseCommand('vm-dynamic-01.default')))
    expect(gone).toMatchObject({ state: 'free', v4IpAddress: '10.16.0.2' })
    expect(gone?.warnings.join()).toContain('OVN_NB')
    expect((await reservation(world.ports, 'vm-dynamic-01.default')).ok).toBe(false)
    const [object] = world.store.send([{ verb: 'get', ref: { kind: 'IP', name: 'vm-dynamic-01.default' } }])
    expect(object?.ok).toBe(false)
  })

  it('is refused while the owner lives', async () => {
    const world = new World()
    await reserve(world.ports, world.reserveCommand([fixed]))
    await putOwner(world.ports, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'pod-static-01', namespace: 'default' },
      spec: {},
    })
    const refused = await release(world.ports, world.releaseCommand('pod-static-01.default'))
    expect(refusal(refused)).toMatchObject({ code: 'pod_alive', field: 'podName' })
    const forced = await release(world.ports, world.releaseCommand('pod-static-01.default', { force: true }))
    expect(reserved(forced)[0]?.state).toBe('free')
  })

  it('cools down, is found meanwhile, and comes back to its owner', async () => {
    const world = new World({ quarantineMs: 300_000 })
    const [before] = reserved(await reserve(world.ports, world.reserveCommand([fixed])))
    const [gone] = reserved(await release(world.ports, world.releaseCommand('pod-static-01.default')))
    expect(gone?.state).toBe('quarantined')
    const found = await reservation(world.ports, 'pod-static-01.default')
    expect(found.ok && found.value.state).toBe('quarantined')
    const stranger = await reserve(world.ports, world.reserveCommand([{ ...fixed, podName: 'stranger' }]))
    expect(refusal(stranger).code).toBe('address_taken')
    const [back] = reserved(await reserve(world.ports, world.reserveCommand([{ podName: 'pod-static-01' }])))
    expect(back).toMatchObject({ id: before?.id, v4IpAddress: '10.16.0.3', macAddress: before?.macAddress })
    await release(world.ports, world.releaseCommand('pod-static-01.default'))
    await world.pass(320_000)
    expect((await reservation(world.ports, 'pod-static-01.default')).ok).toBe(false)
  })
})
