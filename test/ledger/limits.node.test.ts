import { describe, expect, it } from 'vitest'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import { subnet, suggest } from '../../shared/command/subnets.ts'
import { validate } from '../../shared/command/validate.ts'
import { expectAgreement, ipObjects } from '../support/agreement.ts'
import { answered, first, invalid, parked, put, refuse, turns, warm } from '../support/drive.ts'
import { snapshot } from '../support/snapshot.ts'
import { refusal, reserved, World } from '../support/world.ts'

describe('1,000 requests of one owner in one tick (fault 45)', () => {
  it('with 1,000 keys: one POST, one row, one 201 and 999 times 200', { timeout: 30_000 }, async () => {
    const world = await warm()
    const park = parked(world, 'create')
    const all = Array.from({ length: 1_000 }, (_, n) =>
      reserve(world.ports, world.reserveCommand([{}], { idempotencyKey: `key-${n}` })),
    )
    await park.arrived
    await turns(50)
    world.clock.advance(50)
    park.go()
    const outcomes = await answered(world, Promise.all(all))
    const created = outcomes.filter((outcome) => outcome.kind === 'done' && outcome.created)
    expect(created).toHaveLength(1)
    expect(new Set(outcomes.map((outcome) => JSON.stringify(reserved(outcome)))).size).toBe(1)
    expect(world.sent.filter(({ verb }) => verb === 'create')).toHaveLength(1)
    expect(ipObjects(world)).toHaveLength(2)
    await expectAgreement(world)
  })
})

describe('tiny and giant Subnets (fault 63)', () => {
  it.each([
    ['10.80.0.0/32', 0n, 0n],
    ['10.80.0.0/31', 2n, 1n],
    ['10.80.0.0/30', 2n, 1n],
    ['10.80.0.0/16', 65_534n, 65_533n],
    ['10.0.0.0/8', 16_777_214n, 16_777_213n],
    ['fd00:80::/128', 0n, 0n],
    ['fd00:80::/127', 2n, 1n],
    ['fd00:80::/126', 2n, 1n],
    ['fd00:80::/64', 2n ** 64n - 2n, 2n ** 64n - 3n],
    ['fd00::/8', 2n ** 120n - 2n, 2n ** 120n - 3n],
  ])('%s has %s usable addresses, %s of them free', async (cidrBlock, usable, free) => {
    const world = new World()
    const { subnet: made } = await put(world, { cidrBlock })
    const family = cidrBlock.includes(':') ? 'v6' : 'v4'
    expect(made.ledger[family]).toMatchObject({ usable, free })
    const outcome = await reserve(world.ports, world.reserveCommand([{ subnet: 'lab' }]))
    if (free === 0n) expect(refusal(outcome).code).toBe('no_capacity')
    else {
      reserved(outcome)
      const view = await subnet(world.ports, 'lab')
      expect(view.ok && view.value.ledger[family]?.free).toBe(free - 1n)
      const full = await suggest(world.ports, 'lab', { count: 2, contiguous: true })
      expect(full.ok).toBe(free > 2n)
    }
    const bytes = world.sql('lab').all<{ n: number }>(`SELECT COALESCE(SUM(LENGTH(bytes)), 0) AS n FROM page`)
    expect(bytes[0]?.n).toBeLessThan(200_000)
    await expectAgreement(world, 'lab')
  })

  it('the last address, two contenders: one gets it, the loser when the winner gives it back (fault 61)', async () => {
    const world = new World()
    await put(world, { cidrBlock: '10.80.0.0/30,fd00:80::/64' })
    const outcomes = await Promise.all(
      ['a', 'b'].map((podName) => reserve(world.ports, world.reserveCommand([{ subnet: 'lab', podName }]))),
    )
    expect(outcomes.map(({ kind }) => kind).sort()).toEqual(['done', 'refused'])
    const loser = outcomes.find(({ kind }) => kind === 'refused')
    expect(loser && refusal(loser)).toMatchObject({ code: 'no_capacity', retryAfterMs: expect.any(Number) })
    const view = await subnet(world.ports, 'lab')
    expect(view.ok && [view.value.ledger.v4?.free, view.value.ledger.v6?.bound]).toEqual([0n, 1n])
    const winner = outcomes.find(({ kind }) => kind === 'done')
    reserved(await release(world.ports, world.releaseCommand((winner && reserved(winner)[0]?.name) ?? '')))
    reserved(await reserve(world.ports, world.reserveCommand([{ subnet: 'lab', podName: 'c' }])))
    await expectAgreement(world, 'lab')
  })
})

