import { describe, expect, it } from 'vitest'
import { mutateIp } from '../../shared/command/admission/ip.ts'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import type { ReserveItem } from '../../shared/command/types.ts'
import type { LedgerSettings } from '../../shared/ledger/settings.ts'
import type { SharedSpacePort, Taken } from '../../shared/spaces/port.ts'
import { SharedTable } from '../../shared/spaces/table.ts'
import type { Sql } from '../../shared/sql.ts'
import { creating, ip, kubectlCreate, problemIn } from '../support/admission.ts'
import { expectAgreement } from '../support/agreement.ts'
import { answered, insisted, put } from '../support/drive.ts'
import { make, podsObject } from '../support/foreign.ts'
import { nodeSql } from '../support/node-sqlite.ts'
import { Killed, refusal, reserved, World } from '../support/world.ts'

const QUIET_MS = 400_000
const ADDRESS = '10.16.0.9'
const TARGET = { name: 'pod-a.default', subnet: 'ovn-default' }

/** Two clusters whose ovn-default is one network. */
async function twoClusters(settings: Partial<LedgerSettings> = {}) {
  const sql = nodeSql()
  const west = new World({ sharedSpace: 'vlan', ...settings })
  const east = new World({ sharedSpace: 'vlan', ...settings })
  const table = new SharedTable(sql, west.clock)
  west.space = memberOf(table, 'west/ovn-default')
  east.space = memberOf(table, 'east/ovn-default')
  for (const world of [west, east]) {
    await put(world, { cidrBlock: '10.16.0.0/24', gateway: '10.16.0.1' }, 'ovn-default')
    if (settings.mirrored) await world.mirror.list('ovn-default')
  }
  return { west, east, table, sql }
}

function memberOf(table: SharedTable, member: string): SharedSpacePort {
  return {
    take: async (holdings) => table.take(member, holdings),
    look: async (holdings) => table.look(member, holdings),
    settle: async (rows) => table.settle(member, rows),
  }
}

const wishIn = (world: World, item: Partial<ReserveItem> = {}, key?: string) =>
  reserve(world.ports, world.reserveCommand([item], key === undefined ? {} : { idempotencyKey: key }))

/** What the space keeps for a member, as `what value`. */
const kept = (sql: Sql, member: string) =>
  sql
    .all<{ what: string; value: string }>(
      `SELECT what, value FROM held WHERE member = ? ORDER BY value`,
      member,
    )
    .map(({ what, value }) => `${what} ${value}`)

/** The space has for each member what its rows have, of nobody's rows nothing. */
function expectSettled({ west, east, sql }: Awaited<ReturnType<typeof twoClusters>>): void {
  for (const [name, world] of [
    ['west', west],
    ['east', east],
  ] as const) {
    const rows = world
      .sql()
      .all<{ v4: number | null; mac: string }>(`SELECT v4, mac FROM lease WHERE nic NOT LIKE 'away/%'`)
    const things = rows.flatMap(({ v4, mac }) => [
      ...(v4 === null ? [] : [`address 10.16.0.${v4 & 255}`]),
      ...(mac === '' ? [] : [`mac ${mac}`]),
    ])
    expect(kept(sql, `${name}/ovn-default`), name).toEqual(
      things.sort((a, b) => (a.split(' ')[1]! < b.split(' ')[1]! ? -1 : 1)),
    )
  }
}

const RESERVE_POINTS = [
  'before hold is flushed',
  'before the reply of hold',
  'before take is sent',
  'after take took effect',
  'before report is flushed',
  'before the reply of report',
  'before create is sent',
  'after create took effect',
  'before report is flushed',
  'before the reply of report',
] as const

const isSettling = (name: string) => name.includes('settle')

/** Dies at the nth of the points that count, while the alarm goes on beside. @returns its name, undefined if there is none */
async function dyingAmong(
  world: World,
  n: number,
  counts: (name: string) => boolean,
  work: () => Promise<unknown>,
): Promise<string | undefined> {
  let points = 0
  let died: string | undefined
  world.point = (name) => {
    if (died === undefined && !(counts(name) && points++ === n)) return
    died ??= name
    throw new Killed()
  }
  await answered(world, work()).catch((error: unknown) => {
    if (!(error instanceof Killed)) throw error
  })
  world.point = () => {}
  if (died !== undefined) world.restart()
  return died
}

const notSettling = (name: string) => !isSettling(name)

