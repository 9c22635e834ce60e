import { describe, expect, it } from 'vitest'
import { mutateIp, validateIp } from '../../shared/command/admission/ip.ts'
import { adopt } from '../../shared/command/adopt.ts'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import { AUDIT_TABLE, AuditTable } from '../../shared/ledger/audit.ts'
import { ChainVerifier, digest, genesisOf } from '../../shared/ledger/audit-chain.ts'
import type { LeaseRow } from '../../shared/ledger/lease.ts'
import { creating, ip, kubectlCreate } from '../support/admission.ts'
import { auditLines, auditOf, expectAgreement } from '../support/agreement.ts'
import { answered, dyingAt, put, warm } from '../support/drive.ts'
import { byHand, make, mirrored, podsObject } from '../support/foreign.ts'
import { nodeSql } from '../support/node-sqlite.ts'
import { reserved, World } from '../support/world.ts'

const TARGET = { name: 'pod-a.default', subnet: 'ovn-default' }
const wish = { podName: 'pod-a', v4IpAddress: '10.16.0.9' }
const told = (world: World) =>
  auditOf(world).map(({ verb, actor, door, name, before, after }) => [
    verb,
    actor,
    door,
    name,
    (before as { state: string } | null)?.state ?? '',
    (after as { state: string } | null)?.state ?? '',
  ])

describe('the audit says who, what, why, by which door, before and after', () => {
  it('of a reservation and its end', async () => {
    const world = new World({ quarantineMs: 60_000 })
    const by = { tenant: 'key/team-a' }
    reserved(await reserve(world.ports, world.reserveCommand([{ ...wish, reason: 'ticket 7' }], by)))
    await answered(
      world,
      release(
        world.ports,
        world.releaseCommand('x', { targets: [TARGET], tenant: 'git/infra', reason: 'gone' }),
      ),
    )
    await world.pass(200_000)
    expect(told(world)).toEqual([
      ['reserve', 'key/team-a', 'http', 'pod-a.default', 'held', 'bound'],
      ['release', 'git/infra', 'git', 'pod-a.default', 'bound', 'releasing'],
      ['end', 'git/infra', 'git', 'pod-a.default', 'releasing', 'quarantined'],
    ])
    const [made, asked] = auditOf(world)
    expect(made).toMatchObject({
      space: 'default/ovn-default',
      seq: 1,
      reason: 'ticket 7',
      time: expect.stringMatching(/Z$/),
      operation: expect.stringMatching(/^op_/),
      after: {
        v4IpAddress: '10.16.0.9',
        namespace: 'default',
        podName: 'pod-a',
        macAddress: expect.any(String),
      },
      previous: genesisOf('default/ovn-default'),
    })
    expect(asked).toMatchObject({ reason: 'gone', previous: made?.hash })
    await expectAgreement(world)
  })

  it('of kubectl, by the name the API server knows', async () => {
    const world = await mirrored()
    const stored = await kubectlCreate(world, ip())
    await world.mirror.list('ovn-default')
    const review = { ...creating(stored, { user: 'bob' }), operation: 'DELETE' as const, oldObject: stored }
    expect((await validateIp(world.ports, review)).kind).toBe('allowed')
    byHand(world, {
      verb: 'delete',
      ref: { kind: 'IP', name: stored.metadata.name },
      uid: stored.metadata.uid!,
    })
    await world.mirror.list('ovn-default')
    await world.pass(10_000)
    expect(told(world)).toEqual([
      ['reserve', 'kubernetes/alice', 'admission', 'web-1.default', 'held', 'bound'],
      ['release', 'kubernetes/bob', 'admission', 'web-1.default', 'bound', 'releasing'],
      ['end', 'kubernetes/bob', 'admission', 'web-1.default', 'releasing', ''],
    ])
  })

  it('of what Berth does by itself, for what it sees', async () => {
    const world = await mirrored()
    make(world, ip({ spec: { podName: 'wish' } }))
    await world.mirror.list('ovn-default')
    await world.pass(5_000)
    const object = world.store.send([{ verb: 'get', ref: { kind: 'IP', name: 'wish.default' } }])[0]
    if (!object?.ok) throw new Error('no object')
    const { uid, resourceVersion } = object.value.metadata
    byHand(world, {
      verb: 'patch',
      ref: { kind: 'IP', name: 'wish.default' },
      patch: { metadata: { finalizers: null } },
      resourceVersion: resourceVersion!,
    })
    byHand(world, { verb: 'delete', ref: { kind: 'IP', name: 'wish.default' }, uid: uid! })
    await world.mirror.list('ovn-default')
    await world.pass(5_000)
    expect(told(world)).toEqual([
      ['reserve', 'berth', 'cluster', 'wish.default', 'held', 'bound'],
      ['remake', 'berth', 'cluster', 'wish.default', 'bound', 'bound'],
    ])
    expect(auditOf(world)[1]).toMatchObject({
      before: { uid },
      after: { uid: expect.not.stringMatching(uid!) },
    })
  })

  it('of an adoption', async () => {
    const world = await mirrored()
    make(world, podsObject('theirs', { v4IpAddress: '10.16.0.9' }))
    await world.mirror.list('ovn-default')
    const target = { name: 'theirs.default', subnet: 'ovn-default' }
    const command = { tenant: 'admin', requestId: 'r', dryRun: false, bodyHash: '', target }
    await answered(world, adopt(world.ports, command))
    expect(told(world)).toEqual([['adopt', 'admin', 'http', 'theirs.default', 'foreign', 'bound']])
  })

  it('of a Subnet that shrinks and grows, which nobody asked of the reservation', async () => {
    const world = new World()
    await put(world, { cidrBlock: '10.40.0.0/24', gateway: '10.40.0.1' })
    reserved(
      await reserve(world.ports, world.reserveCommand([{ subnet: 'lab', v4IpAddress: '10.40.0.200' }])),
    )
    await put(world, { cidrBlock: '10.40.0.0/25', gateway: '10.40.0.1' })
    await put(world, { cidrBlock: '10.40.0.0/24', gateway: '10.40.0.1' })
    expect(auditOf(world, 'lab').map(({ verb, actor, door }) => [verb, actor, door])).toEqual([
      ['reserve', 'anonymous', 'http'],
      ['strand', 'berth', 'cluster'],
      ['return', 'berth', 'cluster'],
    ])
  })
})

