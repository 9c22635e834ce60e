import { describe, expect, it } from 'vitest'
import type { EventObject } from '../../shared/cluster/port.ts'
import { release } from '../../shared/command/release.ts'
import { tell } from '../../shared/command/reports.ts'
import { reserve } from '../../shared/command/reserve.ts'
import { subnet } from '../../shared/command/subnets.ts'
import { countersStatus, type SubnetCounters } from '../../shared/kube-ovn/subnet-status.ts'
import { answered, busy, lost, parked, put } from '../support/drive.ts'
import { byHand, make, mirrored, owner, podsObject, remove, rows, strip } from '../support/foreign.ts'
import { reserved, World } from '../support/world.ts'

async function telling(settings: object = {}, spec?: object): Promise<World> {
  const world = await mirrored(settings, spec)
  world.tells = true
  return world
}

const ask = (world: World, podName: string, v4IpAddress?: string) =>
  answered(
    world,
    reserve(
      world.ports,
      world.reserveCommand([{ podName, ...(v4IpAddress === undefined ? {} : { v4IpAddress }) }]),
    ),
  )

function events(world: World): EventObject[] {
  const listed = world.store.list('Event', { limit: 10_000 })
  if (!listed.ok) throw new Error(listed.error.message)
  return listed.value.items as EventObject[]
}

const reasons = (world: World): string[] =>
  events(world)
    .map(({ reason, involvedObject }) => `${reason} ${involvedObject.name}`)
    .sort()

function status(world: World): Record<string, unknown> {
  const { status } = byHand(world, { verb: 'get', ref: { kind: 'Subnet', name: 'ovn-default' } })
  return status as Record<string, unknown>
}

const isReport = ({ verb, ...rest }: World['sent'][number]) =>
  (verb === 'create' && JSON.stringify(rest).includes('"Event"')) || JSON.stringify(rest).includes('"Subnet"')

