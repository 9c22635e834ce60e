import { describe, expect, it } from 'vitest'
import { reserve } from '../../shared/command/reserve.ts'
import { deleteSubnet, putSubnet, subnet } from '../../shared/command/subnets.ts'
import { expectAgreement } from '../support/agreement.ts'
import { put, subnetManifest } from '../support/drive.ts'
import { History, type Operation } from '../support/history.ts'
import { refusal, reserved, World } from '../support/world.ts'

const reserveIn = (subnet: string, podName: string, more = {}): Operation => ({
  do: 'reserve',
  items: [{ subnet, podName, ...more }],
  how: {},
})
const release = (podName: string): Operation => ({ do: 'release', pods: [podName], how: {} })
const shape = (subnet: string, cidrBlock: string): Operation => ({
  do: 'configure',
  subnet,
  spec: { cidrBlock },
  dryRun: false,
})

/** Histories that random search found and shrank, and what was wrong. */
const FOUND: readonly (readonly [string, readonly Operation[]])[] = [
  [
    'the IPv6 CIDR moves away under a pair: its IPv4 address stays held, and is free after the release',
    [
      shape('dual', '10.8.0.0/29,fd00:8::/125'),
      reserveIn('dual', 'a'),
      shape('dual', '10.8.0.0/29,fd00:8::8/125'),
      reserveIn('dual', 'b'),
      release('a'),
      reserveIn('dual', 'c'),
    ],
  ],
  [
    'one CIDR of a pair comes back before the other',
    [
      shape('dual', '10.8.0.0/29,fd00:8::/125'),
      reserveIn('dual', 'a', { v4IpAddress: '10.8.0.5', v6IpAddress: 'fd00:8::5' }),
      shape('dual', '10.8.0.0/30,fd00:8::/126'),
      shape('dual', '10.8.0.0/29,fd00:8::/126'),
      reserveIn('dual', 'b'),
      reserveIn('dual', 'c'),
      reserveIn('dual', 'd'),
      shape('dual', '10.8.0.0/29,fd00:8::/125'),
    ],
  ],
]

describe('a history that once failed', () => {
  it.each(FOUND)('%s', async (_, operations) => {
    for (const quarantineMs of [0, 300_000]) {
      await new History(['dual', 'small'], quarantineMs).run([shape('small', '10.9.0.0/29'), ...operations])
    }
  })
})

describe('a dual Subnet that lost one family’s CIDR under a pair', () => {
  it('counts the pair as bound where it still is, as stranded where it is not', async () => {
    const world = new World()
    await put(world, { cidrBlock: '10.8.0.0/29,fd00:8::/125' })
    reserved(await reserve(world.ports, world.reserveCommand([{ subnet: 'lab' }])))
    await put(world, { cidrBlock: '10.8.0.0/29,fd00:8::8/125' })
    const view = await subnet(world.ports, 'lab')
    expect(view.ok && view.value.ledger).toMatchObject({
      v4: { usable: 6n, bound: 1n, stranded: 0n, excluded: 1n, free: 4n },
      v6: { usable: 6n, bound: 0n, stranded: 1n, excluded: 1n, free: 5n },
    })
    await expectAgreement(world, 'lab')
  })
})

describe('a dry run on a Subnet', () => {
  it('says that one in use is not removed', async () => {
    const world = new World()
    await put(world, { cidrBlock: '10.30.1.0/24' })
    reserved(await reserve(world.ports, world.reserveCommand([{ subnet: 'lab' }])))
    const said = await deleteSubnet(world.ports, 'lab', true)
    expect(!said.ok && said.error.code).toBe('subnet_in_use')
  })

  it('shows the counts a change would leave, and what it would be refused for', async () => {
    const world = new World()
    await put(world, { cidrBlock: '10.30.1.0/24' })
    reserved(
      await reserve(world.ports, world.reserveCommand([{ subnet: 'lab', v4IpAddress: '10.30.1.200' }])),
    )
    const shrunk = await putSubnet(world.ports, subnetManifest({ cidrBlock: '10.30.1.0/26' }), true)
    expect(shrunk.ok && shrunk.value.subnet.ledger.v4).toMatchObject({ usable: 62n, bound: 0n, stranded: 1n })
    const moved = await putSubnet(
      world.ports,
      subnetManifest({ cidrBlock: '10.30.1.0/24', provider: 'other' }),
      true,
    )
    expect(!moved.ok && moved.error.code).toBe('immutable_field')
    const fresh = await putSubnet(world.ports, subnetManifest({ cidrBlock: '10.40.0.0/24' }, 'new'), true)
    expect(fresh.ok && [fresh.value.created, fresh.value.subnet.ledger.v4?.free]).toEqual([true, 253n])
    expect(world.sql('new').all(`SELECT name FROM sqlite_master`)).toEqual([])
  })
})

describe('news of a Subnet that is gone', () => {
  it('revives nothing, however late it comes', async () => {
    const world = new World()
    await put(world, { cidrBlock: '10.30.1.0/24' })
    const facts = (await world.ledger('lab').view())?.facts
    if (!facts) throw new Error('no facts')
    expect((await deleteSubnet(world.ports, 'lab', false)).ok).toBe(true)
    const late = await world.ledger('lab').configure(facts)
    expect(!late.ok && late.error.code).toBe('unknown_subnet')
    const outcome = await reserve(world.ports, world.reserveCommand([{ subnet: 'lab' }]))
    expect(refusal(outcome).code).toBe('unknown_subnet')
    await put(world, { cidrBlock: '10.30.2.0/24' })
    reserved(await reserve(world.ports, world.reserveCommand([{ subnet: 'lab' }])))
  })
})
