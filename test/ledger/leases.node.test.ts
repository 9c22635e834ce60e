import { describe, expect, it } from 'vitest'
import { mutateIp } from '../../shared/command/admission/ip.ts'
import { release } from '../../shared/command/release.ts'
import { renew } from '../../shared/command/renew.ts'
import { reserve } from '../../shared/command/reserve.ts'
import type { RenewCommand, ReserveItem } from '../../shared/command/types.ts'
import type { FeedEntry } from '../../shared/ledger/feed.ts'
import type { LedgerSettings } from '../../shared/ledger/settings.ts'
import { creating, ip, kubectlCreate, patchOf } from '../support/admission.ts'
import { auditOf, expectAgreement, ipObjects } from '../support/agreement.ts'
import { answered } from '../support/drive.ts'
import { byHand, make, mirrored } from '../support/foreign.ts'
import { Killed, refusal, reserved, World } from '../support/world.ts'

const HOUR_MS = 3_600_000
const NAME = 'pod-a.default'
const TARGET = { name: NAME, subnet: 'ovn-default' }
const POD = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'pod-a', namespace: 'default' } }

const wishIn = (world: World, item: Partial<ReserveItem> = {}, more = {}) =>
  reserve(world.ports, world.reserveCommand([item], more))
const renewIn = (world: World, lasting: RenewCommand['lasting'], more: Partial<RenewCommand> = {}) =>
  renew(world.ports, {
    tenant: 'key/a',
    requestId: 'r',
    dryRun: false,
    bodyHash: JSON.stringify(lasting),
    targets: [TARGET],
    lasting,
    ...more,
  })
const leased = async (ttlSeconds: number, settings: Partial<LedgerSettings> = {}) => {
  const world = new World(settings)
  const [made] = reserved(await wishIn(world, { ttlSeconds }))
  return { world, made: made! }
}
const stateOf = async (world: World) => (await world.ledger().find(NAME))?.state ?? 'free'
const annotation = (world: World) => ipObjects(world)[0]?.metadata.annotations?.['berth/expires']
const endPod = (world: World) => {
  const ref = { kind: 'Pod', namespace: 'default', name: 'pod-a' } as const
  const { uid } = byHand(world, { verb: 'get', ref }).metadata
  byHand(world, { verb: 'delete', ref, uid: uid! })
}
const passHours = async (world: World, hours: number) => {
  for (let n = 0; n < hours * 6; n++) await world.pass(600_000)
}

