import { describe, expect, it } from 'vitest'
import { reservation } from '../../shared/command/find.ts'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import { DEPRECATED_FINALIZER, FINALIZER } from '../../shared/kube-ovn/names.ts'
import { DEFAULT_SETTINGS } from '../../shared/ledger/settings.ts'
import { expectAgreement } from '../support/agreement.ts'
import { answered, busy, driven, first, killedAt, lost, parked, put, refuse } from '../support/drive.ts'
import {
  change,
  make,
  mirrored,
  object,
  owner,
  ownerGone,
  podsObject,
  remove,
  rows,
  states,
  strip,
} from '../support/foreign.ts'
import { Steps } from '../support/steps.ts'
import { refusal, reserved, type World } from '../support/world.ts'

const NAME = 'pod-a.default'

/** A reservation of pod-a, known to the mirror. */
async function promised(more: object = {}, settings: object = {}): Promise<World> {
  const world = await mirrored(settings)
  const wish = { podName: 'pod-a', v4IpAddress: '10.16.0.9', ...more }
  reserved(await reserve(world.ports, world.reserveCommand([wish])))
  await world.mirror.changes()
  world.sent.length = 0
  return world
}

async function found(world: World, name = NAME) {
  const result = await reservation(world.ports, name, 'ovn-default')
  return result.ok ? result.value : undefined
}