describe('Events', () => {
  it('tell of a reservation and its release, on the IP object, after the fact', async () => {
    const world = await telling()
    const [made] = reserved(await ask(world, 'a', '10.16.0.9'))
    expect(events(world)).toEqual([])
    await world.pass(2_000)
    expect(events(world)).toMatchObject([
      {
        metadata: { namespace: 'default' },
        involvedObject: {
          apiVersion: 'kubeovn.io/v1',
          kind: 'IP',
          name: 'a.default',
          uid: made?.object.metadata.uid,
        },
        reason: 'Reserved',
        type: 'Normal',
        message: '10.16.0.9 is reserved for default/a until it is released',
        reportingComponent: 'berth',
        source: { component: 'berth' },
        count: 1,
      },
    ])
    await world.mirror.changes()
    reserved(await answered(world, release(world.ports, world.releaseCommand('a.default'))))
    await world.pass(2_000)
    expect(reasons(world)).toEqual(['Released a.default', 'Reserved a.default'])
  })

  it('tell of a refused wish once for each reason, however often it is tried', async () => {
    const world = await telling()
    reserved(await ask(world, 'b', '10.16.0.9'))
    const { metadata, ...wish } = podsObject('a', { v4IpAddress: '10.16.0.9' })
    make(world, { ...wish, metadata: { name: metadata.name } })
    await world.mirror.changes()
    await world.pass(600_000)
    const refused = events(world).filter(({ reason }) => reason === 'ReservationRefused')
    expect(refused).toMatchObject([{ type: 'Warning', involvedObject: { name: 'a.default' } }])
    const written = world.sent.filter(
      (request) => request.verb === 'create' && JSON.stringify(request).includes('ReservationRefused'),
    )
    expect(written).toHaveLength(1)
  })

  it('tell of a promise that somebody else is on, and of one whose release waits', async () => {
    const world = await telling()
    reserved(await ask(world, 'a', '10.16.0.9'))
    reserved(await ask(world, 'b', '10.16.0.10'))
    make(world, podsObject('other', { v4IpAddress: '10.16.0.9' }))
    owner(world, 'b')
    remove(world, 'b.default')
    await world.mirror.changes()
    await world.pass(300_000)
    const contested = events(world).filter(({ reason }) => reason === 'ReservationContested')
    expect(contested.map(({ involvedObject }) => involvedObject.name).sort()).toEqual([
      'a.default',
      'b.default',
    ])
    expect(contested.every(({ type }) => type === 'Warning')).toBe(true)
  })

  it('are written once, though the reply is lost or the process dies before it is noted', async () => {
    const world = await telling()
    reserved(await ask(world, 'a'))
    let losing = true
    world.intercept = async (requests, pass) => {
      const replies = await pass(requests)
      if (!losing || !requests.every(isReport)) return replies
      losing = false
      return requests.map(() => ({ ok: false, error: lost }))
    }
    await world.pass(1_500)
    world.restart()
    await world.pass(120_000)
    expect(reasons(world)).toEqual(['Reserved a.default'])
    // The second says that the first was carried out.
    expect(world.sent.filter((request) => request.verb === 'create' && isReport(request))).toHaveLength(2)
    expect(world.sql().all(`SELECT name FROM outbox`)).toEqual([])
  })

  it('that the cluster will not have, or not for long enough, are dropped', async () => {
    for (const failure of [
      { reason: 'Forbidden', outcome: 'refused', message: 'no' },
      { reason: 'Invalid', outcome: 'refused', message: 'no' },
      busy(),
      lost,
    ] as const) {
      const world = await telling()
      reserved(await ask(world, 'a'))
      world.intercept = async (requests, pass) =>
        requests.every(isReport) ? requests.map(() => ({ ok: false, error: failure })) : pass(requests)
      await world.pass(600_000)
      expect(world.sql().all(`SELECT name FROM outbox`)).toEqual([])
      expect(world.sent.filter(isReport).length).toBeLessThan(400)
    }
  })

  it('come twenty a second at most, and wait a thousand at most', async () => {
    const world = await telling()
    for (let group = 0; group < 2; group++) {
      const items = Array.from({ length: 600 }, (_, n) => ({ podName: `p${group}-${n}` }))
      reserved(await answered(world, reserve(world.ports, world.reserveCommand(items))))
    }
    const waiting = () => world.sql().first<{ n: number }>(`SELECT COUNT(*) AS n FROM outbox`)?.n
    expect(waiting()).toBe(1_000)
    world.sent.length = 0
    world.clock.advance(1_500)
    await world.alarm()
    expect(world.sent.filter(({ verb }) => verb === 'create')).toHaveLength(20)
    await world.pass(120_000)
    expect(waiting()).toBe(0)
    expect(events(world)).toHaveLength(1_000)
  })

  it('of the longest names have names an API server takes', async () => {
    const world = await telling()
    const podName = `${'a'.repeat(60)}.`.repeat(3) + 'a'.repeat(60)
    reserved(await ask(world, podName))
    await world.pass(2_000)
    expect(events(world)).toHaveLength(1)
  })

  it('are none where no cluster has them', async () => {
    const world = new World()
    world.tells = true
    reserved(await reserve(world.ports, world.reserveCommand([{}])))
    await world.pass(100_000)
    expect([events(world), status(world)]).toEqual([[], undefined])
  })
})