describe('the audit leaves out', () => {
  it('what was refused, tried or held only', async () => {
    const world = await warm()
    const before = auditLines(world)
    await reserve(world.ports, world.reserveCommand([{ podName: 'x', v4IpAddress: '10.16.0.300' }]))
    await reserve(world.ports, world.reserveCommand([wish], { dryRun: true }))
    await release(
      world.ports,
      world.releaseCommand('x', { targets: [{ ...TARGET, name: 'nobody.default' }] }),
    )
    await mutateIp(world.ports, creating(ip()))
    expect(auditLines(world)).toEqual(before)
    await world.pass(400_000)
    expect(auditLines(world)).toEqual(before)
  })

  it('a reserve that turned back after it had asked its cluster', async () => {
    const world = await mirrored()
    world.intercept = (requests, pass) =>
      requests.some(({ verb }) => verb === 'create') ? new Promise(() => {}) : pass(requests)
    const outcome = await answered(world, reserve(world.ports, world.reserveCommand([wish])))
    expect(outcome.kind).toBe('pending')
    make(world, podsObject('theirs', { v4IpAddress: '10.16.0.9' }))
    await world.mirror.list('ovn-default')
    expect((await world.ledger().find('pod-a.default'))?.state).toBe('releasing')
    await world.pass(400_000)
    expect(await world.ledger().find('pod-a.default')).toBeUndefined()
    expect(auditLines(world)).toEqual([])
  })

  it('what storage did not keep: the next line follows the last one that is there', () => {
    const sql = nodeSql()
    sql.run(AUDIT_TABLE)
    const table = new AuditTable(sql)
    const names = { id: 'res_1', nic: 'a.b', namespace: 'b', podName: 'a', podType: '', mac: '' }
    const row = { ...names, state: 'held', v4: 1, v6: null, op: 'op', epoch: 1 } as LeaseRow
    const write = (breaks: boolean) =>
      sql.transaction(() => {
        table.changed(row, { ...row, state: 'bound' }, () => undefined)
        table.write(() => ({
          space: 'default/a',
          wallMs: 0,
          slowMs: 0,
          op: () => undefined,
          lifetime: () => undefined,
        }))
        if (breaks) throw new Error('the disk is full')
      })
    write(false)
    expect(() => write(true)).toThrow()
    table.rolledBack()
    write(false)
    const seqs = table.page({}, 0, 10).lines.map(({ line }) => JSON.parse(line).seq)
    expect(seqs).toEqual([1, 2])
  })

  it('a transaction that was taken back, and goes on from the line before it', async () => {
    for (let n = 0; n < 8; n++) {
      const world = await warm()
      const command = world.reserveCommand([wish], { idempotencyKey: 'k' })
      await dyingAt(world, n, () => reserve(world.ports, command))
      await world.pass(400_000)
      reserved(await reserve(world.ports, world.reserveCommand([{ podName: 'after' }])))
      await expectAgreement(world)
      const made = auditOf(world).filter(({ name }) => name === 'pod-a.default')
      expect(made.length).toBe((await world.ledger().find('pod-a.default')) ? 1 : 0)
    }
  })
})

