import { describe, expect, it } from 'vitest'
import { operation, reservation, reservations } from '../../shared/command/find.ts'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import { subnet } from '../../shared/command/subnets.ts'
import { QUICK } from '../../shared/elapsed.ts'
import { DEFAULT_SETTINGS } from '../../shared/ledger/settings.ts'
import { expectAgreement } from '../support/agreement.ts'
import { answered, parked, put, turns } from '../support/drive.ts'
import { change, make, mirrored, podsObject, remove, rows, states, strip } from '../support/foreign.ts'
import { type Snapshot, snapshot } from '../support/snapshot.ts'
import { refusal, reserved, World } from '../support/world.ts'

const { stragglerMs } = DEFAULT_SETTINGS
const wish = (podName: string, v4IpAddress?: string) => ({
  podName,
  ...(v4IpAddress === undefined ? {} : { v4IpAddress }),
})

async function ask(world: World, podName: string, v4IpAddress?: string) {
  return answered(world, reserve(world.ports, world.reserveCommand([wish(podName, v4IpAddress)])))
}

async function viewOf(world: World) {
  const view = await subnet(world.ports, 'ovn-default')
  if (!view.ok) throw new Error(view.error.detail)
  return view.value
}

/** News told again or a new core over the same storage must change nothing but how new the news is. */
const steady = (world: World): Snapshot => snapshot(world, ['meta', 'sighting'])

describe('the hold gate', () => {
  it('promises nothing before the first whole list was told', async () => {
    const world = new World({ mirrored: true })
    const { mirror: _none, ...ports } = world.ports
    expect(refusal(await reserve(ports, world.reserveCommand([wish('a')])))).toMatchObject({
      code: 'unavailable',
      retryAfterMs: 1_000,
    })
    expect(reserved(await reserve(world.ports, world.reserveCommand([wish('a')])))[0]?.state).toBe('bound')
  })

  it('stays open over a restart, for what others hold is remembered', async () => {
    const world = await mirrored()
    world.restart()
    const { mirror: _none, ...ports } = world.ports
    expect(reserved(await reserve(ports, world.reserveCommand([wish('a')])))).toHaveLength(1)
  })

  it('opens with the last part of a list, not before', async () => {
    const world = new World({ mirrored: true })
    await put(world, { cidrBlock: '10.16.0.0/24' }, 'ovn-default')
    for (const name of ['x', 'y', 'z'])
      make(world, podsObject(name, { v4IpAddress: `10.16.0.${name.charCodeAt(0)}` }))
    const parts = world.mirror.parts('ovn-default', 1)
    const { mirror: _none, ...ports } = world.ports
    for (const [index, part] of parts.entries()) {
      await world.ports.ledger('ovn-default').observe(part)
      world.restart()
      const outcome = await reserve(ports, world.reserveCommand([wish('a')]))
      expect(outcome.kind).toBe(index === 2 ? 'done' : 'refused')
    }
  })
})

