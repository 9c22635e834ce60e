import { describe, expect, it } from 'vitest'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import type { ReserveItem } from '../../shared/command/types.ts'
import { validate } from '../../shared/command/validate.ts'
import { expectAgreement, ipObjects } from '../support/agreement.ts'
import { put } from '../support/drive.ts'
import { putGood } from '../support/pools.ts'
import { snapshot } from '../support/snapshot.ts'
import { refusal, reserved, World } from '../support/world.ts'

type Wish = Partial<ReserveItem>

async function lab(cidrBlock: string, settings = {}): Promise<World> {
  const world = new World(settings)
  await put(world, { cidrBlock })
  return world
}

function names(count: number, first: Wish = {}, start = 0): Wish[] {
  return Array.from({ length: count }, (_, index) => ({
    subnet: 'lab',
    podName: `web-${start + index}`,
    ...(index === 0 ? first : {}),
  }))
}

const command = (world: World, items: readonly Wish[], aligned = false, more = {}) =>
  world.reserveCommand(items, { block: { aligned }, ...more })
const ask = (world: World, items: readonly Wish[], aligned = false, more = {}) =>
  reserve(world.ports, command(world, items, aligned, more))
const v4 = (list: readonly { readonly v4IpAddress: string }[]) => list.map((one) => one.v4IpAddress)
const run = (prefix: string, from: number, count: number) =>
  Array.from({ length: count }, (_, index) => `${prefix}${from + index}`)
const one = (world: World, podName: string, v4IpAddress: string) =>
  reserve(world.ports, world.reserveCommand([{ subnet: 'lab', podName, v4IpAddress }]))