describe('the counters of a Subnet', () => {
  it('are written by the formula of Kube-OVN, and agree with a recount and with GET /v1/subnets', async () => {
    const world = await telling()
    make(world, podsObject('x', { v4IpAddress: '10.16.0.5' }))
    make(world, podsObject('y', { v4IpAddress: '192.168.0.1' }))
    reserved(await ask(world, 'a'))
    reserved(await ask(world, 'b'))
    await world.mirror.changes()
    await world.pass(2_000)
    expect(status(world)).toEqual({
      v4usingIPs: 4,
      v4availableIPs: 65_529,
      v4usingIPrange: '10.16.0.2-10.16.0.3,10.16.0.5',
      v4availableIPrange: '10.16.0.4,10.16.0.6-10.16.255.254',
      v6usingIPs: 0,
      v6availableIPs: 0,
      v6usingIPrange: '',
      v6availableIPrange: '',
    })
    const view = await subnet(world.ports, 'ovn-default')
    expect(view.ok && [view.value.v4usingIPs, view.value.v4availableIPs]).toEqual([4n, 65_529n])
    const listed = world.store.list('IP', {})
    expect(listed.ok && listed.value.items).toHaveLength(4)
  })

  it('move one from available to using and back, as the seed shows', async () => {
    const world = await telling()
    await world.pass(2_000)
    expect(status(world)).toMatchObject({ v4usingIPs: 0, v4availableIPs: 65_533 })
    reserved(await ask(world, 'a'))
    await world.pass(2_000)
    expect(status(world)).toMatchObject({ v4usingIPs: 1, v4availableIPs: 65_532 })
    await world.mirror.changes()
    reserved(await answered(world, release(world.ports, world.releaseCommand('a.default'))))
    await world.pass(2_000)
    expect(status(world)).toMatchObject({ v4usingIPs: 0, v4availableIPs: 65_533 })
  })

  it('follow what others make and take away, and the Subnet itself', async () => {
    const world = await telling()
    make(world, podsObject('x', { v4IpAddress: '10.16.0.5' }))
    await world.mirror.changes()
    await world.pass(2_000)
    strip(world, 'x.default')
    await world.mirror.changes()
    await world.pass(2_000)
    expect(status(world)).toMatchObject({ v4usingIPs: 0, v4usingIPrange: '10.16.0.5' })
    await world.pass(200_000)
    expect(status(world)).toMatchObject({ v4usingIPs: 0, v4usingIPrange: '' })
    await put(
      world,
      { cidrBlock: '10.16.0.0/24', gateway: '10.16.0.1', excludeIps: ['10.16.0.250'] },
      'ovn-default',
    )
    await world.pass(2_000)
    expect(status(world)).toMatchObject({ v4availableIPs: 252 })
  })

  it('leave out objects inside excludeIps, be they on an address or only say it', async () => {
    const world = await telling({}, { cidrBlock: '10.16.0.0/24', excludeIps: ['10.16.0.20..10.16.0.29'] })
    make(world, podsObject('x', { v4IpAddress: '10.16.0.20' }))
    make(world, podsObject('y', { v4IpAddress: '10.16.0.20' }))
    make(world, podsObject('z', { v4IpAddress: '10.16.0.30' }))
    await world.mirror.changes()
    await world.pass(2_000)
    expect(status(world)).toMatchObject({ v4usingIPs: 1, v4usingIPrange: '10.16.0.30' })
  })

  it('leave an object out once, though it is on one excluded address and says another', async () => {
    const excludeIps = ['10.16.0.20..10.16.0.29', 'fd00::20..fd00::29']
    const world = await telling({}, { cidrBlock: '10.16.0.0/24,fd00::/120', excludeIps })
    make(world, podsObject('x', { v4IpAddress: '10.16.0.30', v6IpAddress: 'fd00::20' }))
    make(world, podsObject('y', { v4IpAddress: '10.16.0.20', v6IpAddress: 'fd00::20' }))
    make(world, podsObject('z', { v4IpAddress: '10.16.0.31', v6IpAddress: 'fd00::31' }))
    await world.mirror.changes()
    await world.pass(2_000)
    expect(rows(world).map(({ nic, v4, v6 }) => [nic, v4 !== null, v6 !== null])).toEqual([
      ['x.default', true, true],
      ['y.default', true, false],
      ['z.default', true, true],
    ])
    expect(status(world)).toMatchObject({ v4usingIPs: 1, v6usingIPs: 1 })
  })

  it('are integers of any size', async () => {
    const world = await telling({}, { cidrBlock: '10.16.0.0/16,fd00::/48' })
    await world.pass(2_000)
    const written = world.sent.find(({ verb }) => verb === 'patch')
    expect(JSON.stringify(written)).toContain('"v6availableIPs":1208925819614629174706173')
    const { v6availableIPs } = countersStatus({ v6availableIPs: 2n ** 80n } as SubnetCounters)
    expect(JSON.stringify({ v6availableIPs })).toBe('{"v6availableIPs":1208925819614629174706176}')
  })

  it('are written when they change, at most once a second, and not when they say so already', async () => {
    const world = await telling()
    await world.pass(5_000)
    world.sent.length = 0
    await world.pass(600_000)
    expect(world.sent.filter(isReport)).toEqual([])
    for (let n = 0; n < 30; n++) reserved(await ask(world, `p${n}`))
    await world.pass(2_000)
    expect(world.sent.filter(({ verb }) => verb === 'patch')).toHaveLength(1)
    world.sent.length = 0
    world.restart()
    await world.pass(5_000)
    expect(world.sent.filter(({ verb }) => verb === 'patch')).toEqual([])
  })

  it('are written for what comes quickly all at once, and for what came in between, and what a death left', async () => {
    const world = await telling()
    await world.pass(5_000)
    world.sent.length = 0
    const patches = () => world.sent.filter(({ verb }) => verb === 'patch').length
    for (let n = 0; n < 8; n++) {
      reserved(await ask(world, `p${n}`))
      await world.pass(100)
    }
    expect(patches()).toBe(0)
    await world.pass(1_000)
    expect(patches()).toBe(1)
    // While the PATCH is on its way another comes.
    reserved(await ask(world, 'q'))
    const patch = parked(world, 'patch')
    const telling_ = world.pass(1_100)
    await patch.arrived
    reserved(await ask(world, 'r'))
    patch.go()
    await telling_
    world.intercept = (requests, pass) => pass(requests)
    await world.pass(2_000)
    expect(status(world)).toMatchObject({ v4usingIPs: 10 })
    reserved(await ask(world, 's'))
    world.restart()
    await world.pass(2_000)
    expect(status(world)).toMatchObject({ v4usingIPs: 11 })
  })

  it('are tried again after a conflict, and after a cluster that is away', async () => {
    const world = await telling()
    await world.pass(2_000)
    reserved(await ask(world, 'a'))
    let failures = 0
    const conflict = { reason: 'Conflict', outcome: 'refused', message: 'rv' } as const
    world.intercept = async (requests, pass) =>
      requests.some(({ verb }) => verb === 'patch') && failures++ < 3
        ? requests.map(() => ({ ok: false, error: failures === 1 ? conflict : lost }))
        : pass(requests)
    await world.pass(30_000)
    expect(status(world)).toMatchObject({ v4usingIPs: 1 })
  })

  it('of a Subnet that is gone, or another one, are nobody’s to write', async () => {
    const world = await telling()
    reserved(await ask(world, 'a'))
    const { metadata } = byHand(world, { verb: 'get', ref: { kind: 'Subnet', name: 'ovn-default' } })
    byHand(world, { verb: 'delete', ref: { kind: 'Subnet', name: 'ovn-default' }, uid: metadata.uid ?? '' })
    await world.pass(60_000)
    byHand(world, {
      verb: 'create',
      object: {
        apiVersion: 'kubeovn.io/v1',
        kind: 'Subnet',
        metadata: { name: 'ovn-default' },
        spec: { cidrBlock: '10.16.0.0/24' },
      },
    })
    reserved(await ask(world, 'b'))
    await world.pass(10_000)
    expect(world.sent.filter(({ verb }) => verb === 'patch')).toEqual([])
  })
})

it('a cluster that does not answer at all is told later', async () => {
  const world = await mirrored()
  reserved(await ask(world, 'a'))
  world.clock.advance(2_000)
  const due = world.ledger().reports()
  expect(due.events).toHaveLength(1)
  const told = await tell(
    { ...world.ports.cluster, send: async (all) => all.map(() => ({ ok: false, error: lost })) },
    due,
  )
  world.ledger().reported(told)
  expect(world.ledger().reports()).toEqual({ events: [] })
  for (let look = 0; look < 12; look++) {
    world.clock.advance(5_000)
    world.ledger().due()
  }
  expect(world.ledger().reports().events).toHaveLength(1)
})