describe('the chain', () => {
  const lines = async () => {
    const world = new World()
    for (let n = 0; n < 5; n++)
      reserved(await reserve(world.ports, world.reserveCommand([{ podName: `p-${n}` }])))
    return auditLines(world)
  }
  const faultIn = (all: readonly string[]) => {
    const verifier = new ChainVerifier()
    for (const [index, line] of all.entries()) verifier.take(line, index + 1)
    const { spaces, stray } = verifier.report()
    return stray ?? spaces.map(({ fault }) => fault ?? '').join()
  }

  it('is whole as it was written', async () => {
    const all = await lines()
    expect(faultIn(all)).toBe('')
    const verifier = new ChainVerifier()
    for (const [index, line] of all.entries()) verifier.take(line, index + 1)
    expect(verifier.report().spaces[0]).toMatchObject({ first: 1, last: 5, isWhole: true })
  })

  it.each<[string, (all: string[]) => string[], string]>([
    ['a changed word', (all) => all.with(2, all[2]!.replace('p-2', 'p-9')), 'line 3: 3 was changed'],
    ['a line taken out', (all) => all.toSpliced(2, 1), 'line 3: 3 is missing'],
    ['lines that changed places', (all) => all.with(1, all[2]!).with(2, all[1]!), 'line 2: 2 is missing'],
    ['the first taken out of the middle of a file', (all) => all.toSpliced(1, 1), 'line 2: 2 is missing'],
    ['another first line', (all) => all.with(0, reseal(all[0]!, genesisOf('x'))), 'line 1: the first'],
    [
      'a line written anew',
      (all) => all.with(2, reseal(all[2]!.replace('p-2', 'p-9'))),
      'line 4: 4 does not follow',
    ],
    ['something else', (all) => all.with(2, '{"seq":3}'), 'line 3 is no audit line'],
  ])('shows %s', async (_, change, fault) => {
    expect(faultIn(change(await lines()))).toContain(fault)
  })

  /** As somebody would who may write to the storage. */
  function reseal(line: string, previous?: string): string {
    const { hash: _, ...rest } = JSON.parse(line)
    const body = JSON.stringify(previous === undefined ? rest : { ...rest, previous })
    return `${body.slice(0, -1)},"hash":"${digest(body)}"}`
  }

  it('is SHA-256 of the line without its hash', () => {
    // FIPS 180-4, "abc".
    expect(digest('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  })

  it('goes on from what was dropped when its time was over, however the clock was set', async () => {
    const world = new World({ auditMs: 86_400_000 })
    reserved(await reserve(world.ports, world.reserveCommand([{ podName: 'old' }])))
    reserved(await reserve(world.ports, world.reserveCommand([{ podName: 'older' }])))
    world.clock.jump(10 * 365 * 86_400_000)
    await world.pass(60_000)
    expect(auditLines(world)).toHaveLength(2)
    await world.pass(3 * 86_400_000)
    reserved(await reserve(world.ports, world.reserveCommand([{ podName: 'new' }])))
    await world.pass(1_000)
    const left = auditOf(world)
    expect(left.map(({ name, seq }) => [name, seq])).toEqual([
      ['older.default', 2],
      ['new.default', 3],
    ])
    expect(faultIn(auditLines(world))).toBe('')
  })

  it('pages by filters and misses nothing', async () => {
    const world = new World()
    for (let n = 0; n < 7; n++)
      reserved(
        await reserve(
          world.ports,
          world.reserveCommand([{ podName: `p-${n}`, namespace: n % 2 ? 'odd' : 'even' }]),
        ),
      )
    const table = new AuditTable(world.sql())
    const names: string[] = []
    for (let after: number | undefined = 0; after !== undefined; ) {
      const page = table.page({ namespace: 'odd', verb: 'reserve' }, after, 1)
      names.push(...page.lines.map(({ name }) => name))
      after = page.after
    }
    expect(names).toEqual(['p-1.odd', 'p-3.odd', 'p-5.odd'])
    expect(table.page({ actor: 'nobody' }, 0, 10).lines).toEqual([])
    const [, second] = auditOf(world)
    const at = Date.parse(second?.time as string)
    expect(table.page({ sinceMs: at, untilMs: at + 1, name: 'p-1.odd' }, 0, 10).lines).toHaveLength(1)
    expect(table.page({ untilMs: at - 1_000_000 }, 0, 10).lines).toEqual([])
  })
})