describe('a reserve in a shared space dies', () => {
  it.each(RESERVE_POINTS.map((name, n) => [n, name] as const))(
    'at point %i, %s: once, or nothing of it is left',
    async (n, name) => {
      for (const retried of [false, true]) {
        const both = await twoClusters()
        const { west, east } = both
        const wish = () => wishIn(west, { v4IpAddress: ADDRESS }, 'k')
        expect(await dyingAmong(west, n, notSettling, wish)).toBe(name)
        if (retried) reserved(await insisted(west, wish))
        await west.pass(QUIET_MS)
        await expectAgreement(west)
        const there = await west.ledger().find('pod-a.default')
        expect(there?.state).toBe(n === 0 && !retried ? undefined : 'bound')
        const other = await answered(east, wishIn(east, { v4IpAddress: ADDRESS }))
        expect(other.kind).toBe(there ? 'refused' : 'done')
        await east.pass(QUIET_MS)
        await expectAgreement(east)
        expectSettled(both)
      }
    },
  )

  it('has no other points', async () => {
    const { west } = await twoClusters()
    const wish = () => wishIn(west, { v4IpAddress: ADDRESS }, 'k')
    expect(await dyingAmong(west, RESERVE_POINTS.length, notSettling, wish)).toBeUndefined()
  })
})

it('the space is told in the end, wherever the alarm that tells it dies', async () => {
  for (let n = 0; n < 30; n++) {
    const both = await twoClusters()
    const { west } = both
    const died = await dyingAmong(west, n, isSettling, async () => {
      await wishIn(west, { v4IpAddress: ADDRESS }, 'k')
      await west.pass(5_000)
      await release(west.ports, west.releaseCommand('x', { targets: [TARGET] }))
      await west.pass(5_000)
    })
    if (died === undefined) {
      expect(n).toBeGreaterThan(2)
      return
    }
    await west.pass(QUIET_MS)
    await answered(west, release(west.ports, west.releaseCommand('x', { targets: [TARGET] })))
    await west.pass(QUIET_MS)
    expectSettled(both)
    expect(kept(both.sql, 'west/ovn-default')).toEqual([])
  }
  throw new Error('it never got through')
})

it('notes what it takes before it is taken', async () => {
  const { west } = await twoClusters()
  const taken: unknown[] = []
  const { space } = west
  west.space = {
    ...space!,
    take: async (holdings) => {
      taken.push(west.sql().all(`SELECT calls, outcomes FROM attempt`))
      return space!.take(holdings)
    },
  }
  reserved(await wishIn(west))
  expect(taken).toEqual([[{ calls: expect.stringContaining('vacancy'), outcomes: null }]])
})

describe('an address is kept from the others', () => {
  it('through its cool-down, and is theirs after it', async () => {
    const both = await twoClusters({ quarantineMs: 60_000 })
    const { west, east } = both
    reserved(await wishIn(west, { v4IpAddress: ADDRESS }))
    await answered(west, release(west.ports, west.releaseCommand('x', { targets: [TARGET] })))
    await west.pass(1_000)
    expect(refusal(await wishIn(east, { v4IpAddress: ADDRESS })).code).toBe('address_taken')
    await west.pass(120_000)
    expect(reserved(await wishIn(east, { v4IpAddress: ADDRESS }))[0]?.v4IpAddress).toBe(ADDRESS)
    await east.pass(1_000)
    expectSettled(both)
  })

  it('when a reserve that took it is refused by its cluster, only until that is told', async () => {
    const both = await twoClusters()
    const { west, east } = both
    west.intercept = async (requests, pass) =>
      requests.some(({ verb }) => verb === 'create')
        ? requests.map(() => ({
            ok: false as const,
            error: { reason: 'Invalid' as const, outcome: 'refused' as const, message: 'no' },
          }))
        : pass(requests)
    expect(refusal(await answered(west, wishIn(west, { v4IpAddress: ADDRESS }))).code).toBe('invalid_field')
    await west.pass(QUIET_MS)
    expect(reserved(await wishIn(east, { v4IpAddress: ADDRESS }))[0]?.v4IpAddress).toBe(ADDRESS)
    await east.pass(1_000)
    expectSettled(both)
  })

  it('also when its Subnet has joined with rows of before', async () => {
    const sql = nodeSql()
    const west = new World({})
    reserved(await wishIn(west, { v4IpAddress: ADDRESS }))
    const table = new SharedTable(sql, west.clock)
    Object.assign(west.settings, { sharedSpace: 'vlan' })
    west.space = memberOf(table, 'west/ovn-default')
    west.restart()
    await west.pass(10_000)
    expect(kept(sql, 'west/ovn-default')).toContain(`address ${ADDRESS}`)
    const [answer] = table.look('east/ovn-default', [{ id: 'x', name: 'x', addresses: [ADDRESS], mac: '' }])
    expect(answer?.result).toBe('held')
  })
})