describe('a reservation with an end', () => {
  it('says when, and ends then through a release', async () => {
    const { world, made } = await leased(2 * 3_600, { quarantineMs: 60_000 })
    expect(Date.parse(made.expiresAt!) - Date.parse(made.createdAt)).toBe(2 * HOUR_MS)
    expect(made.object.metadata.annotations?.['berth/expires']).toBe(made.expiresAt)
    expect(annotation(world)).toBe(made.expiresAt)
    await passHours(world, 1)
    await world.pass(3_590_000)
    expect(await stateOf(world)).toBe('bound')
    await world.pass(30_000)
    expect(await stateOf(world)).toBe('quarantined')
    expect((await world.ledger().find(NAME))?.expiresAt).toBeUndefined()
    expect(ipObjects(world)).toEqual([])
    const [, released] = auditOf(world)
    expect(released).toMatchObject({
      verb: 'release',
      actor: 'berth',
      door: 'cluster',
      reason: 'lease_expired',
    })
    await world.pass(200_000)
    await expectAgreement(world)
    expect(world.sql().all('SELECT * FROM lifetime')).toEqual([])
  })

  it('may be given it as a time, in a group as by itself', async () => {
    const world = new World()
    const expiresAt = world.clock.nowMs() + 90_000
    const both = reserved(
      await reserve(world.ports, world.reserveCommand([{ podName: 'a', expiresAt }, { podName: 'b' }])),
    )
    expect(both.map((one) => one.expiresAt && Date.parse(one.expiresAt))).toEqual([expiresAt, undefined])
    await world.pass(120_000)
    const names = ipObjects(world).map(({ metadata }) => metadata.name)
    expect(names).toEqual(['b.default'])
    await expectAgreement(world)
  })

  it('is refused one that is over, or further away than ten years', async () => {
    const world = new World()
    for (const ms of [-1, 0, 4_000 * 86_400_000]) {
      const problem = refusal(await wishIn(world, { expiresAt: world.clock.nowMs() + ms }))
      expect([problem.code, problem.field]).toEqual(['invalid_field', 'expiresAt'])
    }
    expect(ipObjects(world)).toEqual([])
  })

  it('keeps it over a second reserve and a restart, and has none in a dry run', async () => {
    const { world, made } = await leased(3_600)
    world.restart()
    expect(reserved(await wishIn(world, { ttlSeconds: 60 }))[0]?.expiresAt).toBe(made.expiresAt)
    const [preview] = reserved(await wishIn(world, { podName: 'x', ttlSeconds: 60 }, { dryRun: true }))
    expect(preview?.expiresAt).toBeDefined()
    expect(world.sql().all('SELECT id FROM lifetime')).toHaveLength(1)
  })

  it('is not ended by a release that ended before it', async () => {
    const { world } = await leased(3_600)
    await answered(world, release(world.ports, world.releaseCommand('x', { targets: [TARGET] })))
    reserved(await wishIn(world))
    await passHours(world, 2)
    expect(await stateOf(world)).toBe('bound')
  })

  it('of a Subnet with a longest one has to have one', async () => {
    const world = new World()
    const quotas = JSON.stringify({ '*': { maxTtlSeconds: 600 } })
    const manifest = {
      apiVersion: 'kubeovn.io/v1',
      kind: 'Subnet',
      metadata: { name: 'lab', annotations: { 'berth/quotas': quotas } },
      spec: { cidrBlock: '10.77.0.0/24', gateway: '10.77.0.1', vpc: 'lab' },
    }
    byHand(world, { verb: 'create', object: manifest })
    const ask = async (item: Partial<ReserveItem>) => refusal(await wishIn(world, { subnet: 'lab', ...item }))
    expect((await ask({})).code).toBe('quota_exceeded')
    expect((await ask({ ttlSeconds: 601 })).field).toBe('ttlSeconds')
    reserved(await wishIn(world, { subnet: 'lab', ttlSeconds: 600 }))
    const more = { targets: [{ name: NAME, subnet: 'lab' }] }
    expect(refusal(await renewIn(world, 'always', more)).code).toBe('quota_exceeded')
    expect(refusal(await renewIn(world, { ttlSeconds: 601 }, more)).code).toBe('quota_exceeded')
    expect(reserved(await renewIn(world, { ttlSeconds: 599 }, more))).toHaveLength(1)
  })
})

describe('under a living owner', () => {
  it('it goes on, overdue, is looked at ever more seldom, and ends when the owner has gone', async () => {
    const { world } = await leased(60)
    byHand(world, { verb: 'create', object: POD })
    await passHours(world, 6)
    expect(await world.ledger().find(NAME)).toMatchObject({ state: 'bound', overdue: true })
    const looks = () =>
      world.sent.filter((request) => request.verb === 'get' && request.ref.kind === 'Pod').length
    const before = looks()
    await passHours(world, 4)
    expect(looks() - before).toBeGreaterThanOrEqual(3)
    expect(looks() - before).toBeLessThanOrEqual(5)
    const page = await world.ledger().page({ overdue: true }, ['', ''], 10)
    expect(page.leases.map(({ name }) => name)).toEqual([NAME])
    endPod(world)
    await passHours(world, 2)
    expect(await stateOf(world)).toBe('free')
    await expectAgreement(world)
  })

  it('news that the owner went ends it at once', async () => {
    const { world } = await leased(60)
    byHand(world, { verb: 'create', object: POD })
    await passHours(world, 6)
    endPod(world)
    await world.ledger().nudge({ namespace: 'default', podName: 'pod-a' })
    await world.pass(10_000)
    expect(await stateOf(world)).toBe('free')
  })

  it('an owner that comes in the middle keeps it', async () => {
    const { world } = await leased(60)
    world.intercept = (requests, pass) => {
      if (requests.some(({ verb }) => verb === 'get')) byHand(world, { verb: 'create', object: POD })
      world.intercept = (later, through) => through(later)
      return pass(requests)
    }
    await passHours(world, 1)
    expect(await world.ledger().find(NAME)).toMatchObject({ state: 'bound', overdue: true })
    expect(ipObjects(world)).toHaveLength(1)
  })
})