describe('the last address while its first contender is still under way (fault 61)', () => {
  it.each(['10.80.0.0/30', '10.80.0.0/30,fd00:80::/64'])(
    'of %s: the other is told no_capacity, and has it under the same key when the first fails',
    async (cidrBlock) => {
      const world = new World()
      await put(world, { cidrBlock })
      const gate = Promise.withResolvers<void>()
      const arrived = Promise.withResolvers<void>()
      world.intercept = first(1, 'create', async (requests) => {
        arrived.resolve()
        await gate.promise
        return refuse(invalid)(requests)
      })
      const ask = (podName: string) =>
        reserve(world.ports, world.reserveCommand([{ subnet: 'lab', podName }], { idempotencyKey: podName }))
      const winner = ask('a')
      await arrived.promise
      expect(refusal(await ask('b')).code).toBe('no_capacity')
      gate.resolve()
      expect(refusal(await answered(world, winner)).code).toBe('invalid_field')
      const empty = await subnet(world.ports, 'lab')
      expect(empty.ok && [empty.value.ledger.v4?.held, empty.value.ledger.v6?.held ?? 0n]).toEqual([0n, 0n])
      expect(reserved(await ask('b'))[0]).toMatchObject({ state: 'bound', v4IpAddress: '10.80.0.2' })
      await expectAgreement(world, 'lab')
    },
  )
})

describe('a source of MACs that only gives taken ones', () => {
  it('is asked a bounded number of times, then the answer is 503 and nothing is kept', async () => {
    const world = await warm()
    const taken = (await world.ledger().find('before.default'))?.mac ?? ''
    const octets = taken.split(':').map((text) => Number.parseInt(text, 16))
    const { random } = world
    const genuine = random.bytes
    let drawn = 0
    random.bytes = (length) => {
      // An id's digits are a multiple of six bytes, too; they may be what they like.
      drawn += length / 6
      return Uint8Array.from({ length }, (_, n) => octets[n % 6] ?? 0)
    }
    // A new incarnation has no MACs in store.
    world.restart()
    const before = snapshot(world)
    const outcome = await reserve(world.ports, world.reserveCommand([{}], { idempotencyKey: 'k' }))
    expect(refusal(outcome)).toMatchObject({ code: 'unavailable', retryAfterMs: expect.any(Number) })
    expect(drawn).toBeLessThan(1_000)
    expect(snapshot(world)).toEqual(before)
    random.bytes = genuine
    world.restart()
    reserved(await reserve(world.ports, world.reserveCommand([{}], { idempotencyKey: 'k' })))
    await expectAgreement(world)
  })
})

describe('two owners with one object name (fault 69, F13)', () => {
  it('are told apart: the second is refused, and letting go of one never touches the other', async () => {
    const world = new World()
    await put(world, { cidrBlock: '10.81.0.0/24' }, 'lab')
    await put(world, { cidrBlock: '10.82.0.0/24', provider: 'c' }, 'attached')
    const dotted = { subnet: 'lab', namespace: 'c', podName: 'a.b' }
    const plain = { subnet: 'attached', namespace: 'b', podName: 'a' }
    const [first] = reserved(await reserve(world.ports, world.reserveCommand([dotted])))
    expect(first?.name).toBe('a.b.c')
    const said = await validate(world.ports, world.reserveCommand([plain]))
    expect(said).toMatchObject({ allowed: false, findings: [{ code: 'name_collision' }] })
    const second = refusal(await reserve(world.ports, world.reserveCommand([plain])))
    expect(second.code).toBe('name_collision')
    expect(second.detail).toContain('c/a.b')

    const byOwner = { namespace: 'b', podName: 'a', subnet: 'attached' }
    const missed = await release(world.ports, world.releaseCommand('', { targets: [byOwner] }))
    expect(refusal(missed).code).toBe('not_found')
    expect(await world.ledger('lab').find('a.b.c')).toMatchObject({ state: 'bound' })

    reserved(await release(world.ports, world.releaseCommand('a.b.c')))
    const [other] = reserved(await reserve(world.ports, world.reserveCommand([plain])))
    expect(other).toMatchObject({ name: 'a.b.c', subnet: 'attached' })
    const late = await release(
      world.ports,
      world.releaseCommand('', { targets: [{ namespace: 'c', podName: 'a.b', subnet: 'lab' }] }),
    )
    expect(refusal(late).code).toBe('not_found')
    expect(await world.ledger('attached').find('a.b.c')).toMatchObject({ state: 'bound' })
    await expectAgreement(world, 'lab')
    await expectAgreement(world, 'attached')
  })
})

describe('names that mean something elsewhere (faults 75, 77)', () => {
  it.each(['constructor', 'tostring', 'valueof', 'hasownproperty', '0', 'x'.repeat(63)])(
    '%s is a name like any other',
    async (name) => {
      const world = new World()
      await put(world, { cidrBlock: '10.83.0.0/24' }, name)
      const [made] = reserved(
        await reserve(world.ports, world.reserveCommand([{ subnet: name, namespace: name, podName: name }])),
      )
      expect(made).toMatchObject({ subnet: name, state: 'bound' })
      reserved(await release(world.ports, world.releaseCommand(`${name}.${name}`)))
      expect(Object.keys(Object.prototype)).toEqual([])
      await expectAgreement(world, name)
    },
  )
})
