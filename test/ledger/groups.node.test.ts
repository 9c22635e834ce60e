import { describe, expect, it } from 'vitest'
import { operation } from '../../shared/command/find.ts'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import { QUICK } from '../../shared/elapsed.ts'
import { err } from '../../shared/result.ts'
import { expectAgreement, ipObjects } from '../support/agreement.ts'
import { answered, driven, first, invalid, parked, put, warm } from '../support/drive.ts'
import { snapshot } from '../support/snapshot.ts'
import { Steps } from '../support/steps.ts'
import { refusal, reserved } from '../support/world.ts'

const wishes = (...names: string[]) => names.map((podName) => ({ podName }))

describe('a group that meets others on its way', () => {
  it('is taken back when a reservation it found is released before the rest is bound', async () => {
    const world = await warm()
    reserved(await reserve(world.ports, world.reserveCommand([{ podName: 'old' }])))
    const park = parked(world, 'create')
    const pending = reserve(world.ports, world.reserveCommand(wishes('new-1', 'old', 'new-2')))
    await park.arrived
    reserved(await driven(world, release(world.ports, world.releaseCommand('old.default'))))
    park.go()
    const outcome = await answered(world, pending)
    expect(refusal(outcome)).toMatchObject({ code: 'releasing', findings: [{ item: 1 }] })
    expect(ipObjects(world)).toHaveLength(1)
    await expectAgreement(world)
  })

  it('releases what it can though one of it cooled down to the end meanwhile', async () => {
    // The driver and its caller are patient enough to see the cool-down end.
    const world = await warm({ quarantineMs: 2_000, driveMs: 60_000 })
    const ports = { ...world.ports, settings: { ...world.ports.settings, waitMs: 60_000 } }
    reserved(await reserve(world.ports, world.reserveCommand(wishes('a', 'b'))))
    reserved(await release(world.ports, world.releaseCommand('b.default')))
    const park = parked(world, 'delete')
    const pending = release(
      ports,
      world.releaseCommand('a.default', { targets: [{ name: 'a.default' }, { name: 'b.default' }] }),
    )
    await park.arrived
    await world.pass(2_000 + QUICK.leewayMs)
    expect(await world.ledger().find('b.default')).toBeUndefined()
    park.go()
    const both = reserved(await answered(world, pending))
    expect(both.map(({ name, state }) => [name, state])).toEqual([
      ['a.default', 'quarantined'],
      ['b.default', 'quarantined'],
    ])
    await world.pass(30_000)
    await expectAgreement(world)
  })

  it('takes a promise out of its cool-down, and back into it when the group is refused', async () => {
    const world = await warm({ quarantineMs: 300_000 })
    const steps = new Steps(world)
    const [old] = reserved(await reserve(world.ports, world.reserveCommand(wishes('old'))))
    reserved(await release(world.ports, world.releaseCommand('old.default')))
    await world.pass(290_000)
    const group = world.reserveCommand(wishes('new-1', 'old', 'new-2'))
    world.intercept = first(1, 'create', async ([one, ...rest], pass) => {
      if (!one) throw new Error('nothing sent')
      return [err(invalid), ...(await pass(rest))]
    })
    const refused = refusal(await answered(world, reserve(world.ports, group)))
    expect(refused).toMatchObject({ code: 'invalid_field', findings: [{ item: 0 }] })
    // Its cool-down begins anew: an object of it was in the cluster. The new ones' objects were, too.
    await world.pass(290_000)
    expect(world.sql().all(`SELECT nic, state FROM lease WHERE state <> 'bound' ORDER BY nic`)).toEqual([
      { nic: 'new-2.default', state: 'quarantined' },
      { nic: 'old.default', state: 'quarantined' },
    ])
    const back = reserved(await answered(world, reserve(world.ports, group)))
    expect(back[1]).toMatchObject({ id: old?.id, v4IpAddress: old?.v4IpAddress, state: 'bound' })
    expect(steps.violations).toEqual([])
    await expectAgreement(world)
  })

  it('in which one cools down is answered whole by a dry run, and changes nothing', async () => {
    const world = await warm({ quarantineMs: 300_000 })
    const [old] = reserved(await reserve(world.ports, world.reserveCommand(wishes('old'))))
    reserved(await release(world.ports, world.releaseCommand('old.default')))
    const before = snapshot(world)
    const tried = await reserve(world.ports, world.reserveCommand(wishes('new', 'old'), { dryRun: true }))
    expect(reserved(tried)[1]?.v4IpAddress).toBe(old?.v4IpAddress)
    expect(snapshot(world)).toEqual(before)
  })

  it('held outside a CIDR that shrank is taken back, whatever number of its items fell out', async () => {
    const addresses = ['10.30.1.9', '10.30.1.200', '10.30.1.201', '10.30.1.202']
    for (const fallen of [[1, 2, 3], [0, 1, 2], [1], [3]]) {
      const world = await warm()
      await put(world, { cidrBlock: '10.30.1.0/24' })
      const park = parked(world, 'create')
      const group = addresses.map((address, n) => ({
        subnet: 'lab',
        podName: `pod-${n}`,
        v4IpAddress: fallen.includes(n) ? `10.30.1.${200 + n}` : address.replace(/\.2\d\d$/, `.${20 + n}`),
      }))
      const pending = reserve(world.ports, world.reserveCommand(group))
      await park.arrived
      await put(world, { cidrBlock: '10.30.1.0/26' })
      park.go()
      const outcome = await answered(world, pending, 'lab')
      await world.pass(200_000, 'lab')
      if (outcome.kind === 'pending') {
        const view = await operation(world.ports, outcome.operation)
        expect(view.ok && view.value).toMatchObject({ state: 'failed', problem: { code: 'out_of_range' } })
      } else expect(refusal(outcome).code).toBe('out_of_range')
      expect(ipObjects(world, 'lab')).toEqual([])
      expect(world.sql('lab').all(`SELECT nic, state FROM lease`)).toEqual([])
      await expectAgreement(world, 'lab')
    }
  })
})