describe('kubectl delete ip', () => {
  it('releases by itself where the owner is gone, and asks for the owner right before', async () => {
    const world = await promised({}, { quarantineMs: 300_000 })
    const steps = new Steps(world)
    remove(world, NAME)
    await world.mirror.changes()
    await world.pass(5_000)
    expect([states(world, NAME), object(world, NAME)]).toEqual([['quarantined'], undefined])
    expect(world.sent.map(({ verb }) => verb)).toEqual(['get', 'get', 'get', 'patch', 'get'])
    for (const n of [0, 2]) expect(world.sent[n]).toMatchObject({ ref: { kind: 'Pod', name: 'pod-a' } })
    await world.mirror.changes()
    await world.pass(400_000)
    expect(states(world, NAME)).toEqual([])
    expect(steps.violations).toEqual([])
    await expectAgreement(world)
  })

  it.each(['changes', 'list'] as const)('the same when Berth was down meanwhile (%s)', async (how) => {
    const world = await promised()
    remove(world, NAME)
    world.restart()
    if (how === 'list') await world.mirror.list('ovn-default')
    else await world.mirror.changes()
    await world.pass(5_000)
    expect([rows(world), object(world, NAME)]).toEqual([[], undefined])
    await expectAgreement(world)
  })

  it.each([
    ['Pod', '', 'pod-a'],
    ['StatefulSet', 'StatefulSet', 'web-0'],
    ['VirtualMachine', 'VirtualMachine', 'vm-a'],
  ] as const)(
    'waits while the %s lives, says so, and goes on when it is gone',
    async (kind, podType, podName) => {
      const world = await mirrored()
      const name = `${podName}.default`
      reserved(await reserve(world.ports, world.reserveCommand([{ podName, podType }])))
      const ownerName = kind === 'StatefulSet' ? 'web' : podName
      const status = kind === 'VirtualMachine' ? { printableStatus: 'Running' } : {}
      owner(world, ownerName, { kind, spec: { replicas: 1 }, status })
      remove(world, name)
      await world.mirror.changes()
      await world.pass(600_000)
      expect(states(world, name)).toEqual(['bound'])
      expect(object(world, name)?.metadata.deletionTimestamp).toBeDefined()
      expect((await found(world, name))?.warnings.join()).toContain(`${kind} default/${ownerName}`)
      ownerGone(world, ownerName, kind)
      await world.pass(60_000)
      expect([rows(world), object(world, name)]).toEqual([[], undefined])
      await world.mirror.changes()
      await expectAgreement(world)
    },
  )

  it('is looked at at once when the owner is told to be gone', async () => {
    const world = await promised()
    owner(world, 'pod-a')
    remove(world, NAME)
    await world.mirror.changes()
    await world.pass(200_000)
    ownerGone(world, 'pod-a')
    await world.ports.ledger('ovn-default').nudge({ namespace: 'default', podName: 'pod-a' })
    await world.pass(1_000)
    expect(states(world, NAME)).toEqual([])
  })

  it('asks a living owner less and less, at least once a minute', async () => {
    const world = await promised()
    owner(world, 'pod-a')
    remove(world, NAME)
    await world.mirror.changes()
    await world.pass(600_000)
    const asked = world.calls.filter(({ request }) => request.verb === 'get').map(({ sentMs }) => sentMs)
    const gaps = asked.slice(1).map((ms, index) => ms - (asked[index] ?? 0))
    expect(Math.max(...gaps)).toBeLessThanOrEqual(60_000)
    expect(asked.length).toBeLessThan(25)
  })

  it('with annotation berth/force asks nobody', async () => {
    const world = await promised()
    owner(world, 'pod-a')
    change(world, NAME, { metadata: { annotations: { 'berth/force': 'true' } } })
    remove(world, NAME)
    await world.mirror.changes()
    await world.pass(5_000)
    expect([rows(world), object(world, NAME)]).toEqual([[], undefined])
    expect(
      world.sent.some(({ verb, ...rest }) => verb === 'get' && JSON.stringify(rest).includes('Pod')),
    ).toBe(false)
  })

  it('told twice begins one release', async () => {
    const world = await promised()
    owner(world, 'pod-a')
    remove(world, NAME)
    const news = await world.mirror.changes()
    await world.ports.ledger('ovn-default').observe(news)
    await world.mirror.list('ovn-default')
    expect(world.sql().all(`SELECT id FROM op WHERE next_ms IS NOT NULL`)).toHaveLength(1)
  })

  it('of one with the old finalizer releases it too', async () => {
    const world = await promised()
    change(world, NAME, { metadata: { finalizers: [DEPRECATED_FINALIZER, 'other.io/mine'] } })
    remove(world, NAME)
    await world.mirror.changes()
    await world.pass(1_000)
    // Somebody else's finalizer is left alone, and waited for.
    expect(object(world, NAME)?.metadata.finalizers).toEqual(['other.io/mine'])
    change(world, NAME, { metadata: { finalizers: null } })
    await world.pass(60_000)
    expect(rows(world)).toEqual([])
  })

  it('may be overtaken by a release that is asked for', async () => {
    const world = await promised()
    owner(world, 'pod-a')
    remove(world, NAME)
    await world.mirror.changes()
    await world.pass(5_000)
    const command = world.releaseCommand(NAME, { force: true })
    expect(reserved(await answered(world, release(world.ports, command)))[0]?.state).toBe('free')
    await world.pass(100_000)
    await world.mirror.changes()
    await expectAgreement(world)
  })

  it('of a stranded one releases it, without a bit', async () => {
    const world = await promised()
    await put(world, { cidrBlock: '10.17.0.0/16', gateway: '10.17.0.1' }, 'ovn-default')
    expect(states(world, NAME)).toEqual(['stranded'])
    remove(world, NAME)
    await world.mirror.changes()
    await world.pass(5_000)
    expect(rows(world)).toEqual([])
    await expectAgreement(world)
  })
})