describe("somebody else's address", () => {
  it('is never chosen, and a wish for it is told who has it', async () => {
    const world = await mirrored()
    make(world, podsObject('other', { v4IpAddress: '10.16.0.2' }))
    await world.mirror.changes()
    expect(states(world, 'other.default')).toEqual(['foreign'])
    expect(reserved(await ask(world, 'a'))[0]?.v4IpAddress).toBe('10.16.0.3')
    expect(refusal(await ask(world, 'b', '10.16.0.2'))).toMatchObject({
      code: 'address_taken',
      field: 'v4IpAddress',
    })
    await expectAgreement(world)
  })

  it('is seen in the listing as foreign, and never labelled, freed or deleted', async () => {
    const world = await mirrored()
    const made = make(world, podsObject('other', { v4IpAddress: '10.16.0.2' }, { labels: {} }))
    await world.mirror.changes()
    await world.pass(400_000)
    const found = await reservation(world.ports, 'other.default', 'ovn-default')
    expect(found.ok && found.value).toMatchObject({ state: 'foreign', v4IpAddress: '10.16.0.2' })
    const { name, uid, resourceVersion, creationTimestamp } = made.metadata
    const shown = found.ok && found.value.object.metadata
    expect(shown).toEqual({ name, uid, resourceVersion, creationTimestamp })
    expect(world.sent).toEqual([])
  })

  it('takes what cools down: it is foreign at once, free never in between', async () => {
    const world = await mirrored({ quarantineMs: 300_000 })
    reserved(await ask(world, 'a', '10.16.0.9'))
    reserved(await answered(world, release(world.ports, world.releaseCommand('a.default'))))
    expect(states(world, 'a.default')).toEqual(['quarantined'])
    make(world, podsObject('other', { v4IpAddress: '10.16.0.9' }))
    await world.mirror.changes()
    expect([states(world, 'a.default'), states(world, 'other.default')]).toEqual([[], ['foreign']])
    await expectAgreement(world)
  })

  it('of a pair that cools down, the other address cools on', async () => {
    const world = await mirrored({ quarantineMs: 300_000 }, { cidrBlock: '10.16.0.0/24,fd00::/112' })
    const [made] = reserved(await ask(world, 'a'))
    reserved(await answered(world, release(world.ports, world.releaseCommand('a.default'))))
    make(world, podsObject('other', { v4IpAddress: made?.v4IpAddress ?? '' }))
    await world.mirror.changes()
    expect(rows(world).map(({ nic, state, v4, v6 }) => [nic, state, v4 !== null, v6 !== null])).toEqual([
      ['a.default', 'quarantined', false, true],
      ['other.default', 'foreign', true, false],
    ])
    await world.pass(400_000)
    expect((await viewOf(world)).ledger.v6?.quarantined).toBe(0n)
  })

  it('is lost by a reserve that holds it: taken back, refused, and foreign then', async () => {
    const world = await mirrored()
    const post = parked(world, 'create')
    const outcome = ask(world, 'a', '10.16.0.9')
    await post.arrived
    make(world, podsObject('other', { v4IpAddress: '10.16.0.9' }))
    await world.mirror.changes()
    expect(states(world, 'a.default')).toEqual(['releasing'])
    post.go()
    const ended = await outcome
    await world.pass(400_000)
    const why = ended.kind === 'pending' ? await operation(world.ports, ended.operation) : undefined
    expect(why?.ok && why.value.problem).toMatchObject({ code: 'address_taken' })
    expect([states(world, 'a.default'), states(world, 'other.default')]).toEqual([[], ['foreign']])
    expect(rows(world)[0]).toMatchObject({ bit: true, nic: 'other.default' })
    await world.mirror.changes()
    await expectAgreement(world)
  })

  it('never takes a promise away: contested, with a note, until the other one goes', async () => {
    const world = await mirrored()
    reserved(await ask(world, 'a', '10.16.0.9'))
    make(world, podsObject('other', { v4IpAddress: '10.16.0.9' }))
    await world.mirror.changes()
    const found = await reservation(world.ports, 'a.default')
    expect(found.ok && found.value).toMatchObject({ state: 'bound', contested: true })
    expect(found.ok && found.value.warnings.join()).toContain('other.default')
    reserved(await ask(world, 'b'))
    const contested = await reservations(world.ports, { state: 'contested' }, { limit: 10 })
    expect(contested.ok && contested.value.items.map(({ name }) => name)).toEqual(['a.default'])
    await expectAgreement(world)
    strip(world, 'other.default')
    await world.mirror.changes()
    const after = await reservation(world.ports, 'a.default')
    expect(after.ok && after.value).not.toHaveProperty('contested')
    expect(after.ok && after.value.warnings).toEqual([])
  })

  it('is theirs when a contested promise is released: never free in between', async () => {
    const world = await mirrored()
    reserved(await ask(world, 'a', '10.16.0.9'))
    make(world, podsObject('other', { v4IpAddress: '10.16.0.9' }))
    await world.mirror.changes()
    reserved(await answered(world, release(world.ports, world.releaseCommand('a.default'))))
    expect(rows(world)).toMatchObject([{ nic: 'other.default', state: 'foreign', bit: true }])
    expect(refusal(await ask(world, 'b', '10.16.0.9')).code).toBe('address_taken')
    await expectAgreement(world)
  })

  it.each([
    ['outside the CIDR', { v4IpAddress: '192.168.7.7' }],
    ['unreadable', { v4IpAddress: '10.16.0.300', ipAddress: 'none' }],
    ['absent', {}],
    ['of the other family', { v6IpAddress: 'fd00::1' }],
    ['the network address', { v4IpAddress: '10.16.0.0' }],
    ['with a MAC that is none', { v4IpAddress: '10.16.0.2', macAddress: 'x' }],
  ])('counts as an object where it is %s', async (_, spec) => {
    const world = await mirrored()
    make(world, podsObject('other', spec))
    await world.mirror.changes()
    const view = await viewOf(world)
    expect(view.v4usingIPs).toBe(1n)
    expect(view.ledger.v4?.foreign).toBe('macAddress' in spec ? 1n : 0n)
    expect(view.ledger.v4?.stranded).toBe(0n)
    await expectAgreement(world)
  })

  it('counts once where two say it, and passes from one to the other', async () => {
    const world = await mirrored()
    make(world, podsObject('x', { v4IpAddress: '10.16.0.9' }))
    make(world, podsObject('y', { v4IpAddress: '10.16.0.9' }))
    await world.mirror.changes()
    const view = await viewOf(world)
    expect([view.v4usingIPs, view.ledger.v4?.foreign]).toEqual([2n, 1n])
    await expectAgreement(world)
    strip(world, 'x.default')
    await world.mirror.changes()
    await world.pass(200_000)
    expect(rows(world)).toMatchObject([{ nic: 'y.default', state: 'foreign', bit: true }])
    await expectAgreement(world)
  })

  it('moves with its object', async () => {
    const world = await mirrored()
    make(world, podsObject('x', { v4IpAddress: '10.16.0.9' }))
    await world.mirror.changes()
    change(world, 'x.default', { spec: { v4IpAddress: '10.16.0.10', ipAddress: '10.16.0.10' } })
    await world.mirror.changes()
    const view = await viewOf(world)
    // The first is kept until it is certain that nobody has it.
    expect([view.v4usingIPs, view.ledger.v4?.foreign]).toEqual([1n, 2n])
    await world.pass(200_000)
    expect(rows(world)).toMatchObject([{ state: 'foreign', v4: 0x0a10000a }])
    await expectAgreement(world)
  })

  it('follows the CIDR: outside it holds nothing, inside again it holds', async () => {
    const world = await mirrored()
    make(world, podsObject('x', { v4IpAddress: '10.16.9.9' }))
    await world.mirror.changes()
    await put(world, { cidrBlock: '10.16.0.0/24', gateway: '10.16.0.1' }, 'ovn-default')
    expect((await viewOf(world)).ledger.v4).toMatchObject({ foreign: 0n, stranded: 0n })
    expect((await viewOf(world)).v4usingIPs).toBe(1n)
    expect(rows(world)).toMatchObject([{ bit: false, v4: null }])
    await expectAgreement(world)
    await put(world, { cidrBlock: '10.16.0.0/16', gateway: '10.16.0.1' }, 'ovn-default')
    expect((await viewOf(world)).ledger.v4).toMatchObject({ foreign: 1n, stranded: 0n })
    await expectAgreement(world)
  })
})

