import { describe, expect, it } from 'vitest'
import { putOwner } from '../../shared/command/owners.ts'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import { deleteSubnet, putSubnet } from '../../shared/command/subnets.ts'
import type { ReserveItem } from '../../shared/command/types.ts'
import { validate } from '../../shared/command/validate.ts'
import { answered, parked, put, subnetManifest, turns, warm } from '../support/drive.ts'
import { snapshot } from '../support/snapshot.ts'
import { reserved, type World } from '../support/world.ts'

const dry = { dryRun: true, idempotencyKey: 'dry' }

/** A Subnet with a bound, a stranded and a cooling reservation, and one reservation whose owner lives. */
async function furnished(): Promise<World> {
  const world = await warm({ quarantineMs: 300_000 })
  await put(world, { cidrBlock: '10.30.1.0/24' })
  const lab = (podName: string, v4IpAddress?: string) =>
    world.reserveCommand([{ subnet: 'lab', podName, ...(v4IpAddress ? { v4IpAddress } : {}) }])
  reserved(await reserve(world.ports, lab('far', '10.30.1.200')))
  await put(world, { cidrBlock: '10.30.1.0/29' })
  for (const podName of ['bound', 'cooling', 'alive']) reserved(await reserve(world.ports, lab(podName)))
  reserved(await release(world.ports, world.releaseCommand('cooling.default')))
  await putOwner(world.ports, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'alive', namespace: 'default' },
    spec: {},
  })
  return world
}

const wish = (podName: string, more: Partial<ReserveItem> = {}) => ({ subnet: 'lab', podName, ...more })
const many = (count: number) => Array.from({ length: count }, (_, n) => wish(`many-${n}`))

/** Wishes of every kind, and whether they can be had. */
const WISHES: readonly (readonly [string, readonly Partial<ReserveItem>[], boolean])[] = [
  ['automatic', [wish('new')], true],
  ['static', [wish('new', { v4IpAddress: '10.30.1.6' })], true],
  ['a MAC', [wish('new', { macAddress: '00:00:00:aa:bb:cc' })], true],
  ['what is there', [wish('bound')], true],
  ['what is stranded', [wish('far')], true],
  ['what cools down, by its owner', [wish('cooling')], true],
  ['a group', [wish('new'), wish('other'), wish('bound')], true],
  ['a taken address', [wish('new', { v4IpAddress: '10.30.1.2' })], false],
  ['an address that cools down, by another', [wish('new', { v4IpAddress: '10.30.1.3' })], false],
  ['an address outside', [wish('new', { v4IpAddress: '10.30.1.200' })], false],
  ['another address for an owner', [wish('bound', { v4IpAddress: '10.30.1.6' })], false],
  ['another podType for an owner', [wish('bound', { podType: 'StatefulSet' })], false],
  ['a group too large', many(3), false],
  ['a group with a twin', [wish('new'), wish('new')], false],
  ['a group with one bad wish', [wish('new'), wish('other', { macAddress: 'nonsense' })], false],
  ['an unknown Subnet', [wish('new', { subnet: 'nowhere' })], false],
  ['a wrong name', [wish('new', { name: 'other.default' })], false],
]

describe('a dry reserve', () => {
  it.each(WISHES)('of %s changes nothing and says what a real one then does', async (_, items, allowed) => {
    const world = await furnished()
    const before = snapshot(world)
    const said = await validate(world.ports, world.reserveCommand(items))
    const tried = await reserve(world.ports, world.reserveCommand(items, dry))
    expect(snapshot(world)).toEqual(before)
    const done = await reserve(world.ports, world.reserveCommand(items))
    expect(said.allowed).toBe(allowed)
    expect(tried.kind).toBe(allowed ? 'done' : 'refused')
    expect(done.kind).toBe(tried.kind)
    if (done.kind === 'done' && tried.kind === 'done') {
      const promised = (outcome: typeof done) =>
        outcome.reservations.map(({ name, v4IpAddress }) => [name, v4IpAddress])
      expect(tried.created).toBe(done.created)
      expect(promised(tried)).toEqual(promised(done))
      expect(said.preview?.map(({ v4IpAddress }) => v4IpAddress)).toEqual(promised(done).map(([, v4]) => v4))
    }
    if (done.kind === 'refused' && tried.kind === 'refused') {
      expect(tried.problem).toEqual(done.problem)
      if (done.problem.findings) expect(said.findings).toEqual(done.problem.findings)
      else expect(said.findings[0]?.code).toBe(done.problem.code)
    }
  })
})