describe('an object of ours that went without our doing', () => {
  it('is made again: same address and MAC, its new uid recorded', async () => {
    const world = await promised()
    const before = object(world, NAME)
    strip(world, NAME)
    await world.mirror.changes()
    expect(states(world, NAME)).toEqual(['bound'])
    await world.pass(1_000)
    const after = object(world, NAME)
    expect(after?.spec).toEqual(before?.spec)
    expect(after?.metadata.uid).not.toBe(before?.metadata.uid)
    expect(after?.metadata.finalizers).toEqual([FINALIZER])
    expect(rows(world)).toMatchObject([{ uid: after?.metadata.uid, state: 'bound', contested: false }])
    expect(world.sent.map(({ verb }) => verb)).toEqual(['get', 'create'])
    await world.mirror.changes()
    await world.pass(100_000)
    await expectAgreement(world)
  })

  // Found by the simulation (invariant 3): the news was over when the promise was made.
  it.each([
    ['went', strip, 'bound'],
    ['is being deleted', remove, 'quarantined'],
  ] as const)('%s, told before the reply to its POST was reported', async (_, act, becomes) => {
    const world = await mirrored({ quarantineMs: 300_000 })
    const post = parked(world, 'create', 'after')
    const asked = reserve(world.ports, world.reserveCommand([{ podName: 'pod-a' }]))
    await post.arrived
    await world.mirror.changes()
    act(world, NAME)
    await world.mirror.changes()
    post.go()
    reserved(await asked)
    await world.pass(2_000)
    await world.mirror.changes()
    await world.pass(5_000)
    expect(states(world, NAME)).toEqual([becomes])
    expect(object(world, NAME) !== undefined).toBe(becomes === 'bound')
    await expectAgreement(world)
  })

  it('the same where its going was never told, but the next list does not name it', async () => {
    const world = await promised()
    strip(world, NAME)
    world.restart()
    await world.mirror.list('ovn-default')
    await world.pass(1_000)
    expect(object(world, NAME)?.spec?.v4IpAddress).toBe('10.16.0.9')
    await expectAgreement(world)
  })

  it('is not posted where it is still there', async () => {
    const world = await promised()
    const uid = object(world, NAME)?.metadata.uid ?? ''
    const gone = [{ name: NAME, uid }]
    await world.ports.ledger('ovn-default').observe({ kind: 'changes', version: '999', objects: [], gone })
    await world.pass(1_000)
    expect(world.sent.map(({ verb }) => verb)).toEqual(['get'])
    expect(rows(world)).toMatchObject([{ state: 'bound', uid }])
  })

  it('is made again though every reply is lost for a while', async () => {
    const world = await promised()
    strip(world, NAME)
    world.intercept = first(6, 'create', async (requests, pass) => {
      await pass(requests)
      return requests.map(() => ({ ok: false, error: lost }))
    })
    await world.mirror.changes()
    await world.pass(120_000)
    await world.mirror.changes()
    expect(rows(world)).toMatchObject([{ state: 'bound', uid: object(world, NAME)?.metadata.uid }])
    await expectAgreement(world)
  })

  it('whose name has passed to another is contested; neither deleted nor overwritten', async () => {
    const world = await promised()
    strip(world, NAME)
    const other = make(world, podsObject('pod-b', { v4IpAddress: '10.16.0.50' }, { name: NAME }))
    await world.mirror.changes()
    await world.pass(100_000)
    expect(object(world, NAME)).toEqual(other)
    expect(await found(world)).toMatchObject({ state: 'bound', contested: true, v4IpAddress: '10.16.0.9' })
    expect(world.sent.every(({ verb }) => verb === 'get')).toBe(true)
    // What that one says is kept from others.
    const taken = await reserve(
      world.ports,
      world.reserveCommand([{ podName: 'c', v4IpAddress: '10.16.0.50' }]),
    )
    expect(refusal(taken).code).toBe('address_taken')
    // And when it goes, the promise has its object again.
    strip(world, NAME)
    await world.mirror.changes()
    await world.pass(200_000)
    await world.mirror.changes()
    expect((await found(world))?.contested).toBeUndefined()
    expect(object(world, NAME)?.spec?.v4IpAddress).toBe('10.16.0.9')
    await expectAgreement(world)
  })

  it.each([
    ['another address', { v4IpAddress: '10.16.0.77', ipAddress: '10.16.0.77' }],
    ['another MAC', { macAddress: '00:00:00:4d:b4:99' }],
    ['another owner', { podName: 'pod-z' }],
    ['no address', { v4IpAddress: '', ipAddress: '' }],
  ])('that was changed to %s is contested until it is changed back', async (_, spec) => {
    const world = await promised()
    const before = object(world, NAME)?.spec
    change(world, NAME, { spec })
    await world.mirror.changes()
    expect(await found(world)).toMatchObject({ state: 'bound', contested: true, v4IpAddress: '10.16.0.9' })
    change(world, NAME, { spec: before })
    await world.mirror.changes()
    expect((await found(world))?.contested).toBeUndefined()
    expect(world.sent).toEqual([])
  })

  it('a release in between honours the POST that may still land', async () => {
    const world = await promised()
    strip(world, NAME)
    const held: (() => void)[] = []
    world.intercept = first(1, 'create', async (requests, pass) => {
      held.push(() => void pass(requests))
      return requests.map(() => ({ ok: false, error: lost }))
    })
    await world.mirror.changes()
    await world.pass(100)
    const outcome = await driven(world, release(world.ports, world.releaseCommand(NAME)))
    expect(outcome.kind).toBe('pending')
    for (const land of held) land()
    await world.pass(DEFAULT_SETTINGS.stragglerMs + 20_000)
    expect([rows(world), object(world, NAME)]).toEqual([[], undefined])
    await world.mirror.changes()
    await expectAgreement(world)
  })

  it('a release in between ends the re-assertion: nothing is posted after it', async () => {
    const world = await promised({}, { quarantineMs: 300_000 })
    strip(world, NAME)
    world.intercept = first(1, 'create', refuse(busy(2_000)))
    await world.mirror.changes()
    await world.pass(100)
    expect((await driven(world, release(world.ports, world.releaseCommand(NAME)))).kind).toBe('done')
    world.sent.length = 0
    await world.pass(100_000)
    expect(world.sent.filter(({ verb }) => verb === 'create')).toEqual([])
    expect([states(world, NAME), object(world, NAME)]).toEqual([['quarantined'], undefined])
  })

  it('that goes while its release waits for the owner is made again: the wish went with it', async () => {
    const world = await promised()
    owner(world, 'pod-a')
    remove(world, NAME)
    await world.mirror.changes()
    await world.pass(5_000)
    change(world, NAME, { metadata: { finalizers: null } })
    await world.mirror.changes()
    await world.pass(5_000)
    await world.mirror.changes()
    expect(await found(world)).toMatchObject({ state: 'bound', warnings: [] })
    expect(object(world, NAME)?.metadata.deletionTimestamp).toBeUndefined()
    await expectAgreement(world)
  })

  it('and is being deleted again when the read comes becomes a release', async () => {
    const world = await promised()
    const gone = [{ name: NAME, uid: object(world, NAME)?.metadata.uid ?? '' }]
    remove(world, NAME)
    await world.ports.ledger('ovn-default').observe({ kind: 'changes', version: '999', objects: [], gone })
    await world.pass(5_000)
    expect([rows(world), object(world, NAME)]).toEqual([[], undefined])
  })
})