describe("somebody else's address becomes free", () => {
  it('after two looks, a straggler apart, and its cool-down', async () => {
    const world = await mirrored({ quarantineMs: 300_000 })
    make(world, podsObject('x', { v4IpAddress: '10.16.0.9' }))
    await world.mirror.changes()
    strip(world, 'x.default')
    await world.mirror.changes()
    await world.pass(stragglerMs)
    expect(states(world, 'x.default')).toEqual(['foreign'])
    await world.pass(QUICK.leewayMs + 1_000)
    expect(states(world, 'x.default')).toEqual(['quarantined'])
    expect(world.sent).toEqual([
      { verb: 'get', ref: { kind: 'IP', name: 'x.default' } },
      { verb: 'get', ref: { kind: 'IP', name: 'x.default' } },
    ])
    await world.pass(300_000 + QUICK.leewayMs)
    expect(states(world, 'x.default')).toEqual([])
    await expectAgreement(world)
  })

  it.each(['a restart', 'none'])('the same with %s after each step', async (restart) => {
    const world = await mirrored()
    make(world, podsObject('x', { v4IpAddress: '10.16.0.9' }))
    await world.mirror.changes()
    strip(world, 'x.default')
    await world.mirror.changes()
    for (let step = 0; step < 8; step++) {
      if (restart !== 'none') world.restart()
      await world.pass(stragglerMs / 4)
    }
    expect(rows(world)).toEqual([])
    await expectAgreement(world)
  })

  it('not while it is there: news that was wrong changes nothing in the end', async () => {
    const world = await mirrored()
    const made = make(world, podsObject('x', { v4IpAddress: '10.16.0.9' }))
    await world.mirror.changes()
    const version = made.metadata.resourceVersion ?? ''
    const goneNews = [{ name: 'x.default', uid: made.metadata.uid ?? '' }]
    await world.ports.ledger('ovn-default').observe({ kind: 'changes', version, objects: [], gone: goneNews })
    await world.pass(300_000)
    expect(states(world, 'x.default')).toEqual(['foreign'])
    await world.mirror.list('ovn-default')
    await world.pass(300_000)
    expect(rows(world)).toMatchObject([{ state: 'foreign', bit: true, uid: made.metadata.uid }])
    await expectAgreement(world)
  })

  it('by a list that does not name it, and only after its last part', async () => {
    const world = await mirrored()
    for (const name of ['x', 'y', 'z'])
      make(world, podsObject(name, { v4IpAddress: `10.16.0.${name.charCodeAt(0)}` }))
    await world.mirror.changes()
    strip(world, 'x.default')
    const parts = world.mirror.parts('ovn-default', 1)
    const ledger = world.ports.ledger('ovn-default')
    for (const part of parts.slice(0, -1)) await ledger.observe(part)
    expect(rows(world).every(({ uid }) => uid !== null)).toBe(true)
    world.restart()
    await ledger.observe(parts.at(-1)!)
    await world.pass(300_000)
    expect(rows(world).map(({ nic }) => nic)).toEqual(['y.default', 'z.default'])
    await expectAgreement(world)
  })

  it('a list that began anew forgets the parts of the one before', async () => {
    const world = await mirrored()
    for (const name of ['x', 'y'])
      make(world, podsObject(name, { v4IpAddress: `10.16.0.${name.charCodeAt(0)}` }))
    await world.mirror.changes()
    const ledger = world.ports.ledger('ovn-default')
    await ledger.observe(world.mirror.parts('ovn-default', 1)[0]!)
    strip(world, 'x.default')
    for (const part of world.mirror.parts('ovn-default', 1)) await ledger.observe(part)
    await world.pass(300_000)
    expect(rows(world).map(({ nic }) => nic)).toEqual(['y.default'])
  })

  it('a reservation made after the list was read is not missing from it', async () => {
    const world = await mirrored()
    const parts = world.mirror.parts('ovn-default')
    reserved(await ask(world, 'a'))
    world.sent.length = 0
    for (const part of parts) await world.ports.ledger('ovn-default').observe(part)
    await world.pass(100_000)
    expect(world.sent).toEqual([])
    await expectAgreement(world)
  })
})