describe('a block', () => {
  it('has contiguous addresses in the order of its owners, past what lies in the way', async () => {
    const world = await lab('10.30.1.0/24')
    reserved(await one(world, 'other', '10.30.1.5'))
    expect(v4(reserved(await ask(world, names(10))))).toEqual(run('10.30.1.', 6, 10))
    await expectAgreement(world, 'lab')
  })

  it('begins at a multiple of its count where aligned', async () => {
    const world = await lab('10.30.1.0/24')
    expect(v4(reserved(await ask(world, names(8), true)))).toEqual(run('10.30.1.', 8, 8))
  })

  it('is contiguous in each family of a dual Subnet', async () => {
    const world = await lab('10.30.1.0/24,fd00:30::/112')
    reserved(await reserve(world.ports, world.reserveCommand([{ subnet: 'lab', v6IpAddress: 'fd00:30::4' }])))
    const block = reserved(await ask(world, names(4)))
    expect(v4(block)).toEqual(run('10.30.1.', 3, 4))
    expect(block.map((each) => each.v6IpAddress)).toEqual(run('fd00:30::', 5, 4))
  })

  it('of 1,000 is had in an IPv6 Subnet', async () => {
    const world = await lab('fd00:30::/64')
    const block = reserved(await ask(world, names(1_000)))
    expect([block[0]?.v6IpAddress, block[999]?.v6IpAddress]).toEqual(['fd00:30::2', 'fd00:30::3e9'])
  })

  it('begins where the first wish says, or not at all', async () => {
    const world = await lab('10.30.1.0/24')
    expect(v4(reserved(await ask(world, names(3, { v4IpAddress: '10.30.1.40' }))))).toEqual(
      run('10.30.1.', 40, 3),
    )
    const before = snapshot(world)
    const taken = names(5, { v4IpAddress: '10.30.1.38' }).map((wish) => ({ ...wish, namespace: 'other' }))
    expect(refusal(await ask(world, taken))).toMatchObject({
      code: 'address_taken',
      findings: [{ item: 2 }, { item: 3 }, { item: 4 }],
    })
    const odd = names(4, { v4IpAddress: '10.30.1.50' }).map((wish) => ({ ...wish, namespace: 'other' }))
    expect(refusal(await ask(world, odd, true))).toMatchObject({
      code: 'invalid_range',
      field: 'v4IpAddress',
    })
    const end = names(4, { v4IpAddress: '10.30.1.252' }).map((wish) => ({ ...wish, namespace: 'other' }))
    expect(refusal(await ask(world, end))).toMatchObject({ code: 'out_of_range', findings: [{ item: 3 }] })
    const bad = names(4, { v4IpAddress: 'nowhere' }).map((wish) => ({ ...wish, namespace: 'other' }))
    expect(refusal(await ask(world, bad))).toMatchObject({ code: 'invalid_address', field: 'v4IpAddress' })
    expect(snapshot(world)).toEqual(before)
  })

  it('that has no room in one piece is refused whole', async () => {
    const world = await lab('10.30.1.0/28')
    for (const last of [5, 10]) reserved(await one(world, `at-${last}`, `10.30.1.${last}`))
    const before = snapshot(world)
    const why = refusal(await ask(world, names(5)))
    expect(why).toMatchObject({ code: 'no_capacity', field: 'subnet' })
    expect(snapshot(world)).toEqual(before)
    expect(v4(reserved(await ask(world, names(4))))).toEqual(run('10.30.1.', 6, 4))
  })

  it('keeps inside the pool it names', async () => {
    const world = await lab('10.30.1.0/24')
    await putGood(world, 'web', ['10.30.1.100..10.30.1.103'])
    const inPool = (count: number) => names(count).map((wish) => ({ ...wish, ipPool: 'web' }))
    expect(refusal(await ask(world, inPool(5))).code).toBe('no_capacity')
    expect(v4(reserved(await ask(world, inPool(3))))).toEqual(run('10.30.1.', 100, 3))
    // One more has room in the pool, two more have not.
    expect(refusal(await ask(world, inPool(5)))).toMatchObject({
      code: 'no_capacity',
      findings: [{ item: 4 }],
    })
    expect(v4(reserved(await ask(world, inPool(4))))).toEqual(run('10.30.1.', 100, 4))
  })

  it('asked for again is the same, and grows in place', async () => {
    const world = await lab('10.30.1.0/24')
    const first = reserved(await ask(world, names(3)))
    const again = await ask(world, names(3))
    expect(again).toMatchObject({ kind: 'done', created: false })
    expect(reserved(again)).toEqual(first)
    expect(v4(reserved(await ask(world, names(6))))).toEqual(run('10.30.1.', 2, 6))
    reserved(await one(world, 'wall', '10.30.1.8'))
    expect(refusal(await ask(world, names(7)))).toMatchObject({
      code: 'address_taken',
      findings: [{ item: 6 }],
    })
    await expectAgreement(world, 'lab')
  })

  it('does not grow into what is excluded', async () => {
    const world = new World()
    await put(world, { cidrBlock: '10.30.1.0/24', excludeIps: ['10.30.1.5'] })
    reserved(await ask(world, names(3)))
    expect(refusal(await ask(world, names(4)))).toMatchObject({
      code: 'no_capacity',
      findings: [{ item: 3 }],
    })
  })

  it('whose owners have addresses here and there is none', async () => {
    const world = await lab('10.30.1.0/24')
    reserved(await one(world, 'web-0', '10.30.1.20'))
    reserved(await one(world, 'web-2', '10.30.1.30'))
    expect(refusal(await ask(world, names(4)))).toMatchObject({
      code: 'already_reserved',
      field: 'v4IpAddress',
      findings: [{ item: 2 }],
    })
  })

  it('comes back within its cool-down, and goes elsewhere where it would be larger than its old place', async () => {
    const world = await lab('10.30.1.0/24', { quarantineMs: 300_000 })
    const first = reserved(await ask(world, names(3)))
    const targets = first.map(({ name }) => ({ name }))
    reserved(await release(world.ports, world.releaseCommand('all', { targets })))
    expect(reserved(await ask(world, names(3))).map(({ id }) => id)).toEqual(first.map(({ id }) => id))
    reserved(await release(world.ports, world.releaseCommand('all', { targets })))
    reserved(await one(world, 'wall', '10.30.1.5'))
    expect(v4(reserved(await ask(world, names(4))))).toEqual(run('10.30.1.', 6, 4))
    await expectAgreement(world, 'lab')
  })

  it('that cools down at no multiple of its count goes elsewhere where it is to be aligned now', async () => {
    const world = await lab('10.30.1.0/24', { quarantineMs: 300_000 })
    const first = reserved(await ask(world, names(4)))
    expect(first[0]?.v4IpAddress).toBe('10.30.1.2')
    const targets = first.map(({ name }) => ({ name }))
    reserved(await release(world.ports, world.releaseCommand('all', { targets })))
    expect(v4(reserved(await ask(world, names(4), true)))).toEqual(run('10.30.1.', 8, 4))
  })

  it('is previewed by a dry run and by validate, and nothing changes', async () => {
    const world = await lab('10.30.1.0/24')
    const before = snapshot(world)
    const dry = reserved(await ask(world, names(4), true, { dryRun: true }))
    expect(v4(dry)).toEqual(run('10.30.1.', 4, 4))
    const seen = await validate(world.ports, command(world, names(4), true))
    expect(v4(seen.preview ?? [])).toEqual(run('10.30.1.', 4, 4))
    expect(snapshot(world)).toEqual(before)
    expect(ipObjects(world, 'lab')).toEqual([])
  })

  it('of one key is one block', async () => {
    const world = await lab('10.30.1.0/24')
    const keyed = { idempotencyKey: 'k', bodyHash: 'one' }
    const first = reserved(await ask(world, names(3), false, keyed))
    expect(reserved(await ask(world, names(3), false, keyed))).toEqual(first)
    expect(refusal(await ask(world, names(4), false, { ...keyed, bodyHash: 'two' })).code).toBe(
      'idempotency_mismatch',
    )
  })

  it("asked for by many at once is nobody else's", async () => {
    const world = await lab('10.30.1.0/24')
    const blocks = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        ask(
          world,
          names(10).map((wish) => ({ ...wish, namespace: `team-${n}` })),
        ),
      ),
    )
    for (const block of blocks.map(reserved)) {
      const first = Number(block[0]?.v4IpAddress.split('.')[3])
      expect(v4(block)).toEqual(run('10.30.1.', first, 10))
    }
    expect(new Set(blocks.flatMap((block) => v4(reserved(block)))).size).toBe(200)
    await expectAgreement(world, 'lab')
  })
})