const DEATHS = [
  ['a release that was seen', (world: World) => remove(world, NAME), false],
  ['a re-assertion', (world: World) => strip(world, NAME), true],
] as const

describe.each(DEATHS)('%s that dies at any point', (_, befall, stays) => {
  it('goes on to its one end', async () => {
    for (const quarantineMs of [0, 300_000]) {
      for (let n = 0; ; n++) {
        const world = await promised({}, { quarantineMs })
        const steps = new Steps(world)
        befall(world)
        const died = await killedAt(world, n, async () => {
          await world.mirror.changes()
          await world.pass(5_000)
        })
        if (died !== undefined) world.restart()
        // A mirror whose news was not taken tells it again; here by its next list.
        await world.mirror.list('ovn-default')
        await world.pass(400_000)
        await world.mirror.changes()
        expect(object(world, NAME) !== undefined, `dying at point ${n}`).toBe(stays)
        expect(steps.violations, `dying at point ${n}`).toEqual([])
        await expectAgreement(world)
        if (died === undefined) {
          expect(n).toBeGreaterThan(5)
          break
        }
      }
    }
  })
})

it('what the cluster refuses to have made again is tried on, and never given up', async () => {
  const world = await promised()
  strip(world, NAME)
  const invalid = { reason: 'Invalid', outcome: 'refused', message: 'no' } as const
  world.intercept = first(5, 'create', refuse(invalid))
  await world.mirror.changes()
  await world.pass(120_000)
  expect(object(world, NAME)?.spec?.v4IpAddress).toBe('10.16.0.9')
  await expectAgreement(world)
})