describe('news that is told again', () => {
  it('changes nothing: repeated, after a restart, or older than what is known', async () => {
    const world = await mirrored()
    make(world, podsObject('x', { v4IpAddress: '10.16.0.9' }))
    const first = await world.mirror.changes()
    reserved(await ask(world, 'a'))
    change(world, 'x.default', { metadata: { labels: { a: 'b' } } })
    make(world, podsObject('y', { v4IpAddress: '10.16.0.10' }))
    const second = await world.mirror.changes()
    const before = steady(world)
    const ledger = world.ports.ledger('ovn-default')
    for (const news of [first, second, first, second]) {
      await ledger.observe(news)
      expect(steady(world)).toEqual(before)
      world.restart()
    }
    for (const part of world.mirror.parts('ovn-default', 1)) await ledger.observe(part)
    expect(steady(world)).toEqual(before)
    await expectAgreement(world)
  })

  it('is passed over where it is older, though its object holds nothing', async () => {
    const world = await mirrored()
    make(world, podsObject('x', { v4IpAddress: '192.168.1.1' }))
    const first = await world.mirror.changes()
    strip(world, 'x.default')
    await world.mirror.changes()
    await world.ports.ledger('ovn-default').observe(first)
    expect(rows(world)).toEqual([])
  })

  it('is passed over object by object where an older state comes with newer news', async () => {
    const world = await mirrored()
    make(world, podsObject('x', { v4IpAddress: '10.16.0.9' }))
    const first = await world.mirror.changes()
    change(world, 'x.default', { spec: { v4IpAddress: '10.16.0.10' } })
    await world.mirror.changes()
    const before = steady(world)
    await world.ports.ledger('ovn-default').observe({ ...first, version: '999' })
    expect(steady(world)).toEqual(before)
  })

  it('of an object of ours that was released does not bring it back', async () => {
    const world = await mirrored()
    reserved(await ask(world, 'a', '10.16.0.9'))
    const news = world.mirror.news('ovn-default')
    reserved(await answered(world, release(world.ports, world.releaseCommand('a.default'))))
    world.sent.length = 0
    await world.ports.ledger('ovn-default').observe(news)
    expect(rows(world)).toEqual([])
    await world.mirror.changes()
    await world.pass(200_000)
    expect([rows(world), world.sent]).toEqual([[], []])
  })

  it('of a Subnet nobody told of is refused, so that it is told again', async () => {
    const world = new World({ mirrored: true })
    const news = { kind: 'changes', version: '1', objects: [], gone: [] } as const
    const taken = await world.ports.ledger('nowhere').observe(news)
    expect(taken.ok ? '' : taken.error.code).toBe('unknown_subnet')
  })
})