describe('a renewal', () => {
  it('counts from now, and is written to the object', async () => {
    const { world } = await leased(3_600)
    await world.pass(1_800_000)
    const [renewed] = reserved(await renewIn(world, { ttlSeconds: 7_200 }))
    expect(Date.parse(renewed!.expiresAt!) - world.clock.nowMs()).toBe(2 * HOUR_MS)
    await world.pass(5_000)
    expect(annotation(world)).toBe(renewed?.expiresAt)
    await passHours(world, 1)
    expect(await stateOf(world)).toBe('bound')
    const [again] = reserved(await renewIn(world, 'again'))
    expect(Date.parse(again!.expiresAt!) - world.clock.nowMs()).toBe(2 * HOUR_MS)
    await passHours(world, 3)
    expect(await stateOf(world)).toBe('free')
    expect(auditOf(world).map(({ verb, actor }) => [verb, actor])).toEqual([
      ['reserve', 'anonymous'],
      ['renew', 'key/a'],
      ['renew', 'key/a'],
      ['release', 'berth'],
      ['end', 'berth'],
    ])
    await expectAgreement(world)
  })

  it('takes the end away, and gives one to what had none', async () => {
    const { world } = await leased(3_600)
    expect(reserved(await renewIn(world, 'always'))[0]?.expiresAt).toBeUndefined()
    await world.pass(5_000)
    expect(annotation(world)).toBeUndefined()
    expect(refusal(await renewIn(world, 'again')).field).toBe('ttlSeconds')
    await passHours(world, 2)
    expect(await stateOf(world)).toBe('bound')
    reserved(await renewIn(world, { ttlSeconds: 60 }))
    await world.pass(100_000)
    expect(await stateOf(world)).toBe('free')
    await expectAgreement(world)
  })

  it('keeps one whose owner lived too long from being overdue', async () => {
    const { world } = await leased(60)
    byHand(world, { verb: 'create', object: POD })
    await world.pass(120_000)
    expect((await world.ledger().find(NAME))?.overdue).toBe(true)
    expect(reserved(await renewIn(world, { ttlSeconds: 3_600 }))[0]?.overdue).toBeUndefined()
  })

  it('in the middle of the look at its owner keeps it', async () => {
    const { world } = await leased(60)
    const { intercept } = world
    world.intercept = async (requests, pass) => {
      world.intercept = intercept
      const replies = await pass(requests)
      reserved(await renewIn(world, { ttlSeconds: 3_600 }))
      return replies
    }
    await world.pass(120_000)
    expect(await world.ledger().find(NAME)).toMatchObject({ state: 'bound' })
    expect((await world.ledger().find(NAME))?.overdue).toBeUndefined()
    await expectAgreement(world)
  })

  it('changes nothing as a dry run, and is answered the same under its key', async () => {
    const { world, made } = await leased(3_600)
    reserved(await renewIn(world, { ttlSeconds: 60 }, { dryRun: true }))
    expect((await world.ledger().find(NAME))?.expiresAt).toBe(Date.parse(made.expiresAt!))
    const key = { idempotencyKey: 'k' }
    const first = reserved(await renewIn(world, { ttlSeconds: 60 }, key))
    await world.pass(1_000)
    expect(reserved(await renewIn(world, { ttlSeconds: 60 }, key))).toEqual(first)
    expect(refusal(await renewIn(world, 'always', key)).code).toBe('idempotency_mismatch')
  })

  it('comes too late for what is being released, and finds nothing where nothing is', async () => {
    const { world } = await leased(3_600)
    world.intercept = (requests, pass) =>
      requests.some(({ verb }) => verb === 'delete') ? new Promise(() => {}) : pass(requests)
    await answered(world, release(world.ports, world.releaseCommand('x', { targets: [TARGET] })))
    const late = await answered(world, renewIn(world, { ttlSeconds: 60 }))
    expect(refusal(late).code).toBe('releasing')
    const nobody = { targets: [{ name: 'nobody.default', subnet: 'ovn-default' }] }
    expect(refusal(await renewIn(world, { ttlSeconds: 60 }, nobody)).code).toBe('not_found')
  })

  it('of several is of all or none', async () => {
    const { world, made } = await leased(3_600)
    reserved(await wishIn(world, { podName: 'b' }))
    const targets = [TARGET, { name: 'b.default', subnet: 'ovn-default' }]
    const problem = refusal(await renewIn(world, 'again', { targets }))
    expect(problem.findings).toMatchObject([{ field: 'ttlSeconds', item: 1 }])
    expect((await world.ledger().find(NAME))?.expiresAt).toBe(Date.parse(made.expiresAt!))
    expect(reserved(await renewIn(world, { ttlSeconds: 60 }, { targets }))).toHaveLength(2)
  })
})