describe('a dry release', () => {
  it.each([
    ['a bound one', ['bound'], 'done'],
    ['a stranded one', ['far'], 'done'],
    ['one that cools down', ['cooling'], 'done'],
    ['several', ['bound', 'far', 'cooling'], 'done'],
    ['one whose owner lives', ['alive'], 'refused'],
    ['one that is not there', ['nobody'], 'refused'],
    ['the same twice', ['bound', 'bound'], 'refused'],
  ])('of %s changes nothing and says what a real one then does', async (_, pods, kind) => {
    const world = await furnished()
    const targets = pods.map((podName) => ({ name: `${podName}.default`, subnet: 'lab' }))
    const before = snapshot(world)
    const tried = await release(world.ports, world.releaseCommand('', { ...dry, targets }))
    expect(snapshot(world)).toEqual(before)
    const done = await answered(world, release(world.ports, world.releaseCommand('', { targets })), 'lab')
    expect([tried.kind, done.kind]).toEqual([kind, kind])
    if (done.kind === 'done' && tried.kind === 'done') {
      const left = (outcome: typeof done) => outcome.reservations.map(({ name, state }) => [name, state])
      expect(left(tried)).toEqual(left(done))
    }
    if (done.kind === 'refused' && tried.kind === 'refused') expect(tried.problem).toEqual(done.problem)
  })

  it('of one that is being released keeps no key and waits for nobody', async () => {
    const world = await furnished()
    const park = parked(world, 'delete')
    const leaving = release(world.ports, world.releaseCommand('bound.default'))
    await park.arrived
    const before = snapshot(world)
    const target = { name: 'bound.default', subnet: 'lab' }
    const tried = release(world.ports, world.releaseCommand('', { ...dry, targets: [target] }))
    await turns()
    expect(snapshot(world)).toEqual(before)
    expect(reserved(await tried)[0]?.state).toBe('quarantined')
    park.go()
    reserved(await answered(world, leaving, 'lab'))
  })
})

describe('a dry change of a Subnet', () => {
  it.each([
    ['smaller', { cidrBlock: '10.30.1.0/30' }],
    ['larger again', { cidrBlock: '10.30.1.0/24' }],
    ['elsewhere', { cidrBlock: '10.40.0.0/16' }],
    ['dual', { cidrBlock: '10.30.1.0/29,fd00:30::/64' }],
    ['of another gateway', { cidrBlock: '10.30.1.0/29', gateway: '10.30.1.2' }],
    ['of other excludes', { cidrBlock: '10.30.1.0/29', excludeIps: ['10.30.1.5'] }],
    ['of another provider', { cidrBlock: '10.30.1.0/29', provider: 'other' }],
    ['nonsense', { cidrBlock: '10.30.1.0/99' }],
  ])('(%s) changes nothing and shows what a real one then does', async (_, spec) => {
    const world = await furnished()
    const before = snapshot(world)
    const tried = await putSubnet(world.ports, subnetManifest(spec), true)
    expect(snapshot(world)).toEqual(before)
    world.restart('lab')
    const done = await putSubnet(world.ports, subnetManifest(spec), false)
    expect(tried).toEqual(done)
  })

  it('makes none and removes none', async () => {
    const world = await furnished()
    await put(world, { cidrBlock: '10.50.0.0/24' }, 'empty')
    const before = snapshot(world)
    expect(
      await putSubnet(world.ports, subnetManifest({ cidrBlock: '10.51.0.0/24' }, 'new'), true),
    ).toMatchObject({
      ok: true,
      value: { created: true },
    })
    expect((await deleteSubnet(world.ports, 'empty', true)).ok).toBe(true)
    expect((await deleteSubnet(world.ports, 'lab', true)).ok).toBe(false)
    expect((await deleteSubnet(world.ports, 'nowhere', true)).ok).toBe(false)
    expect(snapshot(world)).toEqual(before)
  })
})