describe('a straggler', () => {
  it('of an operation that ended is removed by its uid; its address is foreign while it lives', async () => {
    const world = await mirrored()
    const [made] = reserved(await ask(world, 'a', '10.16.0.9'))
    const posted = world.sent.find(({ verb }) => verb === 'create')
    reserved(await answered(world, release(world.ports, world.releaseCommand('a.default'))))
    await world.mirror.changes()
    expect(rows(world)).toEqual([])
    if (posted?.verb !== 'create') throw new Error('nothing was posted')
    make(world, posted.object)
    world.sent.length = 0
    await world.mirror.changes()
    expect(states(world, 'a.default')).toEqual(['foreign'])
    expect(refusal(await ask(world, 'b', '10.16.0.9')).code).toBe('address_taken')
    await world.pass(10_000)
    expect(rows(world)).toEqual([])
    expect(world.sent.filter(({ verb }) => verb === 'delete')).toHaveLength(1)
    await world.mirror.changes()
    await expectAgreement(world)
    expect(made?.state).toBe('bound')
  })

  it.each([
    ['under another name', { name: 'b.default' }, 'b'],
    ['long after', { name: 'a.default' }, 'a'],
  ])('is not what somebody copied %s', async (_, metadata, podName) => {
    const world = await mirrored()
    reserved(await ask(world, 'a', '10.16.0.9'))
    const posted = world.sent.find(({ verb }) => verb === 'create')
    reserved(await answered(world, release(world.ports, world.releaseCommand('a.default'))))
    await world.mirror.changes()
    if (posted?.verb !== 'create') throw new Error('nothing was posted')
    if (podName === 'a') world.clock.advance(3_600_000)
    const { metadata: posted_, spec } = posted.object
    make(world, {
      ...posted.object,
      metadata: { ...posted_, ...metadata },
      spec: { ...(spec as object), podName },
    })
    await world.mirror.changes()
    world.sent.length = 0
    await world.pass(200_000)
    expect(states(world, metadata.name)).toEqual(['foreign'])
    expect(world.sent).toEqual([])
  })
})

describe('names Kube-OVN makes for itself', () => {
  it.each(['u2o-interconnection.ovn-cluster.ovn-default', 'mcast-querier.ovn-default'])(
    '%s is foreign',
    async (name) => {
      const world = await mirrored()
      const { spec } = podsObject('x', { v4IpAddress: '10.16.0.9', podName: '', namespace: '' })
      make(world, { apiVersion: 'kubeovn.io/v1', kind: 'IP', metadata: { name }, spec })
      await world.mirror.changes()
      await world.pass(100_000)
      expect(states(world, name)).toEqual(['foreign'])
      expect(world.sent).toEqual([])
      remove(world, name)
      await world.mirror.changes()
      await world.pass(200_000)
      expect(rows(world)).toEqual([])
    },
  )
})

it('a thousand foreign objects in parts, told twice, equal a recount', async () => {
  const world = await mirrored()
  for (let n = 0; n < 1_000; n++) {
    make(
      world,
      podsObject(`p${n}`, { v4IpAddress: `10.16.${1 + (n % 200)}.${1 + (n % 77)}`, macAddress: '' }),
    )
  }
  await world.mirror.list('ovn-default', 300)
  const before = steady(world)
  await world.mirror.list('ovn-default', 300)
  expect(steady(world)).toEqual(before)
  expect((await viewOf(world)).v4usingIPs).toBe(1_000n)
  await turns()
  await expectAgreement(world)
})