describe('a clock that is set (fault 51)', () => {
  it.each([
    ['back by an hour', -HOUR_MS],
    ['on by an hour', HOUR_MS],
    ['on by ten years', 87_600 * HOUR_MS],
    ['back by ten years', -87_600 * HOUR_MS],
  ])('%s neither ends it early nor keeps it for ever', async (_, ms) => {
    const { world } = await leased(2 * 3_600)
    await passHours(world, 1)
    world.clock.jump(ms)
    await world.pass(1_000)
    expect(await stateOf(world)).toBe('bound')
    await world.pass(1_800_000)
    expect(await stateOf(world)).toBe('bound')
    await passHours(world, 2)
    expect(await stateOf(world)).toBe('free')
  })
})

describe('before its end', () => {
  it('whoever listens is told once, and again of the next one', async () => {
    const world = await mirrored({ feed: true })
    reserved(await wishIn(world, { ttlSeconds: 10 * 3_600 }))
    world.tells = true
    const told: FeedEntry[] = []
    const hours = async (count: number) => {
      for (let n = 0; n < count * 6; n++) {
        const happened = world.ledger().happened(100)
        told.push(...happened.filter(({ type }) => type === 'expiring'))
        world.ledger().handedOn(happened.at(-1)?.seq ?? 0)
        await world.pass(600_000)
      }
    }
    await hours(8)
    expect(told).toEqual([])
    await hours(1.5)
    expect(told.map(({ subject }) => subject)).toEqual([NAME])
    expect(JSON.parse(told[0]!.data)).toMatchObject({ expiresAt: expect.stringMatching(/Z$/) })
    expect(JSON.stringify(world.sent).match(/ReservationExpiring/g)).toHaveLength(1)
    reserved(await renewIn(world, 'again'))
    await hours(9.5)
    expect(told).toHaveLength(2)
  })
})

describe('kubectl', () => {
  const asks = (annotations: Record<string, string>) => ip({ metadata: { annotations } })

  it('asks for an end by berth/ttl, and reads it in berth/expires', async () => {
    const world = await mirrored()
    const item = { ...creating(ip()).item!, ttlSeconds: 3_600 }
    const verdict = await mutateIp(world.ports, creating(asks({ 'berth/ttl': '1h' }), { item }))
    expect(JSON.stringify(patchOf(verdict))).toContain('berth~1expires')
    expect((await world.ledger().find('web-1.default'))?.expiresAt).toBeDefined()
  })

  it('asks also while nobody listened', async () => {
    const world = await mirrored()
    make(world, asks({ 'berth/ttl': '15m' }))
    await world.mirror.list('ovn-default')
    await world.pass(5_000)
    const row = await world.ledger().find('web-1.default')
    expect(row!.expiresAt! - row!.createdAt).toBe(900_000)
    expect(ipObjects(world)[0]?.metadata.annotations?.['berth/expires']).toBe(
      new Date(row!.expiresAt!).toISOString(),
    )
  })

  it('is told by no annotation where there is no end', async () => {
    const world = await mirrored()
    const stored = await kubectlCreate(world, ip())
    expect(stored.metadata.annotations).not.toHaveProperty('berth/expires')
  })
})

describe('wherever the process dies', () => {
  it('it ends once, and nothing is left half way', async () => {
    for (let n = 0; n < 60; n++) {
      const { world } = await leased(60, { quarantineMs: 30_000 })
      let points = 0
      world.point = () => {
        if (points++ === n) throw new Killed()
      }
      let died = false
      try {
        await world.pass(120_000)
      } catch (error) {
        if (!(error instanceof Killed)) throw error
        died = true
      }
      world.point = () => {}
      if (!died) return
      world.restart()
      await world.pass(600_000)
      expect(await stateOf(world)).toBe('free')
      await expectAgreement(world)
      expect(auditOf(world).map(({ verb }) => verb)).toEqual(['reserve', 'release', 'end'])
    }
    throw new Error('it never got through')
  })
})