describe('a request that comes late', () => {
  it('takes nothing for a row that is over', async () => {
    const { table, sql } = await twoClusters()
    const holding = { id: 'res_1', name: 'late.default', addresses: [ADDRESS], mac: '' }
    table.settle('west/ovn-default', [{ id: 'res_1' }])
    expect(table.take('west/ovn-default', [holding])[0]?.result).toBe('held')
    expect(kept(sql, 'west/ovn-default')).toEqual([])
  })

  it('is driven on by the alarm until the space answers', async () => {
    const both = await twoClusters()
    const { west } = both
    const { space } = west
    let away = true
    west.space = {
      ...space!,
      take: async (holdings): Promise<readonly Taken[]> => {
        if (away) throw new Error('no answer')
        return space!.take(holdings)
      },
    }
    const outcome = await answered(west, wishIn(west, {}, 'k'))
    expect(outcome.kind).toBe('pending')
    expect(west.sent.filter(({ verb }) => verb === 'create')).toEqual([])
    away = false
    await west.pass(20_000)
    expect(reserved(await wishIn(west, {}, 'k'))[0]?.state).toBe('bound')
    expectSettled(both)
  })

  it('is refused at its deadline where the space does not answer, and leaves nothing', async () => {
    const both = await twoClusters()
    const { west } = both
    const { space } = west
    west.space = { ...space!, take: async () => Promise.reject(new Error('no answer')) }
    const outcome = await answered(west, wishIn(west))
    if (outcome.kind !== 'pending') throw new Error(`it ended ${outcome.kind}`)
    await west.pass(QUIET_MS)
    const { state, problem } = (await west.ledger().operation(outcome.operation)) ?? {}
    expect([state, problem?.code]).toEqual(['failed', 'unavailable'])
    expect(await west.ledger().find('pod-a.default')).toBeUndefined()
    expect(west.sent.filter(({ verb }) => verb === 'create')).toEqual([])
  })
})

describe('what somebody else has in one cluster', () => {
  it('is passed over by automatic choices of the other', async () => {
    const both = await twoClusters({ mirrored: true })
    const { west, east } = both
    make(west, podsObject('theirs', { v4IpAddress: '10.16.0.2' }))
    await west.mirror.list('ovn-default')
    await west.pass(1_000)
    expect(reserved(await wishIn(east))[0]?.v4IpAddress).toBe('10.16.0.3')
  })

  it('and a promise of the other has already: both stay, and both say so', async () => {
    const both = await twoClusters({ mirrored: true, feed: true })
    const { west, east } = both
    reserved(await wishIn(east, { v4IpAddress: ADDRESS }))
    make(west, podsObject('theirs', { v4IpAddress: ADDRESS }))
    await west.mirror.list('ovn-default')
    await west.pass(1_000)
    const theirs = await west.ledger().find('theirs.default')
    expect(theirs).toMatchObject({ state: 'foreign', contested: true })
    expect(theirs?.notes?.join()).toContain(`pod-a.default of cluster east has ${ADDRESS} too`)
    const ours = await east.ledger().find('pod-a.default')
    expect(ours).toMatchObject({ state: 'bound', v4: ADDRESS })
    // Once it is given back the other is not contested any more.
    await answered(east, release(east.ports, east.releaseCommand('x', { targets: [TARGET] })))
    await east.pass(QUIET_MS)
    await west.pass(120_000)
    expect(await west.ledger().find('theirs.default')).toMatchObject({ state: 'foreign', contested: false })
  })
})

describe('an object written with kubectl', () => {
  it('is completed with an address that no other cluster has', async () => {
    const both = await twoClusters()
    const { west, east } = both
    reserved(await wishIn(west))
    const stored = await kubectlCreate(east, ip())
    expect(stored.spec).toMatchObject({ v4IpAddress: '10.16.0.3', ipAddress: '10.16.0.3' })
    await east.pass(QUIET_MS)
    expect(await east.ledger().find('web-1.default')).toMatchObject({ state: 'bound', v4: '10.16.0.3' })
    await west.pass(1_000)
    expectSettled(both)
  })

  it('is refused where it asks for what another cluster has, and holds nothing', async () => {
    const both = await twoClusters()
    const { west, east } = both
    reserved(await wishIn(west, { v4IpAddress: ADDRESS }))
    const asks = ip({ spec: { v4IpAddress: ADDRESS } })
    for (const dryRun of [true, false]) {
      const problem = problemIn(await mutateIp(east.ports, creating(asks, { dryRun })))
      expect([problem.code, problem.field]).toEqual(['address_taken', 'v4IpAddress'])
    }
    expect(await east.ledger().find('web-1.default')).toBeUndefined()
  })

  it('that never came gives its address back to all', async () => {
    const both = await twoClusters()
    const { west, east } = both
    await mutateIp(east.ports, creating(ip({ spec: { v4IpAddress: ADDRESS } })))
    expect(refusal(await wishIn(west, { v4IpAddress: ADDRESS })).code).toBe('address_taken')
    await east.pass(QUIET_MS)
    expect(reserved(await wishIn(west, { v4IpAddress: ADDRESS }))[0]?.v4IpAddress).toBe(ADDRESS)
    await west.pass(1_000)
    expectSettled(both)
  })

  it('while nobody listened is a wish that passes over what others have', async () => {
    const both = await twoClusters({ mirrored: true })
    const { west, east } = both
    reserved(await wishIn(west))
    make(east, ip({ spec: { podName: 'wish' } }))
    await east.mirror.list('ovn-default')
    await east.pass(5_000)
    expect(await east.ledger().find('wish.default')).toMatchObject({ state: 'bound', v4: '10.16.0.3' })
  })
})
